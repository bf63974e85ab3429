// A trained model of next items beside what is counted, mixed as the validation targets are likeliest.
public import AugurEvents
import AugurLayers
public import AugurModels
import AugurOps
import AugurTensors
import Glibc

/// The softmax of a sequence model over the catalogue, for one history at a time.
struct SoftmaxScorer: Scorer {
  let model: any SequenceModel
  /// What cosines are divided by; products are not.
  let temperature: Float
  let itemCount: Int
  /// Of all items; cosines would make it anew for each history.
  private let table: Tensor

  init(model: any SequenceModel, temperature: Float, itemCount: Int) {
    (self.model, self.temperature, self.itemCount, table) = (model, temperature, itemCount, model.scoringTable)
  }

  func scores(history: Span<Int32>, into: UnsafeMutableBufferPointer<Float>) {
    var items: [Int32] = []
    for place in history.indices { items.append(history[place]) }
    let device = model.outputTable.value.device
    var h = model.lastStates(model.scoringInput([items[...]], times: nil, itemCount: itemCount, device: device))
    if model.isCosine { h = unitRows(h, scale: 1 / temperature) }
    let logits = linear(h, table, transposed: true).floats()
    let largest = logits.max() ?? 0
    for item in into.indices { into[item] = exp(logits[item] - largest) }
  }
}

/// Parts of a mixture by name, with what makes them one.
public struct NextItemMixture {
  public let names: [String]
  public let mixture: ItemMixture
  /// Users by whose validation targets the weights are fitted, at most.
  private static let fittedUsers = 4000

  /// Counts the training part, and fits the weights on the validation targets.
  ///
  /// - Parameters:
  ///   - model: a trained model, whose scores are logarithms of probabilities but for a sum; with the knobs it was trained with. Nil
  ///     mixes what is counted alone.
  ///   - seen: whether items of a history may come again.
  /// - Precondition: the model does not read times.
  public init(
    _ data: Dataset, model: (name: String, model: any SequenceModel, knobs: [String: String])? = nil, seen: SeenItems = .removed
  ) {
    let split = SequenceSplit(data)
    let (offsets, items) = split.trainingHistories()
    let users = split.evaluatedUsers(.validation)
    let stride = max(1, users.count / Self.fittedUsers)
    let examples = Swift.stride(from: 0, to: users.count, by: stride).compactMap { place in
      split.example(users[place], .validation).map { (history: Array($0.history), target: $0.target) }
    }
    var (names, parts) = (["popularity", "markov", "session-knn"], [any Scorer]())
    items.withUnsafeBufferPointer { items in
      let histories = Histories(offsets: offsets, items: items, itemCount: data.itemCount)
      parts = [Popularity(histories), MarkovChain(histories), SessionKNN(histories)]
      if let categories = Self.categories(data) {
        names.append("chain with tastes")
        parts.append(TasteChain(histories, categories: categories))
      }
    }
    if seen == .ranked {
      names.append("revisits")
      parts.append(Revisits(itemCount: data.itemCount))
    }
    if let model {
      precondition(!model.model.readsTimes, "mixture: expected a model that reads no times")
      names.append(model.name)
      let temperature = model.knobs["temperature"].flatMap(Float.init) ?? 1
      parts.append(SoftmaxScorer(model: model.model, temperature: temperature, itemCount: data.itemCount))
    }
    self.names = names
    mixture = ItemMixture(parts, keepsSeen: seen == .ranked, examples: examples)
  }

  /// Of each item, by its first event; nil where the log has none.
  private static func categories(_ data: Dataset) -> [Int32]? {
    guard data.labelCount(.category) > 0 else { return nil }
    var found = [Int32](repeating: -1, count: data.itemCount)
    for user in 0..<data.userCount {
      guard let labels = data.labels(user, .category) else { return nil }
      for (item, label) in zip(data.history(user), labels) where found[Int(item)] < 0 { found[Int(item)] = label }
    }
    return found
  }

  /// The `top` likeliest items, with their probabilities; equal ones by index, none that no part knows.
  public func likeliest(after history: [Int32], top: Int) -> [(item: Int, probability: Float)] {
    var scores = [Float](repeating: 0, count: mixture.itemCount)
    scores.withUnsafeMutableBufferPointer { mixture.scores(history: history.span, into: $0) }
    let known = scores.indices.filter { scores[$0] > 0 }
    return known.sorted { (-scores[$0], $0) < (-scores[$1], $1) }.prefix(top).map { ($0, scores[$0]) }
  }

  /// The nearest sessions, which every mixture has counted.
  public var nearestSessions: SessionKNN? { mixture.components.lazy.compactMap { $0 as? SessionKNN }.first }

  /// The parts with their weights, the heaviest first.
  public var words: String {
    zip(names, mixture.weights).sorted { $0.1 > $1.1 }.map { "\(Double(Int(($0.1 * 100).rounded())) / 100) \($0.0)" }.joined(separator: ", ")
  }
}
