// Two linear maps with an activation between them, a block of rows at a time, so that the wide layer stays in cache.
import AugurCompute
public import AugurTensors
import CKernels

/// z = drop(act(x W1 + b1)) W2 + b2.
///
/// On the CPU the hidden layer is never stored: the backward pass makes it again from the value before the activation.
/// - Parameters:
///   - x: `[T, D]`.
///   - w1, b1: `[D, F]` and `[F]`.
///   - w2, b2: `[F, D]` and `[D]`.
/// - Returns: `[T, D]`.
public func feedForward(
  _ x: Tensor, _ w1: Tensor, _ b1: Tensor, _ w2: Tensor, _ b2: Tensor, activation: Activation, _ drop: Dropout? = nil
) -> Tensor {
  let (T, D, F) = (x.shape.rows, x.shape.columns, w1.shape.columns)
  precondition(
    w1.shape == Shape(D, F) && b1.count == F && w2.shape == Shape(F, D) && b2.count == D,
    "feedForward: expected w1 [\(D), F], b1 [F], w2 [F, \(D)], b2 [\(D)], got \(w1.shape), \(b1.shape), \(w2.shape), \(b2.shape)")
  // Few rows do not pay for packing the weights.
  let isFew = T < fewRows && x.device == .cpu && drop == nil
  guard !isFew, x.device == .cpu, ck_matmul_scratch(F, D) == 0, ck_matmul_scratch(D, F) == 0 else {
    return linear(dropout(linear(x, w1, bias: b1, activation: activation), drop), w2, bias: b2)
  }
  let (z, tape) = makeOutput(Shape(T, D), of: x, w1, b1, w2, b2, device: .cpu)
  let pre = tape.map { _ in Tensor([T, F], device: .cpu) }
  let (up, down) = (Panels(w1, transposed: false), Panels(w2, transposed: false))
  let (rate, seed) = (drop?.rate ?? 0, drop?.seed ?? 0)
  parallel((T + rowGrain - 1) / rowGrain, scratch: rowGrain * F) { task, y in
    let begin = task * rowGrain
    let rows = min(T - begin, rowGrain)
    ck_matmul_panels(
      y, pre.map { $0.pointer + begin * F }, x.pointer + begin * D, up.pointer, b1.pointer, nil, 0, rows, F, D, activation.code)
    if rate > 0 { ck_dropout(y, y, nil, begin * F, 0, rows * F, seed, rate) }
    ck_matmul_panels(z.pointer + begin * D, nil, y, down.pointer, b2.pointer, nil, 0, rows, D, F, Activation.none.code)
  }
  if let tape, let slot = z.slot, let pre {
    tape.record(slot) { dz in
      let dx = Tensor(x.shape, device: .cpu)
      backward(dx, dz, x, pre, w1, b1, w2, b2, activation, drop)
      x.slot?.collect(dx)
    }
  }
  return z
}

/// Fixed splits of the rows, each with its own sums for the weights, added in order.
private func backward(
  _ dx: Tensor, _ dz: Tensor, _ x: Tensor, _ pre: Tensor, _ w1: Tensor, _ b1: Tensor, _ w2: Tensor, _ b2: Tensor,
  _ activation: Activation, _ drop: Dropout?
) {
  let (T, D, F) = (x.shape.rows, x.shape.columns, pre.shape.columns)
  let splits = RowSplits(T)
  let (up, down) = (Panels(w1, transposed: true), Panels(w2, transposed: true))
  let dw1 = Tensor([splits.count, D * F], device: .cpu), dw2 = Tensor([splits.count, F * D], device: .cpu)
  let db1 = Tensor([splits.count, F], device: .cpu), db2 = Tensor([splits.count, D], device: .cpu)
  let (rate, seed) = (drop?.rate ?? 0, drop?.seed ?? 0)
  parallel(splits.count, scratch: 2 * rowGrain * F) { split, y in
    let dy = y + rowGrain * F
    let (first, last) = splits.range(split)
    for begin in stride(from: first, to: max(last, first + 1), by: rowGrain) {
      let rows = min(last - begin, rowGrain)
      let (values, accumulate): (Int, Int32) = (rows * F, begin > first ? 1 : 0)
      let (preRows, dzRows) = (pre.pointer + begin * F, dz.pointer + begin * D)
      ck_activation_forward(y, preRows, 0, values, activation.code)
      ck_matmul_panels(dy, nil, dzRows, down.pointer, nil, nil, 0, rows, F, D, Activation.none.code)
      if rate > 0 {
        ck_dropout(y, y, nil, begin * F, 0, values, seed, rate)
        ck_dropout(dy, dy, nil, begin * F, 0, values, seed, rate)
      }
      ck_activation_backward(dy, dy, preRows, 0, values, activation.code)
      ck_matmul_tn(dw2.pointer + split * F * D, db2.pointer + split * D, y, dzRows, 0, rows, F, D, accumulate)
      ck_matmul_tn(dw1.pointer + split * D * F, db1.pointer + split * F, x.pointer + begin * D, dy, 0, rows, D, F, accumulate)
      ck_matmul_panels(dx.pointer + begin * D, nil, dy, up.pointer, nil, nil, 0, rows, D, F, Activation.none.code)
    }
  }
  for (parameter, partials) in [(w1, dw1), (b1, db1), (w2, dw2), (b2, db2)] {
    guard let gradient = parameter.slot?.parameterGradient() else { continue }
    sumPartials(into: gradient.pointer, partials.pointer, splits: splits.count, count: parameter.count)
  }
}
