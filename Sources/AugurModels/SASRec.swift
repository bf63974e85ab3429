// SASRec: self-attentive sequential recommendation. Kang and McAuley 2018, and the pre-norm form of later work.
public import AugurLayers
import AugurOps
public import AugurTensors

/// x = sqrt(D) E[item] + P[place]; blocks; layer norm; scores by the shared item table.
public final class SASRec: SequenceModel {
  static let entry = ModelEntry(
    name: "sasrec", paper: "Kang and McAuley 2018, arXiv 1808.09781",
    hyperparameters: transformerKnobs(dim: 64, blocks: 2, heads: 1, dropout: 0.2, feedForward: 1, length: 50) + ownKnobs
      + objectiveKnobs(loss: "bce", negatives: 1, sharing: "row")
  ) { h, itemCount throws(ModelError) in
    try SASRec(h, itemCount: itemCount)
  }

  /// Those of the architecture.
  static let ownKnobs: [Hyperparameter] = [
    positionsKnob(.right),
    .choice("variant", "paper", of: ["paper", "pre-norm"], "paper: the residual adds the normalised query; pre-norm: x"),
    .choice("feed-forward-activation", "relu", of: ["relu", "gelu"], "activation of the feed-forward part"),
  ]

  public var parameters: [Parameter] { store.parameters }
  public let outputTable: Parameter
  public var longestHistory: Int { events.longest }
  public let isCosine: Bool
  public let positionAlignment: PositionAlignment
  private let store: ParameterStore
  private let events: PlacedEvents
  private let blocks: [Block]
  private let norm: LayerNorm

  init(_ h: Hyperparameters, itemCount: Int) throws(ModelError) {
    try checkHeads(h)
    let (D, made) = (h.integer("dim"), ParameterStore(precision: h.precision))
    (store, isCosine, positionAlignment) = (made, h.isCosine, h.positionAlignment)
    events = PlacedEvents(
      h, rows: itemCount, .normal(deviation: 1 / Float(D).squareRoot() * 0.3), positions: .normal(deviation: 0.02), isScaled: true,
      in: made)
    blocks = [Block](h) { Block($0, h, in: made) }
    norm = LayerNorm("norm", D, in: made)
    outputTable = makeOutputTable(h, items: events.items, .normal(deviation: 0.02), in: made)
  }

  public func states(_ input: SequenceInput, _ pass: Pass) -> Tensor {
    norm(blocks(events(input, pass), input, pass))
  }

  /// paper:    q = LN(x); h = q + MHA(q, x, x); z = LN(h); z + FFN(z).
  /// pre-norm: h = x + MHA(LN(x)); h + FFN(LN(h)).
  private final class Block: SequenceBlock {
    let attentionNorm: LayerNorm
    let attention: SelfAttention
    let feedForwardNorm: LayerNorm
    let feedForward: FeedForward
    let isPreNorm: Bool
    let rate: Float

    init(_ name: String, _ h: Hyperparameters, in store: ParameterStore) {
      let (D, rate) = (h.integer("dim"), h.real("dropout"))
      attentionNorm = LayerNorm("\(name).attention-norm", D, in: store)
      attention = SelfAttention("\(name).attention", D, heads: h.integer("heads"), dropout: h.innerDropout, in: store)
      feedForwardNorm = LayerNorm("\(name).feed-forward-norm", D, in: store)
      feedForward = FeedForward(
        "\(name).feed-forward", D, hidden: D * h.integer("feed-forward"),
        activation: h.choice("feed-forward-activation") == "gelu" ? .gelu : .relu, dropout: h.innerDropout, in: store)
      isPreNorm = h.choice("variant") == "pre-norm"
      self.rate = rate
    }

    func callAsFunction(_ x: Tensor, _ input: SequenceInput, _ pass: Pass, isLast: Bool) -> Tensor {
      let n = attentionNorm(x)
      let (q, own) = (input.read(n, pass, isLast), isPreNorm ? input.read(x, pass, isLast) : nil)
      let seen = attention(q: q, isPreNorm ? n : x, input.rows, pass)
      let (h, z) = feedForwardNorm(sumOf: seen, pass.dropout(rate), residual: own ?? q)
      return feedForward(z, residual: isPreNorm ? h : z, dropout: rate, pass)
    }
  }
}
