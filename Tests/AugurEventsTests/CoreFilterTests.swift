// The k-core over passes against removals one at a time.
import AugurEvents
import AugurTensors
import Testing

private struct Histories: HistoryPasses {
  var items: [[Int32]]
  func forEachUser(_ body: (_ user: Int, _ items: Span<Int32>) throws(EventsError) -> Void) throws(EventsError) {
    for (user, items) in items.enumerated() { try body(user, items.span) }
  }
}

@Suite struct CoreFilterTests {
  /// What stays of the histories.
  private func filter(_ histories: [[Int32]], _ userEvents: Int, _ itemEvents: Int, items: Int) throws -> (
    kept: [[Int32]], core: CoreFilter
  ) {
    var core = CoreFilter(minimumUserEvents: userEvents, minimumItemEvents: itemEvents, itemCount: items)
    try core.fit(Histories(items: histories))
    let kept = histories.enumerated().map { user, items in
      var events = UserEvents()
      events.items = items
      core.apply(to: &events, user: user)
      return events.items
    }
    return (kept, core)
  }

  private func reference(_ histories: [[Int32]], _ userEvents: Int, _ itemEvents: Int) -> [[Int32]] {
    var kept = histories
    while true {
      let flat = kept.flatMap { $0 }
      let rare = flat.first { item in flat.count { $0 == item } < itemEvents }
      let short = kept.firstIndex { !$0.isEmpty && $0.count < userEvents }
      if let rare {
        kept = kept.map { $0.filter { $0 != rare } }
      } else if let short {
        kept[short] = []
      } else {
        return kept
      }
    }
  }

  @Test func aChainFallsWholly() throws {
    // Each user holds two items, each item two users, but for the ends: one falls after another.
    let chain = (0..<50).map { [Int32($0), Int32($0 + 1)] }
    let (kept, core) = try filter(chain, 2, 2, items: 51)
    #expect(kept.allSatisfy(\.isEmpty) && core.users == 0 && core.items == 0)
    #expect(core.report[.fewUserEvents].users == 50 && core.report[.rareItem].items == 51)
    #expect(core.report.rowsDropped == 100)
    let ring = (0..<50).map { [Int32($0), Int32(($0 + 1) % 50)] }
    #expect(try filter(ring, 2, 2, items: 50).kept == ring)
  }

  @Test func handWorked() throws {
    // Item 2 is rare; without it user 1 has one event and goes; then item 1 has one event and goes; user 0 keeps 0, 0.
    let (kept, core) = try filter([[0, 0, 1], [1, 2], [0, 0]], 2, 2, items: 3)
    #expect(kept == [[0, 0], [], [0, 0]])
    #expect(core.users == 2 && core.items == 1)
    #expect(core.report[.fewUserEvents].dropped == 2 && core.report[.rareItem].dropped == 1)
  }

  @Test func oneSideAlone() throws {
    #expect(try filter([[0], [0, 1]], 2, 1, items: 2).kept == [[], [0, 1]])
    #expect(try filter([[0], [0, 1]], 1, 2, items: 2).kept == [[0], [0]])
    #expect(try filter([], 5, 5, items: 0).core.users == 0)
    #expect(try filter([[], [1]], 1, 1, items: 3).kept == [[], [1]])
  }

  @Test func randomLogsAgainstTheReferenceInAnyOrder() throws {
    for seed in 0..<200 {
      var random = RandomStream(seed: 5, stream: UInt64(seed))
      let items = 1 + random.below(12)
      let histories = (0..<random.below(70)).map { _ in (0..<random.below(7)).map { _ in Int32(random.below(items)) } }
      let (userEvents, itemEvents) = (1 + random.below(5), 1 + random.below(8))
      let (kept, core) = try filter(histories, userEvents, itemEvents, items: items)
      #expect(kept == reference(histories, userEvents, itemEvents), "seed \(seed)")
      #expect(core.items == Set(kept.flatMap { $0 }).count && core.users == kept.count { !$0.isEmpty })
      #expect(core.report.rowsDropped == histories.joined().count - kept.joined().count)
      let turned = try filter(histories.reversed(), userEvents, itemEvents, items: items)
      #expect(turned.kept == kept.reversed())
    }
  }
}
