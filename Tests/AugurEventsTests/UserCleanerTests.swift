// The rules that see one user, on users worked by hand and against references over random ones.
import AugurEvents
import AugurTensors
import Testing

/// Events as tuples, so that a test reads as a table; NaN never equals itself, so prices compare by their text.
func makeEvents(
  _ rows: [(time: Int64, item: Int32)], kinds: [Int32] = [], categories: [Int32] = [], prices: [Float] = [],
  quantities: [Float] = []
) -> UserEvents {
  var events = UserEvents()
  events.times = rows.map(\.time)
  events.items = rows.map(\.item)
  (events.kinds, events.categories, events.prices, events.quantities) = (kinds, categories, prices, quantities)
  return events
}

@Suite struct UserCleanerTests {
  /// The cleaned events and the report.
  private func clean(_ events: UserEvents, hasTimes: Bool = true, _ change: (inout CleaningRules) -> Void = { _ in })
    -> (events: UserEvents, report: CleaningReport)
  {
    var (rules, events) = (CleaningRules(), events)
    change(&rules)
    var cleaner = UserCleaner(rules, hasTimes: hasTimes, fills: UserCleaner.Fills(kind: 7, category: 8))
    cleaner.apply(to: &events)
    let columns = [events.times.count, events.kinds.count, events.categories.count, events.prices.count, events.quantities.count]
    #expect(columns.allSatisfy { $0 == 0 || $0 == events.count })
    return (events, cleaner.report)
  }

  @Test func defaultsDropOnlyExactDuplicates() {
    let rows: [(time: Int64, item: Int32)] = [(1, 5), (1, 5), (1, 5), (1, 6), (2, 5)]
    let (events, report) = clean(makeEvents(rows))
    #expect(events.items == [5, 6, 5] && events.times == [1, 1, 2])
    #expect(report[.exactDuplicate].dropped == 2 && report.rowsDropped == 2)
    #expect(clean(makeEvents(rows)) { $0.dropsExactDuplicates = false }.events.count == 5)
    var untimed = makeEvents(rows)
    untimed.times = []
    #expect(clean(untimed, hasTimes: false).events.count == 5)
  }

  @Test func duplicatesAgreeInEveryColumn() {
    let rows = [(time: Int64(1), item: Int32(5)), (1, 5)]
    #expect(clean(makeEvents(rows, kinds: [0, 1])).events.count == 2)
    #expect(clean(makeEvents(rows, categories: [0, 1])).events.count == 2)
    #expect(clean(makeEvents(rows, prices: [1, 2])).events.count == 2)
    #expect(clean(makeEvents(rows, prices: [1, .nan])).events.count == 2)
    #expect(clean(makeEvents(rows, prices: [.nan, .nan], quantities: [2, 2])).events.count == 1)
  }

  @Test func emptyAndSingleUsers() {
    let all: (inout CleaningRules) -> Void = {
      ($0.duplicateWindow, $0.burst, $0.maximumHistory) = (5, BurstRule(events: 1, seconds: 1, action: .dropUser), 1)
      ($0.missingPrice, $0.earliestTime) = (.drop, 0)
    }
    #expect(clean(UserEvents(), all).events.count == 0)
    #expect(clean(makeEvents([(3, 1)]), all).events.items == [1])
    #expect(clean(UserEvents(), hasTimes: false).report == CleaningReport())
  }

  @Test func repeatsWithinTheWindowCountFromTheLastKept() {
    // Kept at 0 s; 4 s is within 5 s; 8 s is not, and is kept; 13 s is exactly 5 s later and goes. Item 2 and kind 1 are others.
    let rows: [(time: Int64, item: Int32)] = [(0, 1), (1000, 2), (4000, 1), (4000, 1), (8000, 1), (13_000, 1)]
    let (events, report) = clean(makeEvents(rows, kinds: [0, 0, 0, 1, 0, 0])) { $0.duplicateWindow = 5 }
    #expect(events.times == [0, 1000, 4000, 8000] && events.items == [1, 2, 1, 1] && events.kinds == [0, 0, 1, 0])
    #expect(report[.repeatInWindow].dropped == 2)
  }

  @Test func missingValuesByColumn() {
    let rows: [(time: Int64, item: Int32)] = [(1, 1), (2, 2), (3, 3)]
    let events = makeEvents(
      rows, kinds: [-1, 0, 0], categories: [4, -1, 4], prices: [.nan, 1, .nan], quantities: [1, 1, .nan])
    let kept = clean(events)
    #expect(kept.events.count == 3 && kept.report == CleaningReport())
    let (filled, report) = clean(events) {
      ($0.missingKind, $0.missingCategory, $0.missingPrice) = (.fill("view"), .fill("none"), .fill("2.5"))
      $0.missingQuantity = .drop
    }
    #expect(filled.kinds == [7, 0] && filled.categories == [4, 8] && filled.prices == [2.5, 1] && filled.quantities == [1, 1])
    #expect(report[.missingKind].changed == 1 && report[.missingCategory].changed == 1 && report[.missingPrice].changed == 2)
    #expect(report[.missingQuantity].dropped == 1 && report.rowsDropped == 1)
  }

