// Layer norm (Ba et al. 2016) and RMS norm (Zhang and Sennrich 2019), per row.
import AugurCompute
public import AugurTensors
import CKernels

private let module = KernelModule(name: "norm") { String(cString: ck_opencl_norm()) }

/// y = gain * (x - mean) / sqrt(variance + epsilon) + bias, biased variance over the row.
///
/// - Parameters:
///   - x: `[T, D]`.
///   - gain, bias: `[D]`; without both, 1 and 0.
public func layerNorm(_ x: Tensor, gain: Tensor? = nil, bias: Tensor? = nil, epsilon: Float) -> Tensor {
  let (T, D) = (x.shape.rows, x.shape.columns)
  precondition(
    gain?.count ?? D == D && bias?.count ?? D == D && (gain == nil) == (bias == nil),
    "layerNorm: expected gain and bias [\(D)] or neither, got \(gain?.shape ?? []), \(bias?.shape ?? [])")
  let (y, tape) = makeOutput(x.shape, of: x, gain, bias, device: x.device)
  let (mean, rstd) = (rowValues(x, tape), rowValues(x, tape))
  switch x.device {
  case .cpu:
    parallel(T, grain: rowGrain) {
      ck_layer_norm_forward(
        y.pointer, mean?.pointer, rstd?.pointer, x.pointer, gain?.pointer, bias?.pointer, $0, $1, D, epsilon)
    }
  case .gpu(let queue):
    queue.launch(
      module, "layer_norm_forward", queue.tuning.rowGrid(T), y.argument, mean.argument, rstd.argument, x.argument, gain.argument,
      bias.argument, .int(T), .int(D), .float(epsilon))
  }
  if let tape, let slot = y.slot, let mean, let rstd {
    tape.record(slot) { dy in
      let dx = Tensor(x.shape, device: x.device)
      let splits = RowSplits(T)
      let partials = Tensor([2, splits.count, D], device: x.device)
      switch x.device {
      case .cpu:
        parallel(splits.count) { split in
          let (begin, end) = splits.range(split)
          let dg = partials.pointer + split * D
          ck_layer_norm_backward(
            dx.pointer, dg, dg + splits.count * D, dy.pointer, x.pointer, gain?.pointer, mean.pointer, rstd.pointer, begin,
            end, D)
        }
        if let slot = gain?.slot {
          sumPartials(into: slot.parameterGradient().pointer, partials.pointer, splits: splits.count, count: D)
        }
        if let slot = bias?.slot {
          sumPartials(
            into: slot.parameterGradient().pointer, partials.pointer + splits.count * D, splits: splits.count, count: D)
        }
      case .gpu(let queue):
        queue.launch(
          module, "layer_norm_backward", queue.tuning.rowGrid(T), dx.argument, dy.argument, x.argument, gain.argument, mean.argument,
          rstd.argument, .int(T), .int(D))
        guard gain != nil else { break }
        let (dg, db) = (Tensor([splits.count, D], device: x.device), Tensor([splits.count, D], device: x.device))
        queue.launch(
          module, "layer_norm_backward_parameters", queue.tuning.columnGrid(D, chunks: splits.count), dg.argument, db.argument,
          dy.argument, x.argument, mean.argument, rstd.argument, .int(T), .int(D), .int(splits.chunk))
        if let slot = gain?.slot { sumPartials(queue, into: slot.parameterGradient(), dg, splits: splits.count) }
        if let slot = bias?.slot { sumPartials(queue, into: slot.parameterGradient(), db, splits: splits.count) }
      }
      x.slot?.collect(dx)
    }
  }
  return y
}

