// Descriptions, states and tables as files: what is wrong is said, and damage is refused.
import AugurTensors
import Foundation
import Testing

@testable import AugurEvents

@Suite struct BehaviourFileTests {
  let folder = TestFolder()

  @Test func descriptionsReadBack() throws {
    for description in [BehaviourDescription.standard(), .standard(kinds: ["buy"], hasPrices: false, hasCategories: false)] {
      #expect(try BehaviourDescription(json: description.json(), place: "x") == description)
    }
    var odd = BehaviourDescription.standard()
    odd.groups["a \"b\"\n"] = ["ü\\", "view"]
    odd.zoneName = "-03:30"
    odd.features.append(.conversion(of: [.log], prior: 0.25, strength: 1.5, windows: [.ever]))
    #expect(try BehaviourDescription(json: odd.json(), place: "x") == odd)
    let narrow = BehaviourDescription.standard(kinds: [], hasPrices: false, hasCategories: false)
    #expect(narrow.groups.isEmpty && !narrow.features.isEmpty)
    _ = try BehaviourState(narrow)
  }

  @Test(arguments: [
    ("[]", "not a JSON object"), ("{", "not a JSON object"), (#"{"version": 1}"#, "format"),
    (#"{"format": "augur-behaviour", "version": 2, "features": []}"#, "version 1"),
    ("{}|[]", "1 to 1024"), ("{}|[3]", "is not an object"), (#"{}|[{"feature": "cuont"}]"#, "did you mean count?"),
    (#"{}|[{"feature": "age"}]"#, "1 to 1024"), (#"{}|[{"feature": "age", "of": ["usr"]}]"#, "did you mean user?"),
    (#"{}|[{"feature": "age", "of": ["user"], "windws": 3}]"#, "unknown key"),
    (#"{}|[{"feature": "count", "of": ["user"], "events": ["buy"], "windows": ["1d"]}]"#, "'buy'"),
    (#"{}|[{"feature": "count", "of": ["user"], "events": ["any"], "windows": ["1 day"]}]"#, "'1 day'"),
    (#"{}|[{"feature": "count", "of": ["user"], "events": ["any"], "windows": ["9999999999999999d"]}]"#, "span of time"),
    (#"{}|[{"feature": "money", "of": ["user"], "statistics": ["sum"], "windows": ["1d"]}]"#, "group 'purchase'"),
    (#"{"view": ["v"], "purchase": ["p"]}|[{"feature": "conversion", "of": ["item"], "strength": 0, "windows": ["1d"]}]"#, "strength"),
    (#"{"any": ["x"]}|[{"feature": "age", "of": ["user"]}]"#, "every event already"),
    (#"{"a": []}|[{"feature": "age", "of": ["user"]}]"#, "1 to 1024"),
    (#"{}|[{"feature": "age", "of": ["user", "user"]}]"#, "twice"),
    (#"{"a": ["x"]}|[{"feature": "weight", "of": ["user"], "weights": {"b": 1}, "windows": ["1d"]}]"#, "'b'"),
    (#"{}|[{"feature": "clock", "parts": ["minute"]}]"#, "'minute'"),
  ])
  func descriptionsThatAreWrong(text: String, words: String) throws {
    let parts = text.split(separator: "|", maxSplits: 1)
    let json = parts.count == 1 ? text : #"{"format": "augur-behaviour", "version": 1, "groups": \#(parts[0]), "features": \#(parts[1])}"#
    let error = #expect(throws: EventsError.self) { try BehaviourDescription(json: json, place: "f.json") }
    #expect(error?.description.hasPrefix("f.json") == true && error?.description.contains(words) == true, "\(String(describing: error))")
  }

  @Test func columnsAreMadeOnce() throws {
    var description = BehaviourDescription.standard()
    description.features.append(.age(of: [.user]))
    let error = #expect(throws: EventsError.self) { try BehaviourState(description) }
    #expect(error?.field == "user_seconds_since_first")
  }

  @Test func descriptionsThatTheLogCannotFill() throws {
    let data = try folder.dataset("user_id,item_id,timestamp,event\nu,i,1,purchse\n")
    let error = #expect(throws: EventsError.self) { try BehaviourDescription.standard().check(against: data, place: "f.json") }
    #expect(error?.description.contains("groups.cart") == true)
    var prices = BehaviourDescription(groups: [:], features: [.priceRatio(of: [.user])])
    #expect(throws: EventsError.self) { try prices.check(against: data, place: "f.json") }
    prices.features = [.age(of: [.user])]
    try prices.check(against: data, place: "f.json")
    let pairs = try folder.dataset("a x\n", .pairs)
    var state = try BehaviourState(.standard(for: pairs))
    let none = #expect(throws: EventsError.self) {
      try writeBehaviourTable(pairs, state: &state, output: "\(folder.path)/none.csv")
    }
    #expect(none?.problem.contains("no times") == true && !folder.entries.contains("none.csv"))
  }

  @Test func damagedStates() throws {
    var state = try BehaviourState(
      BehaviourDescription(groups: ["view": ["view"]], features: [.count(of: [.user], events: ["view"], windows: [.ever])]))
    try state.observe(state.event(user: "u", item: "i", time: 3, kind: "view", category: "c", price: 1))
    let path = "\(folder.path)/state"
    try state.save(to: path)
    let whole = folder.read("state")
    for place in stride(from: 0, to: whole.count, by: 3) {
      var bytes = whole
      bytes[place] ^= 4
      _ = folder.write("state", bytes)
      #expect(throws: EventsError.self) { try BehaviourState(path: path) }
    }
    _ = folder.write("state", whole)
    var back = try BehaviourState(path: path)
    try back.save(to: path)
    #expect(folder.read("state") == whole)
    #expect(try back.features(of: back.event(user: "u", item: "i", time: 4)) == [1])
    #expect(throws: EventsError.self) { try BehaviourState(path: "\(folder.path)/absent") }
  }

  @Test func aLogInTwoDaysIsTheWholeLog() throws {
    let events = LoggedEvent.random(1500, seed: 8).sorted { $0.time < $1.time }
    let cut = events[700].time
    let path = "\(folder.path)/table.csv"
    func write(_ part: [LoggedEvent], _ state: inout BehaviourState) throws -> [String] {
      let data = try folder.dataset(LoggedEvent.log(part))
      _ = try writeBehaviourTable(data, state: &state, output: path)
      return String(decoding: folder.read("table.csv"), as: UTF8.self).split(separator: "\n").map(String.init)
    }
    let description = BehaviourDescription.standard()
    var whole = try BehaviourState(description)
    let all = try write(events, &whole)
    var first = try BehaviourState(description)
    let old = try write(events.filter { $0.time < cut }, &first)
    try first.save(to: "\(folder.path)/state")
    var second = try BehaviourState(path: "\(folder.path)/state")
    let new = try write(events.filter { $0.time >= cut }, &second)
    #expect(old.dropFirst().sorted() + new.dropFirst().sorted() == Array(all[1..<old.count]).sorted() + all[old.count...].sorted())
    let again = #expect(throws: EventsError.self) { try write(events.filter { $0.time < cut }, &second) }
    #expect(again?.description.contains("order of their times") == true)
  }

  @Test func labelsLookAtWhatFollows() throws {
    let day = 86_400
    let rows = [
      ("u", "a", 0, "view"), ("u", "a", 7 * day, "purchase"), ("u", "b", 10, "view"), ("u", "b", 7 * day + 11, "purchase"),
      ("u", "c", 20, "view"), ("u", "c", 20, "purchase"), ("v", "a", 5, "view"), ("v", "c", 8 * day, "view"), ("v", "c", 9 * day, "cart"),
    ]
    let log = "user_id,item_id,timestamp,event\n" + rows.map { "\($0.0),\($0.1),\($0.2),\($0.3)" }.joined(separator: "\n")
    let data = try folder.dataset(log)
    var state = try BehaviourState(.standard(for: data))
    let task = OutcomeTask(outcome: "purchase", impressions: ["view"], horizon: try #require(BehaviourWindow("7d")))
    let report = try writeBehaviourTable(data, state: &state, task: task, output: "\(folder.path)/t.csv")
    let lines = String(decoding: folder.read("t.csv"), as: UTF8.self).split(separator: "\n").map { $0.split(separator: ",") }
    #expect(lines.dropFirst().map { "\($0[0])\($0[1])\($0[3])" } == ["ua1", "va0", "ub0", "uc1"])
    #expect((report.rows, report.positives, report.droppedPastEnd, report.events) == (4, 2, 1, 9))
    // Bought again: the event itself does not count.
    let again = OutcomeTask(outcome: "purchase", impressions: ["purchase"], horizon: try #require(BehaviourWindow("1s")))
    state = try BehaviourState(.standard(for: data))
    #expect(try writeBehaviourTable(data, state: &state, task: again, output: "\(folder.path)/t.csv").positives == 0)
    for (outcome, impressions) in [("buy", "view"), ("purchase", "veiw")] {
      let task = OutcomeTask(outcome: outcome, impressions: [impressions], horizon: task.horizon)
      #expect(throws: EventsError.self) { try writeBehaviourTable(data, state: &state, task: task, output: "\(folder.path)/none.csv") }
    }
    #expect(!folder.entries.contains("none.csv"))
  }

  @Test func numbersReadBack() throws {
    var random = RandomStream(seed: 3, stream: 3)
    var values: [Float] = [0, 1, -1, 0.1, 19.99, 1e9, 1e-6, 0.5, 16_777_216, 999_999_872, 1e-30, 3.4e38, .leastNonzeroMagnitude, 9.9999995, 99_999.99]
    for _ in 0..<100_000 { values.append(Float(bitPattern: UInt32(random.below(1 << 31)))) }
    for _ in 0..<100_000 { values.append(Float(random.below(1 << 24)) / Float(1 + random.below(1 << 20))) }
    let text = try TableText(path: "\(folder.path)/numbers.csv")
    for value in values {
      text.field(value)
      try text.endRow()
    }
    text.field("a,\"b\"")
    text.field(time: 1_717_158_615_250)
    text.field(time: 1_717_158_615_000)
    text.field(.nan)
    try text.endRow()
    #expect(!folder.entries.contains("numbers.csv"))
    try text.commit()
    let lines = String(decoding: folder.read("numbers.csv"), as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
    for (value, line) in zip(values, lines) where value.isFinite { #expect(Float(line)?.bitPattern == value.bitPattern, "\(value) \(line)") }
    #expect(lines[values.count] == "\"a,\"\"b\"\"\",2024-05-31T12:30:15.250Z,2024-05-31T12:30:15Z,")
    #expect(lines[4] == "19.99" && lines[3] == "0.1" && lines[7] == "0.5")
  }
}
