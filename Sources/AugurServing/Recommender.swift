// From a history to the items most likely to come next.
public import AugurModels
import AugurLayers
import AugurOps
public import AugurTensors

/// One suggestion: item index and score.
public struct Suggestion: Sendable, Equatable {
  public let item: Int
  public let score: Float
}

/// A loaded model that answers one history at a time.
public final class Recommender {
  public let itemCount: Int
  private let model: any SequenceModel
  private let device: Device

  /// Reads a model file. Throws where it is damaged or names a model that does not exist.
  public init(_ file: SafetensorsFile, device: Device) throws(ModelError) {
    let description = try ModelDescription(of: file)
    model = try description.makeModel(device: device, seed: 0).0
    try model.load(from: file)
    (itemCount, self.device) = (description.itemCount, device)
  }

  /// The `top` best items that are not in the history, best first; fewer where the catalogue is smaller.
  ///
  /// - Precondition: the history is not empty and its items lie in `0 ..< itemCount`.
  public func suggestions(after history: [Int32], top: Int) -> [Suggestion] {
    precondition(!history.isEmpty && history.allSatisfy { $0 >= 0 && $0 < itemCount }, "suggestions: unknown or no items")
    let kept = Array(history.suffix(model.longestHistory))
    let L = model.longestHistory
    let input = SequenceInput(
      rows: Jagged(offsets: [0, Int32(kept.count)], device: device),
      items: Lookup(kept, rowCount: itemCount, device: device, isGrouped: false),
      places: Lookup((L - kept.count..<L).map(Int32.init), rowCount: L, device: device, isGrouped: false))
    let states = model.states(input, Pass())
    let h = selectedRows(states, Lookup([Int32(kept.count - 1)], rowCount: kept.count, device: device, isGrouped: false))
    let seen = history.sorted()
    let best = topItems(h, model.outputTable.value, seen: seen, seenOffsets: [0, Int32(seen.count)], k: min(top, itemCount))
    return zip(best.items, best.scores).compactMap { item, score in
      item >= 0 ? Suggestion(item: Int(item), score: score) : nil
    }
  }
}
