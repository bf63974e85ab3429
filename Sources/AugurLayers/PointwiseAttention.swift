// Attention without a softmax, with its projections and its bias by distance (Zhai et al. 2024).
import AugurOps
public import AugurTensors

/// SiLU(q k^T + position) / n v, where q, k and v are SiLU(x W): causal, one sequence at a time.
public struct PointwiseAttention {
  let query: Linear
  let keyValue: Linear
  let position: Parameter
  let heads: Int
  let precision: DataType

  /// - Parameter longest: n, rows of the longest sequence.
  public init(_ name: String, _ width: Int, heads: Int, longest: Int, in store: ParameterStore) {
    query = Linear("\(name).query", width, width, bias: false, deviation: 0.02, in: store)
    keyValue = Linear("\(name).key-value", width, 2 * width, bias: false, deviation: 0.02, in: store)
    position = store.make("\(name).position", [longest], .normal(deviation: 0.02))
    (self.heads, precision) = (heads, store.precision)
  }

  /// Where `q` has fewer rows than `x`, or the pass keeps a cache, they are the last of each history.
  public func callAsFunction(q: Tensor, _ x: Tensor, _ rows: Jagged, _ pass: Pass) -> Tensor {
    let (q, kv) = (query(q, activation: .silu), keyValue(x, activation: .silu))
    let bias = HSTUBias(position: position.value)
    if let cache = pass.cache {
      let all = cache.rows(adding: kv)
      let one = Jagged(offsets: [0, Int32(all.shape.rows)], device: all.device)
      return lastHSTUAttention(q: q, kv: all, one, heads: heads, bias: bias, precision: precision)
    }
    if q.shape.rows < x.shape.rows { return lastHSTUAttention(q: q, kv: kv, rows, heads: heads, bias: bias, precision: precision) }
    return hstuAttention(q: q, kv: kv, rows, heads: heads, bias: bias, precision: precision)
  }
}
