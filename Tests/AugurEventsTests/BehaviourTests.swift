// Features of behaviour: against their definitions, online against the table, and never from the future.
import AugurTensors
import Foundation
import Testing

@testable import AugurEvents

@Suite struct BehaviourTests {
  let folder = TestFolder()

  private func state(_ json: String? = nil) throws -> BehaviourState {
    try BehaviourState(try json.map { text throws(EventsError) in try BehaviourDescription(json: text, place: "test") } ?? .standard())
  }

  private func event(_ logged: LoggedEvent, in state: inout BehaviourState) -> BehaviourEvent {
    state.event(
      user: logged.user, item: logged.item, time: logged.time * 1000, kind: logged.kind, category: logged.category,
      price: Float(logged.price) ?? .nan, quantity: Float(logged.quantity) ?? .nan)
  }

  /// Rows of events in order of time; ties in the order given.
  private func rows(_ events: [LoggedEvent], _ state: inout BehaviourState) throws -> [[Float]] {
    try events.sorted { $0.time < $1.time }.map { logged in
      let event = event(logged, in: &state)
      let row = try state.features(of: event)
      try state.observe(event)
      return row
    }
  }

  private func table(_ events: [LoggedEvent], task: OutcomeTask? = nil) throws -> [[String]] {
    let data = try folder.dataset(LoggedEvent.log(events))
    var state = try BehaviourState(.standard(for: data))
    _ = try writeBehaviourTable(data, state: &state, task: task, output: "\(folder.path)/table.csv")
    return String(decoding: folder.read("table.csv"), as: UTF8.self).split(separator: "\n").map { line in
      line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
  }

  @Test func everyColumnIsWhatItsDefinitionSays() throws {
    let events = LoggedEvent.random(700, seed: 1).sorted { $0.time < $1.time }
    var state = try state()
    let (made, reference) = (try rows(events, &state), BehaviourReference(events: events))
    var compared = 0
    for (place, column) in state.columns.map(\.name).enumerated() where column.contains("_") && !column.hasPrefix("hour") && !column.hasPrefix("weekday") {
      for (row, event) in zip(made, events) {
        let expected = reference.value(column, of: event)
        guard !sameRow([row[place]], [expected]) else { continue }
        Issue.record("\(column) at \(event.line): \(row[place]), expected \(expected)")
        return
      }
      compared += 1
    }
    #expect(compared >= 40 && state.keptEvents < events.count)
    let kept = events.filter { $0.time >= (events.last?.time ?? 0) - 30 * 86_400 }.count
    #expect(state.keptEvents == kept)
  }

  @Test func clocksAreLocal() throws {
    // 2023-11-14 was a Tuesday; 23:00 UTC is Wednesday, midnight, in Berlin.
    let json = """
      {"format": "augur-behaviour", "version": 1, "zone": "+01:00", "features": [{"feature": "clock", "parts": ["hour", "weekday", "hour_sin", "hour_cos"]}]}
      """
    var state = try state(json)
    let late = state.event(user: "u", item: "i", time: 1_700_002_800_000)
    #expect(try state.features(of: late) == [0, 2, 0, 1])
    let morning = state.event(user: "u", item: "i", time: 1_700_002_800_000 + 6 * 3_600_000)
    let row = try state.features(of: morning)
    #expect(row[0] == 6 && row[1] == 2 && abs(row[2] - 1) < 1e-6 && abs(row[3]) < 1e-6)
  }

  @Test func windowsAreExact() throws {
    let json = """
      {"format": "augur-behaviour", "version": 1, "features": [{"feature": "count", "of": ["user", "log"], "events": ["any"], "windows": ["1s", "ever"]}]}
      """
    var state = try state(json)
    func row(_ user: String, _ time: Int64) throws -> [Float] {
      let event = state.event(user: user, item: "i", time: time)
      let row = try state.features(of: event)
      try state.observe(event)
      return row
    }
    #expect(try row("u", 0) == [0, 0, 0, 0])
    #expect(try row("u", 0) == [0, 0, 0, 0])  // the same moment is not earlier
    #expect(try row("v", 1) == [0, 0, 2, 2])
    #expect(try row("u", 1000) == [2, 2, 3, 3])  // exactly a second back is inside
    #expect(try row("u", 1001) == [1, 3, 2, 4])
    #expect(try row("u", 9_000_000_000) == [0, 4, 0, 5])
    #expect(state.keptEvents == 1)
  }

  @Test func onlineIsTheTableBitByBit() throws {
    let events = LoggedEvent.random(3000, seed: 2)
    let text = try table(events)
    let data = try Dataset(path: "\(folder.path)/data")
    let description = BehaviourDescription.standard(for: data)
    var online = try BehaviourState(description)
    let replayed = events.sorted { ($0.time, $1.line) < ($1.time, $0.line) }  // ties in another order than the table's
    var expected: [String: [[Float]]] = [:]
    for (place, logged) in replayed.enumerated() {
      if place % 500 == 250 {
        try online.save(to: "\(folder.path)/state.safetensors")
        online = try BehaviourState(path: "\(folder.path)/state.safetensors")
      }
      let event = event(logged, in: &online)
      expected["\(logged.user),\(logged.item),\(logged.time)", default: []].append(try online.features(of: event))
      try online.observe(event)
    }
    #expect(text.count == events.count + 1)
    #expect(text[0] == ["user_id", "item_id", "timestamp"] + online.columns.map(\.name))
    let names = (0..<data.labelCount(.category)).map { data.label(.category, $0) }.filter { !$0.isEmpty }
    for line in text.dropFirst() {
      var bytes = Array(line[2].utf8)
      let seconds = try bytes.withUnsafeMutableBytes { try Timestamp.milliseconds(UnsafeRawBufferPointer($0)) } / 1000
      let row = zip(online.columns, line.dropFirst(3)).map { column, field -> Float in
        guard column.texts != nil, !field.isEmpty else { return Float(field) ?? .nan }
        #expect(names.contains(field))
        return Float(online.category(field))
      }
      let candidates = expected["\(line[0]),\(line[1]),\(seconds)"] ?? []
      #expect(candidates.contains { sameRow($0, row) }, "\(line)")
    }
  }

  @Test func theFutureChangesNoBit() throws {
    let events = LoggedEvent.random(1500, seed: 3).sorted { $0.time < $1.time }
    var first = try state()
    let made = try rows(events, &first)
    for share in [0.0, 0.3, 0.8] {
      let cut = events[Int(Double(events.count) * share)].time
      let spoiled = events.map { event in
        event.time <= cut
          ? event
          : LoggedEvent(
            user: event.user, item: "i3", time: event.time + 777, kind: "purchase", category: "c1", price: "88888", quantity: "3")
      }
      var second = try state()
      let again = try rows(spoiled, &second)
      let before = events.prefix { $0.time <= cut }.count
      #expect(before > 0 && zip(made, again).prefix(before).allSatisfy(sameRow))
      #expect(!zip(made, again).dropFirst(before).allSatisfy(sameRow))
    }
  }

  @Test func orderOfRowsAndOfTiesNeverMatters() throws {
    let events = LoggedEvent.random(2000, seed: 4)
    let expected = try table(events)
    var random = RandomStream(seed: 5, stream: 1)
    #expect(try table(events.shuffled(using: &random)) == expected)
    // Events that are all of one moment see nothing of each other.
    var state = try state()
    let tied = events.map { LoggedEvent(user: $0.user, item: $0.item, time: 9, kind: $0.kind, category: $0.category, price: $0.price, quantity: $0.quantity) }
    let counts = try #require(state.columns.firstIndex { $0.name == "item_any_count_ever" })
    #expect(try rows(tied, &state).allSatisfy { $0[counts] == 0 })
    let later = self.event(events[0], in: &state)
    #expect(try state.features(of: later)[counts] == Float(tied.filter { $0.item == events[0].item }.count))
  }

  @Test func smallSlicesOfTimeGiveTheSameOrder() throws {
    let data = try folder.dataset(LoggedEvent.log(LoggedEvent.random(3000, seed: 6)))
    var state = try state()
    let indices = StateIndices(of: data, in: &state)
    func rows(_ slice: Int) throws -> [Int] {
      var rows: [Int] = []
      var last = Int64.min
      var order = try TimeOrder(data, indices, sliceEvents: slice)
      while let timed = order.next() {
        #expect(timed.event.time >= last)
        last = timed.event.time
        rows.append(timed.row)
      }
      return rows
    }
    let whole = try rows(1 << 20)
    #expect(whole.count == data.eventCount && whole.sorted() == Array(0..<data.eventCount))
    #expect(try rows(1) == whole && rows(100) == whole)
  }

  @Test func usersOfOneEventAndPricesThatAreNone() throws {
    let lines = (0..<50).map { LoggedEvent(user: "u\($0)", item: "i\($0)", time: Int64($0), kind: "purchase", category: "c", price: "NaN", quantity: "") }
    var state = try state()
    for row in try rows(lines, &state) {
      for (column, value) in zip(state.columns.map(\.name), row) where column.hasPrefix("user_") {
        let isMissing = column.contains("seconds_since") || column.contains("mean") || column.contains("ratio")
        #expect(isMissing ? value.isNaN : value.isFinite, "\(column)")
      }
    }
    let category = state.category("c")
    let money = try #require(state.columns.firstIndex { $0.name == "category_price_ratio" })
    let event = BehaviourEvent(user: 0, item: 0, time: 99_000, kind: BehaviourEvent.none, category: category, price: .infinity)
    #expect(try state.features(of: event)[money].isNaN)
  }

  /// A long history costs a step an event: four times the events may not take sixteen times the time.
  @Test func aUserOfManyEventsIsLinear() throws {
    func seconds(_ count: Int) throws -> Double {
      var state = try state()
      var row = [Float](repeating: 0, count: state.columns.count)
      let first = state.event(user: "u", item: "i", time: 0, kind: "view", category: "c", price: 2)
      let clock = ContinuousClock()
      let start = clock.now
      for place in 0..<count {
        var event = first
        event.time = Int64(place) * 60_000
        try state.features(of: event, into: &row)
        try state.observe(event)
      }
      return (clock.now - start) / .seconds(1)
    }
    let short = try (0..<3).map { _ in try seconds(50_000) }.min() ?? 0
    let long = try (0..<3).map { _ in try seconds(200_000) }.min() ?? 0
    #expect(long < 10 * short, "\(short) s, \(long) s")
  }

  @Test func thePastIsRefused() throws {
    var state = try state()
    let event = state.event(user: "u", item: "i", time: 5000)
    try state.observe(event)
    var early = event
    early.time = 4999
    #expect(throws: EventsError.self) { try state.observe(early) }
    #expect(throws: EventsError.self) { try state.features(of: early) }
    for change: (inout BehaviourEvent) -> Void in [{ $0.user = 1 }, { $0.item = -1 }, { $0.category = 0 }, { $0.kind = 99 }, { $0.time = .max }] {
      var strange = event
      change(&strange)
      #expect(throws: EventsError.self) { try state.observe(strange) }
    }
    try state.observe(event)
  }
}
