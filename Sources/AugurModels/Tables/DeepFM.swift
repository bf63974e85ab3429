// Factorisation machines (Rendle 2010) and DeepFM (Guo et al. 2017, arXiv 1703.04247).
public import AugurLayers
import AugurOps
public import AugurTensors

/// y = w0 + sum_i w_i x_i + sum over pairs i < j of e_i . e_j, e_i = x_i V[i].
public final class FactorizationMachine: TableModel {
  static let entry = TableModelEntry(name: "fm", paper: "Rendle 2010", hyperparameters: embeddingKnobs()) { h, shape, _ throws(ModelError) in
    FactorizationMachine(h, shape)
  }

  public var parameters: [Parameter] { store.parameters }
  private let store = ParameterStore()
  private let first: FirstOrder
  private let embedding: FeatureEmbedding
  private let fields: Int

  init(_ h: Hyperparameters, _ shape: TableShape) {
    first = FirstOrder("first", shape, in: store)
    embedding = FeatureEmbedding("features", shape, width: h.integer("dim"), deviation: embeddingDeviation, in: store)
    fields = shape.featureCount
  }

  public func outputs(_ input: TableInput, _ pass: Pass) -> [Tensor] {
    [add(first(input, pass), fieldPairs(embedding(input, pass), fields: fields))]
  }
}

/// The factorisation machine and an MLP over the same vectors, added up.
public final class DeepFM: TableModel {
  static let entry = TableModelEntry(
    name: "deepfm", paper: "Guo et al. 2017, arXiv 1703.04247",
    hyperparameters: embeddingKnobs() + perceptronKnobs(units: "400-400-400", dropout: 0.2)
  ) { h, shape, _ throws(ModelError) in DeepFM(h, shape) }

  public var parameters: [Parameter] { store.parameters }
  private let store = ParameterStore()
  private let first: FirstOrder
  private let embedding: FeatureEmbedding
  private let deep: MLP
  private let output: Linear
  private let fields: Int

  init(_ h: Hyperparameters, _ shape: TableShape) {
    first = FirstOrder("first", shape, in: store)
    embedding = FeatureEmbedding("features", shape, width: h.integer("dim"), deviation: embeddingDeviation, in: store)
    fields = shape.featureCount
    deep = MLP("deep", fields * embedding.width, h, in: store)
    output = Linear("output", deep.width, 1, in: store)
  }

  public func outputs(_ input: TableInput, _ pass: Pass) -> [Tensor] {
    let e = embedding(input, pass)
    return [output(deep(e, pass), residual: add(first(input, pass), fieldPairs(e, fields: fields)))]
  }
}