/// y = gain * x / sqrt(mean(x^2) + epsilon).
///
/// - Parameters:
///   - x: `[T, D]`.
///   - gain: `[D]`.
public func rmsNorm(_ x: Tensor, gain: Tensor, epsilon: Float) -> Tensor {
  let (T, D) = (x.shape.rows, x.shape.columns)
  precondition(gain.count == D, "rmsNorm: expected gain [\(D)], got \(gain.shape)")
  let (y, tape) = makeOutput(x.shape, of: x, gain, device: x.device)
  let rstd = rowValues(x, tape)
  switch x.device {
  case .cpu:
    parallel(T, grain: rowGrain) { ck_rms_norm_forward(y.pointer, rstd?.pointer, x.pointer, gain.pointer, $0, $1, D, epsilon) }
  case .gpu(let queue):
    queue.launch(
      module, "rms_norm_forward", queue.tuning.rowGrid(T), y.argument, rstd.argument, x.argument, gain.argument, .int(T), .int(D),
      .float(epsilon))
  }
  if let tape, let slot = y.slot, let rstd {
    tape.record(slot) { dy in
      let dx = Tensor(x.shape, device: x.device)
      let splits = RowSplits(T)
      let partials = Tensor([splits.count, D], device: x.device)
      switch x.device {
      case .cpu:
        parallel(splits.count) { split in
          let (begin, end) = splits.range(split)
          ck_rms_norm_backward(
            dx.pointer, partials.pointer + split * D, dy.pointer, x.pointer, gain.pointer, rstd.pointer, begin, end, D)
        }
        if let slot = gain.slot {
          sumPartials(into: slot.parameterGradient().pointer, partials.pointer, splits: splits.count, count: D)
        }
      case .gpu(let queue):
        queue.launch(
          module, "rms_norm_backward", queue.tuning.rowGrid(T), dx.argument, dy.argument, x.argument, gain.argument, rstd.argument,
          .int(T), .int(D))
        queue.launch(
          module, "rms_norm_backward_parameters", queue.tuning.columnGrid(D, chunks: splits.count), partials.argument, dy.argument,
          x.argument, rstd.argument, .int(T), .int(D), .int(splits.chunk))
        if let slot = gain.slot { sumPartials(queue, into: slot.parameterGradient(), partials, splits: splits.count) }
      }
      x.slot?.collect(dx)
    }
  }
  return y
}

/// y = scale * x / |x| for each row: `[T, D]`, so that products with it compare directions.
///
/// Where x is a table of parameters, ops add to the gradient of y as to a parameter's, and it goes on to the table when the backward pass
/// comes back here. Cost: all rows, in every step.
/// - Parameter tape: records the op; an activation has its own.
public func unitRows(_ x: Tensor, scale: Float = 1, tape: Tape? = nil) -> Tensor {
  let D = x.shape.columns
  let gain = Tensor([Float](repeating: scale / Float(D).squareRoot(), count: D), shape: [D], device: x.device)
  guard let tape, x.slot?.isParameter == true else { return rmsNorm(x, gain: gain, epsilon: 1e-12) }
  return derivedTable(x, tape) { rmsNorm($0, gain: gain, epsilon: 1e-12) }
}

/// A table that `make` computes from a table of parameters in every step.
///
/// Ops add to the gradient of its rows as to a parameter's, and it goes on through `make` when the backward pass of `tape` comes back here.
/// Cost: all rows, in every step.
public func derivedTable(_ x: Tensor, _ tape: Tape, _ make: (Tensor) -> Tensor) -> Tensor {
  let inner = Tape()
  let rows = x.watched(by: inner)
  let y = make(rows)
  let table = Tensor(y.shape, dtype: y.dtype, storage: y.storage, slot: nil).asParameter()
  let turn = GradientSlot(tape: tape)
  turn.gradient = table.gradient
  tape.record(turn) { dy in
    inner.backward(from: y, gradient: dy)
    if let dx = rows.gradient { x.slot?.collect(dx) }
  }
  return table
}

/// One value a row for the backward pass; nil where there is none and the kernel can go without.
private func rowValues(_ x: Tensor, _ tape: Tape?) -> Tensor? {
  tape == nil && x.isOnCPU ? nil : Tensor(Shape(x.shape.rows), device: x.device)
}
