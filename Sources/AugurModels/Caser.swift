// Caser: convolutions over the last events. Tang and Wang 2018, arXiv 1809.07426; after every event instead of one window a
// user, and without the vector of the user.
public import AugurLayers
import AugurOps
public import AugurTensors

/// Z = E[the last N items]; horizontal filters over 1...N rows with their maximum over Z, vertical filters along the columns of
/// Z, a hidden layer; scores by a table of its own.
public final class Caser: SequenceModel {
  static let entry = ModelEntry(
    name: "caser", paper: "Tang and Wang 2018, arXiv 1809.07426",
    hyperparameters: stateKnobs(dim: 50, dropout: 0.5, length: 50)
      + [
        .integer("filter-rows", 5, in: 1...64, "N, events that the filters see"),
        .integer("horizontal", 16, in: 1...1024, "horizontal filters of each height"),
        .integer("vertical", 4, in: 1...1024, "vertical filters"),
        outputTableKnob("separate"),
      ] + objectiveKnobs(loss: "bce", negatives: 3, sharing: "row")
  ) { h, itemCount throws(ModelError) in
    Caser(h, itemCount: itemCount)
  }

  public var parameters: [Parameter] { store.parameters }
  public let outputTable: Parameter
  public let longestHistory: Int
  public let isCosine: Bool
  public let positionAlignment = PositionAlignment.right
  private let store: ParameterStore
  private let items: Parameter
  /// For each height the filters, and what they give to the hidden layer.
  private let horizontal: [(filters: Linear, output: Linear)]
  private let vertical: Parameter
  private let verticalOutput: Linear
  private let dropoutRate: Float

  init(_ h: Hyperparameters, itemCount: Int) {
    let (D, N, made) = (h.integer("dim"), h.integer("filter-rows"), ParameterStore(precision: h.precision))
    (store, longestHistory, dropoutRate) = (made, h.integer("length"), h.real("dropout"))
    isCosine = h.isCosine
    let (horizontalCount, verticalCount) = (h.integer("horizontal"), h.integer("vertical"))
    items = made.make("items", [itemCount, D], .normal(deviation: 1 / Float(D)), isTable: true)
    horizontal = (1...N).map { height in
      (
        Linear("horizontal.\(height)", height * D, horizontalCount, in: made),
        Linear("horizontal.\(height).output", horizontalCount, D, bias: false, in: made)
      )
    }
    vertical = made.make("vertical.weight", [verticalCount, N], .xavierNormal)
    verticalOutput = Linear("vertical.output", verticalCount * D, D, in: made)
    outputTable = makeOutputTable(h, items: items, .normal(deviation: 1 / Float(D)), in: made)
  }

  /// The filters see the last N events alone: a state has the same bits without those before.
  public func scoringInput(_ histories: [ArraySlice<Int32>], times: [[Int32]]?, itemCount: Int, device: Device) -> SequenceInput {
    SequenceInput(histories, itemCount: itemCount, longest: scoringRows(after: .max), positions: positionAlignment, device: device)
  }

  public func scoringRows(after events: Int) -> Int { min(events, longestHistory, horizontal.count) }

  public func states(_ input: SequenceInput, _ pass: Pass) -> Tensor {
    let x = embedding(items.value, input.items, tape: pass.tape)
    let places = RowPlaces(input.rows)
    let sums = windowSums(x, places, weights: vertical.value)
    var z = verticalOutput(dropout(sums, pass.dropout(dropoutRate)))
    for (index, part) in horizontal.enumerated() {
      let height = index + 1
      let windows = height == 1 ? x : historyWindows(x, places, length: height)
      let best = windowMaximum(part.filters(windows, activation: .relu), places, length: horizontal.count - index)
      z = part.output(dropout(best, pass.dropout(dropoutRate)), residual: z)
    }
    return input.read(activation(z, .relu), pass, true)
  }
}
