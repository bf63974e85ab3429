// What every model of labelled rows is: ids and numbers in, one logit or value a row out.
public import AugurLayers
import AugurOps
public import AugurTensors

/// What the rows of a table look like.
public struct TableShape: Sendable, Equatable {
  /// Rows of each categorical field's embedding table.
  public let fieldSizes: [Int]
  /// N, numbers of a row.
  public let numberCount: Int

  public init(fieldSizes: [Int], numberCount: Int) { (self.fieldSizes, self.numberCount) = (fieldSizes, numberCount) }

  /// Features of a row: each field, then each number.
  public var featureCount: Int { fieldSizes.count + numberCount }
  /// Rows of the table that holds a vector for every value of every field and one for every number.
  public var tableRows: Int { fieldSizes.reduce(numberCount, +) }
}

/// A batch of B rows on one device.
public struct TableInput: Sendable {
  public let rowCount: Int
  /// The values of all features, row by row, as rows of the joint table.
  public let values: Lookup
  /// Where the values of each feature of each row lie, `[B * F]`; nil where every feature has exactly one and no weight.
  public let features: Jagged?
  /// Where the values of each row lie, `[B]`.
  public let rows: Jagged
  /// `[n]`: a number is its weight, a value of a list 1 / (values of the list); nil where all are 1.
  public let weights: Tensor?
  /// `[B, N]`; nil without numbers.
  public let numbers: Tensor?

  public init(rowCount: Int, values: Lookup, features: Jagged?, rows: Jagged, weights: Tensor?, numbers: Tensor?) {
    (self.rowCount, self.values, self.features, self.rows) = (rowCount, values, features, rows)
    (self.weights, self.numbers) = (weights, numbers)
  }
}

/// A model of labelled rows.
public protocol TableModel: AnyObject {
  var parameters: [Parameter] { get }
  /// `[B, 1]`: the logit of class 1, or the value.
  func outputs(_ input: TableInput, _ pass: Pass) -> Tensor
}

/// Plain numbers as an input of the pass, so that what is made of them is recorded.
func recorded(_ x: Tensor, _ pass: Pass) -> Tensor { pass.tape.map { x.watched(by: $0) } ?? x }

/// A vector for every feature of a row: e_i = x_i V[i], the sum over the values of a list.
struct FeatureEmbedding {
  let table: Parameter
  let width: Int
  private let featureCount: Int

  init(_ name: String, _ shape: TableShape, width: Int, deviation: Float, in store: ParameterStore) {
    table = store.make(name, [shape.tableRows, width], .normal(deviation: deviation), isTable: true)
    (self.width, featureCount) = (width, shape.featureCount)
  }

  /// `[B, F * D]`.
  func callAsFunction(_ input: TableInput, _ pass: Pass) -> Tensor {
    let e =
      input.features.map { embeddingBag(table.value, input.values, $0, weights: input.weights, tape: pass.tape) }
      ?? embedding(table.value, input.values, tape: pass.tape)
    return rows(e, as: [input.rowCount, featureCount * width])
  }
}

/// w0 + the sum over the features of a row of w_i x_i.
struct FirstOrder {
  private let weights: Parameter
  private let bias: Parameter

  init(_ name: String, _ shape: TableShape, in store: ParameterStore) {
    weights = store.make("\(name).weight", [shape.tableRows, 1], .zeros, isTable: true)
    bias = store.make("\(name).bias", [1, 1], .zeros)
  }

  /// `[B, 1]`.
  func callAsFunction(_ input: TableInput, _ pass: Pass) -> Tensor {
    let sum = embeddingBag(weights.value, input.values, input.rows, weights: input.weights, tape: pass.tape)
    let ones = Tensor([Float](repeating: 1, count: input.rowCount), shape: [input.rowCount, 1], device: sum.device)
    return linear(ones, bias.value, residual: sum)
  }
}

/// A table model that `--model` can name.
public struct TableModelEntry: Sendable {
  public let name: String
  public let paper: String
  public let hyperparameters: [Hyperparameter]
  let make: @Sendable (Hyperparameters, TableShape) throws(ModelError) -> any TableModel

  /// Every model of labelled rows, one line each.
  public static let all: [TableModelEntry] = [
    LogisticRegression.entry, Perceptron.entry, FactorizationMachine.entry, DeepFM.entry, DCNv2.entry, FinalMLP.entry,
  ]

  public static func named(_ name: String) throws(ModelError) -> TableModelEntry {
    guard let entry = all.first(where: { $0.name == name }) else { throw .unknownModel(name, known: all.map(\.name)) }
    return entry
  }

  /// A new model with first values on `device`. Throws where its parameters, `copies` times over, are larger than the free memory.
  public func makeModel(
    _ knobs: Hyperparameters, _ shape: TableShape, device: Device, seed: UInt64, copies: Int = 1
  ) throws(ModelError) -> any TableModel {
    guard shape.featureCount > 0 else { throw .badCombination("\(name): the table has no feature") }
    guard shape.tableRows <= Int(Int32.max) else {
      throw .tooLarge("\(name): \(shape.tableRows) feature values are more than 2^31; hash the largest fields into fewer buckets")
    }
    let model = try make(knobs, shape)
    let bytes = model.parameters.reduce(0) { $0 + 4 * copies * $1.count }
    try checkMemory(bytes, for: "\(name) of \(shape.tableRows) feature values", device)
    initialize(model.parameters, on: device, seed: seed)
    return model
  }
}

/// Knobs that table models share; the defaults differ.
func embeddingKnobs(dim: Int = 10) -> [Hyperparameter] {
  [.integer("dim", dim, in: 1...1024, "D, width of a feature's vector")]
}

func perceptronKnobs(units: String, dropout: Double, batchNorm: String = "yes") -> [Hyperparameter] {
  [
    .widths("units", units, "widths of the layers, such as 400-400-400"),
    .choice("batch-norm", batchNorm, of: ["yes", "no"], "batch norm before each activation"),
    .real("dropout", dropout, in: 0...0.95, "rate behind each layer"),
  ]
}

/// First values of vectors of features.
let embeddingDeviation: Float = 1e-2
