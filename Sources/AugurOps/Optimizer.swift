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
  /// Counts from 1.
  public var step: Int

  public init(learningRate: Float, beta1: Float, beta2: Float, epsilon: Float, step: Int) {
    (self.learningRate, self.beta1, self.beta2) = (learningRate, beta1, beta2)
    (self.epsilon, self.step) = (epsilon, step)
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

/// A parameter with its gradient and moments, all of one shape.
package struct AdamUpdate {
  let w: Tensor, g: Tensor, m: Tensor, v: Tensor
  /// Decoupled (AdamW): w -= learningRate * decay * w.
  let decay: Float

  package init(_ w: Tensor, _ g: Tensor, _ m: Tensor, _ v: Tensor, decay: Float) {
    (self.w, self.g, self.m, self.v, self.decay) = (w, g, m, v, decay)
  }
}

/// One Adam step on each parameter; zeroes their gradients. A GPU takes sixteen in one launch.
package func adam(_ updates: [AdamUpdate], clip: ClipFactor, _ s: AdamStep) {
  guard let device = updates.first?.w.device else { return }
  switch device {
  case .cpu:
    for update in updates {
      let (w, g, m, v) = (update.w, update.g, update.m, update.v)
      parallel(w.count, grain: elementGrain) {
        ck_adam(
          w.pointer, g.pointer, m.pointer, v.pointer, $0, $1, clip.number, s.learningRate, s.beta1, s.beta2, s.epsilon, update.decay,
          s.correction1, s.correction2)
      }
    }
  case .gpu(let queue):
    launchSixteens(
      queue, module, "adam", updates, grid: { queue.tuning.elementGrid($0.w.count) },
      arguments: { [$0.w.argument, $0.g.argument, $0.m.argument, $0.v.argument, .int($0.w.count), .float($0.decay)] },
      absent: [.none, .none, .none, .none, .int(0), .float(0)]
    ) { _, tensors in
      tensors + [
        clip.argument(on: device), .float(s.learningRate), .float(s.beta1), .float(s.beta2), .float(s.epsilon), .float(s.correction1),
        .float(s.correction2),
      ]
    }
  }
}

/// The same on some rows of a table only. `last` is `[V]` int32: the step of each row's last update.
package func adamRows(
  _ w: Tensor, _ g: Tensor, _ m: Tensor, _ v: Tensor, last: Tensor, rows: Tensor, clip: ClipFactor, decay: Float, _ s: AdamStep
) {
  let D = w.shape.columns
  switch w.device {
  case .cpu:
    parallel(rows.count, grain: max(1, elementGrain / max(1, D))) {
      ck_adam_rows(
        w.pointer, g.pointer, m.pointer, v.pointer, last.intPointer, rows.intPointer, $0, $1, D, Int32(s.step), clip.number,
        s.learningRate, s.beta1, s.beta2, s.epsilon, decay, s.correction1, s.correction2)
    }
  case .gpu(let queue):
    queue.launch(
      module, "adam_rows", queue.tuning.rowGrid(rows.count), w.argument, g.argument, m.argument, v.argument, last.argument,
      rows.argument, clip.argument(on: w.device), .int(rows.count), .int(D), .int(s.step), .float(s.learningRate),
      .float(s.beta1), .float(s.beta2), .float(s.epsilon), .float(decay), .float(s.correction1), .float(s.correction2))
  }
}

/// m = momentum m + clip g; w -= rate m, or with `nesterov` w -= rate (clip g + momentum m); without m: w -= rate clip g. Zeroes g.
package func sgd(
  _ w: Tensor, _ g: Tensor, momentum m: Tensor?, clip: ClipFactor, rate: Float, momentum: Float, decay: Float, nesterov: Bool = false
) {
  switch w.device {
  case .cpu:
    parallel(w.count, grain: elementGrain) {
      ck_sgd(w.pointer, g.pointer, m?.pointer, $0, $1, clip.number, rate, momentum, decay, nesterov ? 1 : 0)
    }
  case .gpu(let queue):
    queue.launch(
      module, "sgd", queue.tuning.elementGrid(w.count), w.argument, g.argument, m.argument, clip.argument(on: w.device),
      .int(w.count), .float(rate), .float(momentum), .float(decay), .int(nesterov ? 1 : 0))
  }
}

/// s += (clip g)^2; w -= rate clip g / (sqrt(s) + epsilon), decay decoupled; zeroes g. Where s is `[V]` beside w `[V, D]`, a row shares the
/// mean of its squares. With `rows` only those of w are looked at: exact, for the gradients of all others are zero, unless there is decay.
package func adagrad(
  _ w: Tensor, _ g: Tensor, squares s: Tensor, rows: Tensor?, clip: ClipFactor, rate: Float, epsilon: Float, decay: Float
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
      ck_adagrad_rows(w.pointer, g.pointer, s.pointer, rows?.intPointer, $0, $1, D, S, clip.number, rate, epsilon, decay)
    }
  case .gpu(let queue):
    queue.launch(
      module, "adagrad_rows", queue.tuning.rowGrid(count), w.argument, g.argument, s.argument, rows.argument,
      clip.argument(on: w.device), .int(count), .int(D), .int(S), .float(rate), .float(epsilon), .float(decay))
  }
}

