// Causal 1-D convolution over jagged sequences, in parts (Tang and Wang 2018): windows of rows for a matrix product, weighted
// sums of a window, and the maximum over a window.
import AugurCompute
public import AugurTensors
import CKernels

private let module = KernelModule(name: "convolution") { String(cString: ck_opencl_convolution()) }

/// Where the rows of a jagged batch lie in their sequences.
public struct RowPlaces: Sendable {
  /// `[T]` int32: rows of the sequence before each row, and after it.
  let before: Tensor, after: Tensor

  public init(_ rows: Jagged) {
    let device = rows.offsets.device
    var (before, after): ([Int32], [Int32]) = ([], [])
    for (begin, end) in zip(rows.hostOffsets, rows.hostOffsets.dropFirst()) {
      before.append(contentsOf: 0..<(end - begin))
      after.append(contentsOf: (0..<(end - begin)).reversed())
    }
    (self.before, self.after) = (
      Tensor(before, shape: [before.count], device: device), Tensor(after, shape: [after.count], device: device)
    )
  }
}

/// y[t] = rows t - N + 1 ... t of the same sequence side by side, zeroes for those that are not there: `[T, D]` to `[T, N D]`.
public func historyWindows(_ x: Tensor, _ places: RowPlaces, length N: Int) -> Tensor {
  let (T, D) = checked(x, places, N)
  let (y, tape) = makeOutput(Shape(T, N * D), of: x, device: x.device)
  switch x.device {
  case .cpu:
    parallel(T, grain: rowGrain) { ck_windows_forward(y.pointer, x.pointer, places.before.intPointer, $0, $1, N, D) }
  case .gpu(let queue):
    queue.launch(
      module, "windows_forward", queue.tuning.itemGrid(y.count), y.argument, x.argument, places.before.argument, .int(T), .int(N), .int(D))
  }
  if let tape, let slot = y.slot {
    tape.record(slot) { dy in
      let dx = Tensor(x.shape, device: x.device)
      switch x.device {
      case .cpu:
        parallel(T, grain: rowGrain) { ck_windows_backward(dx.pointer, dy.pointer, places.after.intPointer, $0, $1, N, D) }
      case .gpu(let queue):
        queue.launch(
          module, "windows_backward", queue.tuning.itemGrid(dx.count), dx.argument, dy.argument, places.after.argument, .int(T), .int(N),
          .int(D))
      }
      x.slot?.collect(dx)
    }
  }
  return y
}

/// y[t, m] = the sum over n of weights[m, n] * row t - N + 1 + n of the same sequence.
///
/// - Parameters:
///   - x: `[T, D]`.
///   - weights: `[M, N]`.
/// - Returns: `[T, M D]`.
public func windowSums(_ x: Tensor, _ places: RowPlaces, weights g: Tensor) -> Tensor {
  let (M, N) = (g.shape.rows, g.shape.columns)
  let (T, D) = checked(x, places, N)
  let (y, tape) = makeOutput(Shape(T, M * D), of: x, g, device: x.device)
  switch x.device {
  case .cpu:
    parallel(T, grain: rowGrain) {
      ck_window_sums_forward(y.pointer, x.pointer, g.pointer, places.before.intPointer, $0, $1, M, N, D)
    }
  case .gpu(let queue):
    queue.launch(
      module, "window_sums_forward", queue.tuning.itemGrid(y.count), y.argument, x.argument, g.argument, places.before.argument, .int(T),
      .int(M), .int(N), .int(D))
  }
  if let tape, let slot = y.slot {
    tape.record(slot) { dy in
      let dx = Tensor(x.shape, device: x.device)
      let splits = RowSplits(T)
      let partials = Tensor([splits.count, M * N], device: x.device)
      switch x.device {
      case .cpu:
        parallel(splits.count) { split in
          let (begin, end) = splits.range(split)
          ck_window_sums_backward(
            dx.pointer, partials.pointer + split * M * N, dy.pointer, x.pointer, g.pointer, places.before.intPointer,
            places.after.intPointer, begin, end, M, N, D)
        }
        if let slot = g.slot { sumPartials(into: slot.parameterGradient().pointer, partials.pointer, splits: splits.count, count: M * N) }
      case .gpu(let queue):
        queue.launch(
          module, "window_sums_backward", queue.tuning.itemGrid(dx.count), dx.argument, dy.argument, g.argument, places.after.argument,
          .int(T), .int(M), .int(N), .int(D))
        guard let slot = g.slot else { break }
        queue.launch(
          module, "window_sums_weights", queue.tuning.itemGrid(partials.count), partials.argument, dy.argument, x.argument,
          places.before.argument, .int(T), .int(M), .int(N), .int(D), .int(splits.chunk), .int(splits.count))
        sumPartials(queue, into: slot.parameterGradient(), partials)
      }
      x.slot?.collect(dx)
    }
  }
  return y
}

/// y[t] = the largest of rows t - N + 1 ... t of the same sequence, element by element; the oldest of equals gets the gradient.
public func windowMaximum(_ x: Tensor, _ places: RowPlaces, length N: Int) -> Tensor {
  let (T, D) = checked(x, places, N)
  let (y, tape) = makeOutput(Shape(T, D), of: x, device: x.device)
  let best = Tensor(Shape(T, D), dtype: .int32, device: x.device)
  switch x.device {
  case .cpu:
    parallel(T, grain: rowGrain) {
      ck_window_max_forward(y.pointer, best.intPointer, x.pointer, places.before.intPointer, $0, $1, N, D)
    }
  case .gpu(let queue):
    queue.launch(
      module, "window_max_forward", queue.tuning.itemGrid(y.count), y.argument, best.argument, x.argument, places.before.argument,
      .int(T), .int(N), .int(D))
  }
  if let tape, let slot = y.slot {
    tape.record(slot) { dy in
      let dx = Tensor(x.shape, device: x.device)
      switch x.device {
      case .cpu:
        parallel(T, grain: rowGrain) {
          ck_window_max_backward(dx.pointer, dy.pointer, best.intPointer, places.after.intPointer, $0, $1, N, D)
        }
      case .gpu(let queue):
        queue.launch(
          module, "window_max_backward", queue.tuning.itemGrid(dx.count), dx.argument, dy.argument, best.argument, places.after.argument,
          .int(T), .int(N), .int(D))
      }
      x.slot?.collect(dx)
    }
  }
  return y
}

private func checked(_ x: Tensor, _ places: RowPlaces, _ N: Int) -> (T: Int, D: Int) {
  precondition(
    N > 0 && places.before.count == x.shape.rows,
    "convolution: expected a length above 0 and \(places.before.count) rows, got \(N) and \(x.shape)")
  return (x.shape.rows, x.shape.columns)
}
