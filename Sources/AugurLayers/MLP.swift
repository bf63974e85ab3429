// The multi-layer perceptron of table models, with batch norm and dropout.
public import AugurOps
public import AugurTensors

/// Batch norm with running statistics: those of the batch in training, the kept ones at inference (Ioffe and Szegedy 2015).
public struct BatchNorm {
  let gain: Parameter, bias: Parameter
  let statistics: RunningStatistics

  public init(_ name: String, _ width: Int, epsilon: Float = 1e-5, momentum: Float = 0.1, in store: ParameterStore) {
    gain = store.make("\(name).gain", [width], .ones)
    bias = store.make("\(name).bias", [width], .zeros)
    statistics = RunningStatistics(name, width, epsilon: epsilon, momentum: momentum, in: store)
  }

  public func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
    let (columns, isOwn) = statistics(x, pass)
    return batchNorm(x, gain: gain.value, bias: bias.value, columns, isOwn: isOwn)
  }
}

/// Mean and variance of columns: those of the batch in training, the kept ones at inference.
struct RunningStatistics {
  let mean: Parameter, variance: Parameter
  let epsilon: Float
  /// Share of a batch in what is kept.
  let momentum: Float

  init(_ name: String, _ width: Int, epsilon: Float, momentum: Float, in store: ParameterStore) {
    mean = store.make("\(name).mean", [width], .zeros, isTrained: false)
    variance = store.make("\(name).variance", [width], .ones, isTrained: false)
    (self.epsilon, self.momentum) = (epsilon, momentum)
  }

  /// The statistics for `x`, and whether they are its own.
  func callAsFunction(_ x: Tensor, _ pass: Pass) -> (ColumnStatistics, isOwn: Bool) {
    let B = x.shape.rows
    guard pass.tape != nil, B > 1 else {
      return (ColumnStatistics(mean: mean.value, variance: variance.value, epsilon: epsilon), false)
    }
    let own = ColumnStatistics(x, epsilon: epsilon)
    combine(mean.value, times: 1 - momentum, own.mean, times: momentum)
    // The running variance is unbiased, as users of PyTorch know it.
    combine(variance.value, times: 1 - momentum, own.variance, times: momentum * Float(B) / Float(B - 1))
    return (own, true)
  }
}

/// A leaky slope that bends at the mean of each unit (Zhou et al. 2018, equation 3); alpha, the slope below, is learned from 0.
public struct Dice {
  let alpha: Parameter
  let statistics: RunningStatistics

  public init(_ name: String, _ width: Int, epsilon: Float = 1e-9, momentum: Float = 0.01, in store: ParameterStore) {
    alpha = store.make("\(name).alpha", [width], .zeros)
    statistics = RunningStatistics(name, width, epsilon: epsilon, momentum: momentum, in: store)
  }

  public func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
    let (columns, isOwn) = statistics(x, pass)
    return dice(x, alpha: alpha.value, columns, isOwn: isOwn)
  }
}

/// Layers of act(norm(x W + b)) with dropout behind each.
public struct MLP {
  private let layers: [(linear: Linear, norm: BatchNorm?, dice: Dice?)]
  private let activation: Activation
  private let rate: Float
  /// Width of the output.
  public let width: Int

  /// - Parameters:
  ///   - units: widths of the layers; none gives the input back.
  ///   - isDice: whether Dice takes the place of `activation`.
  public init(
    _ name: String, _ input: Int, _ units: [Int], activation: Activation = .relu, isDice: Bool = false, batchNorm: Bool, dropout: Float,
    in store: ParameterStore
  ) {
    var (layers, width): ([(Linear, BatchNorm?, Dice?)], Int) = ([], input)
    for (place, unit) in units.enumerated() {
      let own = "\(name).\(place)"
      let linear = Linear(own, width, unit, in: store)
      let norm = batchNorm ? BatchNorm("\(own).norm", unit, in: store) : nil
      layers.append((linear, norm, isDice ? Dice("\(own).dice", unit, in: store) : nil))
      width = unit
    }
    (self.layers, self.activation, rate, self.width) = (layers, activation, dropout, width)
  }

  public func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
    var x = x
    for (linear, norm, dice) in layers {
      if norm == nil, dice == nil {
        x = linear(x, activation: activation)
      } else {
        x = linear(x)
        x = norm?(x, pass) ?? x
        x = dice?(x, pass) ?? AugurOps.activation(x, activation)
      }
      x = pass.dropout(rate).map { dropout(x, $0) } ?? x
    }
    return x
  }
}
