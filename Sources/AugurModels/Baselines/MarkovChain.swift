// First-order Markov chain over items: what came right after the last item? (Rendle et al., 2010, section 3, unfactored.)

/// score(j) = number of times that j directly followed the last item of the history in training.
///
/// Without a known last item every score is 0: one tie.
public struct MarkovChain: Scorer {
  public let itemCount: Int
  /// Row `i` of the transition matrix is `entries[rows[i]..<rows[i + 1]]`, by ascending successor.
  private let rows: [Int]
  private let entries: [(successor: Int32, count: Float)]

  /// Cost: O(T log r) for T transitions with at most r from one item.
  public init(_ histories: Histories) {
    itemCount = histories.itemCount
    // Counting sort by predecessor.
    var starts = [Int](repeating: 0, count: itemCount + 1)
    MarkovChain.forEachTransition(histories) { from, _ in starts[from + 1] += 1 }
    for item in 0..<itemCount { starts[item + 1] += starts[item] }
    var successors = [Int32](repeating: 0, count: starts[itemCount])
    var next = starts
    MarkovChain.forEachTransition(histories) { from, to in
      successors[next[from]] = to
      next[from] += 1
    }

    var rows = [0]
    rows.reserveCapacity(itemCount + 1)
    var entries: [(successor: Int32, count: Float)] = []
    for item in 0..<itemCount {
      let row = starts[item]..<starts[item + 1]
      successors[row].sort()
      var previous: Int32 = -1
      for successor in successors[row] {
        if successor == previous {
          entries[entries.count - 1].count += 1
        } else {
          entries.append((successor, 1))
        }
        previous = successor
      }
      rows.append(entries.count)
    }
    self.rows = rows
    self.entries = entries
  }

  public func scores(history: Span<Int32>, into: UnsafeMutableBufferPointer<Float>) {
    checkSize(into, "MarkovChain")
    into.update(repeating: 0)
    guard let last = history.indices.last.map({ history[$0] }), last >= 0, Int(last) < itemCount else { return }
    for entry in entries[rows[Int(last)]..<rows[Int(last) + 1]] { into[Int(entry.successor)] = entry.count }
  }

  /// Pairs of neighbours within one history, both in the catalogue.
  private static func forEachTransition(_ histories: Histories, _ visit: (_ from: Int, _ to: Int32) -> Void) {
    for user in 0..<histories.userCount {
      let history = histories[user]
      for (from, to) in zip(history, history.dropFirst()) where histories.isKnown(from) && histories.isKnown(to) {
        visit(Int(from), to)
      }
    }
  }
}
