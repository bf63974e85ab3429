// A block of the transformer's encoder: Vaswani et al. 2017, arXiv 1706.03762.
public import AugurOps
public import AugurTensors

/// h = LN(x + drop(MHA(x, x, x))); LN(h + drop(FFN(h))), attention over all rows of each sequence.
public struct PostNormBlock {
  let attention: SelfAttention
  let attentionNorm: LayerNorm
  let feedForward: FeedForward
  let feedForwardNorm: LayerNorm
  let rate: Float

  /// - Parameters:
  ///   - hidden: width inside the feed-forward part.
  ///   - dropout: rate of what the two parts add; `innerDropout` of what is inside them.
  public init(
    _ name: String, _ width: Int, heads: Int, hidden: Int, activation: Activation, dropout: Float, innerDropout: Float,
    in store: ParameterStore
  ) {
    attention = SelfAttention("\(name).attention", width, heads: heads, dropout: innerDropout, isCausal: false, in: store)
    attentionNorm = LayerNorm("\(name).attention-norm", width, epsilon: 1e-5, in: store)
    feedForward = FeedForward("\(name).feed-forward", width, hidden: hidden, activation: activation, dropout: innerDropout, in: store)
    feedForwardNorm = LayerNorm("\(name).feed-forward-norm", width, epsilon: 1e-5, in: store)
    rate = dropout
  }

  /// Rows `own` of `x`, which are all or as `SelfAttention` takes them; with `chosen` those of them alone go through what follows attention.
  public func callAsFunction(q own: Tensor, _ x: Tensor, _ rows: Jagged, chosen: Lookup? = nil, _ pass: Pass) -> Tensor {
    let seen = attention(q: own, x, rows, pass)
    let (base, added) = (chosen.map { chosenRows(own, $0) } ?? own, chosen.map { chosenRows(seen, $0) } ?? seen)
    let (_, h) = attentionNorm(sumOf: added, pass.dropout(rate), residual: base)
    return feedForwardNorm(feedForward(h, residual: h, dropout: rate, pass))
  }
}
