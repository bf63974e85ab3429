import AugurTensors
import Foundation
import Testing

// Bad rows, their file and their limit; the report; the rules as text; clipping; the unit of a time column.
@testable import AugurEvents

private func bad(_ line: Int, _ problem: RowProblem = .malformedTime, field: String? = "timestamp") -> BadRow {
  BadRow(file: "log.csv", line: line, problem: problem, field: field, detail: "'x' is not a time", advice: "use epoch seconds")
}

private func withBytes<Value>(_ text: String, _ body: (UnsafeRawBufferPointer) throws -> Value) rethrows -> Value {
  try Array(text.utf8).withUnsafeBytes(body)
}

@Suite struct QuarantineTests {
  let folder = TestFolder()
  private var path: String { "\(folder.path)/bad.txt" }
  private func text() -> String { String(decoding: folder.read("bad.txt"), as: UTF8.self) }

  @Test func everyRowIsOneLine() throws {
    let quarantine = try Quarantine(path: path)
    let rows: [[UInt8]] = [
      Array("a\tb\r\nc\\d".utf8), [0, 0x7f, 0xe9, 0x2c, 0xc3], Array("é€😀".utf8), Array("\u{85}\u{2028}x".utf8), [],
      [0xed, 0xa0, 0x80],
    ]
    for (line, row) in rows.enumerated() {
      try row.withUnsafeBytes { try quarantine.take(file: "a\tb", line: line + 1, problem: .missingID, row: $0) }
    }
    #expect(folder.read("bad.txt").isEmpty)  // nothing there before the end
    try quarantine.finish()
    let expected = [
      "a\\tb\\r\\nc\\\\d", "\\x00\\x7f\\xe9,\\xc3", "é€😀", "\\xc2\\x85\\xe2\\x80\\xa8x", "", "\\xed\\xa0\\x80",
    ].enumerated().map { "a\\tb:\($0 + 1)\tmissing id\t\($1)\n" }
    #expect(text() == expected.joined())
    #expect(quarantine.rows == 6)
  }

  @Test func longRowsAreCut() throws {
    let quarantine = try Quarantine(path: path)
    try withBytes(String(repeating: "x", count: 5000)) { try quarantine.take(file: "f", line: 1, problem: .tooLong, row: $0) }
    try quarantine.finish()
    #expect(text() == "f:1\trow too long\t" + String(repeating: "x", count: 4096) + " [cut: the row has 5000 bytes]\n")
  }

  @Test func theLimitIsKeptAndNoted() throws {
    let quarantine = try Quarantine(path: path, limitBytes: 100)
    for line in 1...50 { try withBytes("row") { try quarantine.take(file: "f", line: line, problem: .missingID, row: $0) } }
    try quarantine.finish()
    let lines = text().split(separator: "\n")
    #expect(lines.dropLast().joined(separator: "\n").utf8.count <= 100 && lines.count == 6)
    #expect(lines.last == "# 45 more rows are not shown: the file has reached its limit of 100 bytes")
  }

  @Test func aRunThatFailsLeavesIt() throws {
    do {
      let quarantine = try Quarantine(path: path)
      try withBytes("row") { try quarantine.take(file: "f", line: 1, problem: .missingID, row: $0) }
    }
    #expect(text() == "f:1\tmissing id\trow\n" && folder.entries == ["bad.txt"])
    try Quarantine(path: path).finish()
    #expect(text().isEmpty && folder.entries == ["bad.txt"])  // no bad rows, an empty file
    let error = #expect(throws: EventsError.self) { try Quarantine(path: "\(folder.path)/none/bad.txt") }
    #expect(error?.description.contains("--quarantine") == true)
  }

  @Test func aFolderThatVanishesEndsTheRunCleanly() throws {
    let quarantine = try Quarantine(path: path)
    try withBytes("row") { try quarantine.take(file: "f", line: 1, problem: .missingID, row: $0) }
    try FileManager.default.removeItem(atPath: folder.path)
    let error = #expect(throws: EventsError.self) { try quarantine.finish() }
    #expect(error?.file == path && error?.description.contains("\n") == false)
    try quarantine.finish()  // said once
  }
}

