// BERT4Rec: attention in both directions, trained to fill in masked events by softmax over the catalogue. Sun et al. 2019, arXiv 1904.06690.
public import AugurLayers
import AugurOps
public import AugurTensors

/// x = E[item or mask] + P[place]; post-norm blocks; GELU(x W + b) scores by the shared item table, whose last row is the mask.
public final class BERT4Rec: SequenceModel {
  static let entry = ModelEntry(
    name: "bert4rec", paper: "Sun et al. 2019, arXiv 1904.06690",
    hyperparameters: stateKnobs(dim: 64, dropout: 0.1, length: 200)
      + [
        .integer("blocks", 2, in: 1...128, "blocks of attention"),
        .integer("heads", 2, in: 1...64, "H, attention heads; divides dim into at most 256"),
        .choice("inner-dropout", "yes", of: ["yes", "no"], "dropout inside attention and feed-forward too, not only on what they add"),
        .integer("feed-forward", 4, in: 1...16, "hidden width of the feed-forward part, in multiples of dim"),
        .real("mask-share", 0.2, in: 0.001...0.999, "share of the events of a history that a step masks"),
        .real("last-share", 0.1, in: 0...1, "share of the histories of which a step masks the last event alone"),
      ]
  ) { h, itemCount throws(ModelError) in
    try BERT4Rec(h, itemCount: itemCount)
  }

  public var parameters: [Parameter] { store.parameters }
  public let outputTable: Parameter
  public let longestHistory: Int
  public let positionAlignment = PositionAlignment.right
  public let fillsMasks = true
  private let store: ParameterStore
  private let itemCount: Int
  private let positions: Parameter
  private let blocks: [Block]
  private let head: Linear
  private let dropoutRate: Float

  init(_ h: Hyperparameters, itemCount: Int) throws(ModelError) {
    try checkHeads(h)
    let (D, made) = (h.integer("dim"), ParameterStore(precision: h.precision))
    (store, longestHistory, dropoutRate, self.itemCount) = (made, h.integer("length"), h.real("dropout"), itemCount)
    outputTable = made.make("items", [itemCount + 1, D], .normal(deviation: 0.02), isTable: true)
    positions = made.make("positions", [longestHistory, D], .normal(deviation: 0.02))
    blocks = (0..<h.integer("blocks")).map { Block("blocks.\($0)", h, in: made) }
    head = Linear("head", D, D, in: made)
  }

  public var scoringTable: Tensor { outputTable.value.firstRows(itemCount) }

  /// A mask behind the newest events: its row is filled in.
  public func scoringInput(_ histories: [ArraySlice<Int32>], times: [[Int32]]?, itemCount: Int, device: Device) -> SequenceInput {
    let masked = histories.map { ArraySlice(Array($0.suffix(longestHistory - 1)) + [Int32(itemCount)]) }
    return SequenceInput(masked, itemCount: itemCount + 1, longest: longestHistory, positions: .right, device: device)
  }

  public func states(_ input: SequenceInput, _ pass: Pass) -> Tensor {
    var x = embedding(outputTable.value, input.items, positions: positions.value, places: input.places, tape: pass.tape)
    x = dropout(x, pass.dropout(dropoutRate))
    for i in blocks.indices { x = blocks[i](x, input, pass, isLast: i == blocks.count - 1) }
    return head(x, activation: .gelu)
  }

  /// h = LN(x + drop(MHA(x, x, x))); LN(h + drop(FFN(h))).
  private final class Block {
    let attention: SelfAttention
    let attentionNorm: LayerNorm
    let feedForward: FeedForward
    let feedForwardNorm: LayerNorm
    let rate: Float

    init(_ name: String, _ h: Hyperparameters, in store: ParameterStore) {
      let D = h.integer("dim")
      attention = SelfAttention(
        "\(name).attention", D, heads: h.integer("heads"), dropout: h.innerDropout, isCausal: false, in: store)
      attentionNorm = LayerNorm("\(name).attention-norm", D, epsilon: 1e-5, in: store)
      feedForward = FeedForward(
        "\(name).feed-forward", D, hidden: D * h.integer("feed-forward"), activation: .gelu, dropout: h.innerDropout, in: store)
      feedForwardNorm = LayerNorm("\(name).feed-forward-norm", D, epsilon: 1e-5, in: store)
      rate = h.real("dropout")
    }

    func callAsFunction(_ x: Tensor, _ input: SequenceInput, _ pass: Pass, isLast: Bool) -> Tensor {
      let own = input.read(x, pass, isLast)
      let h = attentionNorm(dropout(attention(q: own, x, input.rows, pass), pass.dropout(rate), residual: own))
      return feedForwardNorm(dropout(feedForward(h, pass), pass.dropout(rate), residual: h))
    }
  }
}
