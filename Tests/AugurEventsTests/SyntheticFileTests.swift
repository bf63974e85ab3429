// Files of the synthetic shop: bytes, orders, spoiled rows, options.
import AugurCompute
import Foundation
import Testing

@testable import AugurEvents

@Suite(.serialized) struct SyntheticFileTests {
  let folder = TestFolder()
  static let names = ["", ".truth.json"].map { "log.csv\($0)" } + ["users", "items", "labels"].map { "log.\($0).csv" }

  private func files(threads: Int, _ options: SyntheticOptions, events: Int = 600_000) throws -> [[UInt8]] {
    let before = ThreadPool.shared.threads
    defer { ThreadPool.shared.threads = before }
    ThreadPool.shared.threads = threads
    let log = try SyntheticLog(events: events, users: events / 20, items: 800, seed: 9, options: options)
    try log.write(to: "\(folder.path)/log.csv")
    #expect(folder.entries == Self.names.sorted())
    return Self.names.map { folder.read($0) }
  }

  @Test(arguments: SyntheticOptions.Order.allCases) func threadsDoNotMatter(order: SyntheticOptions.Order) throws {
    var options = SyntheticOptions.shop
    (options.order, options.dirty) = (order, 0.02)
    let one = try files(threads: 1, options)
    #expect(try files(threads: 2, options) == one)
    #expect(one[0].count { $0 == 0x0a } == 600_001)
  }

  @Test func ordersHoldTheSameRows() throws {
    var options = SyntheticOptions.shop
    var logs: [[Substring]] = []
    for order in SyntheticOptions.Order.allCases {
      options.order = order
      let text = String(decoding: try files(threads: 2, options, events: 300_000)[0], as: UTF8.self)
      logs.append(Array(text.split(separator: "\n").dropFirst()))
    }
    #expect(logs[0].sorted() == logs[1].sorted() && logs[0].sorted() == logs[2].sorted())
    func times(_ lines: [Substring]) -> [Int] { lines.map { Int($0.split(separator: ",")[3]) ?? 0 } }
    #expect(times(logs[1]) == times(logs[1]).sorted())
    // Shuffled: neighbours share a user about as often as chance has it.
    let users = logs[2].map { $0.prefix { $0 != "," } }
    let same = zip(users, users.dropFirst()).count { $0 == $1 }
    #expect(same < 100 && times(logs[2]) != times(logs[2]).sorted())
    let early = times(logs[2].prefix(100_000).map { $0 }).reduce(0, +) / 100_000
    let late = times(logs[2].suffix(100_000).map { $0 }).reduce(0, +) / 100_000
    #expect(abs(early - late) < 5 * 95 * 86_400 / 223)
  }

  @Test func spoiledRowsAreCounted() throws {
    var options = SyntheticOptions.nextItem
    options.dirty = 0.1
    let log = try SyntheticLog(events: 100_000, users: 5000, items: 900, seed: 4, options: options)
    let truth = try log.write(to: "\(folder.path)/log.csv")
    var found: [String: Int] = [:]
    var before: ArraySlice<UInt8> = []
    let lines = folder.read("log.csv").split(separator: 0x0a).dropFirst()
    for line in lines {
      if let kind = line == before ? "duplicate" : spoilt(line) { found[kind, default: 0] += 1 }
      before = line
    }
    #expect(lines.count == 100_000 && found == truth.dirty && truth.dirty.count == 15)
    let total = truth.dirty.values.reduce(0, +)
    #expect(abs(Double(total) - 10_000) < 4 * 9000.0.squareRoot() && truth.dirty.values.allSatisfy { $0 > 500 })
    #expect(try SyntheticLog(events: 10, users: 5, items: 100, seed: 1).write(to: "\(folder.path)/log.csv").dirty.isEmpty)
  }

