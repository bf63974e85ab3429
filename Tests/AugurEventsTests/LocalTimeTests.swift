// Logs with local times: the hour that clocks skip, the one that they show twice, days, schema files.
import Foundation
import Testing

@testable import AugurEvents

@Suite struct LocalTimeTests {
  let folder = TestFolder()

  static let hasZones = FileManager.default.fileExists(atPath: "\(ClockZone.folder)/Europe/Berlin")
  static let whenZones = ConditionTrait.enabled(if: hasZones, "install tzdata")

  private func read(_ column: inout TimeColumn, _ text: String) throws(Timestamp.Failure) -> Int64 {
    try Array(text.utf8).span.bytes.withUnsafeBytes { raw throws(Timestamp.Failure) in try column.milliseconds(raw) }
  }

  @Test(whenZones) func berlin() throws {
    let clock = try #require(try LocalClock(zone: "Europe/Berlin"))
    var column = TimeColumn(clock: clock)
    #expect(try read(&column, "2024-03-31 01:59:59") == 1_711_846_799_000)
    #expect(throws: Timestamp.Failure.skipped(zone: "Europe/Berlin")) { try read(&column, "2024-03-31T02:30:00") }
    #expect(try read(&column, "2024-03-31 03:00:00.25") == 1_711_846_800_250)
    #expect(try read(&column, "2024-10-27 01:59:59") == 1_729_987_199_000 && column.ambiguous == 0)
    #expect(try read(&column, "2024-10-27 02:30:00") == 1_729_989_000_000 && column.ambiguous == 1)
    #expect(try read(&column, "2024-10-27 03:00:00") == 1_729_994_400_000 && column.ambiguous == 1)
    // Where a time names its zone, nobody asks for another.
    #expect(try read(&column, "2024-10-27T02:30:00+01:00") == 1_729_992_600_000)
    #expect(try read(&column, "2024-03-31T02:30:00Z") == 1_711_852_200_000 && column.ambiguous == 1)
    // The leap second of the end of 2016, UTC.
    #expect(try read(&column, "2017-01-01T00:59:60") == 1_483_228_800_000)
    #expect(throws: Timestamp.Failure.malformed) { try read(&column, "2016-12-31T23:59:60") }
    // Days begin at local midnight; counts since 1970 have no zone.
    #expect(try read(&column, "2024-03-31") == 1_711_839_600_000)
    var dates = TimeColumn(.calendarDate, clock: clock)
    #expect(try read(&dates, "20241027") == 1_729_980_000_000)
    var epochs = TimeColumn(.seconds, clock: clock)
    #expect(try read(&epochs, "1700000000") == 1_700_000_000_000)
  }

  /// In São Paulo clocks went from 00:00 to 01:00 on 4 November 2018: the day begins where it can.
  @Test(whenZones) func aDayWithoutMidnight() throws {
    let clock = try #require(try LocalClock(zone: "America/Sao_Paulo"))
    var column = TimeColumn(clock: clock)
    #expect(try read(&column, "2018-11-04") == 1_541_300_400_000 && read(&column, "2018-11-03") == 1_541_214_000_000)
    #expect(throws: Timestamp.Failure.skipped(zone: "America/Sao_Paulo")) { try read(&column, "2018-11-04 00:30") }
    #expect(try read(&column, "2018-11-04 01:00") == 1_541_300_400_000)
  }

