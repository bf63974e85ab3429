// What every model of labelled rows is: ids and numbers in, a logit or a value a row out, or several.
public import AugurLayers
import AugurOps
public import AugurTensors

/// What the rows of a table look like.
public struct TableShape: Sendable, Equatable {
  /// A field that lists values of another one, oldest first, and takes its vectors.
  public struct History: Sendable, Equatable {
    /// Places of the two fields.
    public let field: Int
    public let target: Int
    /// Values that a row has at most.
    public let longest: Int

    public init(field: Int, target: Int, longest: Int) { (self.field, self.target, self.longest) = (field, target, longest) }
  }

  /// Values that each categorical field can have.
  public let fieldSizes: [Int]
  /// N, numbers of a row.
  public let numberCount: Int
  public let histories: [History]
  /// The number that is the price, where the model keeps it apart: it is not among the N.
  public let price: TablePrice?

  /// Precondition: histories have the size of their targets, which are no histories.
  public init(fieldSizes: [Int], numberCount: Int, histories: [History] = [], price: TablePrice? = nil) {
    precondition(
      histories.allSatisfy { own in
        fieldSizes[own.field] == fieldSizes[own.target] && !histories.contains { $0.field == own.target }
      }, "TableShape: expected histories of other fields, got \(histories)")
    (self.fieldSizes, self.numberCount, self.histories, self.price) = (fieldSizes, numberCount, histories, price)
  }

  /// Features of a row: each field, then each number.
  public var featureCount: Int { fieldSizes.count + numberCount }
  /// Rows of the table that holds a vector for every value of every field and one for every number; a history has none of its own.
  public var tableRows: Int { numberBase + numberCount }
  /// The row of the first number.
  public var numberBase: Int { fieldSizes.reduce(0, +) - histories.reduce(0) { $0 + fieldSizes[$1.field] } }
  /// The first row of each field.
  public var fieldBases: [Int] {
    var (bases, next): ([Int], Int) = ([], 0)
    for (field, size) in fieldSizes.enumerated() {
      bases.append(next)
      if !histories.contains(where: { $0.field == field }) { next += size }
    }
    for history in histories { bases[history.field] = bases[history.target] }
    return bases
  }
}

/// The number of a row that a model of demand answers by.
public struct TablePrice: Sendable, Equatable {
  /// What its elasticity depends on.
  public enum Elasticity: Sendable, Equatable {
    case one, all
    /// The values of a field.
    case field(Int)
  }
  /// Name of the number.
  public let name: String
  public let elasticity: Elasticity

  public init(_ name: String, _ elasticity: Elasticity) { (self.name, self.elasticity) = (name, elasticity) }
}

/// A batch of B rows on one device.
public struct TableInput: Sendable {
  /// The values of a history as rows of the joint table, for models that read them one by one.
  public struct History: Sendable {
    /// `[T]`, row by row, oldest first.
    public let events: [Int32]
    /// `[B + 1]`, where the events of each row begin.
    public let offsets: [Int32]
    /// `[B]`, the value of each row that they are compared with.
    public let targets: [Int32]

    public init(events: [Int32], offsets: [Int32], targets: [Int32]) { (self.events, self.offsets, self.targets) = (events, offsets, targets) }
  }

  /// The prices of the rows.
  public struct Price: Sendable {
    /// `[B, 1]`
    public let logarithms: Tensor
    /// `[B]`, the value that the elasticity of each row depends on; nil where it is none.
    public let groups: Lookup?

    public init(logarithms: Tensor, groups: Lookup?) { (self.logarithms, self.groups) = (logarithms, groups) }
  }

  public let rowCount: Int
  /// The values of all features, row by row, as rows of the joint table; without those of `histories`.
  public let values: Lookup
  /// Where the values of each feature of each row lie, `[B * F]`; nil where every feature has exactly one and no weight.
  public let features: Jagged?
  /// Where the values of each row lie, `[B]`.
  public let rows: Jagged
  /// `[n]`: a number is its weight, a value of a list 1 / (values of the list); nil where all are 1.
  public let weights: Tensor?
  /// `[B, N]`; nil without numbers.
  public let numbers: Tensor?
  /// Those of the shape, in its order, where the model reads them one by one; else they are among the values.
  public let histories: [History]
  /// Where the shape has one.
  public let price: Price?

  public init(
    rowCount: Int, values: Lookup, features: Jagged?, rows: Jagged, weights: Tensor?, numbers: Tensor?, histories: [History] = [],
    price: Price? = nil
  ) {
    self.price = price
    (self.rowCount, self.values, self.features, self.rows) = (rowCount, values, features, rows)
    (self.weights, self.numbers, self.histories) = (weights, numbers, histories)
  }
}

/// A model of labelled rows.
public protocol TableModel: AnyObject {
  var parameters: [Parameter] { get }
  /// K of `[B, 1]`, as many as the loss reads: a logit of class 1, a value, or what the loss makes of them.
  func outputs(_ input: TableInput, _ pass: Pass) -> [Tensor]
  /// The same in training, with a loss of the model's own beside that of the labels, `[1]`, times `scale`; nil where it has none.
  func trainingOutputs(_ input: TableInput, _ pass: Pass, scale: Float) -> (outputs: [Tensor], loss: Tensor?)
  /// Whether it reads histories one by one; else they are lists like others, which have the mean of their vectors.
  var readsHistories: Bool { get }
  /// The price that it keeps apart from the other numbers.
  var price: TablePrice? { get }
  /// d ln y / d ln price of each row, y what the loss says; nil without a price.
  func elasticities(_ input: TableInput, _ pass: Pass) -> [Float]?
  /// Takes what is added to ln price, before training: one number, or one for each value that the elasticity depends on.
  func shiftPrices(_ shifts: [Float])
}

