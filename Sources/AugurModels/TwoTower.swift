// Two towers, one for what a user did and one for items, that meet in a product: items can be indexed beforehand.
// Covington et al. 2016 (history as a mean); Yi et al. 2019 (in-batch softmax with the log of sampling probabilities).
public import AugurLayers
import AugurOps
public import AugurTensors

/// x = E[item]; u_t = MLP([mean of x up to t; x_t]) W; v = MLP(E'[item]) W'; score = cos(u, v) / temperature.
public final class TwoTower: SequenceModel {
  static let entry = ModelEntry(
    name: "two-tower", paper: "Yi et al. 2019, Sampling-bias-corrected neural modeling",
    hyperparameters: stateKnobs(dim: 64, dropout: 0.2, length: 50)
      + [
        .widths("user-tower", "128", "hidden widths of the user's tower"),
        .widths("item-tower", "128", "hidden widths of the items' tower"), outputTableKnob("separate"),
      ] + objectiveKnobs(loss: "sampled", negatives: 256, sharing: "sequence", drawn: "in-batch", similarity: "cosine")
  ) { h, itemCount throws(ModelError) in
    TwoTower(h, itemCount: itemCount)
  }

  public var parameters: [Parameter] { store.parameters }
  public let outputTable: Parameter
  public let longestHistory: Int
  public let isCosine: Bool
  public let positionAlignment = PositionAlignment.right
  public let looksUpItemVectors = false
  private let store: ParameterStore
  private let items: Parameter
  private let userTower: Tower
  private let itemTower: Tower
  private let dropoutRate: Float

  init(_ h: Hyperparameters, itemCount: Int) {
    let (D, made) = (h.integer("dim"), ParameterStore(precision: h.precision))
    (store, longestHistory, dropoutRate, isCosine) = (made, h.integer("length"), h.real("dropout"), h.isCosine)
    let values = Initializer.normal(deviation: 1 / Float(D).squareRoot())
    items = made.make("items", [itemCount, D], values, isTable: true)
    outputTable = makeOutputTable(h, items: items, values, in: made)
    let user = MLP("user.hidden", 2 * D, h.widths("user-tower"), batchNorm: false, dropout: dropoutRate, in: made)
    userTower = Tower("user", user, to: D, in: made)
    itemTower = Tower("item", MLP("item.hidden", D, h.widths("item-tower"), batchNorm: false, dropout: 0, in: made), to: D, in: made)
  }

  public func states(_ input: SequenceInput, _ pass: Pass) -> Tensor {
    let x = embedding(items.value, input.items, pass.dropout(dropoutRate), tape: pass.tape)
    // Attention whose queries are 0 looks at all events so far alike: their mean.
    let D = x.shape.columns
    let heads = (1...D).first { D % $0 == 0 && D / $0 <= 256 } ?? D
    let means = attention(q: .zeros(x.shape, device: x.device), kv: sideBySide([x, x]), input.rows, heads: heads)
    return userTower(input.read(sideBySide([means, x]), pass, true), pass)
  }

  public func itemVectors(_ pass: Pass) -> Tensor {
    guard let tape = pass.tape else { return itemTower(outputTable.value, pass) }
    return derivedTable(outputTable.value, tape) { itemTower($0, pass) }
  }
}
