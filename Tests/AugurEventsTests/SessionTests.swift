// Sessions by gap, cap, closing events and local midnights; zones and changes of clocks.
import AugurEvents
import AugurTensors
import Foundation
import Testing

private let minute: Int64 = 60_000

/// Epoch milliseconds of an ISO 8601 time.
private func instant(_ text: String) throws -> Int64 {
  let formatter = ISO8601DateFormatter()
  return Int64(try #require(formatter.date(from: text)).timeIntervalSince1970) * 1000
}

private func makeTimes(_ times: [Int64], kinds: [Int32] = []) -> UserEvents {
  makeEvents(times.map { (time: $0, item: 0) }, kinds: kinds)
}

@Suite struct SessionTests {
  @Test func gaps() throws {
    let rules = SessionRules()
    #expect(try sessionStarts(UserEvents(), rules: rules) == [])
    #expect(try sessionStarts(makeTimes([5]), rules: rules) == [0])
    // Exactly 30 minutes go on, a millisecond more does not.
    #expect(try sessionStarts(makeTimes([0, 30 * minute, 60 * minute + 1]), rules: rules) == [0, 2])
    #expect(try sessionStarts(makeTimes([0, 0, 0]), rules: rules) == [0])
  }

  @Test func caps() throws {
    var rules = SessionRules()
    rules.maximumEvents = 2
    #expect(try sessionStarts(makeTimes([0, 0, 0, 0, 0]), rules: rules) == [0, 2, 4])
    rules.maximumEvents = nil
    rules.maximumMinutes = 40
    #expect(try sessionStarts(makeTimes([0, 20, 40, 41, 60, 81, 82].map { $0 * minute }), rules: rules) == [0, 3, 6])
    var untimed = makeTimes([0, 0, 0])
    untimed.times = []
    rules.maximumEvents = 2
    #expect(try sessionStarts(untimed, rules: rules) == [0, 2])
  }

  @Test func aPurchaseClosesButKeepsItsBasket() throws {
    var rules = SessionRules()
    rules.endKinds = ["purchase"]
    let names = ["view", "purchase"]
    // The basket at minute 1 stays together whatever the order of its events.
    for kinds: [Int32] in [[0, 1, 1, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0]] {
      let events = makeTimes([0, 1, 1, 2, 3].map { $0 * minute }, kinds: kinds)
      #expect(try sessionStarts(events, rules: rules, kindNames: names) == [0, 3])
    }
    let error = #expect(throws: EventsError.self) {
      try sessionStarts(makeTimes([0]), rules: rules, kindNames: ["view", "purchased"])
    }
    #expect(error?.description.contains("did you mean purchased?") == true)
  }

  @Test func midnightCutsOnlyWhereAsked() throws {
    let events = makeTimes([
      try instant("2024-05-31T21:50:00Z"), try instant("2024-05-31T22:10:00Z"), try instant("2024-06-01T00:00:00Z"),
    ])
    var rules = SessionRules()
    rules.gapMinutes = 1000
    #expect(try sessionStarts(events, rules: rules) == [0])
    rules.cutsAtMidnight = true
    #expect(try sessionStarts(events, rules: rules) == [0, 2])
    rules.zoneName = "+02:00"
    #expect(try sessionStarts(events, rules: rules) == [0, 1])
  }

  /// Berlin: 2024-03-31 has 23 hours, 2024-10-27 has 25.
  @Test func midnightsAroundBothChangesOfClocks() throws {
    guard FileManager.default.fileExists(atPath: "\(ClockZone.folder)/Europe/Berlin") else {
      print("skipped: no time zones are installed")
      return
    }
    var rules = SessionRules()
    (rules.gapMinutes, rules.cutsAtMidnight, rules.zoneName) = (10_000, true, "Europe/Berlin")
    let times = [
      "2024-03-30T22:59:59Z", "2024-03-30T23:00:00Z", "2024-03-31T00:59:59Z", "2024-03-31T01:00:00Z", "2024-03-31T21:59:59Z",
      "2024-03-31T22:00:00Z",
    ]
    #expect(try sessionStarts(makeTimes(times.map(instant)), rules: rules) == [0, 1, 5])
    let autumn = [
      "2024-10-26T21:59:59Z", "2024-10-26T22:00:00Z", "2024-10-27T00:30:00Z", "2024-10-27T01:30:00Z", "2024-10-27T22:59:59Z",
      "2024-10-27T23:00:00Z",
    ]
    #expect(try sessionStarts(makeTimes(autumn.map(instant)), rules: rules) == [0, 1, 5])
  }

  @Test func gapsDoNotSeeTheClockChange() throws {
    // 01:50 and 03:10 on the wall are 20 minutes; the second 02:30 is an hour after the first.
    let rules = SessionRules()
    let spring = [try instant("2024-03-31T01:50:00+01:00"), try instant("2024-03-31T03:10:00+02:00")]
    #expect(try sessionStarts(makeTimes(spring), rules: rules) == [0])
    let autumn = [try instant("2024-10-27T02:30:00+02:00"), try instant("2024-10-27T02:30:00+01:00")]
    #expect(try sessionStarts(makeTimes(autumn), rules: rules) == [0, 1])
  }

  @Test func aMillionEqualTimes() throws {
    var rules = SessionRules()
    rules.cutsAtMidnight = true
    let events = makeTimes([Int64](repeating: 86_400_000, count: 1_000_000))
    #expect(try sessionStarts(events, rules: rules) == [0])
  }
}

@Suite struct ClockZoneTests {
  private func offset(_ zone: ClockZone, _ text: String) throws -> Int64 { zone.stretch(at: try instant(text) / 1000).offset }