@Suite struct BadRowTests {
  let folder = TestFolder()

  private func take(_ policy: inout BadRowPolicy, _ row: BadRow) throws {
    try withBytes("u,i,x") { raw in try policy.take(row, row: raw) }
  }

  @Test func noneIsAllowedByDefault() {
    var policy = BadRowPolicy(limit: .standard(hasQuarantine: false))
    let error = #expect(throws: EventsError.self) { try take(&policy, bad(3)) }
    #expect(
      error?.description
        == "log.csv:3: timestamp: 'x' is not a time; use epoch seconds; --max-bad-rows N or --quarantine FILE sets bad rows aside"
    )
  }

  @Test func aNumberOfRows() throws {
    var policy = BadRowPolicy(limit: .rows(2))
    try take(&policy, bad(3))
    try take(&policy, bad(5, .missingID))
    let error = #expect(throws: EventsError.self) { try take(&policy, bad(9)) }
    #expect(
      error?.problem
        == "first of 3 bad rows, more than --max-bad-rows 2: 1 missing id, 2 malformed time; here: timestamp: 'x' is not a time")
    #expect(error?.line == 3)
    #expect(policy.report[.malformedTime].rows == 2)
  }

  @Test func aShareIsJudgedAtTheEnd() throws {
    var policy = BadRowPolicy(limit: try BadRowLimit(parsing: "1%"))
    for line in 1...10 { try take(&policy, bad(line)) }
    try policy.read(999)
    #expect(throws: EventsError.self) { try policy.finish() }
    try policy.read(1)
    try policy.finish()  // 10 of 1000 are 1 %
    var wrong = BadRowPolicy(limit: try BadRowLimit(parsing: "1%"))
    for line in 1...60_000 { try take(&wrong, bad(line)) }
    try wrong.read(99_999)
    let error = #expect(throws: EventsError.self) { try wrong.read(1) }
    #expect(error?.problem.hasPrefix("first of 60000 bad rows in 100000, more than --max-bad-rows 1%") == true)
  }

  @Test func theQuarantineIsThereWhenTheLimitStops() throws {
    let path = "\(folder.path)/bad.txt"
    var policy = BadRowPolicy(limit: .rows(1), quarantine: try Quarantine(path: path))
    try take(&policy, bad(3))
    let error = #expect(throws: EventsError.self) { try take(&policy, bad(4)) }
    #expect(error?.advice.contains(path) == true)
    #expect(String(decoding: folder.read("bad.txt"), as: UTF8.self).split(separator: "\n").count == 2)
  }

  @Test(arguments: ["", "-1", "x", "101%", "-1%", "1.5", "%", "nan%"]) func badLimits(text: String) {
    let error = #expect(throws: EventsError.self) { try BadRowLimit(parsing: text) }
    #expect(error?.description.hasPrefix("--max-bad-rows: expected") == true)
  }
}

@Suite struct CleaningReportTests {
  private func random(_ stream: inout RandomStream) -> CleaningReport {
    var report = CleaningReport()
    report.rowsIn = stream.below(1000)
    for _ in 0..<stream.below(8) {
      report.reject(RowProblem.allCases[stream.below(3)], "log.csv:\(stream.below(1000))")
    }
    for _ in 0..<stream.below(8) {
      let reason = CleaningReason.allCases[stream.below(CleaningReason.allCases.count)]
      report.add(reason, CleaningReport.Count(dropped: stream.below(9), changed: stream.below(9), users: stream.below(2)))
    }
    return report
  }

  private func joined(_ parts: [CleaningReport]) -> CleaningReport { parts.reduce(into: CleaningReport()) { $0.merge($1) } }

  @Test func mergesAssociatively() {
    var stream = RandomStream(seed: 9)
    for _ in 0..<200 {
      let (a, b, c) = (random(&stream), random(&stream), random(&stream))
      #expect(joined([joined([a, b]), c]) == joined([a, joined([b, c])]))
      #expect(joined([a, CleaningReport()]) == a && joined([CleaningReport(), a]) == a)
      #expect(joined([a, b]).rowsOut == a.rowsOut + b.rowsOut)
    }
  }

