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
    launchForward(queue, y, mean, rstd, sum: nil, x, residual: nil, gain: gain, bias: bias, epsilon, nil)
  }
  guard let tape, let slot = y.slot, let mean, let rstd else { return y }
  tape.record(slot) { dy in
    switch x.device {
    case .cpu:
      let dx = Tensor(x.shape, device: x.device)
      let splits = RowSplits(T)
      let partials = Tensor([2, splits.count, D], device: x.device)
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
      x.slot?.collect(dx)
    case .gpu(let queue):
      collect(x) { dx, r in launchBackward(queue, dx, dropped: nil, dy, x, gain: gain, bias: bias, mean, rstd, added: r, nil, tape) }
    }
  }
  return y
}

/// h = residual + drop(x) and its layer norm: what ends one part of a transformer's block and begins the next.
///
/// - Parameters:
///   - x, residual: `[T, D]`.
///   - gain, bias: `[D]`.
/// - Returns: h and its norm, `[T, D]` each.
public func layerNorm(
  sumOf x: Tensor, _ drop: Dropout?, residual: Tensor, gain: Tensor, bias: Tensor, epsilon: Float
) -> (sum: Tensor, norm: Tensor) {
  guard case .gpu(let queue) = x.device else {
    let h = dropout(x, drop, residual: residual)
    return (h, layerNorm(h, gain: gain, bias: bias, epsilon: epsilon))
  }
  precondition(
    x.shape == residual.shape && gain.count == x.shape.columns && bias.count == x.shape.columns,
    "layerNorm: expected x and residual [T, D], gain and bias [D], got \(x.shape), \(residual.shape), \(gain.shape), \(bias.shape)")
  let (sum, _) = makeOutput(x.shape, of: x, residual, gain, bias, device: x.device)
  let (norm, tape) = makeOutput(x.shape, of: x, residual, gain, bias, device: x.device)
  let (mean, rstd) = (Tensor(Shape(x.shape.rows), device: x.device), Tensor(Shape(x.shape.rows), device: x.device))
  launchForward(queue, norm, mean, rstd, sum: sum, x, residual: residual, gain: gain, bias: bias, epsilon, drop)
  guard let tape, let sumSlot = sum.slot, let slot = norm.slot else { return (sum, norm) }
  // Where nothing came back through the norm.
  tape.record(sumSlot) { dh in
    residual.slot?.collect(dh, owned: false)
    guard let drop else {
      x.slot?.collect(dh, owned: false)
      return
    }
    let dx = Tensor(x.shape, device: x.device)
    dropElements(dx, dh, residual: nil, drop)
    x.slot?.collect(dx)
  }
  tape.record(slot) { dy in
    let dh = sumSlot.isOwned ? sumSlot.gradient ?? Tensor(x.shape, device: x.device) : Tensor(x.shape, device: x.device)
    let dx = drop.map { _ in Tensor(x.shape, device: x.device) }
    launchBackward(
      queue, dh, dropped: dx, dy, sum, gain: gain, bias: bias, mean, rstd, added: sumSlot.take(), drop, tape)
    x.slot?.collect(dx ?? dh, owned: dx != nil)
    residual.slot?.collect(dh, owned: dx != nil)
  }
  return (sum, norm)
}

private func launchForward(
  _ queue: DeviceQueue, _ y: Tensor, _ mean: Tensor?, _ rstd: Tensor?, sum: Tensor?, _ x: Tensor, residual: Tensor?, gain: Tensor?,
  bias: Tensor?, _ epsilon: Float, _ drop: Dropout?
) {
  let (T, D) = (x.shape.rows, x.shape.columns)
  queue.launch(
    module, "layer_norm_forward", queue.tuning.rowGrid(T), y.argument, mean.argument, rstd.argument, sum.argument, x.argument,
    residual.argument, gain.argument, bias.argument, .int(T), .int(D), .float(epsilon), .seed(drop?.seed ?? 0), .float(drop?.rate ?? 0))
}

/// dx = that of layer norm, of RMS norm without `mean`, + `added`, and `dropped` = drop(dx); gradients of gain and bias.
private func launchBackward(
  _ queue: DeviceQueue, _ dx: Tensor, dropped: Tensor?, _ dy: Tensor, _ x: Tensor, gain: Tensor?, bias: Tensor?, _ mean: Tensor?,
  _ rstd: Tensor, added: Tensor?, _ drop: Dropout?, _ tape: Tape
) {
  let (T, D) = (x.shape.rows, x.shape.columns)
  let splits = RowSplits(T, atLeast: 32, on: x.device)
  func partials(_ parameter: Tensor?) -> Tensor? {
    parameter?.slot.map { _ in Tensor([splits.count * queue.tuning.rowsOfGroup, D], device: x.device) }
  }
  let (dg, db) = (partials(gain), partials(bias))
  queue.launch(
    module, "norm_backward", queue.tuning.chunkGrid(T == 0 ? 0 : splits.count), dx.argument, dropped.argument, dg.argument, db.argument,
    dy.argument, x.argument, gain.argument, mean.argument, rstd.argument, added.argument, .int(T), .int(D), .int(splits.chunk),
    .seed(drop?.seed ?? 0), .float(drop?.rate ?? 0))
  guard T > 0 else { return }
  if let slot = gain?.slot, let dg { sumPartials(queue, into: slot.parameterGradient(), dg, on: tape) }
  if let slot = bias?.slot, let db { sumPartials(queue, into: slot.parameterGradient(), db, on: tape) }
}

/// The gradient of x as `make` writes it, dx = r + its own.
private func collect(_ x: Tensor, _ make: (_ dx: Tensor, _ r: Tensor?) -> Void) {
  guard let slot = x.slot, !slot.isParameter else {
    let dx = Tensor(x.shape, device: x.device)
    make(dx, nil)
    x.slot?.collect(dx)
    return
  }
  slot.addTogether(x.shape, x.device, make)
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
  guard let tape, let slot = y.slot, let rstd else { return y }
  tape.record(slot) { dy in
    switch x.device {
    case .cpu:
      let dx = Tensor(x.shape, device: x.device)
      let splits = RowSplits(T)
      let partials = Tensor([splits.count, D], device: x.device)
      parallel(splits.count) { split in
        let (begin, end) = splits.range(split)
        ck_rms_norm_backward(
          dx.pointer, partials.pointer + split * D, dy.pointer, x.pointer, gain.pointer, rstd.pointer, begin, end, D)
      }
      if let slot = gain.slot {
        sumPartials(into: slot.parameterGradient().pointer, partials.pointer, splits: splits.count, count: D)
      }
      x.slot?.collect(dx)
    case .gpu(let queue):
      collect(x) { dx, r in launchBackward(queue, dx, dropped: nil, dy, x, gain: gain, bias: nil, nil, rstd, added: r, nil, tape) }
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
