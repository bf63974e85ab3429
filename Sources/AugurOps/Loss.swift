// Losses of one row at a time: yes or no, values, counts, choices, conversions, survival.
public import AugurCompute
public import AugurTensors
import CKernels

private let module = KernelModule(name: "loss") { String(cString: ck_opencl_loss()) }

/// What a row costs, by the outputs of a network and the labels of the row. Every loss is finite at logits of +-80.
public enum Loss: Sendable, Equatable {
  /// y' sp(-x) + (1 - y') sp(x) on a logit, y 0 or 1, y' = (1 - smoothing) y + smoothing / 2. Smoothing biases towards 1/2: recalibrate.
  case binary(smoothing: Float = 0)
  /// Focal loss (Lin et al. 2017) on a logit m of the class that came: a sigmoid(-m)^gamma sp(-m), a = alpha for y = 1, 1 - alpha for 0.
  /// Not calibrated.
  case focal(gamma: Float = 2, alpha: Float = 0.25)
  /// (x - y)^2.
  case squared
  /// |x - y|.
  case absolute
  /// e^2 / 2 for |e| <= delta, delta (|e| - delta / 2) beyond, e = x - y.
  case huber(delta: Float = 1)
  /// max(q e, (q - 1) e), e = y - x: its best constant is the quantile q.
  case quantile(Float)
  /// e^x - y x of a count y with the mean e^x.
  case poisson
  /// BPR (Rendle et al. 2009): sp(-(x0 - x1)), x0 the score of what was chosen, x1 of what was not. No labels.
  case ranked
  /// ESMM (Ma et al. 2018) over all impressions: clickWeight BCE(click, x0) + BCE(click and conversion, sigmoid(x0) sigmoid(x1)).
  /// Labels: click, conversion. clickWeight 0 leaves the second term alone.
  case entireSpace(clickWeight: Float = 1)
  /// Delayed conversions (Chapelle 2014): x0 the logit of ever converting, x1 the log of the rate of its exponential delay. Labels:
  /// converted until now, and the delay or the time passed. Choose a unit of time of the size of the delays.
  case delayed
  /// Discrete Weibull survival (Martinsson 2016): scale sp(x0), shape sp(x1). Labels: the step, from 0, and 1 where the event came in
  /// it or 0 where observation ended after it.
  case weibull
  /// Zero-inflated log-normal (Wang et al. 2019): x0 the logit of y > 0, x1 and sp(x2) mean and spread of log y; the mean of the log-normal
  /// part is over the positives, of which `positiveShare` is the weighted share. `penalty` (x1^2 + x2^2) is added.
  case lognormal(positiveShare: Float, penalty: Float = 0.01)

  /// Outputs of a network and labels that a row has.
  public var outputs: Int { form.outputs }
  public var labels: Int { form.labels }

  /// Its kernel and how many outputs and labels it reads.
  var form: (kind: Int, entry: String, outputs: Int, labels: Int, p0: Float, p1: Float) {
    switch self {
    case .binary(let smoothing): (Int(CK_LOSS_BINARY), "loss_binary", 1, 1, smoothing, 0)
    case .focal(let gamma, let alpha): (Int(CK_LOSS_FOCAL), "loss_focal", 1, 1, gamma, alpha)
    case .squared: (Int(CK_LOSS_SQUARED), "loss_squared", 1, 1, 0, 0)
    case .absolute: (Int(CK_LOSS_ABSOLUTE), "loss_absolute", 1, 1, 0, 0)
    case .huber(let delta): (Int(CK_LOSS_HUBER), "loss_huber", 1, 1, delta, 0)
    case .quantile(let q): (Int(CK_LOSS_QUANTILE), "loss_quantile", 1, 1, q, 0)
    case .poisson: (Int(CK_LOSS_POISSON), "loss_poisson", 1, 1, 0, 0)
    case .ranked: (Int(CK_LOSS_RANKED), "loss_ranked", 2, 0, 0, 0)
    case .entireSpace(let weight): (Int(CK_LOSS_ENTIRE_SPACE), "loss_entire_space", 2, 2, weight, 0)
    case .delayed: (Int(CK_LOSS_DELAYED), "loss_delayed", 2, 2, 0, 0)
    case .weibull: (Int(CK_LOSS_WEIBULL), "loss_weibull", 2, 2, 0, 0)
    case .lognormal(let share, let penalty): (Int(CK_LOSS_LOGNORMAL), "loss_lognormal", 3, 1, share > 0 ? 1 / share : 0, penalty)
    }
  }
}

/// Weights of the rows of a batch and their sum, known on the host before the step.
public struct RowWeights: Sendable {
  public let values: Tensor
  /// Sum of the weights, in Double.
  public let total: Float

  /// Precondition: weights are finite and at least 0. A sum of 0 makes every loss and gradient 0.
  public init(_ weights: [Float], device: Device = .cpu) {
    precondition(weights.allSatisfy { $0 >= 0 && $0 < .infinity }, "RowWeights: expected finite weights of at least 0, got another")
    values = Tensor(weights, shape: [weights.count], device: device)
    total = Float(weights.reduce(0.0) { $0 + Double($1) })
  }

  /// Class weights: `positive` where the label is above 1/2, `negative` elsewhere, times the weight of the row where one is given.
  public init(labels: [Float], positive: Float, negative: Float = 1, rows: [Float]? = nil, device: Device = .cpu) {
    precondition(rows.map { $0.count == labels.count } ?? true, "RowWeights: expected \(labels.count) weights, got \(rows?.count ?? 0)")
    self.init(labels.indices.map { (labels[$0] > 0.5 ? positive : negative) * (rows?[$0] ?? 1) }, device: device)
  }
}

