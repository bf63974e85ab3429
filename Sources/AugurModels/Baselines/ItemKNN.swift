// Item-based nearest neighbours (Sarwar et al., 2001; Deshpande and Karypis, 2004).

/// score(j) = Σ_{i in history} sim(i, j) over the N most similar items j of each i, with
/// sim(i, j) = c_ij / (√(c_i · c_j) + shrinkage), c_ij users having both items and c_i users having i.
///
/// An item that occurs twice in the history counts twice; an item is no neighbour of itself.
public struct ItemKNN: Scorer {
  public let itemCount: Int
  /// Neighbours of item `i` are `neighbours[rows[i]..<rows[i + 1]]`, most similar first, then lower item index.
  private let rows: [Int]
  private let neighbours: [Neighbour]

  /// Cost: O(Σ_u |history of u|²).
  ///
  /// - Parameters:
  ///   - neighbourCount: N, at least 1.
  ///   - shrinkage: at least 0; trusts a similarity less that few users stand behind.
  public init(_ histories: Histories, neighbourCount: Int = 100, shrinkage: Double = 0) {
    precondition(neighbourCount >= 1, "ItemKNN: expected neighbourCount >= 1, got \(neighbourCount)")
    precondition(shrinkage >= 0, "ItemKNN: expected shrinkage >= 0, got \(shrinkage)")
    itemCount = histories.itemCount
    let owned = DistinctItems(histories)
    var rows = [0]
    rows.reserveCapacity(itemCount + 1)
    var neighbours: [Neighbour] = []
    var both = [Int](repeating: 0, count: itemCount)
    var touched: [Int32] = []
    for item in 0..<itemCount {
      for user in owned.users(ofItem: item) {
        for other in owned.items(ofUser: Int(user)) {
          if both[Int(other)] == 0 { touched.append(other) }
          both[Int(other)] += 1
        }
      }
      var nearest = NearestNeighbours(limit: neighbourCount)
      let ownCount = Double(owned.users(ofItem: item).count)
      for other in touched where Int(other) != item {
        let norm = (ownCount * Double(owned.users(ofItem: Int(other)).count)).squareRoot()
        let similarity = Double(both[Int(other)]) / (norm + shrinkage)
        nearest.insert(Neighbour(item: other, similarity: Float(similarity)))
      }
      for other in touched { both[Int(other)] = 0 }
      touched.removeAll(keepingCapacity: true)
      neighbours += nearest.sorted()
      rows.append(neighbours.count)
    }
    self.rows = rows
    self.neighbours = neighbours
  }

  public func scores(history: Span<Int32>, into: UnsafeMutableBufferPointer<Float>) {
    checkSize(into, "ItemKNN")
    into.update(repeating: 0)
    for index in history.indices {
      let item = Int(history[index])
      guard item >= 0, item < itemCount else { continue }
      for neighbour in neighbours[rows[item]..<rows[item + 1]] {
        into[Int(neighbour.item)] += neighbour.similarity
      }
    }
  }
}

/// A similar item; `<` puts the more similar first, then the lower item index.
private struct Neighbour: Comparable {
  let item: Int32
  let similarity: Float

  static func < (a: Neighbour, b: Neighbour) -> Bool {
    a.similarity != b.similarity ? a.similarity > b.similarity : a.item < b.item
  }
}

/// The best `limit` of many neighbours: sorts and cuts when twice as many have come, and turns away the hopeless.
private struct NearestNeighbours {
  private let limit: Int
  private var kept: [Neighbour] = []
  private var worst: Neighbour?

  init(limit: Int) { self.limit = limit }

  mutating func insert(_ neighbour: Neighbour) {
    if let worst, worst < neighbour { return }
    kept.append(neighbour)
    guard kept.count / 2 >= limit else { return }
    cut()
    worst = kept.last
  }

  consuming func sorted() -> [Neighbour] {
    cut()
    return kept
  }

  private mutating func cut() {
    kept.sort()
    kept.removeLast(max(0, kept.count - limit))
  }
}

/// The set of items of each user and the users of each item, both jagged.
private struct DistinctItems {
  private var userRows = [0]
  private var itemsByUser: [Int32] = []
  private var itemRows: [Int]
  private var usersByItem: [Int32]

  init(_ histories: Histories) {
    let itemCount = histories.itemCount
    // The last user who was seen with an item: a second occurrence is recognised without a set.
    var lastUser = [Int](repeating: -1, count: itemCount)
    itemRows = [Int](repeating: 0, count: itemCount + 1)
    for user in 0..<histories.userCount {
      for item in histories[user] where histories.isKnown(item) && lastUser[Int(item)] != user {
        lastUser[Int(item)] = user
        itemsByUser.append(item)
        itemRows[Int(item) + 1] += 1
      }
      userRows.append(itemsByUser.count)
    }
    for item in 0..<itemCount { itemRows[item + 1] += itemRows[item] }
    usersByItem = [Int32](repeating: 0, count: itemsByUser.count)
    var next = itemRows
    for user in 0..<histories.userCount {
      for item in itemsByUser[userRows[user]..<userRows[user + 1]] {
        usersByItem[next[Int(item)]] = Int32(truncatingIfNeeded: user)
        next[Int(item)] += 1
      }
    }
  }

  func items(ofUser user: Int) -> ArraySlice<Int32> { itemsByUser[userRows[user]..<userRows[user + 1]] }
  func users(ofItem item: Int) -> ArraySlice<Int32> { usersByItem[itemRows[item]..<itemRows[item + 1]] }
}
