// How a data set is cut into segments of whole days, so that a new day costs the new day and few days before it. The cut follows from
// the rows of each day alone: it is the same for a log that came at once, shuffled, or day by day.

/// Events of each day since 1970, in UTC. Times of a log lie before the year 2200.
struct DayCounts: Equatable {
  static let milliseconds: Int64 = 86_400_000
  private static let most = Int(Timestamp.latestSecond / 86_400) + 1

  /// By day.
  private var counts: [Int] = []

  init() {}

  /// From a file; nil where a day or a count cannot be.
  init?(days: [Int64], counts: [Int64]) {
    guard days.count == counts.count else { return nil }
    for (day, count) in zip(days, counts) {
      guard (0..<Int64(Self.most)).contains(day), count >= 0, count < 1 << 40, self.counts.count <= day else { return nil }
      self.counts.append(contentsOf: repeatElement(0, count: Int(day) - self.counts.count))
      self.counts.append(Int(count))
    }
  }

  static func day(of time: Int64) -> Int { min(most - 1, Int(UInt64(max(0, time)) / UInt64(milliseconds))) }
  static func start(of day: Int) -> Int64 { Int64(day) * milliseconds }

  mutating func add(_ times: some Collection<Int64>) {
    if counts.count < Self.most { counts.append(contentsOf: repeatElement(0, count: Self.most - counts.count)) }
    counts.withUnsafeMutableBufferPointer { counts in for time in times { counts[Self.day(of: time)] += 1 } }
  }

  mutating func add(_ other: DayCounts) {
    if counts.count < other.counts.count {
      counts.append(contentsOf: repeatElement(0, count: other.counts.count - counts.count))
    }
    for (day, count) in other.counts.enumerated() { counts[day] += count }
  }

  subscript(day: Int) -> Int { day < counts.count ? counts[day] : 0 }

  /// Days that have events, rising, and their events.
  var entries: [(day: Int, count: Int)] { counts.enumerated().compactMap { $1 > 0 ? ($0, $1) : nil } }
  var total: Int { counts.reduce(0, +) }

  static func == (a: DayCounts, b: DayCounts) -> Bool { a.entries.elementsEqual(b.entries) { $0 == $1 } }
}

/// A span of days whose events lie in one file.
struct SegmentSpan: Equatable {
  var firstDay: Int
  var lastDay: Int
  /// Rows of the log with these days, duplicates too.
  var rows: Int

  /// Times before this moment lie in this segment or an earlier one.
  var end: Int64 { DayCounts.start(of: lastDay + 1) }

  /// All of a log without times.
  static func whole(rows: Int) -> SegmentSpan { SegmentSpan(firstDay: 0, lastDay: Int(Int32.max), rows: rows) }
}

/// Days are taken in order; the last two segments become one while they are small together, or while the earlier is at most twice as
/// large as the later and both fit one file. So sizes fall towards the newest, and a row is written anew a few times at most.
struct SegmentRule {
  var smallest = 1 << 20
  var largest = 1 << 26

  func spans(_ days: DayCounts) -> [SegmentSpan] {
    var spans: [SegmentSpan] = []
    for (day, count) in days.entries {
      spans.append(SegmentSpan(firstDay: day, lastDay: day, rows: count))
      while spans.count > 1, joins(spans[spans.count - 2].rows, spans[spans.count - 1].rows) {
        let last = spans.removeLast()
        spans[spans.count - 1].lastDay = last.lastDay
        spans[spans.count - 1].rows += last.rows
      }
    }
    return spans
  }

  private func joins(_ earlier: Int, _ later: Int) -> Bool {
    let rows = earlier + later
    return rows <= smallest || earlier <= 2 * later && rows <= largest
  }
}