/// The weighted mean of a loss over the rows: scale * sum of w L / sum of w.
///
/// - Parameters:
///   - x: the first output, any shape; or all C outputs of the loss side by side, `[T, C]`, where `x1` is nil.
///   - x1: the second output apart, `x2` the third.
///   - labels: as many as rows; `labels1` the second where the loss has two.
///   - weights: nil stands for 1 each.
///   - scale: of this loss among several: `add` them and go back from the sum.
/// - Returns: `[1]`.
public func meanLoss(
  _ loss: Loss, _ x: Tensor, _ x1: Tensor? = nil, _ x2: Tensor? = nil, labels y: Tensor? = nil, _ y1: Tensor? = nil, weights: RowWeights? = nil,
  scale: Float = 1
) -> Tensor {
  let form = loss.form
  let isApart = form.outputs == 1 || x1 != nil
  let T = isApart ? x.count : x.shape.rows
  precondition(
    T > 0
      && (isApart
        ? [x1, x2].allSatisfy { $0?.count ?? T == T } && form.outputs == (x1 == nil ? 1 : x2 == nil ? 2 : 3)
        : x2 == nil && x.count == T * form.outputs),
    "meanLoss: expected \(form.outputs) outputs a row, got \(x.shape), \(x1?.shape ?? []) and \(x2?.shape ?? [])")
  precondition(
    [y, y1].prefix(form.labels).allSatisfy { $0?.count == T } && weights?.values.count ?? T == T,
    "meanLoss: expected \(form.labels) times \(T) labels, got \(y?.shape ?? []) and \(y1?.shape ?? []), \(weights?.values.count ?? T) weights")
  let all = weights?.total ?? Float(T)
  let weight = all > 0 ? scale / all : 0
  let (total, tape) = makeOutput([1], of: x, x1, x2, y, y1, device: x.device)
  let losses = RowLosses(T, device: x.device)
  precondition(weights?.values.device ?? x.device == x.device, "meanLoss: expected weights on \(x.device)")
  let (dx, dx1, dx2) = (
    Tensor(x.shape, device: x.device), x1.map { Tensor($0.shape, device: $0.device) }, x2.map { Tensor($0.shape, device: $0.device) }
  )
  let (stride, step) = isApart ? (1, 0) : (form.outputs, 1)
  switch x.device {
  case .cpu:
    var rows = ck_loss()
    (rows.kind, rows.loss, rows.stride, rows.p, rows.weight) = (Int32(form.kind), losses.values.pointer, stride, (form.p0, form.p1), weight)
    let from = outputColumns(x, x1, x2, isApart: isApart)
    rows.x = (UnsafePointer(from.0), UnsafePointer(from.1), UnsafePointer(from.2))
    rows.dx = outputColumns(dx, dx1, dx2, isApart: isApart)
    (rows.y, rows.w) = ((UnsafePointer(y?.pointer), UnsafePointer(y1?.pointer)), UnsafePointer(weights?.values.pointer))
    parallel(T, grain: elementGrain) { begin, end in withUnsafePointer(to: rows) { ck_row_loss($0, begin, end) } }
  case .gpu(let queue):
    let (x1, dx1) = isApart ? (x1, dx1) : (x, dx)
    let (x2, dx2) = isApart ? (x2, dx2) : (x, dx)
    queue.launch(
      module, form.entry, queue.tuning.elementGrid(T), losses.values.argument, dx.argument, dx1.argument, dx2.argument, x.argument, x1.argument,
      x2.argument, y.argument, y1.argument, (weights?.values).argument, .int(T), .int(stride), .int(step), .float(form.p0),
      .float(form.p1), .float(weight))
  }
  losses.sum(into: total, weight: weight)
  if let tape, let slot = total.slot {
    tape.record(slot) { _ in
      x.slot?.collect(dx)
      if let dx1 { x1?.slot?.collect(dx1) }
      if let dx2 { x2?.slot?.collect(dx2) }
    }
  }
  return total
}

/// Losses of T rows; many of them lie in 64 columns, which are added up side by side.
private struct RowLosses {
  let values: Tensor

  init(_ T: Int, device: Device) {
    let width = T < 4096 ? 1 : 64
    values = Tensor([(T + width - 1) / width, width], device: device)
    switch device {
    case .cpu: (values.pointer + T).update(repeating: 0, count: values.count - T)
    case .gpu: if values.count > T { values.fillWithZeros() }
    }
  }

  /// total = weight * sum of the losses.
  func sum(into total: Tensor, weight: Float) {
    guard values.shape.columns > 1, values.isOnCPU else { return setTotal(total, values, weight: weight) }
    total.fillWithZeros()
    let columns = Tensor.zeros([values.shape.columns], device: values.device)
    addColumnSums(into: columns, values, weight: weight)
    addColumnSums(into: total, columns.reshaped([columns.count, 1]))
  }
}

/// Where up to three outputs of row 0 lie: in tensors of their own, or side by side.
private func outputColumns(
  _ x: Tensor, _ x1: Tensor?, _ x2: Tensor?, isApart: Bool
) -> (UnsafeMutablePointer<Float>?, UnsafeMutablePointer<Float>?, UnsafeMutablePointer<Float>?) {
  isApart ? (x.pointer, x1?.pointer, x2?.pointer) : (x.pointer, x.pointer + 1, x.pointer + 2)
}

/// The mean of (x - y)^2 over all elements.
///
/// - Returns: `[1]`.
public func meanSquaredError(_ x: Tensor, _ y: Tensor) -> Tensor { meanLoss(.squared, x, labels: y) }
