// The multi-layer perceptron of table models, with batch norm and dropout.
public import AugurOps
public import AugurTensors

/// Batch norm with running statistics: those of the batch in training, the kept ones at inference (Ioffe and Szegedy 2015).
public struct BatchNorm {
  let gain: Parameter, bias: Parameter
  let mean: Parameter, variance: Parameter
  let epsilon: Float
  /// Share of a batch in the running statistics.
  let momentum: Float

  public init(_ name: String, _ width: Int, epsilon: Float = 1e-5, momentum: Float = 0.1, in store: ParameterStore) {
    gain = store.make("\(name).gain", [width], .ones)
    bias = store.make("\(name).bias", [width], .zeros)
    mean = store.make("\(name).mean", [width], .zeros, isTrained: false)
    variance = store.make("\(name).variance", [width], .ones, isTrained: false)
    (self.epsilon, self.momentum) = (epsilon, momentum)
  }

  public func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
    let B = x.shape.rows
    guard pass.tape != nil, B > 1 else {
      let kept = ColumnStatistics(mean: mean.value, variance: variance.value, epsilon: epsilon)
      return batchNorm(x, gain: gain.value, bias: bias.value, kept, isOwn: false)
    }
    let own = ColumnStatistics(x, epsilon: epsilon)
    combine(mean.value, times: 1 - momentum, own.mean, times: momentum)
    // The running variance is unbiased, as users of PyTorch know it.
    combine(variance.value, times: 1 - momentum, own.variance, times: momentum * Float(B) / Float(B - 1))
    return batchNorm(x, gain: gain.value, bias: bias.value, own, isOwn: true)
  }
}

/// Layers of act(norm(x W + b)) with dropout behind each.
public struct MLP {
  private let layers: [(linear: Linear, norm: BatchNorm?)]
  private let activation: Activation
  private let rate: Float
  /// Width of the output.
  public let width: Int

  /// - Parameter units: widths of the layers; none gives the input back.
  public init(
    _ name: String, _ input: Int, _ units: [Int], activation: Activation = .relu, batchNorm: Bool, dropout: Float, in store: ParameterStore
  ) {
    var (layers, width): ([(Linear, BatchNorm?)], Int) = ([], input)
    for (place, unit) in units.enumerated() {
      let linear = Linear("\(name).\(place)", width, unit, in: store)
      layers.append((linear, batchNorm ? BatchNorm("\(name).\(place).norm", unit, in: store) : nil))
      width = unit
    }
    (self.layers, self.activation, rate, self.width) = (layers, activation, dropout, width)
  }

  public func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor {
    var x = x
    for (linear, norm) in layers {
      x = norm.map { AugurOps.activation($0(linear(x), pass), activation) } ?? linear(x, activation: activation)
      x = pass.dropout(rate).map { dropout(x, $0) } ?? x
    }
    return x
  }
}
