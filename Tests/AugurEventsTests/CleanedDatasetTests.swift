// Rules of cleaning from the log to the data set: bad rows, rules, filters and sessions together.
import AugurTensors
import Foundation
import Testing

@testable import AugurEvents

@Suite final class CleanedDatasetTests {
  private let folder = TestFolder()
  private static let header = "user_id,item_id,timestamp,event,category,price\n"

  private func prepare(_ inputs: [String], _ change: (inout PrepareOptions) throws -> Void = { _ in }) throws -> PreparedDataset {
    var options = PrepareOptions()
    try change(&options)
    return try prepareDataset(inputs: inputs, output: "\(folder.path)/data", options: options)
  }
  private var data: Dataset { get throws { try Dataset(path: "\(folder.path)/data") } }

  /// Users with few and many events, copies, bursts, empty fields and odd prices.
  private func rows(_ count: Int, seed: UInt64) -> [String] {
    var random = RandomStream(seed: seed, stream: 0)
    return (0..<count).map { _ in
      let user = random.below(40) * random.below(8)
      let time = 1_700_000_000 + random.below(30) * 40_000 + random.below(20)
      let event = ["view", "cart", "buy", ""][random.below(4)]
      let price = ["", "1", "2.5", "40", "9000"][random.below(5)]
      return "u\(user),i\(random.below(50) * random.below(50)),\(time),\(event),\(["a", "b", ""][random.below(3)]),\(price)"
    }
  }

  private static func allRules(_ options: inout PrepareOptions) throws {
    let texts = [
      "duplicate-window": "15", "missing": "event=fill:view,category=drop", "price-range": "0:8000", "burst": "3/10:drop-burst",
      "max-history": "30", "core": "3", "clip-price": "0.1:0.9", "session-cap": "6/600",
    ]
    for (name, text) in texts { try options.rules.set(name, text, place: name) }
    options.badRows = .share(0.9)
  }

  @Test func theOrderOfRowsThreadsAndMemoryChangeNothing() throws {
    let all = rows(6000, seed: 3)
    func bytes(_ rows: [String], _ change: (inout PrepareOptions) -> Void) throws -> [UInt8] {
      let log = folder.write("log.csv", Self.header + rows.joined(separator: "\n") + "\n")
      let made = try prepare([log]) {
        try Self.allRules(&$0)
        change(&$0)
      }
      #expect(made.report.rowsIn == 6000 && made.report.rowsOut == made.description.events)
      #expect(made.report[.impossibleValue].rows > 0 && made.report[.clippedPrice].changed > 0 && made.report[.rareItem].dropped > 0)
      return folder.dataBytes
    }
    let expected = try bytes(all) { $0.threads = 1 }
    var random = RandomStream(seed: 1, stream: 1)
    #expect(try bytes(all.shuffled(using: &random)) { $0.threads = 2 } == expected)
    #expect(try bytes(all) { $0.memory = 1 } == expected)
    #expect(!folder.entries.contains { $0.contains("tmp") })
  }

  @Test func theCoreHasEnoughOfEverything() throws {
    let log = folder.write("log.csv", Self.header + rows(3000, seed: 8).joined(separator: "\n"))
    let made = try prepare([log]) { try $0.rules.set("core", "7", place: "core") }
    let data = try data
    var counts = [Int](repeating: 0, count: data.itemCount)
    for user in 0..<data.userCount {
      #expect(data.eventCount(ofUser: user) >= 7)
      for item in data.history(user) { counts[Int(item)] += 1 }
    }
    #expect(counts.allSatisfy { $0 >= 7 } && !counts.isEmpty)
    #expect(made.report[.fewUserEvents].users > 0 && made.description.dropped["user with few events"] ?? 0 > 0)
    #expect(throws: EventsError.self) { try self.prepare([log]) { try $0.rules.set("core", "5000", place: "core") } }
  }