  /// A file of version 2 without changes: one type, and the rule.
  private func file(offset: Int32, _ rule: String) -> [UInt8] {
    func number(_ value: Int32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
    let head = Array("TZif2".utf8) + [UInt8](repeating: 0, count: 15)
    let counts: [Int32] = [0, 0, 0, 0, 1, 4]
    let body = number(offset) + [0, 0] + Array("ABC\0".utf8)
    let block = head + counts.flatMap(number) + body
    return block + block + Array("\n\(rule)\n".utf8)
  }

  private func zone(_ bytes: [UInt8]) -> ClockZone? { bytes.span.bytes.withUnsafeBytes { ClockZone(tzif: $0) } }

  @Test func yearlyRules() throws {
    let berlin = try #require(zone(file(offset: 3600, "CET-1CEST,M3.5.0,M10.5.0/3")))
    #expect(try offset(berlin, "2024-03-31T00:59:59Z") == 3600 && offset(berlin, "2024-03-31T01:00:00Z") == 7200)
    #expect(try offset(berlin, "2024-10-27T00:59:59Z") == 7200 && offset(berlin, "2024-10-27T01:00:00Z") == 3600)
    #expect(try offset(berlin, "2099-07-01T00:00:00Z") == 7200 && offset(berlin, "2100-01-01T00:00:00Z") == 3600)
    // South of the equator summer spans the new year.
    let sydney = try #require(zone(file(offset: 36_000, "AEST-10AEDT,M10.1.0,M4.1.0/3")))
    #expect(try offset(sydney, "2024-01-01T00:00:00Z") == 39_600 && offset(sydney, "2024-07-01T00:00:00Z") == 36_000)
    #expect(try offset(sydney, "2024-04-06T15:59:59Z") == 39_600 && offset(sydney, "2024-04-06T16:00:00Z") == 36_000)
    let fixed = try #require(zone(file(offset: -12_600, "<-0330>3:30")))
    #expect(try offset(fixed, "2024-07-01T00:00:00Z") == -12_600)
    // Days of the year: J60 is 1 March in every year, 59 is 29 February in leap years.
    let julian = try #require(zone(file(offset: 0, "AAA0BBB,J60/0,300/0")))
    #expect(try offset(julian, "2024-02-29T23:59:59Z") == 0 && offset(julian, "2024-03-01T00:00:00Z") == 3600)
    let ordinal = try #require(zone(file(offset: 0, "AAA0BBB,59/0,300/0")))
    #expect(try offset(ordinal, "2024-02-28T23:59:59Z") == 0 && offset(ordinal, "2024-02-29T00:00:00Z") == 3600)
  }

  @Test func stretchesHoldTheirInstant() throws {
    let berlin = try #require(zone(file(offset: 3600, "CET-1CEST,M3.5.0,M10.5.0/3")))
    for second in stride(from: Int64(0), to: 7_258_118_400, by: 7_654_321) {
      let stretch = berlin.stretch(at: second)
      #expect(stretch.contains(second))
      #expect(
        berlin.stretch(at: stretch.from).offset == stretch.offset
          && berlin.stretch(at: stretch.until - 1).offset == stretch.offset)
    }
    #expect(berlin.stretch(at: .min).offset == 3600)
    _ = berlin.stretch(at: .max)
  }

  /// Every installed zone agrees with the calendar of the system, at times before and after the last change that files list.
  @Test(arguments: [
    "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo", "Africa/Casablanca",
  ])
  func installedZones(name: String) throws {
    guard FileManager.default.fileExists(atPath: "\(ClockZone.folder)/\(name)"), let system = TimeZone(identifier: name) else {
      print("skipped: no time zones are installed")
      return
    }
    let zone = try ClockZone(named: name)
    for second in stride(from: 0, to: 2_145_916_800, by: 1_234_567) {  // to 2038
      let expected = system.secondsFromGMT(for: Date(timeIntervalSince1970: Double(second)))
      #expect(zone.stretch(at: Int64(second)).offset == Int64(expected), "\(name) at \(second)")
    }
  }

  @Test(arguments: [("+02:00", 7200), ("-0330", -12_600), ("+18", 64_800), ("UTC", 0), ("Z", 0)]) func fixed(
    name: String, offset: Int64
  ) throws {
    #expect(try ClockZone(named: name).stretch(at: 0).offset == offset)
  }

  @Test(arguments: [
    "", "..", "../../etc/passwd", "/etc/passwd", "Europe", "Europe/Nowhere", "+19:00", "+2", "a\nb", "é", "+99:99",
  ])
  func unknownZones(name: String) {
    let error = #expect(throws: EventsError.self) { try ClockZone(named: name) }
    #expect(error?.description.contains("--time-zone") == true && error?.description.contains("\n") == false)
  }

  @Test func noZonesInstalled() {
    let error = #expect(throws: EventsError.self) { try ClockZone(named: "Europe/Berlin", folder: TestFolder().path) }
    #expect(error?.advice.contains("install tzdata") == true)
  }

  /// Damaged files give nothing or a zone, never a trap.
  @Test func damagedFiles() {
    let whole = file(offset: 3600, "CET-1CEST,M3.5.0,M10.5.0/3")
    for length in whole.indices { _ = zone(Array(whole[..<length])) }
    var random = RandomStream(seed: 3)
    for _ in 0..<20_000 {
      var bytes = whole
      for _ in 0...random.below(3) { bytes[random.below(bytes.count)] = UInt8(truncatingIfNeeded: random.next()) }
      guard let zone = zone(bytes) else { continue }
      for second in [Int64.min, -1, 0, 1_700_000_000, 9_000_000_000, .max] { _ = zone.stretch(at: second) }
    }
    #expect(zone([]) == nil && zone(Array("TZif".utf8)) == nil)
  }
}