/// Plain SGD on some rows of a table; zeroes those rows of g.
package func sgdRows(_ w: Tensor, _ g: Tensor, rows: Tensor, clip: ClipFactor, rate: Float, decay: Float) {
  let D = w.shape.columns
  switch w.device {
  case .cpu:
    parallel(rows.count, grain: max(1, elementGrain / max(1, D))) {
      ck_sgd_rows(w.pointer, g.pointer, rows.intPointer, $0, $1, D, clip.number, rate, decay)
    }
  case .gpu(let queue):
    queue.launch(
      module, "sgd_rows", queue.tuning.rowGrid(rows.count), w.argument, g.argument, rows.argument,
      clip.argument(on: w.device), .int(rows.count), .int(D), .float(rate), .float(decay))
  }
}

/// What gradients are multiplied by. On a GPU it may lie in device memory, so that nobody waits for it.
package struct ClipFactor {
  fileprivate let number: Float
  private let tensor: Tensor?

  /// Nothing is clipped.
  package static let one = ClipFactor(1)

  package init(_ number: Float) { self.init(number: number, tensor: nil) }

  private init(number: Float, tensor: Tensor?) { (self.number, self.tensor) = (number, tensor) }

  /// min(1, limit / norm of all gradients together).
  package init(_ gradients: [Tensor], limit: Float) {
    guard case .gpu(let queue)? = gradients.first?.device else {
      let norm = sumOfSquares(gradients).squareRoot()
      self.init(norm > Double(limit) ? Float(Double(limit) / norm) : 1)
      return
    }
    let (partials, factor) = (squares(queue, gradients), Tensor([2], device: gradients[0].device))
    queue.launch(module, "clip_factor", queue.tuning.oneGroup, factor.argument, partials.argument, .int(partials.count), .float(limit))
    self.init(number: .nan, tensor: factor)
  }

  fileprivate func argument(on device: Device) -> KernelArgument {
    if let tensor { return tensor.argument }
    return number == 1 ? .none : Tensor([number], shape: [1], device: device).argument
  }
}

/// Sum of squares of all elements of several gradients, in a fixed order; on the CPU in double. Waits for the device.
package func sumOfSquares(_ tensors: [Tensor]) -> Double {
  if case .gpu(let queue)? = tensors.first?.device { return squares(queue, tensors).floats().reduce(0) { $0 + Double($1) } }
  var total = 0.0
  for x in tensors {
    let chunks = max(1, (x.count + elementGrain - 1) / elementGrain)
    var sums = [Double](repeating: 0, count: chunks)
    sums.withUnsafeMutableBufferPointer { sums in
      nonisolated(unsafe) let sums = sums
      parallel(chunks) { sums[$0] = ck_sum_squares(x.pointer, $0 * elementGrain, min(x.count, ($0 + 1) * elementGrain)) }
    }
    for sum in sums { total += sum }
  }
  return total
}

/// Partial sums of squares, one for each group of work-items.
private func squares(_ queue: DeviceQueue, _ tensors: [Tensor]) -> Tensor {
  let partials = Tensor([tensors.reduce(0) { $0 + queue.tuning.squaresGrid($1.count).groups.x }], device: tensors[0].device)
  launchSixteens(
    queue, module, "sum_squares", tensors, grid: { queue.tuning.squaresGrid($0.count) }, arguments: { [$0.argument, .int($0.count)] },
    absent: [.none, .int(0)]
  ) { first, tensors in [partials.argument] + tensors + [.int(first)] }
  return partials
}
