// Conversion over all impressions: Ma et al. 2018, SIGIR, arXiv 1804.07931.
public import AugurLayers
public import AugurTensors

/// Two towers over the same vectors: the logit of a click, and of a conversion given a click. Trained by the click and by their product,
/// over every impression, so that those without a click are no gap in what the second tower sees.
public final class ESMM: TableModel {
  static let entry = TableModelEntry(
    name: "esmm", paper: "Ma et al. 2018, arXiv 1804.07931",
    hyperparameters: embeddingKnobs(dim: 18) + perceptronKnobs(units: "360-200-80", dropout: 0, batchNorm: "no"), outputs: 2...2,
    loss: "entire-space"
  ) { h, shape, _ throws(ModelError) in ESMM(h, shape) }

  public var parameters: [Parameter] { store.parameters }
  private let store = ParameterStore()
  private let embedding: FeatureEmbedding
  private let towers: [Tower]

  init(_ h: Hyperparameters, _ shape: TableShape) {
    embedding = FeatureEmbedding("features", shape, width: h.integer("dim"), deviation: embeddingDeviation, in: store)
    let (width, store) = (shape.featureCount * h.integer("dim"), store)
    towers = ["click", "conversion"].map { Tower($0, width, h, in: store) }
  }

  public func outputs(_ input: TableInput, _ pass: Pass) -> [Tensor] {
    let x = embedding(input, pass)
    return towers.map { $0(x, pass) }
  }
}
