// From columns in file order to jagged histories in canonical order.

/// Histories of all users, with the ids in canonical order: users by bytes, items by falling count and then by bytes.
/// The result does not depend on the order of rows where the log has times.
struct GroupedEvents {
  var offsets: [Int64] = [0]  // [B+1]
  var items: [Int32] = []  // [T]
  var times: [Int64] = []  // [T], or empty
  var userOrder: [Int32] = []  // [B], vocabulary index of each user
  var itemOrder: [Int32] = []  // [V]
  var duplicates = 0

  /// Exact duplicates (user, item, time) are dropped from logs with times and counted; others keep repeats.
  init(_ log: EventLog) {
    userOrder = log.users.byteOrder()
    let itemsByBytes = log.items.byteOrder()
    let itemRank = Self.inverse(itemsByBytes)
    group(log, userRank: Self.inverse(userOrder), itemRank: itemRank)
    if !times.isEmpty { sortByTime() }
    var counts = [Int](repeating: 0, count: itemsByBytes.count)
    for item in items { counts[Int(item)] += 1 }
    // Stable by position: equal counts stay in byte order.
    let order = (0..<Int32(counts.count)).sorted {
      (-counts[Int($0)], $0) < (-counts[Int($1)], $1)
    }
    let rank = Self.inverse(order)
    for position in items.indices { items[position] = rank[Int(items[position])] }
    itemOrder = order.map { itemsByBytes[Int($0)] }
  }

  private static func inverse(_ order: [Int32]) -> [Int32] {
    var result = [Int32](repeating: 0, count: order.count)
    for (rank, index) in order.enumerated() { result[Int(index)] = Int32(truncatingIfNeeded: rank) }
    return result
  }

  /// Counting sort by user, stable in file order; items become byte ranks.
  private mutating func group(_ log: EventLog, userRank: [Int32], itemRank: [Int32]) {
    let total = log.itemColumn.count
    var cursor = [Int](repeating: 0, count: userRank.count + 1)
    for user in log.userColumn { cursor[Int(userRank[Int(user)]) + 1] += 1 }
    for user in 1..<cursor.count { cursor[user] += cursor[user - 1] }
    offsets = cursor.map(Int64.init)
    items = [Int32](repeating: 0, count: total)
    times = [Int64](repeating: 0, count: log.times.count)
    for position in 0..<total {
      let user = Int(userRank[Int(log.userColumn[position])])
      let target = cursor[user]
      cursor[user] += 1
      items[target] = itemRank[Int(log.itemColumn[position])]
      if !log.times.isEmpty { times[target] = log.times[position] }
    }
  }

  /// Sorts each history by (time, item bytes) and closes the gaps of duplicates.
  private mutating func sortByTime() {
    var kept = 0
    var newOffsets = offsets
    var events: [(time: Int64, item: Int32)] = []
    for user in 0..<offsets.count - 1 {
      let range = Int(offsets[user])..<Int(offsets[user + 1])
      events.removeAll(keepingCapacity: true)
      var sorted = true
      for position in range {
        let event = (time: times[position], item: items[position])
        if let last = events.last, last > event { sorted = false }
        events.append(event)
      }
      if !sorted { events.sort(by: <) }
      var last: (time: Int64, item: Int32) = (-1, -1)
      for event in events where event != last {
        (times[kept], items[kept]) = (event.time, event.item)
        last = event
        kept += 1
      }
      newOffsets[user + 1] = Int64(kept)
    }
    duplicates = items.count - kept
    items.removeLast(duplicates)
    times.removeLast(duplicates)
    offsets = newOffsets
  }
}

/// Reads and groups a log in memory without writing anything: what fuzzing and ingest benchmarks run.
package func countLog(
  _ bytes: UnsafeRawBufferPointer, file: String, format: LogFormat, columns: LogColumns = LogColumns()
) throws(EventsError) -> (users: Int, items: Int, events: Int, duplicates: Int) {
  let log = try readLog(bytes, file: file, format: format, columns: columns)
  let grouped = GroupedEvents(log)
  return (log.users.count, log.items.count, grouped.items.count, grouped.duplicates)
}
