// Deep interest evolution network: interests that change along the history, followed towards the item that is shown. Zhou et al. 2019,
// AAAI, arXiv 1809.03672.
public import AugurLayers
import AugurOps
public import AugurTensors

/// h = GRU(events); a = softmax over the history of h_j W t, t the vector of what is shown; s = AUGRU(h, a), a GRU whose update gate is
/// times a_j; y = MLP([last s, vectors of all other features, t among them]). An empty history ends in 0.
///
/// The auxiliary loss (equation 4) asks the first GRU which event is next: the cross-entropy of MLP([h_j, vector of event j + 1]) against the
/// same with an event drawn from the other values, both means over all events but the last of a row, not weighted. Tuned settings give it
/// weight 0, which is the standard here.
public final class DIEN: TableModel {
  static let entry = TableModelEntry(
    name: "dien", paper: "Zhou et al. 2019, arXiv 1809.03672",
    hyperparameters: embeddingKnobs(dim: 18) + perceptronKnobs(units: "200-80", dropout: 0, batchNorm: "no") + [
      activationKnob("dice"),
      .real("auxiliary-weight", 0, in: 0...100, "of the loss that asks which event is next"),
      .widths("auxiliary-units", "100-50", "widths of the layers that answer it"),
    ],
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
  private let auxiliary: Auxiliary?

  init(_ h: Hyperparameters, _ shape: TableShape, outputs: Int) {
    let (D, store) = (h.integer("dim"), store)
    embedding = FeatureEmbedding("features", shape, width: D, deviation: embeddingDeviation, hasHistories: false, in: store)
    interests = shape.histories.indices.map { Interest("interests.\($0)", D, in: store) }
    head = DeepHead(shape.featureCount * D, h, outputs: outputs, in: store)
    auxiliary = h.real("auxiliary-weight") > 0 ? Auxiliary(h, shape, D, in: store) : nil
  }

  public func outputs(_ input: TableInput, _ pass: Pass) -> [Tensor] { outputs(input, pass, states: { _, _ in }) }

  public func trainingOutputs(_ input: TableInput, _ pass: Pass, scale: Float) -> (outputs: [Tensor], loss: Tensor?) {
    var loss: Tensor?
    let outputs = outputs(input, pass) { place, states in
      guard let own = auxiliary?.loss(states, input.histories[place], place, embedding, pass, scale: scale) else { return }
      loss = loss.map { add($0, own) } ?? own
    }
    return (outputs, loss)
  }

  /// - Parameter states: is given those of the first GRU of each history.
  private func outputs(_ input: TableInput, _ pass: Pass, states: (Int, Tensor) -> Void) -> [Tensor] {
    let ends = zip(interests, input.histories).enumerated().map { place, pair in
      let (interest, history) = pair
      let h = interest.extraction(embedding.vectors(history.events, pass), history.rows(embedding.table.value.device))
      states(place, h)
      return interest(h, target: embedding.vectors(history.targets, pass), history)
    }
    return head(ends + [embedding(input, pass)], pass)
  }

  /// Which event is next.
  private struct Auxiliary {
    let layers: MLP
    let output: Linear
    let weight: Float
    /// By history, its rows of the joint table: the first, which is no value, and how many.
    let values: [(base: Int32, size: Int)]

    init(_ h: Hyperparameters, _ shape: TableShape, _ D: Int, in store: ParameterStore) {
      layers = MLP(
        "auxiliary", 2 * D, h.widths("auxiliary-units"), activation: .sigmoid, batchNorm: false, dropout: 0, in: store)
      output = Linear("auxiliary.output", layers.width, 1, in: store)
      weight = h.real("auxiliary-weight")
      values = shape.histories.map { (Int32(shape.fieldBases[$0.field]), shape.fieldSizes[$0.field]) }
    }

    /// Nil where no row has two events, or there are no two values.
    func loss(
      _ h: Tensor, _ history: TableInput.History, _ place: Int, _ embedding: FeatureEmbedding, _ pass: Pass, scale: Float
    ) -> Tensor? {
      let (base, size) = values[place]
      guard size > 2 else { return nil }
      var random = pass.randomStream()
      var (before, next, drawn): ([Int32], [Int32], [Int32]) = ([], [], [])
      for (from, to) in zip(history.offsets, history.offsets.dropFirst()) where to - from > 1 {
        for event in from..<to - 1 {
          let positive = history.events[Int(event) + 1]
          let negative = base + 1 + Int32(random.below(size - 1))
          before.append(event)
          next.append(positive)
          // Another one than that which came: the one behind it, or behind the last the first.
          drawn.append(negative != positive ? negative : negative + 1 < base + Int32(size) ? negative + 1 : base + 1)
        }
      }
      guard !before.isEmpty else { return nil }
      let states = chosenRows(h, Lookup(before, rowCount: h.shape.rows, device: h.device))
      func mean(_ events: [Int32], isNext: Bool) -> Tensor {
        let logits = output(layers(sideBySide([states, embedding.vectors(events, pass)]), pass))
        let labels = Tensor([Float](repeating: isNext ? 1 : 0, count: events.count), shape: [events.count], device: h.device)
        return meanLoss(.binary(), logits, labels: labels, scale: scale * weight)
      }
      return add(mean(next, isNext: true), mean(drawn, isNext: false))
    }
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
    ///
    /// - Parameter h: the states of `extraction`.
    func callAsFunction(_ h: Tensor, target t: Tensor, _ history: TableInput.History) -> Tensor {
      let rows = history.rows(h.device)
      let a = historyShares(targetDots(h, target: query(t), rows), rows)
      var isLast = [Float](repeating: 0, count: rows.rows)
      for (from, to) in zip(history.offsets, history.offsets.dropFirst()) where to > from { isLast[Int(to) - 1] = 1 }
      return weightedSums(evolution(h, rows, shares: a), weights: Tensor(isLast, shape: [rows.rows, 1], device: h.device), rows)
    }
  }
}