extension TableModel {
  public var readsHistories: Bool { false }
  public func trainingOutputs(_ input: TableInput, _ pass: Pass, scale: Float) -> (outputs: [Tensor], loss: Tensor?) {
    (outputs(input, pass), nil)
  }
  public var price: TablePrice? { nil }
  public func elasticities(_ input: TableInput, _ pass: Pass) -> [Float]? { nil }
  public func shiftPrices(_ shifts: [Float]) {}
}

/// Plain numbers as an input of the pass, so that what is made of them is recorded.
func recorded(_ x: Tensor, _ pass: Pass) -> Tensor { pass.tape.map { x.watched(by: $0) } ?? x }

/// A vector for every feature of a row: e_i = x_i V[i], the sum over the values of a list.
struct FeatureEmbedding {
  let table: Parameter
  let width: Int
  private let featureCount: Int

  /// - Parameter hasHistories: whether they are among the features.
  init(
    _ name: String, _ shape: TableShape, width: Int, deviation: Float, hasHistories: Bool = true, in store: ParameterStore
  ) {
    table = store.make(name, [shape.tableRows, width], .normal(deviation: deviation), isTable: true)
    (self.width, featureCount) = (width, shape.featureCount - (hasHistories ? 0 : shape.histories.count))
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
  /// K, outputs that it can have.
  let outputs: ClosedRange<Int>
  /// What `auto` of the knob `loss` stands for.
  public let loss: String
  let make: @Sendable (Hyperparameters, TableShape, _ outputs: Int) throws(ModelError) -> any TableModel

  init(
    name: String, paper: String, hyperparameters: [Hyperparameter], outputs: ClosedRange<Int> = 1...1, loss: String = "auto",
    _ make: @escaping @Sendable (Hyperparameters, TableShape, _ outputs: Int) throws(ModelError) -> any TableModel
  ) {
    (self.name, self.paper, self.hyperparameters) = (name, paper, hyperparameters)
    (self.outputs, self.loss, self.make) = (outputs, loss, make)
  }

  /// Every model of labelled rows, one line each.
  public static let all: [TableModelEntry] = [
    LogisticRegression.entry, Perceptron.entry, FactorizationMachine.entry, DeepFM.entry, DCNv2.entry, FinalMLP.entry, MMoE.entry, PLE.entry,
    ESMM.entry, DIN.entry, BST.entry, DIEN.entry, PriceResponse.entry,
  ]

  public static func named(_ name: String) throws(ModelError) -> TableModelEntry {
    guard let entry = all.first(where: { $0.name == name }) else { throw .unknownModel(name, known: all.map(\.name)) }
    return entry
  }

  /// A new model with first values on `device`. Tables that a GPU cannot hold stay in memory of the host. Throws where the parameters,
  /// `copies` times over, are larger than the free memory.
  public func makeModel(
    _ knobs: Hyperparameters, _ shape: TableShape, outputs: Int = 1, device: Device, seed: UInt64, copies: Int = 1
  ) throws(ModelError) -> any TableModel {
    guard shape.featureCount > 0 else { throw .badCombination("\(name): the table has no feature") }
    guard shape.tableRows <= Int(Int32.max) else {
      throw .tooLarge("\(name): \(shape.tableRows) feature values are more than 2^31; hash the largest fields into fewer buckets")
    }
    guard self.outputs.contains(outputs) else {
      let able = Self.all.filter { $0.outputs.contains(outputs) }.map(\.name)
      throw .badCombination(
        "\(name): gives \(self.outputs.upperBound == 1 ? "one output" : "\(self.outputs) outputs"), the labels and their loss ask for \(outputs); "
          + "take one of \(able.joined(separator: ", "))")
    }
    let model = try make(knobs, shape, outputs)
    try placeParameters(model.parameters, copies: copies, of: "\(name) of \(shape.tableRows) feature values", device)
    initialize(model.parameters, on: device, seed: seed)
    return model
  }
}

/// The last layers of a model with several outputs, one each.
struct OutputHeads {
  private let heads: [Linear]

  init(_ name: String, _ width: Int, count: Int, bias: Bool = true, in store: ParameterStore) {
    heads = (0..<count).map { Linear($0 == 0 ? name : "\(name).\($0)", width, 1, bias: bias, in: store) }
  }

  /// `[B, 1]` each, with what stands beside it added.
  func callAsFunction(_ x: Tensor, residuals: [Tensor]? = nil) -> [Tensor] {
    heads.indices.map { heads[$0](x, residual: residuals?[$0]) }
  }
}

/// As many outputs as a loss may read, and targets as anyone will train at once.
let manyOutputs = 1...32

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

extension MLP {
  /// Layers by `perceptronKnobs`, the widths being those of the knob `units`.
  init(_ name: String, _ width: Int, _ h: Hyperparameters, _ units: String = "units", isDice: Bool = false, in store: ParameterStore) {
    self.init(
      name, width, h.widths(units), isDice: isDice, batchNorm: h.choice("batch-norm") == "yes", dropout: h.real("dropout"), in: store)
  }
}

/// First values of vectors of features.
let embeddingDeviation: Float = 1e-2
