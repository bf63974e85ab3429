// Attention without a softmax, with its projections and its biases by distance and by time (Zhai et al. 2024).
import AugurOps
public import AugurTensors

/// SiLU(q k^T + position + time) / n v, where q, k and v are SiLU(x W): causal, one sequence at a time.
public struct PointwiseAttention {
  let query: Linear
  let keyValue: Linear
  let position: Parameter
  let time: Parameter?
  let heads: Int
  let precision: DataType

  /// - Parameter longest: n, rows of the longest sequence.
  public init(_ name: String, _ width: Int, heads: Int, longest: Int, hasTimes: Bool, in store: ParameterStore) {
    query = Linear("\(name).query", width, width, bias: false, deviation: 0.02, in: store)
    keyValue = Linear("\(name).key-value", width, 2 * width, bias: false, deviation: 0.02, in: store)
    position = store.make("\(name).position", [longest], .normal(deviation: 0.02))
    time = hasTimes ? store.make("\(name).time", [HSTUBias.buckets], .normal(deviation: 0.02)) : nil
    (self.heads, precision) = (heads, store.precision)
  }

  /// `times` are those of the rows, in seconds, where the layer has a bias for them; then a pass keeps no cache: the bias of a row reads the
  /// time of the next. Where `q` has fewer rows than `x`, or the pass keeps a cache, they are the last of each history.
  public func callAsFunction(q: Tensor, _ x: Tensor, _ rows: Jagged, times: Tensor?, _ pass: Pass) -> Tensor {
    let (q, kv) = (query(q, activation: .silu, isFactor: true), keyValue(x, activation: .silu, isFactor: true))
    let bias = HSTUBias(position: position.value, time: time?.value, times: time.flatMap { _ in times })
    if let cache = pass.cache, time == nil {
      let all = cache.rows(adding: kv)
      let one = Jagged(offsets: [0, Int32(all.shape.rows)], device: all.device)
      return lastHSTUAttention(q: q, kv: all, one, heads: heads, bias: bias, precision: precision)
    }
    if q.shape.rows < x.shape.rows { return lastHSTUAttention(q: q, kv: kv, rows, heads: heads, bias: bias, precision: precision) }
    return hstuAttention(q: q, kv: kv, rows, heads: heads, bias: bias, precision: precision)
  }
}