  @Test func textAndJSON() throws {
    var report = CleaningReport()
    report.rowsIn = 1_234_567
    for line in [3, 17, 20, 21] { report.reject(.malformedTime, "log.csv:\(line): 'x' is not a time") }
    report.add(.fewUserEvents, CleaningReport.Count(dropped: 1200, users: 400))
    report.add(.missingPrice, CleaningReport.Count(changed: 5))
    #expect(
      report.text() == """
        rows in                   1,234,567
          bad rows                        4
            malformed time                4  log.csv:3: 'x' is not a time
                                             log.csv:17: 'x' is not a time
                                             log.csv:20: 'x' is not a time
          dropped                     1,200
            user with few events      1,200  400 users left out
          changed                         5
            missing price                 5
        rows out                  1,233,363

        """)
    let object = try #require(try JSONSerialization.jsonObject(with: Data(report.json().utf8)) as? [String: Any])
    let rows = try #require(object["rows"] as? [String: Int])
    #expect(rows == ["in": 1_234_567, "rejected": 4, "dropped": 1200, "changed": 5, "flagged": 0, "out": 1_233_363])
    #expect((object["rejected"] as? [String: Any])?.count == RowProblem.allCases.count)
    #expect((object["rules"] as? [String: Any])?.count == CleaningReason.allCases.count)
    #expect(CleaningReport().text() == "rows in   0\nrows out  0\n")
  }
}

@Suite struct RuleNameTests {
  private let texts = [
    ("exact-duplicates", "keep"), ("duplicate-window", "2.5"), ("missing", "event=drop,category=fill:none,price=fill:0"),
    ("impossible", "missing"), ("price-range", "1:1000"), ("quantity-range", ":50"), ("earliest-time", "800000000.000"),
    ("latest-time", "1700000000.250"), ("burst", "100/60:drop-user"), ("max-history", "200"), ("min-events", "3"),
    ("min-item-events", "5"), ("clip-price", "0.001:0.999"), ("session-gap", "20"), ("session-cap", "50/120"),
    ("session-end", "purchase,checkout"), ("session-midnight", "true"), ("time-zone", "+02:00"),
  ]

  @Test func everyRuleGoesToJSONAndBack() throws {
    var rules = CleaningRules()
    for (name, text) in texts {
      try rules.set(name, text, place: "--\(name)")
      #expect(rules.text(of: name) == text)
      #expect(CleaningRules.names.contains(name))
    }
    #expect(texts.count == CleaningRules.names.count - 1)  // `core` stands for two others
    let data = try JSONEncoder().encode(rules)
    #expect(try JSONDecoder().decode(CleaningRules.self, from: data) == rules)
    #expect(String(decoding: try JSONEncoder().encode(CleaningRules()), as: UTF8.self) == "{}")
  }

  @Test func aRulesFile() throws {
    let folder = TestFolder()
    let path = folder.write(
      "rules.json", "{\"core\": 5, \"min-events\": 3, \"session-end\": [\"a\", \"b\"], \"session-midnight\": true}")
    let rules = try CleaningRules(file: path)
    #expect(rules.minimumUserEvents == 3 && rules.minimumItemEvents == 5)
    #expect(rules.sessions.endKinds == ["a", "b"] && rules.sessions.cutsAtMidnight)
    for (text, part) in [
      ("{\"cor\": 5}", "did you mean core?"), ("{\"core\": 0}", "expected a whole number from 1, got '0'"),
      ("[1]", "not a JSON object"),
      ("{\"core\": {}}", "neither a text"), ("", "not a JSON object"), ("{\"core\": null}", "neither a text"),
    ] {
      let file = folder.write("bad.json", text)
      let error = #expect(throws: EventsError.self) { try CleaningRules(file: file) }
      #expect(error?.description.contains(part) == true && error?.file == file, "\(text): \(error?.description ?? "")")
    }
  }

