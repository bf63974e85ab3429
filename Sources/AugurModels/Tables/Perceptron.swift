// The multi-layer perceptron over the vectors of fields and the numbers as they are.
public import AugurLayers
import AugurOps
public import AugurTensors

/// y = MLP([e ; numbers]) w + b. A table of numbers alone has no vectors.
public final class Perceptron: TableModel {
  static let entry = TableModelEntry(
    name: "mlp", paper: "Rumelhart, Hinton and Williams 1986",
    hyperparameters: embeddingKnobs() + perceptronKnobs(units: "64", dropout: 0.5, batchNorm: "no"), outputs: manyOutputs
  ) { h, shape, outputs throws(ModelError) in Perceptron(h, shape, outputs: outputs) }

  public var parameters: [Parameter] { store.parameters }
  private let store = ParameterStore()
  private let embedding: FeatureEmbedding?
  private let deep: MLP
  private let output: OutputHeads

  init(_ h: Hyperparameters, _ shape: TableShape, outputs: Int) {
    let isDense = shape.fieldSizes.isEmpty
    embedding =
      isDense ? nil : FeatureEmbedding("features", shape, width: h.integer("dim"), deviation: embeddingDeviation, in: store)
    let input = isDense ? shape.numberCount : shape.featureCount * h.integer("dim")
    deep = MLP("deep", input, h, in: store)
    output = OutputHeads("output", deep.width, count: outputs, in: store)
  }

  public func outputs(_ input: TableInput, _ pass: Pass) -> [Tensor] {
    if let embedding { return output(deep(embedding(input, pass), pass)) }
    guard let numbers = input.numbers else { preconditionFailure("mlp: expected fields or numbers") }
    return output(deep(recorded(numbers, pass), pass))
  }
}
