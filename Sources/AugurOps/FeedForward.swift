// Two linear maps with an activation between them, a block of rows at a time, so that the wide layer stays in cache.
import AugurCompute
public import AugurTensors
import CKernels

/// z = residual + outputDrop(drop(act(x W1 + b1)) W2 + b2).
///
/// On the CPU the hidden layer is never stored: the backward pass makes it again from the value before the activation. On a GPU all but
/// the products lies in their epilogues.
/// - Parameters:
///   - x: `[T, D]`.
///   - w1, b1: `[D, F]` and `[F]`.
///   - w2, b2: `[F, D]` and `[D]`.
///   - precision: of the factors of every product, as in `linear`.
/// - Returns: `[T, D]`.
public func feedForward(
  _ x: Tensor, _ w1: Tensor, _ b1: Tensor, _ w2: Tensor, _ b2: Tensor, activation: Activation, _ drop: Dropout? = nil,
  residual: Tensor? = nil, output outputDrop: Dropout? = nil, precision: DataType = .float32
) -> Tensor {
  let (T, D, F) = (x.shape.rows, x.shape.columns, w1.shape.columns)
  precondition(
    w1.shape == Shape(D, F) && b1.count == F && w2.shape == Shape(F, D) && b2.count == D,
    "feedForward: expected w1 [\(D), F], b1 [F], w2 [F, \(D)], b2 [\(D)], got \(w1.shape), \(b1.shape), \(w2.shape), \(b2.shape)")
  if !x.isOnCPU {
    return feedForwardOnDevice(
      Weights(w1: w1, b1: b1, w2: w2, b2: b2, activation: activation, precision: precision), x, drop, residual: residual, outputDrop)
  }
  if residual != nil || outputDrop != nil {
    return dropout(feedForward(x, w1, b1, w2, b2, activation: activation, drop, precision: precision), outputDrop, residual: residual)
  }
  // Few rows do not pay for packing the weights.
  let isFew = T < fewRows && drop == nil && precision == .float32
  guard !isFew, ck_matmul_scratch(F, D) == 0, ck_matmul_scratch(D, F) == 0 else {
    let y = linear(x, w1, bias: b1, activation: activation, precision: precision)
    return linear(dropout(y, drop), w2, bias: b2, precision: precision)
  }
  let (z, tape) = makeOutput(Shape(T, D), of: x, w1, b1, w2, b2, device: .cpu)
  let pre = tape.map { _ in Tensor([T, F], device: .cpu) }
  let (up, down) = (Panels(w1, transposed: false, precision), Panels(w2, transposed: false, precision))
  let (rate, seed) = (drop?.rate ?? 0, drop?.seed ?? 0)
  let packed = max(up.scratch(rowGrain), down.scratch(rowGrain))
  parallel((T + rowGrain - 1) / rowGrain, scratch: rowGrain * F + packed) { task, y in
    let begin = task * rowGrain
    let (rows, scratch) = (min(T - begin, rowGrain), y + rowGrain * F)
    up.multiply(
      y, pre: pre.map { $0.pointer + begin * F }, x.pointer + begin * D, bias: b1.pointer, 0, rows, activation, scratch: scratch)
    if rate > 0 { ck_dropout(y, y, nil, begin * F, 0, rows * F, seed, rate) }
    down.multiply(z.pointer + begin * D, y, bias: b2.pointer, 0, rows, scratch: scratch)
  }
  if let tape, let slot = z.slot, let pre {
    tape.record(slot) { dz in
      let dx = Tensor(x.shape, device: .cpu)
      backward(dx, dz, x, pre, w1, b1, w2, b2, activation, drop, precision)
      x.slot?.collect(dx)
    }
  }
  return z
}