  @Test func impossibleValuesByPolicy() {
    let rows: [(time: Int64, item: Int32)] = [(1000, 1), (2000, 2), (3000, 3), (9000, 4)]
    let events = makeEvents(rows, prices: [-1, 0, .nan, .infinity], quantities: [1, -2, 0, 1])
    let rejected = clean(events)
    #expect(rejected.events.items == [3] && rejected.report[.impossiblePrice].dropped == 2)
    #expect(rejected.report[.impossibleQuantity].dropped == 1)
    let missing = clean(events) { ($0.impossible, $0.latestTime) = (.missing, 8000) }
    #expect(missing.events.items == [1, 2, 3] && missing.report[.impossibleTime].dropped == 1)
    #expect(missing.events.prices[0].isNaN && missing.events.prices[1] == 0 && missing.events.quantities[1].isNaN)
    #expect(missing.report[.impossiblePrice].changed == 1 && missing.report[.impossibleQuantity].changed == 1)
    let kept = clean(events) { $0.impossible = .keep }
    #expect(kept.events.count == 4 && kept.report[.impossiblePrice].flagged == 2 && kept.report.rowsDropped == 0)
    let gone = clean(makeEvents([(1, 1)], prices: [-5]))
    #expect(gone.events.count == 0 && gone.report[.impossiblePrice].users == 1)
  }

  @Test func burstsByAction() {
    // Seconds 0, 1, 2, 3 are four events within 3 s; 100 and 103 are not a burst.
    let rows: [(time: Int64, item: Int32)] = [(0, 1), (1000, 2), (2000, 3), (3000, 4), (100_000, 5), (103_000, 6)]
    func run(_ action: BurstRule.Action, _ seconds: Double = 3) -> (events: UserEvents, report: CleaningReport) {
      clean(makeEvents(rows)) { $0.burst = BurstRule(events: 3, seconds: seconds, action: action) }
    }
    #expect(run(.flag).events.count == 6 && run(.flag).report[.burst].flagged == 4)
    #expect(run(.dropBurst).events.items == [5, 6])
    #expect(run(.dropUser).events.count == 0 && run(.dropUser).report[.burst].users == 1)
    #expect(run(.dropUser, 2.9).events.count == 6)
  }

  @Test func newestEventsStay() {
    let (events, report) = clean(makeEvents([(1, 1), (2, 2), (3, 3)])) { $0.maximumHistory = 2 }
    #expect(events.items == [2, 3] && report[.oldHistory].dropped == 1)
  }

  @Test func aMillionEqualTimes() {
    let rows = (0..<1_000_000).map { (time: Int64(5), item: Int32($0 / 2)) }
    let (events, report) = clean(makeEvents(rows)) {
      ($0.duplicateWindow, $0.burst) = (60, BurstRule(events: 1_000_000, seconds: 60, action: .dropUser))
    }
    #expect(events.count == 500_000 && report[.exactDuplicate].dropped == 500_000 && report[.burst].users == 0)
  }

  /// Each rule written the slow way.
  private func reference(_ rows: [(time: Int64, item: Int32)], window: Int64, burst: Int, length: Int64) -> [(
    time: Int64, item: Int32
  )] {
    var unique: [(time: Int64, item: Int32)] = []
    for row in rows where !unique.contains(where: { $0 == row }) { unique.append(row) }
    var kept: [(time: Int64, item: Int32)] = []
    for row in unique where !kept.contains(where: { $0.item == row.item && row.time - $0.time <= window }) { kept.append(row) }
    return kept.enumerated().filter { place, _ in
      !kept.indices.contains { first in
        let last = first + burst
        return last < kept.count && first <= place && place <= last && kept[last].time - kept[first].time <= length
      }
    }.map(\.1)
  }

  @Test func randomUsersAgainstTheReferenceInAnyOrder() {
    for seed in 0..<400 {
      var random = RandomStream(seed: 11, stream: UInt64(seed))
      let count = random.below(30)
      var rows = (0..<count).map { _ in (time: Int64(random.below(40)) * 1000, item: Int32(random.below(4))) }
      let window = Int64(random.below(4)) * 1000
      let burst = 1 + random.below(5)
      let length = Int64(random.below(6)) * 1000
      func canonical() -> UserEvents { makeEvents(rows.sorted { $0 < $1 }) }
      func run() -> (events: UserEvents, report: CleaningReport) {
        clean(canonical()) {
          $0.duplicateWindow = Double(window) / 1000
          $0.burst = BurstRule(events: burst, seconds: Double(length) / 1000, action: .dropBurst)
        }
      }
      let first = run()
      let expected = reference(rows.sorted { $0 < $1 }, window: window == 0 ? -1 : window, burst: burst, length: length)
      #expect(first.events.items == expected.map(\.item) && first.events.times == expected.map(\.time), "seed \(seed)")
      #expect(first.report.rowsDropped == count - expected.count)
      rows.shuffle(using: &random)
      #expect(run() == first)
    }
  }
}
