// GRU4Rec: recurrent units over sessions. Hidasi et al. 2016, arXiv 1511.06939; trained on whole sessions instead of
// session-parallel steps.
public import AugurLayers
import AugurOps
public import AugurTensors

/// x = E[item]; layers of GRU; scores by a table of items.
public final class GRU4Rec: SequenceModel {
  static let entry = ModelEntry(
    name: "gru4rec", paper: "Hidasi et al. 2016, arXiv 1511.06939",
    hyperparameters: stateKnobs(dim: 100, dropout: 0.2, length: 50)
      + [.integer("layers", 1, in: 1...16, "layers of recurrent units"), outputTableKnob("separate")]
      + objectiveKnobs(loss: "sampled", negatives: 2048, sharing: "batch")
  ) { h, itemCount throws(ModelError) in
    GRU4Rec(h, itemCount: itemCount)
  }

  public var parameters: [Parameter] { store.parameters }
  public let outputTable: Parameter
  public let longestHistory: Int
  public let isCosine: Bool
  public let positionAlignment = PositionAlignment.right
  private let store: ParameterStore
  private let items: Parameter
  private let layers: [GRU]
  private let dropoutRate: Float

  init(_ h: Hyperparameters, itemCount: Int) {
    let (D, made) = (h.integer("dim"), ParameterStore(precision: h.precision))
    (store, longestHistory, dropoutRate) = (made, h.integer("length"), h.real("dropout"))
    isCosine = h.isCosine
    items = made.make("items", [itemCount, D], .xavierNormal, isTable: true)
    layers = (0..<h.integer("layers")).map { GRU("layers.\($0)", D, hidden: D, in: made) }
    outputTable = makeOutputTable(h, items: items, .xavierNormal, in: made)
  }

  public func states(_ input: SequenceInput, _ pass: Pass) -> Tensor {
    var x = embedding(items.value, input.items, tape: pass.tape)
    for layer in layers { x = layer(dropout(x, pass.dropout(dropoutRate)), input.rows) }
    return input.read(dropout(x, pass.dropout(dropoutRate)), pass, true)
  }
}