/// Fixed splits of the rows, each with its own sums for the weights, added in order.
private func backward(
  _ dx: Tensor, _ dz: Tensor, _ x: Tensor, _ pre: Tensor, _ w1: Tensor, _ b1: Tensor, _ w2: Tensor, _ b2: Tensor,
  _ activation: Activation, _ drop: Dropout?, _ precision: DataType
) {
  let (T, D, F) = (x.shape.rows, x.shape.columns, pre.shape.columns)
  let splits = RowSplits(T)
  let (up, down) = (Panels(w1, transposed: true, precision), Panels(w2, transposed: true, precision))
  let dw1 = Tensor([splits.count, D * F], device: .cpu), dw2 = Tensor([splits.count, F * D], device: .cpu)
  let db1 = Tensor([splits.count, F], device: .cpu), db2 = Tensor([splits.count, D], device: .cpu)
  let (rate, seed) = (drop?.rate ?? 0, drop?.seed ?? 0)
  let packed = max(
    up.scratch(rowGrain), down.scratch(rowGrain), productScratch(F, D, precision), productScratch(D, F, precision))
  parallel(splits.count, scratch: 2 * rowGrain * F + packed) { split, y in
    let (dy, scratch) = (y + rowGrain * F, y + 2 * rowGrain * F)
    let (first, last) = splits.range(split)
    for begin in stride(from: first, to: max(last, first + 1), by: rowGrain) {
      let rows = min(last - begin, rowGrain)
      let (values, accumulate) = (rows * F, begin > first)
      let (preRows, dzRows) = (pre.pointer + begin * F, dz.pointer + begin * D)
      ck_activation_forward(y, preRows, 0, values, activation.code)
      down.multiply(dy, dzRows, 0, rows, scratch: scratch)
      if rate > 0 {
        ck_dropout(y, y, nil, begin * F, 0, values, seed, rate)
        ck_dropout(dy, dy, nil, begin * F, 0, values, seed, rate)
      }
      ck_activation_backward(dy, dy, preRows, 0, values, activation.code)
      addProductRows(
        dw2.pointer + split * F * D, db2.pointer + split * D, y, dzRows, 0, rows, F, D, accumulate: accumulate, precision,
        scratch: scratch)
      addProductRows(
        dw1.pointer + split * D * F, db1.pointer + split * F, x.pointer + begin * D, dy, 0, rows, D, F, accumulate: accumulate,
        precision, scratch: scratch)
      up.multiply(dx.pointer + begin * D, dy, 0, rows, scratch: scratch)
    }
  }
  for (parameter, partials) in [(w1, dw1), (b1, db1), (w2, dw2), (b2, db2)] {
    guard let gradient = parameter.slot?.parameterGradient() else { continue }
    sumPartials(into: gradient.pointer, partials.pointer, splits: splits.count, count: parameter.count)
  }
}

/// Both maps of a feed-forward part.
private struct Weights {
  let w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor
  let activation: Activation
  let precision: DataType
}

/// Five products in the backward pass, and the dropout of dz where there is one.
private func feedForwardOnDevice(
  _ w: Weights, _ x: Tensor, _ drop: Dropout?, residual: Tensor?, _ outputDrop: Dropout?
) -> Tensor {
  let (T, D, F, device) = (x.shape.rows, x.shape.columns, w.w1.shape.columns, x.device)
  precondition(residual?.count ?? (T * D) == T * D, "feedForward: expected residual [\(T), \(D)], got \(residual?.shape ?? [])")
  var (z, tape) = makeOutput(Shape(T, D), of: x, w.w1, w.w2, residual, device: device)
  if tape == nil { (z, tape) = makeOutput(Shape(T, D), of: w.b1, w.b2, device: device) }
  let (pre, y) = (tape.map { _ in Tensor([T, F], device: device) }, Tensor([T, F], device: device))
  multiply(y, pre: pre, x, w.w1, bias: w.b1, residual: nil, w.activation, drop, transposed: false, w.precision)
  multiply(z, pre: nil, y, w.w2, bias: w.b2, residual: residual, .none, outputDrop, transposed: false, w.precision)
  guard let tape, let slot = z.slot, let pre else { return z }
  tape.record(slot) { dz in
    residual?.slot?.collect(dz, owned: false)
    var ds = dz
    if let outputDrop {
      ds = Tensor(dz.shape, device: device)
      dropElements(ds, dz, residual: nil, outputDrop)
    }
    addWeightGradients(y, ds, w.w2, bias: w.b2, w.precision, tape)
    let dpre = Tensor([T, F], device: device)
    multiply(
      dpre, pre: pre, ds, w.w2, bias: nil, residual: nil, w.activation, drop, goesBack: true, transposed: true, w.precision)
    addWeightGradients(x, dpre, w.w1, bias: w.b1, w.precision, tape)
    collectProduct(x, dpre, w.w1, w.precision)
  }
  return z
}