  /// The kind of dirt that a line shows, by its text alone.
  private func spoilt(_ line: ArraySlice<UInt8>) -> String? {
    if line.contains(0xff) { return "bad_utf8" }
    let fields = String(decoding: line, as: UTF8.self).split(separator: ",", omittingEmptySubsequences: false)
    if fields.count != 7 { return fields.count < 7 ? "short_row" : "long_row" }
    if fields[0].isEmpty || fields[1].isEmpty { return fields[0].isEmpty ? "empty_user" : "empty_item" }
    if fields[0].contains(" ") { return "stray_blanks" }
    if !["view", "cart", "purchase"].contains(fields[2]) { return "unknown_event" }
    if fields[3].isEmpty { return "empty_time" }
    if fields[3].count != 10 { return fields[3].hasPrefix("-") ? "negative_time" : "impossible_time" }
    switch fields[5] {
    case "": return "empty_price"
    case "NaN": return "nan_price"
    case "n/a": return "text_price"
    default: return fields[5].hasPrefix("-") ? "negative_price" : nil
    }
  }

  @Test(arguments: [(1, 1, 1), (5, 5, 1), (40, 40, 3), (333, 7, 400), (20_000, 1500, 80), (3000, 1, 14_000)])
  func rowsAreExact(events: Int, users: Int, items: Int) throws {
    for world in [SyntheticOptions.nextItem, .shop] {
      for (days, dirty) in [(365, 0.0), (1, 0.3), (3650, 0)] {
        var options = world
        (options.days, options.dirty, options.order) = (days, dirty, days == 1 ? .time : .user)
        let log = try SyntheticLog(events: events, users: users, items: items, seed: 3, options: options)
        try log.write(to: "\(folder.path)/log.csv")
        let text = folder.read("log.csv")
        #expect(text.count { $0 == 0x0a } == events + 1, "\(days) days, dirty \(dirty)")
      }
    }
  }

  @Test func boundsOfOptions() {
    let bad: [(String, (inout SyntheticOptions) -> Void)] = [
      ("days", { $0.days = 0 }), ("days", { $0.days = 3651 }), ("season", { $0.season = 1 }), ("weekly", { $0.weekly = -0.1 }),
      ("daily", { $0.daily = .nan }), ("session", { $0.session = 0.5 }), ("churn", { $0.churn = 1.5 }),
      ("turnover", { $0.turnover = 0.6 }), ("promotion", { $0.promotion = .infinity }), ("elasticity", { $0.elasticity = -1 }),
      ("conversion", { $0.conversion = 0.51 }), ("delay", { $0.delay = 0 }), ("fraud", { $0.fraud = 1 }), ("dirty", { $0.dirty = 2 }),
    ]
    for (name, change) in bad {
      var options = SyntheticOptions.nextItem
      change(&options)
      do {
        _ = try SyntheticLog(events: 10, users: 2, items: 100, seed: 0, options: options)
        Issue.record("--\(name) was taken")
      } catch { #expect(error.field == "--\(name)" && !error.description.contains("\n")) }
    }
  }

  /// The extremes that the options allow.
  @Test func extremes() throws {
    var options = SyntheticOptions.shop
    (options.churn, options.turnover, options.promotion, options.elasticity) = (1, 0.5, 1, 5)
    (options.conversion, options.delay, options.fraud, options.dirty, options.session) = (0.5, 1000, 0.5, 0.5, 1000)
    try SyntheticLog(events: 20_000, users: 500, items: 300, seed: 2, options: options).write(to: "\(folder.path)/log.csv")
    #expect(folder.read("log.csv").count { $0 == 0x0a } == 20_001)
    (options.churn, options.elasticity, options.conversion, options.session, options.delay) = (0, 0, 0, 1, 0.001)
    (options.season, options.weekly, options.daily) = (0.95, 0.95, 0.95)
    try SyntheticLog(events: 20_000, users: 500, items: 300, seed: 2, options: options).write(to: "\(folder.path)/log.csv")
    #expect(folder.read("log.csv").count { $0 == 0x0a } == 20_001)
  }
}
