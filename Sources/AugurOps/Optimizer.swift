// Updates of parameters in place: Adam (Kingma and Ba 2015), AdamW (Loshchilov and Hutter 2019), lazy Adam, SGD (also Nesterov's),
// Adagrad (Duchi et al. 2011) by element and by row; global clipping.
import AugurCompute
package import AugurTensors
import CKernels

private let module = KernelModule(name: "optimizer") { String(cString: ck_opencl_optimizer()) }

/// Hyper-parameters of one Adam step.
public struct AdamStep: Sendable {
  public var learningRate: Float
  public var beta1: Float
  public var beta2: Float
  public var epsilon: Float
  /// Decoupled (AdamW): w -= learningRate * decay * w.
  public var decay: Float
  /// Counts from 1.
  public var step: Int

  public init(learningRate: Float, beta1: Float, beta2: Float, epsilon: Float, decay: Float, step: Int) {
    (self.learningRate, self.beta1, self.beta2) = (learningRate, beta1, beta2)
    (self.epsilon, self.decay, self.step) = (epsilon, decay, step)
  }

  var correction1: Float { Float(1 - power(Double(beta1), step)) }
  var correction2: Float { Float(1 - power(Double(beta2), step)) }

  private func power(_ base: Double, _ exponent: Int) -> Double {
    var (result, square, left) = (1.0, base, exponent)
    while left > 0 {
      if left & 1 == 1 { result *= square }
      square *= square
      left >>= 1
    }
    return result
  }
}

/// One Adam step on `w`; zeroes its gradient `g`. All tensors have the shape of `w`.
package func adam(_ w: Tensor, _ g: Tensor, _ m: Tensor, _ v: Tensor, clip: Float, _ s: AdamStep) {
  switch w.device {
  case .cpu:
    parallel(w.count, grain: elementGrain) {
      ck_adam(
        w.pointer, g.pointer, m.pointer, v.pointer, $0, $1, clip, s.learningRate, s.beta1, s.beta2, s.epsilon, s.decay,
        s.correction1, s.correction2)
    }
  case .openCL(let queue):
    queue.launch(
      module, "adam", queue.tuning.elementGrid(w.count), w.argument, g.argument, m.argument, v.argument,
      clipTensor(clip, w.device).argument, .int(w.count), .float(s.learningRate), .float(s.beta1), .float(s.beta2),
      .float(s.epsilon), .float(s.decay), .float(s.correction1), .float(s.correction2))
  }
}

/// The same on some rows of a table only. `last` is `[V]` int32: the step of each row's last update.
package func adamRows(
  _ w: Tensor, _ g: Tensor, _ m: Tensor, _ v: Tensor, last: Tensor, rows: Tensor, clip: Float, _ s: AdamStep
) {
  let D = w.shape.columns
  switch w.device {
  case .cpu:
    parallel(rows.count, grain: max(1, elementGrain / max(1, D))) {
      ck_adam_rows(
        w.pointer, g.pointer, m.pointer, v.pointer, last.intPointer, rows.intPointer, $0, $1, D, Int32(s.step), clip,
        s.learningRate, s.beta1, s.beta2, s.epsilon, s.decay, s.correction1, s.correction2)
    }
  case .openCL(let queue):
    queue.launch(
      module, "adam_rows", queue.tuning.rowGrid(rows.count), w.argument, g.argument, m.argument, v.argument, last.argument,
      rows.argument, clipTensor(clip, w.device).argument, .int(rows.count), .int(D), .int(s.step), .float(s.learningRate),
      .float(s.beta1), .float(s.beta2), .float(s.epsilon), .float(s.decay), .float(s.correction1), .float(s.correction2))
  }
}

