// Deep interest network: what of a history matters depends on the item that is shown. Zhou et al. 2018, KDD, arXiv 1706.06978.
public import AugurLayers
import AugurOps
public import AugurTensors

/// v = sum over the events of a_j h_j, a_j = MLP([t, h_j, t - h_j, t * h_j]), t the vector of what is shown; y = MLP([v, vectors of all other
/// features, t among them]). Weights are no shares unless asked, so that a strong interest is a long v; an empty history gives v = 0.
public final class DIN: TableModel {
  static let entry = TableModelEntry(
    name: "din", paper: "Zhou et al. 2018, arXiv 1706.06978",
    hyperparameters: embeddingKnobs(dim: 12) + perceptronKnobs(units: "200-80", dropout: 0, batchNorm: "no") + [
      activationKnob("dice"),
      .widths("attention-units", "80-40", "widths of the layers that weigh an event"),
      .choice("attention-activation", "dice", of: ["dice", "sigmoid", "relu"], "behind each of them"),
      .real("attention-dropout", 0, in: 0...0.95, "rate behind each of them"),
      .choice("softmax", "no", of: ["yes", "no"], "weights of a history that add up to 1"),
    ], outputs: manyOutputs
  ) { h, shape, outputs throws(ModelError) in
    try checkHistories("din", shape)
    return DIN(h, shape, outputs: outputs)
  }

  public var parameters: [Parameter] { store.parameters }
  public let readsHistories = true
  private let store = ParameterStore()
  private let embedding: FeatureEmbedding
  private let attention: [Interest]
  private let head: DeepHead

  init(_ h: Hyperparameters, _ shape: TableShape, outputs: Int) {
    let (D, store) = (h.integer("dim"), store)
    embedding = FeatureEmbedding("features", shape, width: D, deviation: embeddingDeviation, hasHistories: false, in: store)
    attention = shape.histories.indices.map { Interest("attention.\($0)", D, h, in: store) }
    head = DeepHead(shape.featureCount * D, h, outputs: outputs, in: store)
  }

  public func outputs(_ input: TableInput, _ pass: Pass) -> [Tensor] {
    let interests = zip(attention, input.histories).map { attention, history in
      let (events, target) = (embedding.vectors(history.events, pass), embedding.vectors(history.targets, pass))
      return attention(events, target: target, history.rows(events.device), pass)
    }
    return head(interests + [embedding(input, pass)], pass)
  }

  /// The weighted sum of a history.
  private struct Interest {
    let layers: MLP
    let output: Linear
    let isSoftmax: Bool

    init(_ name: String, _ D: Int, _ h: Hyperparameters, in store: ParameterStore) {
      let kind = h.choice("attention-activation")
      layers = MLP(
        name, 4 * D, h.widths("attention-units"), activation: kind == "sigmoid" ? .sigmoid : .relu, isDice: kind == "dice",
        batchNorm: false, dropout: h.real("attention-dropout"), in: store)
      output = Linear("\(name).output", layers.width, 1, in: store)
      isSoftmax = h.choice("softmax") == "yes"
    }

    /// `[B, D]`.
    func callAsFunction(_ h: Tensor, target t: Tensor, _ rows: Jagged, _ pass: Pass) -> Tensor {
      let a = output(layers(targetPairs(h, target: t, rows), pass))
      return weightedSums(h, weights: isSoftmax ? historyShares(a, rows) : a, rows)
    }
  }
}
