// Which rows of a table of many rows lie in the few places of faster memory (CLOCK, Corbato 1968, with counts of visits).

/// Rows in places, one each. A row that batches ask for often keeps its place longest.
package struct CachedRows: Sendable {
  /// Visits of a row that is known to come often, and the most that another collects, two a batch.
  private static let (frequentVisits, mostVisits): (UInt8, UInt8) = (31, 7)
  private static let none: Int32 = -1

  /// Places in all.
  package let count: Int
  private var placeOfRow: [Int32]
  private let isFrequent: [Bool]  // by row; empty: none
  // By place in use:
  private var rows: [Int32] = []
  private var visits: [UInt8] = []  // more where batches ask for the row again, one less each time the hand passes
  private var batches: [UInt32] = []  // the last one that asked for it
  private var batch: UInt32 = 0
  private var hand = 0

  /// - Parameter occurrences: of each row, as far as they are known beforehand: those that occur most often are the last to leave.
  package init(rowCount: Int, count: Int, occurrences: [Int] = []) {
    precondition(count > 0 && rowCount <= Int(Int32.max), "places: expected at least one and 31-bit rows, got \(count) for \(rowCount)")
    (self.count, placeOfRow) = (count, Array(repeating: CachedRows.none, count: rowCount))
    // Places are left for what is asked for without being known.
    let frequent = occurrences.sorted(by: >).prefix(count / 10 * 7)
    isFrequent = frequent.last.map { least in occurrences.map { $0 > 1 && $0 >= least } } ?? []
  }

  /// Gives every row of a batch a place. Precondition: there are no more different rows than places.
  ///
  /// - Returns: what moves, three numbers each: a place, the row that leaves it or -1, and the row that enters.
  package mutating func admit(_ lookups: [HostLookup]) -> [Int32] {
    batch &+= 1
    for lookup in lookups {
      for row in lookup.distinct {
        let place = Int(placeOfRow[Int(row)])
        guard place >= 0, batches[place] != batch else { continue }
        batches[place] = batch
        if visits[place] < CachedRows.mostVisits { visits[place] = min(CachedRows.mostVisits, visits[place] + 2) }
        if comesOften(row) { visits[place] = CachedRows.frequentVisits }
      }
    }
    var moves: [Int32] = []
    for lookup in lookups {
      for row in lookup.distinct where placeOfRow[Int(row)] < 0 {
        let place = freePlace()
        let leaving = rows[place]
        if leaving >= 0 { placeOfRow[Int(leaving)] = CachedRows.none }
        moves.append(Int32(truncatingIfNeeded: place))
        moves.append(leaving)
        moves.append(row)
        placeOfRow[Int(row)] = Int32(truncatingIfNeeded: place)
        (rows[place], visits[place], batches[place]) = (row, comesOften(row) ? CachedRows.frequentVisits : 0, batch)
      }
    }
    return moves
  }

  /// Takes every row out of its place; what moves, as above, with nothing that enters.
  package mutating func empty() -> [Int32] {
    var moves: [Int32] = []
    moves.reserveCapacity(3 * rows.count)
    for (place, row) in rows.enumerated() {
      placeOfRow[Int(row)] = CachedRows.none
      moves.append(Int32(truncatingIfNeeded: place))
      moves.append(row)
      moves.append(CachedRows.none)
    }
    (rows, visits, batches, hand) = ([], [], [], 0)
    return moves
  }

  /// The places of rows that were admitted.
  package func places(of rows: some Sequence<Int32>) -> [Int32] { rows.map { placeOfRow[Int($0)] } }

  private func comesOften(_ row: Int32) -> Bool { Int(row) < isFrequent.count && isFrequent[Int(row)] }

  /// One that is not taken, or whose row this batch does not ask for and others have not for long.
  private mutating func freePlace() -> Int {
    if rows.count < count {
      rows.append(CachedRows.none)
      visits.append(0)
      batches.append(batch)
      return rows.count - 1
    }
    for _ in 0..<(Int(CachedRows.frequentVisits) + 1) * count {
      let place = hand
      hand = hand + 1 == count ? 0 : hand + 1
      guard batches[place] != batch else { continue }
      if visits[place] == 0 { return place }
      visits[place] -= 1
    }
    preconditionFailure("places: expected at most \(count) different rows in a batch")
  }
}