/// m = momentum m + clip g; w -= rate m, or with `nesterov` w -= rate (clip g + momentum m); without m: w -= rate clip g. Zeroes g.
package func sgd(
  _ w: Tensor, _ g: Tensor, momentum m: Tensor?, clip: Float, rate: Float, momentum: Float, decay: Float, nesterov: Bool = false
) {
  switch w.device {
  case .cpu:
    parallel(w.count, grain: elementGrain) {
      ck_sgd(w.pointer, g.pointer, m?.pointer, $0, $1, clip, rate, momentum, decay, nesterov ? 1 : 0)
    }
  case .openCL(let queue):
    queue.launch(
      module, "sgd", queue.tuning.elementGrid(w.count), w.argument, g.argument, m.argument, clipTensor(clip, w.device).argument,
      .int(w.count), .float(rate), .float(momentum), .float(decay), .int(nesterov ? 1 : 0))
  }
}

/// s += (clip g)^2; w -= rate clip g / (sqrt(s) + epsilon), decay decoupled; zeroes g. Where s is `[V]` beside w `[V, D]`, a row shares the
/// mean of its squares. With `rows` only those of w are looked at: exact, for the gradients of all others are zero, unless there is decay.
package func adagrad(
  _ w: Tensor, _ g: Tensor, squares s: Tensor, rows: Tensor?, clip: Float, rate: Float, epsilon: Float, decay: Float
) {
  let isByRow = s.count != w.count
  // A vector is one element a row: rows of a matrix are enough to share among threads.
  let D = w.shape.rank > 1 ? w.shape.columns : 1
  let (V, S) = (w.count / max(1, D), isByRow ? 1 : D)
  precondition(s.count == V * S, "adagrad: expected squares [\(V)] or \(w.shape), got \(s.shape)")
  let count = rows?.count ?? V
  switch w.device {
  case .cpu:
    parallel(count, grain: max(1, elementGrain / max(1, D))) {
      ck_adagrad_rows(w.pointer, g.pointer, s.pointer, rows?.intPointer, $0, $1, D, S, clip, rate, epsilon, decay)
    }
  case .openCL(let queue):
    queue.launch(
      module, "adagrad_rows", queue.tuning.rowGrid(count), w.argument, g.argument, s.argument, rows.argument,
      clipTensor(clip, w.device).argument, .int(count), .int(D), .int(S), .float(rate), .float(epsilon), .float(decay))
  }
}

/// Plain SGD on some rows of a table; zeroes those rows of g.
package func sgdRows(_ w: Tensor, _ g: Tensor, rows: Tensor, clip: Float, rate: Float, decay: Float) {
  let D = w.shape.columns
  switch w.device {
  case .cpu:
    parallel(rows.count, grain: max(1, elementGrain / max(1, D))) {
      ck_sgd_rows(w.pointer, g.pointer, rows.intPointer, $0, $1, D, clip, rate, decay)
    }
  case .openCL(let queue):
    queue.launch(
      module, "sgd_rows", queue.tuning.rowGrid(rows.count), w.argument, g.argument, rows.argument,
      clipTensor(clip, w.device).argument, .int(rows.count), .int(D), .float(rate), .float(decay))
  }
}

/// The clip factor where a device kernel reads it; nothing for 1.
private func clipTensor(_ clip: Float, _ device: Device) -> Tensor? {
  clip == 1 ? nil : Tensor([clip], shape: [1], device: device)
}

/// Sum of squares of all elements of several gradients, in double, in a fixed order. Waits for the device.
package func sumOfSquares(_ tensors: [Tensor]) -> Double {
  var total = 0.0
  for x in tensors {
    let chunks = max(1, (x.count + elementGrain - 1) / elementGrain)
    var sums = [Double](repeating: 0, count: chunks)
    switch x.device {
    case .cpu:
      sums.withUnsafeMutableBufferPointer { sums in
        nonisolated(unsafe) let sums = sums
        parallel(chunks) { sums[$0] = ck_sum_squares(x.pointer, $0 * elementGrain, min(x.count, ($0 + 1) * elementGrain)) }
      }
    case .openCL(let queue):
      let grid = queue.tuning.squaresGrid(x.count)
      let partials = Tensor([max(1, grid.groups.x)], device: x.device)
      partials.fillWithZeros()
      queue.launch(module, "sum_squares", grid, partials.argument, x.argument, .int(x.count), .int(0))
      sums = partials.floats().map(Double.init)
    }
    for sum in sums { total += sum }
  }
  return total
}
