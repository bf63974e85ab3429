// What a baseline is, and the histories it learns from. Baselines count: no tensors, no gradients.

/// Scores every item of the catalogue for one history.
public protocol Scorer {
  /// V, the number of items in the catalogue.
  var itemCount: Int { get }

  /// Writes one score per item; greater is better, ties are left to the metric.
  ///
  /// - Parameters:
  ///   - history: item indices, oldest first; those outside the catalogue are ignored.
  ///   - into: V scores, overwritten.
  /// - Precondition: `into` holds exactly `itemCount` scores.
  func scores(history: Span<Int32>, into: UnsafeMutableBufferPointer<Float>)
}

extension Scorer {
  /// Stops a buffer of the wrong size at the door.
  func checkSize(_ into: UnsafeMutableBufferPointer<Float>, _ model: String) {
    precondition(into.count == itemCount, "\(model): expected \(itemCount) scores, got room for \(into.count)")
  }
}

/// Jagged training histories [B]: user `u` has `items[offsets[u]..<offsets[u + 1]]`, oldest first.
///
/// A view: the memory of `items` must outlive it. Items outside the catalogue are left out by every baseline.
public struct Histories {
  let offsets: [Int]
  let items: UnsafeBufferPointer<Int32>
  /// V, the number of items in the catalogue.
  let itemCount: Int

  /// - Parameters:
  ///   - offsets: [B + 1], ascending, from 0 to `items.count`; empty means no users.
  ///   - items: item indices in 0 ..< `itemCount`.
  ///   - itemCount: V.
  /// - Precondition: the offsets are as said.
  public init(offsets: [Int], items: UnsafeBufferPointer<Int32>, itemCount: Int) {
    precondition(itemCount >= 0, "Histories: expected itemCount >= 0, got \(itemCount)")
    precondition(
      (offsets.first ?? 0) == 0 && (offsets.last ?? items.count) == items.count
        && zip(offsets, offsets.dropFirst()).allSatisfy { $0 <= $1 },
      "Histories: expected ascending offsets from 0 to \(items.count)")
    self.offsets = offsets
    self.items = items
    self.itemCount = itemCount
  }

  var userCount: Int { max(0, offsets.count - 1) }

  subscript(user: Int) -> UnsafeBufferPointer<Int32> {
    UnsafeBufferPointer(rebasing: items[offsets[user]..<offsets[user + 1]])
  }

  func isKnown(_ item: Int32) -> Bool { item >= 0 && Int(item) < itemCount }
}
