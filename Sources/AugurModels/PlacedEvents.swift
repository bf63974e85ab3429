// What the models with positions share: events with their places as the input of a stack of blocks.
import AugurLayers
import AugurOps
import AugurTensors

/// x = drop(scale E[item] + P[place]).
struct PlacedEvents {
  /// `[V, D]`, perhaps with rows behind the items.
  let items: Parameter
  /// L, rows of the longest history.
  let longest: Int
  private let positions: Parameter
  private let scale: Float
  private let rate: Float

  /// - Parameter isScaled: items are multiplied by sqrt(D).
  init(
    _ h: Hyperparameters, rows: Int, _ itemValues: Initializer, positions positionValues: Initializer, isScaled: Bool,
    in store: ParameterStore
  ) {
    let D = h.integer("dim")
    (longest, rate, scale) = (h.integer("length"), h.real("dropout"), isScaled ? Float(D).squareRoot() : 1)
    items = store.make("items", [rows, D], itemValues, isTable: true)
    positions = store.make("positions", [longest, D], positionValues)
  }

  func callAsFunction(_ input: SequenceInput, _ pass: Pass) -> Tensor {
    embedding(
      items.value, input.items, scale: scale, positions: positions.value, places: input.places, pass.dropout(rate), tape: pass.tape)
  }
}

/// One block of a stack; the last computes only the rows that the pass wants.
protocol SequenceBlock {
  func callAsFunction(_ x: Tensor, _ input: SequenceInput, _ pass: Pass, isLast: Bool) -> Tensor
}

extension Array where Element: SequenceBlock {
  /// `count` blocks, their parameters named by their place.
  init(_ h: Hyperparameters, _ make: (_ name: String) -> Element) {
    self = (0..<h.integer("blocks")).map { make("blocks.\($0)") }
  }

  func callAsFunction(_ x: Tensor, _ input: SequenceInput, _ pass: Pass) -> Tensor {
    var x = x
    for i in indices { x = self[i](x, input, pass, isLast: i == count - 1) }
    return x
  }
}
