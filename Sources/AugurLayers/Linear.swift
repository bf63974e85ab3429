// The small layers that every model shares.
public import AugurOps
public import AugurTensors

/// y = act(x W + b) + residual; W is `[in, out]`.
public struct Linear {
  let weight: Parameter
  let bias: Parameter?
  let precision: DataType

  /// `deviation` of the first weights; nil: Glorot's.
  public init(
    _ name: String, _ input: Int, _ output: Int, bias hasBias: Bool = true, deviation: Float? = nil, in store: ParameterStore
  ) {
    weight = store.make("\(name).weight", [input, output], deviation.map { .normal(deviation: $0) } ?? .xavierNormal)
    bias = hasBias ? store.make("\(name).bias", [output], .zeros) : nil
    precision = store.precision
  }

  /// `isFactor`: whether products of the same precision alone read the result.
  public func callAsFunction(_ x: Tensor, residual: Tensor? = nil, activation: Activation = .none, isFactor: Bool = false) -> Tensor {
    linear(
      x, weight.value, bias: bias?.value, residual: residual, activation: activation, precision: precision, isFactor: isFactor)
  }
}

/// Layer norm with gain and bias.
public struct LayerNorm {
  let gain: Parameter
  let bias: Parameter
  let epsilon: Float

  public init(_ name: String, _ width: Int, epsilon: Float = 1e-8, in store: ParameterStore) {
    gain = store.make("\(name).gain", [width], .ones)
    bias = store.make("\(name).bias", [width], .zeros)
    self.epsilon = epsilon
  }

  public func callAsFunction(_ x: Tensor) -> Tensor { layerNorm(x, gain: gain.value, bias: bias.value, epsilon: epsilon) }

  /// h = residual + drop(x), and its norm.
  public func callAsFunction(sumOf x: Tensor, _ drop: Dropout?, residual: Tensor) -> (sum: Tensor, norm: Tensor) {
    layerNorm(sumOf: x, drop, residual: residual, gain: gain.value, bias: bias.value, epsilon: epsilon)
  }
}

/// FFN(x) = W2 drop(act(W1 x + b1)) + b2, in a block residual + drop(FFN(x)).
public struct FeedForward {
  let upWeight: Parameter, upBias: Parameter
  let downWeight: Parameter, downBias: Parameter
  let activation: Activation
  let dropout: Float
  let precision: DataType

  public init(
    _ name: String, _ width: Int, hidden: Int, activation: Activation, dropout: Float, in store: ParameterStore
  ) {
    upWeight = store.make("\(name).up.weight", [width, hidden], .xavierNormal)
    upBias = store.make("\(name).up.bias", [hidden], .zeros)
    downWeight = store.make("\(name).down.weight", [hidden, width], .xavierNormal)
    downBias = store.make("\(name).down.bias", [width], .zeros)
    (self.activation, self.dropout, precision) = (activation, dropout, store.precision)
  }

  /// `rate` is that of what is added to `residual`.
  public func callAsFunction(_ x: Tensor, residual: Tensor? = nil, dropout rate: Float = 0, _ pass: Pass) -> Tensor {
    let inner = pass.dropout(dropout)
    return feedForward(
      x, upWeight.value, upBias.value, downWeight.value, downBias.value, activation: activation, inner, residual: residual,
      output: pass.dropout(rate), precision: precision)
  }
}

/// FFN(x) = (SiLU(x Wa) * x Wb) W3, without bias (Shazeer 2020).
public struct GatedFeedForward {
  let up: Linear
  let down: Linear

  public init(_ name: String, _ width: Int, hidden: Int, in store: ParameterStore) {
    up = Linear("\(name).up", width, 2 * hidden, bias: false, in: store)
    down = Linear("\(name).down", hidden, width, bias: false, in: store)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor { down(swiglu(up(x))) }
}

/// Self-attention of one sequence at a time, causal or over all of its rows, with its projections.
public struct SelfAttention {
  let query: Linear
  let keyValue: Linear
  let output: Linear
  let heads: Int
  let dropout: Float
  let precision: DataType
  let isCausal: Bool

  public init(_ name: String, _ width: Int, heads: Int, dropout: Float, isCausal: Bool = true, in store: ParameterStore) {
    self.isCausal = isCausal
    query = Linear("\(name).query", width, width, in: store)
    keyValue = Linear("\(name).key-value", width, 2 * width, in: store)
    output = Linear("\(name).output", width, width, in: store)
    (self.heads, self.dropout, precision) = (heads, dropout, store.precision)
  }

  /// MHA(q, x, x). Where `q` has fewer rows than `x`, or the pass keeps a cache, they are the last of each history; one row where it is not
  /// causal, which sees all others either way.
  public func callAsFunction(q: Tensor, _ x: Tensor, _ rows: Jagged, _ pass: Pass) -> Tensor {
    if let cache = pass.cache {
      return output(cache.attention(q: query(q), kv: keyValue(x), heads: heads, precision: precision))
    }
    if q.shape.rows < x.shape.rows {
      return output(lastAttention(q: query(q), kv: keyValue(x), rows, heads: heads, precision: precision))
    }
    let drop = pass.dropout(dropout)
    let (q, kv) = (query(q, isFactor: true), keyValue(x, isFactor: true))
    return output(attention(q: q, kv: kv, rows, heads: heads, dropout: drop, precision: precision, isCausal: isCausal))
  }
}