  @Test(arguments: [
    ("duplicate-window", "-1"), ("duplicate-window", "nan"), ("duplicate-window", "1e300"), ("missing", "price"),
    ("missing", "x=drop"),
    ("missing", "price=fill:cheap"), ("missing", "price=fill:"), ("impossible", "ignore"), ("price-range", "5"),
    ("price-range", "5:1"),
    ("latest-time", "yesterday"), ("burst", "5"), ("burst", "5/1:stop"), ("burst", "0/1"), ("max-history", "0"), ("core", "x"),
    ("core", "99999999999999999999"), ("clip-price", "0.9:0.1"), ("clip-price", "0:2"), ("session-gap", "0"), ("session-cap", ""),
    ("session-cap", "/"), ("session-end", "a,,b"), ("session-midnight", "yes"), ("time-zone", "Mars/Base"), ("nothing", "1"),
  ]) func wrongValues(name: String, text: String) {
    var rules = CleaningRules()
    let error = #expect(throws: EventsError.self) { try rules.set(name, text, place: "--\(name)") }
    #expect(error?.description.hasPrefix("--\(name): ") == true && error?.description.contains("\n") == false)
    #expect(rules == CleaningRules() || name == "missing")
  }

  @Test func rulesThatTheLogCannotKeep() throws {
    var rules = CleaningRules()
    try rules.check(hasTimes: false, hasPrices: false, hasKinds: false)
    rules.duplicateWindow = 5
    let error = #expect(throws: EventsError.self) { try rules.check(hasTimes: false, hasPrices: true, hasKinds: true) }
    #expect(error?.description.hasPrefix("--duplicate-window: needs times") == true)
  }
}

@Suite struct PriceClippingTests {
  @Test func quantilesAreNearTheExactOnesAndMergeExactly() {
    var random = RandomStream(seed: 21)
    for count in [1, 2, 7, 1000] {
      var values = (0..<count).map { _ in Float(random.uniform() * 1000) * (random.below(2) == 0 ? 1 : 0.001) }
      var (whole, left, right) = (QuantileSketch(), QuantileSketch(), QuantileSketch())
      for (place, value) in values.enumerated() {
        whole.add(value)
        if place % 3 == 0 { left.add(value) } else { right.add(value) }
      }
      left.merge(right)
      values.sort()
      for q in [0, 0.001, 0.1, 0.5, 0.9, 0.999, 1] {
        let exact = values[max(1, Int((q * Double(count)).rounded(.up))) - 1]
        let found = whole.quantile(q) ?? -1
        #expect(found >= exact && found <= exact * (1 + 1 / 1024), "\(count) \(q): \(found), exact \(exact)")
        #expect(left.quantile(q) == found)
      }
    }
    var signs = QuantileSketch()
    for value: Float in [-5, -0.0, 0, 3, .nan, .infinity] { signs.add(value) }
    #expect(signs.count == 4 && signs.quantile(0) == -5 && signs.quantile(1) == 3 && (signs.quantile(0.25) ?? 0) >= -5)
    #expect(QuantileSketch().quantile(0.5) == nil)
  }

  @Test func boundsComeFromTheTrainingPartAlone() {
    var rules = CleaningRules()
    (rules.lowPriceQuantile, rules.highPriceQuantile) = (0, 0.75)
    var events = makeEvents([(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)], prices: [1, 2, 4, .nan, 1000])
    var clipping = PriceClipping(rules)
    clipping.fit(events, 0..<4)
    clipping.settle()
    clipping.apply(to: &events)
    // The 0.75 quantile of 1, 2, 4 is 4.
    #expect(events.prices[0] == 1 && events.prices[2] == 4 && events.prices[3].isNaN && events.prices[4] == 4)
    #expect(clipping.report[.clippedPrice].changed == 1)
    var empty = PriceClipping(rules)
    empty.settle()
    empty.apply(to: &events)
    #expect(empty.bounds == nil && PriceClipping(CleaningRules()).bounds == nil)
  }
}
