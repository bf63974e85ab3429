// Users with few events and rare items, left out until all that stay have enough: the k-core of a log (Seidman 1983), over
// passes.

/// Histories that can be streamed again and again, users by index from 0.
package protocol HistoryPasses {
  /// Calls `body` once for each user, in the same order at every call, with the items of the history.
  func forEachUser(_ body: (_ user: Int, _ items: Span<Int32>) throws(EventsError) -> Void) throws(EventsError)
}

/// Which users and items stay when every user keeps at least so many events with items that stay, and every item with users
/// that stay. Events are counted, repeats included. The answer is unique: it depends neither on the order of users nor on that
/// of the removals. Memory: four bytes an item and a bit a user.
package struct CoreFilter {
  private let minimumUserEvents: Int
  private let minimumItemEvents: UInt32
  /// [V] events with users that stay; 0 for items that are out.
  private var itemEvents: [UInt32]
  /// A bit a user, set for those who are out.
  private var isOut: [UInt64] = []
  /// Users and items that stay.
  package private(set) var users = 0
  package private(set) var items = 0
  /// Times that the histories were streamed.
  package private(set) var passes = 0
  package private(set) var report = CleaningReport()

  package init(minimumUserEvents: Int, minimumItemEvents: Int, itemCount: Int) {
    self.minimumUserEvents = max(1, minimumUserEvents)
    self.minimumItemEvents = UInt32(clamping: max(1, minimumItemEvents))
    itemEvents = [UInt32](repeating: 0, count: itemCount)
  }

  /// Decides. Items must lie in `0..<itemCount`.
  package mutating func fit(_ histories: some HistoryPasses) throws(EventsError) {
    try countItems(histories)
    var isStable = false
    while !isStable { isStable = try prune(histories) }
    items = itemEvents.reduce(0) { $0 + ($1 > 0 ? 1 : 0) }
  }

  package func keeps(user: Int) -> Bool { isOut[user >> 6] & 1 << UInt64(user & 63) == 0 }
  package func keeps(item: Int32) -> Bool { itemEvents[Int(item)] > 0 }

  /// Removes what does not stay from one user's events, and counts it.
  package mutating func apply(to events: inout UserEvents, user: Int) {
    guard keeps(user: user) else {
      report[.fewUserEvents].dropped += events.count
      events.removeAll()
      return
    }
    guard let first = events.items.firstIndex(where: { !keeps(item: $0) }) else { return }
    var flags = [Bool](repeating: true, count: events.count)
    for place in first..<events.count { flags[place] = keeps(item: events.items[place]) }
    report[.rareItem].dropped += events.keep(where: flags)
  }

  private mutating func countItems(_ histories: some HistoryPasses) throws(EventsError) {
    passes += 1
    var counts: [UInt32] = []
    swap(&counts, &itemEvents)
    var total = 0
    try histories.forEachUser { user, items throws(EventsError) in
      total = max(total, user + 1)
      for place in items.indices {
        let item = Int(items[place])
        if counts[item] < .max { counts[item] += 1 }
      }
    }
    let known = counts.reduce(0) { $0 + ($1 > 0 ? 1 : 0) }
    for item in counts.indices where counts[item] < minimumItemEvents { counts[item] = 0 }
    itemEvents = counts
    isOut = [UInt64](repeating: 0, count: (total + 63) >> 6)
    users = total
    report[.rareItem].items = known - counts.reduce(0) { $0 + ($1 > 0 ? 1 : 0) }
  }

  /// One pass of removals, each of which counts at once; true when nothing had to go.
  private mutating func prune(_ histories: some HistoryPasses) throws(EventsError) -> Bool {
    passes += 1
    var (counts, out): ([UInt32], [UInt64]) = ([], [])
    swap(&counts, &itemEvents)
    swap(&out, &isOut)
    let (leastUser, leastItem) = (minimumUserEvents, minimumItemEvents)
    var (lostUsers, lostItems) = (0, 0)
    try histories.forEachUser { user, items throws(EventsError) in
      guard out[user >> 6] & 1 << UInt64(user & 63) == 0 else { return }
      var events = 0
      for place in items.indices where counts[Int(items[place])] > 0 { events += 1 }
      if events >= leastUser { return }
      out[user >> 6] |= 1 << UInt64(user & 63)
      lostUsers += 1
      for place in items.indices {
        let item = Int(items[place])
        guard counts[item] > 0 else { continue }
        counts[item] -= 1
        if counts[item] < leastItem {
          counts[item] = 0
          lostItems += 1
        }
      }
    }
    (itemEvents, isOut) = (counts, out)
    users -= lostUsers
    report[.fewUserEvents].users += lostUsers
    report[.rareItem].items += lostItems
    return lostItems == 0
  }
}