  /// Every instant's local time is read as that instant, or as the earlier one of two that clocks showed alike.
  @Test(whenZones, arguments: ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Casablanca", "Pacific/Apia"])
  func instantsComeBack(_ name: String) throws {
    var clock = try #require(try LocalClock(zone: name))
    let zone = try ClockZone(named: name)
    var twice = 0
    for second in stride(from: Int64(1_293_840_000), to: 1_420_070_400, by: 601) {  // 2011 to 2015
      let local = second + zone.stretch(at: second).offset
      let (before, read) = (clock.ambiguous, try clock.instant(ofLocal: local))
      #expect(read + zone.stretch(at: read).offset == local && read <= second)
      if read < second {
        twice += 1
        #expect(clock.ambiguous == before + 1)
      }
    }
    #expect((twice > 0) == (name != "Asia/Kolkata"))
  }

  @Test func utcNeedsNoClock() throws {
    #expect(try LocalClock(zone: "UTC") == nil && LocalClock(zone: "+00:00") == nil)
    var column = TimeColumn(clock: try LocalClock(zone: "-03:30"))
    #expect(try read(&column, "2024-01-01T00:00") == 1_704_079_800_000 && column.ambiguous == 0)
    #expect(throws: Timestamp.Failure.absurd) { try read(&column, "2200-12-31T23:00") }
    var east = TimeColumn(clock: try LocalClock(zone: "+14:00"))
    #expect(throws: Timestamp.Failure.negative) { try read(&east, "1970-01-01") }
  }

  private let log = """
    user_id,item_id,timestamp
    u,a,2024-03-31 01:50:00
    u,b,2024-03-31 03:10:00
    u,c,2024-10-27 02:30:00
    u,d,2024-10-27 02:40:00+01:00
    v,a,2024-10-27 01:00:00

    """

  @Test(whenZones, arguments: [1, 2]) func aLogAroundBothChanges(threads: Int) throws {
    var options = PrepareOptions()
    options.rules.sessions.zoneName = "Europe/Berlin"
    options.threads = threads
    let made = try prepareDataset(inputs: [folder.write("log.csv", log)], output: "\(folder.path)/data", options: options)
    let data = try Dataset(path: "\(folder.path)/data")
    #expect(data.timestamps(0).map { Array($0) } == [1_711_846_200_000, 1_711_847_400_000, 1_729_989_000_000, 1_729_993_200_000])
    // 01:50 and 03:10 are twenty minutes apart, the two half past two an hour and ten.
    #expect(data.sessions(0) == [0..<2, 2..<3, 3..<4])
    #expect(made.report[.ambiguousTime].flagged == 1 && made.report.isWorthTelling)
    #expect(made.report.text().contains("local time that is there twice, read as the first"))
    let plain = try folder.dataset(log)
    #expect(plain.sessions(0).count == 4 && plain.fingerprint != data.fingerprint)
  }

  @Test(whenZones) func aSkippedHourIsABadRow() throws {
    let path = folder.write("log.csv", log + "v,b,2024-03-31 02:30:00\n")
    var options = PrepareOptions()
    options.rules.sessions.zoneName = "Europe/Berlin"
    let error = #expect(throws: EventsError.self) { try prepareDataset(input: path, output: "\(folder.path)/none", options: options) }
    #expect(error?.line == 7 && error?.problem == "'2024-03-31 02:30:00' is never on the clocks of Europe/Berlin, which go forward then")
    options.badRows = .rows(1)
    let made = try prepareDataset(inputs: [path], output: "\(folder.path)/data", options: options)
    #expect(made.report[.impossibleTime].rows == 1 && made.description.events == 5)
  }

  private func schema(_ keys: String) -> String {
    folder.write(
      "schema.json",
      """
      {"format": "augur-schema", "version": 1, "columns": [{"name": "user_id", "type": "integer", "role": "user"},
       {"name": "item_id", "type": "text", "role": "item"}, {"name": "timestamp", "type": "time", "role": "time", \(keys)}]}
      """)
  }

  @Test(whenZones) func zoneInASchema() throws {
    let columns = try LogColumns(parsing: nil, schema: schema(#""unit": "iso8601", "zone": "Europe/Berlin""#))
    var options = PrepareOptions(columns: columns)
    // The zone of the column goes before that of the rules, which is then of midnights alone.
    options.rules.sessions.zoneName = "-05:00"
    try prepareDataset(input: folder.write("log.csv", log), output: "\(folder.path)/data", options: options)
    #expect(try Dataset(path: "\(folder.path)/data").timestamps(0)?.first == 1_711_846_200_000)
    let path = "\(folder.path)/again.json"
    try LogSchema(file: "\(folder.path)/schema.json").write(to: path)
    #expect(try LogSchema(file: path).timeZone == "Europe/Berlin")
  }

  @Test(arguments: [
    (#""zone": "Mars/Base""#, "unknown time zone 'Mars/Base'"), (#""zone": 2"#, "a zone that is no text"),
    (#""unit": "s", "zone": "+02:00""#, "has a zone and is no local time"), (#""zon": "UTC""#, "unknown key 'zon'"),
  ])
  func badZonesInSchemas(keys: String, words: String) {
    let error = #expect(throws: EventsError.self) { try LogSchema(file: schema(keys)) }
    #expect(error?.description.contains(words) == true && error?.field == "timestamp", "\(error.map { "\($0)" } ?? "")")
  }
}