  @Test func sessionsAreThoseOfTheRules() throws {
    let log = folder.write("log.csv", Self.header + rows(2000, seed: 5).joined(separator: "\n"))
    let made = try prepare([log]) {
      try $0.rules.set("session-end", "buy", place: "")
      try $0.rules.set("session-cap", "4", place: "")
    }
    let data = try data
    let kinds = (0..<data.labelCount(.kind)).map { data.label(.kind, $0) }
    var total = 0
    for user in 0..<data.userCount {
      var events = UserEvents()
      (events.items, events.times) = (Array(data.history(user)), try #require(data.timestamps(user)).map { $0 })
      events.kinds = try #require(data.labels(user, .kind)).map { $0 }
      let starts = try sessionStarts(events, rules: made.description.rules.sessions, kindNames: kinds)
      #expect(data.sessions(user).map(\.lowerBound) == starts && data.sessions(user).last?.upperBound == events.count)
      total += starts.count
    }
    #expect(made.description.sessions == total && total > data.userCount)
  }

  /// Bounds come from training prices alone: 100 and later are too late for it.
  @Test(arguments: [SplitKind.time, .leaveOneOut]) func pricesAreClippedAtWhatTrainingHolds(split: SplitKind) throws {
    let prices: [Float] = [1, 2, 3, 4, 5, 6, 7, 107, 108, 109]
    let user = (0..<10).map { "u,i\($0),\(1_700_000_000 + $0),view,a,\(prices[$0])" }
    let log = folder.write("log.csv", Self.header + user.joined(separator: "\n"))
    _ = try prepare([log]) {
      $0.split = SplitOptions(split)
      try $0.rules.set("clip-price", "0:0.999", place: "")
    }
    let clipped = try #require(try data.numbers(0, .price)).map { $0 }
    let largest: Float = split == .time ? 7 : 107
    #expect(clipped == prices.map { min($0, largest) })
  }

  @Test func badRowsAreSetAsideInTheOrderOfTheLog() throws {
    let filler = (0..<60_000).map { "u\($0 % 500),i\($0 % 90),\(1_700_000_000 + $0),view,a,1" }
    var lines = filler
    let bad = ["u,i,never,view,a,1", ",i,1700000000,view,a,1", "u,i,1700000000,view,a,-3", "u,i,1700000000000,view,a,1", "u,i"]
    for (place, row) in bad.enumerated() { lines.insert(row, at: 11_000 * (place + 1)) }
    let log = folder.write("log.csv", Self.header + lines.joined(separator: "\n"))
    for threads in [1, 2] {
      let made = try prepare([log]) {
        ($0.badRows, $0.quarantine, $0.threads) = (.rows(5), "\(folder.path)/bad.tsv", threads)
      }
      #expect(made.description.events == 60_000 && made.report.rowsRejected == 5 && made.description.rejected.count == 5)
      let written = String(decoding: folder.read("bad.tsv"), as: UTF8.self).split(separator: "\n").map { $0.split(separator: "\t") }
      #expect(written.map { String($0[2]) } == bad)
      #expect(written.map { $0[0].split(separator: ":").last } == (1...5).map { Substring("\(11_000 * $0 + 2)") })
    }
    let error = #expect(throws: EventsError.self) { try self.prepare([log]) { $0.badRows = .rows(3) } }
    #expect(error?.line == 11_002 && error?.problem.contains("first of 4 bad rows") == true)
    let first = #expect(throws: EventsError.self) { try self.prepare([log]) }
    #expect(first?.line == 11_002 && first?.problem.contains("never") == true)
  }

  @Test func oneLogHasOneTimeUnit() throws {
    func error(_ times: [String], _ unit: TimeUnit? = nil) -> EventsError? {
      let log = folder.write("log.csv", "user_id,item_id,timestamp\n" + times.map { "u,i,\($0)\n" }.joined())
      do {
        _ = try prepare([log]) { $0.timeUnit = unit }
        return nil
      } catch { return error as? EventsError }
    }
    #expect(error(["1700000000", "1700000001000"])?.line == 3)
    #expect(error(["1700000000000", "1700000001"])?.problem.contains("milliseconds") == true)
    #expect(error(["2024-05-01", "1700000000"])?.line == 3)
    #expect(error(["19970101"])?.description.contains("--time-unit") == true)
    #expect(error(["19970101", "19980630"], .calendarDate) == nil)
    #expect(try data.timestamps(0)?.map { $0 } == [852_076_800_000, 899_164_800_000])
    #expect(error(["1700000000000000"], .microseconds) == nil)
    #expect(try data.timestamps(0)?.first == 1_700_000_000_000)
    #expect(error(["5", "6.25"]) == nil)
    #expect(try data.timestamps(0)?.map { $0 } == [5000, 6250])
  }

  @Test func appendingKeepsTheRules() throws {
    let first = folder.write("first.csv", Self.header + "u,i,1700000000,view,,2\nu,i,1700000000,view,,2\n")
    let second = folder.write("second.csv", Self.header + "u,i,1700000001,,,2\nu,j,1700000001,view,,-2\n")
    func fill(_ options: inout PrepareOptions) throws {
      try options.rules.set("missing", "event=fill:view", place: "")
      options.badRows = .rows(1)
    }
    let whole = try prepare([first, second], fill).description
    _ = try prepare([first], fill)
    let appended = try prepare([second]) {
      try fill(&$0)
      $0.append = true
    }
    #expect(appended.description == whole && whole.dropped == ["duplicate": 1] && whole.rejected == ["impossible value": 1])
    let other = #expect(throws: EventsError.self) { try self.prepare([first]) { $0.append = true } }
    #expect(other?.problem.contains("other rules") == true)
    _ = try prepare([first]) { try $0.rules.set("max-history", "1", place: "") }
    let whole2 = #expect(throws: EventsError.self) {
      try self.prepare([first]) {
        try $0.rules.set("max-history", "1", place: "")
        $0.append = true
      }
    }
    #expect(whole2?.problem.contains("whole history") == true)
  }

  @Test func rulesNeedTheirColumns() throws {
    let log = folder.write("log.csv", "user_id,item_id,timestamp\nu,i,5\n")
    for (name, text) in [("clip-price", "0.1:0.9"), ("session-end", "buy")] {
      let error = #expect(throws: EventsError.self) { try self.prepare([log]) { try $0.rules.set(name, text, place: "") } }
      #expect(error?.description.contains("--\(name)") == true)
    }
    let copies = folder.write("copies.csv", "user_id,item_id,timestamp\nu,i,5\nu,i,5\n")
    #expect(try prepare([copies]) { try $0.rules.set("exact-duplicates", "keep", place: "") }.description.events == 2)
  }
}
