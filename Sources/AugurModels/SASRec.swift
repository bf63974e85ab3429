// SASRec: self-attentive sequential recommendation. Kang and McAuley 2018, and the pre-norm form of later work.
public import AugurLayers
import AugurOps
public import AugurTensors

/// x = sqrt(D) E[item] + P[place]; blocks; layer norm; scores by the shared item table.
public final class SASRec: SequenceModel {
  static let entry = ModelEntry(
    name: "sasrec", paper: "Kang and McAuley 2018, arXiv 1808.09781",
    hyperparameters: transformerKnobs(dim: 64, blocks: 2, heads: 1, dropout: 0.2, feedForward: 1, length: 50)
      + [
        .choice("variant", "paper", of: ["paper", "pre-norm"], "paper: the residual adds the normalised query; pre-norm: x"),
        .choice("feed-forward-activation", "relu", of: ["relu", "gelu"], "activation of the feed-forward part"),
      ] + objectiveKnobs(loss: "bce", negatives: 1, sharing: "row")
  ) { h, itemCount throws(ModelError) in
    try SASRec(h, itemCount: itemCount, separateOutput: false)
  }

  public var parameters: [Parameter] { store.parameters }
  public let outputTable: Parameter
  public let longestHistory: Int
  public let isCosine: Bool
  public let positionAlignment: PositionAlignment
  private let store: ParameterStore
  private let items: Parameter
  private let positions: Parameter
  private let blocks: [Block]
  private let norm: LayerNorm
  private let dropoutRate: Float
  private let embeddingScale: Float

  init(
    _ h: Hyperparameters, itemCount: Int, separateOutput: Bool
  ) throws(ModelError) {
    try checkHeads(h)
    let D = h.integer("dim")
    store = ParameterStore(precision: h.precision)
    longestHistory = h.integer("length")
    isCosine = h.isCosine
    positionAlignment = h.choice("positions") == "left" ? .left : .right
    dropoutRate = h.real("dropout")
    embeddingScale = Float(D).squareRoot()
    items = store.make("items", [itemCount, D], .normal(deviation: 1 / Float(D).squareRoot() * 0.3), isTable: true)
    positions = store.make("positions", [longestHistory, D], .normal(deviation: 0.02))
    let (blockStore, preNorm) = (store, h.choice("variant") == "pre-norm")
    blocks = (0..<h.integer("blocks")).map { Block("blocks.\($0)", h, preNorm: preNorm, in: blockStore) }
    norm = LayerNorm("norm", D, in: store)
    outputTable = separateOutput
      ? store.make("output-items", [itemCount, D], .normal(deviation: 0.02), isTable: true) : items
  }

  public func states(_ input: SequenceInput, _ pass: Pass) -> Tensor {
    var x = embedding(
      items.value, input.items, scale: embeddingScale, positions: positions.value, places: input.places, tape: pass.tape)
    x = dropout(x, pass.dropout(dropoutRate))
    for i in blocks.indices { x = blocks[i](x, input, pass, isLast: i == blocks.count - 1) }
    return norm(x)
  }

  /// paper:    q = LN(x); h = q + MHA(q, x, x); z = LN(h); z + FFN(z).
  /// pre-norm: h = x + MHA(LN(x)); h + FFN(LN(h)).
  private final class Block {
    let attentionNorm: LayerNorm
    let attention: SelfAttention
    let feedForwardNorm: LayerNorm
    let feedForward: FeedForward
    let isPreNorm: Bool
    let rate: Float

    init(_ name: String, _ h: Hyperparameters, preNorm: Bool, in store: ParameterStore) {
      let (D, rate) = (h.integer("dim"), h.real("dropout"))
      attentionNorm = LayerNorm("\(name).attention-norm", D, in: store)
      attention = SelfAttention("\(name).attention", D, heads: h.integer("heads"), dropout: h.innerDropout, in: store)
      feedForwardNorm = LayerNorm("\(name).feed-forward-norm", D, in: store)
      feedForward = FeedForward(
        "\(name).feed-forward", D, hidden: D * h.integer("feed-forward"),
        activation: h.choice("feed-forward-activation") == "gelu" ? .gelu : .relu, dropout: h.innerDropout, in: store)
      isPreNorm = preNorm
      self.rate = rate
    }

    func callAsFunction(_ x: Tensor, _ input: SequenceInput, _ pass: Pass, isLast: Bool) -> Tensor {
      let n = attentionNorm(x)
      let (q, own) = (input.read(n, pass, isLast), isPreNorm ? input.read(x, pass, isLast) : nil)
      let h = dropout(attention(q: q, isPreNorm ? n : x, input.rows, pass), pass.dropout(rate), residual: own ?? q)
      let z = feedForwardNorm(h)
      return dropout(feedForward(z, pass), pass.dropout(rate), residual: isPreNorm ? h : z)
    }
  }
}
