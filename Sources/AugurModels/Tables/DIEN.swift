// Deep interest evolution network: interests that change along the history, followed towards the item that is shown. Zhou et al. 2019,
// AAAI, arXiv 1809.03672.
public import AugurLayers
import AugurOps
public import AugurTensors

/// h = GRU(events); a = softmax over the history of h_j W t, t the vector of what is shown; s = AUGRU(h, a), a GRU whose update gate is
/// times a_j; y = MLP([last s, vectors of all other features, t among them]). An empty history ends in 0.
///
/// The paper's auxiliary loss on the next event is left out: tuned settings give it weight 0.
public final class DIEN: TableModel {
  static let entry = TableModelEntry(
    name: "dien", paper: "Zhou et al. 2019, arXiv 1809.03672",
    hyperparameters: embeddingKnobs(dim: 18) + perceptronKnobs(units: "200-80", dropout: 0, batchNorm: "no") + [activationKnob("dice")],
    outputs: manyOutputs
  ) { h, shape, outputs throws(ModelError) in
    try checkHistories("dien", shape)
    return DIEN(h, shape, outputs: outputs)
  }

  public var parameters: [Parameter] { store.parameters }
  public let readsHistories = true
  private let store = ParameterStore()
  private let embedding: FeatureEmbedding
  private let interests: [Interest]
  private let head: DeepHead

  init(_ h: Hyperparameters, _ shape: TableShape, outputs: Int) {
    let (D, store) = (h.integer("dim"), store)
    embedding = FeatureEmbedding("features", shape, width: D, deviation: embeddingDeviation, hasHistories: false, in: store)
    interests = shape.histories.indices.map { Interest("interests.\($0)", D, in: store) }
    head = DeepHead(shape.featureCount * D, h, outputs: outputs, in: store)
  }

  public func outputs(_ input: TableInput, _ pass: Pass) -> [Tensor] {
    let ends = zip(interests, input.histories).map { interest, history in
      interest(embedding.vectors(history.events, pass), target: embedding.vectors(history.targets, pass), history)
    }
    return head(ends + [embedding(input, pass)], pass)
  }

  /// Where the interest of a history has come to.
  private struct Interest {
    let extraction: GRU
    let query: Linear
    let evolution: GRU

    init(_ name: String, _ D: Int, in store: ParameterStore) {
      extraction = GRU("\(name).extraction", D, hidden: D, in: store)
      query = Linear("\(name).query", D, D, bias: false, in: store)
      evolution = GRU("\(name).evolution", D, hidden: D, in: store)
    }

    /// `[B, D]`.
    func callAsFunction(_ x: Tensor, target t: Tensor, _ history: TableInput.History) -> Tensor {
      let rows = history.rows(x.device)
      let h = extraction(x, rows)
      let a = historyShares(targetDots(h, target: query(t), rows), rows)
      var isLast = [Float](repeating: 0, count: rows.rows)
      for (from, to) in zip(history.offsets, history.offsets.dropFirst()) where to > from { isLast[Int(to) - 1] = 1 }
      return weightedSums(evolution(h, rows, shares: a), weights: Tensor(isLast, shape: [rows.rows, 1], device: x.device), rows)
    }
  }
}
