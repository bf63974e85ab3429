// BERT4Rec: attention in both directions, trained to fill in masked events by softmax over the catalogue. Sun et al. 2019, arXiv 1904.06690.
public import AugurLayers
import AugurOps
public import AugurTensors

/// x = E[item or mask] + P[place]; post-norm blocks; GELU(x W + b) scores by the shared item table, whose last row is the mask.
public final class BERT4Rec: SequenceModel {
  static let entry = ModelEntry(
    name: "bert4rec", paper: "Sun et al. 2019, arXiv 1904.06690",
    hyperparameters: transformerKnobs(dim: 64, blocks: 2, heads: 2, dropout: 0.1, feedForward: 4, length: 200)
      + [
        .real("mask-share", 0.2, in: 0.001...0.999, "share of the events of a history that a step masks"),
        .real("last-share", 0.1, in: 0...1, "share of the histories of which a step masks the last event alone"),
      ]
  ) { h, itemCount throws(ModelError) in
    try BERT4Rec(h, itemCount: itemCount)
  }

  public var parameters: [Parameter] { store.parameters }
  public var outputTable: Parameter { events.items }
  public var longestHistory: Int { events.longest }
  public let positionAlignment = PositionAlignment.right
  public let fillsMasks = true
  private let store: ParameterStore
  private let itemCount: Int
  private let events: PlacedEvents
  private let blocks: [Block]
  private let head: Linear

  init(_ h: Hyperparameters, itemCount: Int) throws(ModelError) {
    try checkHeads(h)
    let (D, made) = (h.integer("dim"), ParameterStore(precision: h.precision))
    (store, self.itemCount) = (made, itemCount)
    events = PlacedEvents(
      h, rows: itemCount + 1, .normal(deviation: 0.02), positions: .normal(deviation: 0.02), isScaled: false, in: made)
    blocks = [Block](h) { Block($0, h, in: made) }
    head = Linear("head", D, D, in: made)
  }

  public func itemVectors(_ pass: Pass) -> Tensor { pass.tape == nil ? outputTable.value.firstRows(itemCount) : outputTable.value }

  /// A mask behind the newest events: its row is filled in.
  public func scoringInput(_ histories: [ArraySlice<Int32>], times: [[Int32]]?, itemCount: Int, device: Device) -> SequenceInput {
    let masked = histories.map { ArraySlice(Array($0.suffix(longestHistory - 1)) + [Int32(itemCount)]) }
    return SequenceInput(masked, itemCount: itemCount + 1, longest: longestHistory, positions: .right, device: device)
  }

  public func scoringRows(after events: Int) -> Int { min(events + 1, longestHistory) }

  public func states(_ input: SequenceInput, _ pass: Pass) -> Tensor {
    head(blocks(events(input, pass), input, pass), activation: .gelu)
  }

  private final class Block: SequenceBlock {
    let block: PostNormBlock

    init(_ name: String, _ h: Hyperparameters, in store: ParameterStore) {
      let D = h.integer("dim")
      block = PostNormBlock(
        name, D, heads: h.integer("heads"), hidden: D * h.integer("feed-forward"), activation: .gelu, dropout: h.real("dropout"),
        innerDropout: h.innerDropout, in: store)
    }

    func callAsFunction(_ x: Tensor, _ input: SequenceInput, _ pass: Pass, isLast: Bool) -> Tensor {
      block(q: input.read(x, pass, isLast), x, input.rows, pass)
    }
  }
}
