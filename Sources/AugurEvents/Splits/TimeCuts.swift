// The two moments of a split by global time: exact quantiles of any number of times in 24 MB.

/// Shows every time of a log to its argument, in pieces.
package typealias TimeVisit = ((UnsafeBufferPointer<Int64>) -> Void) throws(EventsError) -> Void

/// The first millisecond after the last training event and after the last validation event.
///
/// With n events, the last training event is the `floor(n x training share)`-th in time, at least the first; events of
/// the same millisecond stay on the earlier side. Without events both are 0.
package func timeCuts(_ ratio: SplitRatio, _ visit: TimeVisit) throws(EventsError) -> (first: Int64, second: Int64) {
  var (count, earliest, latest) = (0, Int64.max, Int64.min)
  try visit { times in
    count += times.count
    for time in times { (earliest, latest) = (min(earliest, time), max(latest, time)) }
  }
  guard count > 0 else { return (0, 0) }
  let places = ratio.places(of: count)
  var first = TimeSearch(rank: max(1, places.first), earliest, latest)
  var second = TimeSearch(rank: max(1, places.second), earliest, latest)
  while let width = first.width {
    first.clear()
    second.clear()
    let isShared = first.from == second.from
    try visit { times in
      first.count(times)
      if !isShared { second.count(times) }
    }
    second.narrow(isShared ? first.counts : second.counts)
    first.narrow(first.counts)
    assert(first.width != width)
  }
  return (after(first.from), after(second.from))
}

private func after(_ time: Int64) -> Int64 { time == .max ? time : time + 1 }

/// The same for events in segments of known days: only the segments that hold the two moments are read.
func timeCuts(
  _ ratio: SplitRatio, _ segments: [DayCounts],
  _ visit: (_ segment: Int, _ body: (UnsafeBufferPointer<Int64>) -> Void) throws(EventsError) -> Void
) throws(EventsError) -> (first: Int64, second: Int64) {
  let places = ratio.places(of: segments.reduce(0) { $0 + $1.total })
  func time(ofRank rank: Int) throws(EventsError) -> Int64 {
    var rank = max(1, rank)
    for (number, days) in segments.enumerated() {
      for (day, count) in days.entries {
        guard rank > count else {
          var search = TimeSearch(rank: rank, DayCounts.start(of: day), DayCounts.start(of: day + 1) - 1)
          while search.width != nil {
            search.clear()
            try visit(number) { search.count($0) }
            search.narrow(search.counts)
          }
          return search.from
        }
        rank -= count
      }
    }
    return -1
  }
  return (after(try time(ofRank: places.first)), after(try time(ofRank: places.second)))
}

/// The `rank`-th smallest time (from 1) lies at `from` or up to 2^bits - 1 later; each round of counting takes 20 bits away.
private struct TimeSearch {
  private(set) var from: Int64
  private(set) var counts: [Int] = []
  private var rank: Int
  private var bits: Int
  private static let binBits = 20

  init(rank: Int, _ earliest: Int64, _ latest: Int64) {
    (self.rank, from) = (rank, earliest)
    bits = 64 - UInt64(bitPattern: latest &- earliest).leadingZeroBitCount
  }

  /// Bits still unknown; nil when the time is found.
  var width: Int? { bits == 0 ? nil : bits }
  private var shift: Int { max(0, bits - Self.binBits) }

  mutating func clear() { counts = Array(repeating: 0, count: 1 << (bits - shift)) }

  mutating func count(_ times: UnsafeBufferPointer<Int64>) {
    let (from, shift) = (from, UInt64(shift))
    counts.withUnsafeMutableBufferPointer { counts in
      for time in times where time >= from {
        let bin = UInt64(bitPattern: time &- from) >> shift
        if bin < UInt64(counts.count) { counts[Int(bin)] += 1 }
      }
    }
  }

  mutating func narrow(_ counts: [Int]) {
    var bin = 0
    while bin < counts.count - 1, counts[bin] < rank {
      rank -= counts[bin]
      bin += 1
    }
    from &+= Int64(bitPattern: UInt64(bin) << UInt64(shift))
    bits = shift
  }
}
