import Testing

// Units of a time column, and ISO 8601 around changes of clocks and leap seconds.
@testable import AugurEvents

@Suite struct TimeColumnTests {
  private func read(_ column: inout TimeColumn, _ text: String) throws(Timestamp.Failure) -> Int64 {
    try Array(text.utf8).span.bytes.withUnsafeBytes { raw throws(Timestamp.Failure) in try column.milliseconds(raw) }
  }

  /// The times of one column, or the failure of the first bad row.
  private func read(_ texts: [String], _ unit: TimeUnit? = nil) -> Result<[Int64], Timestamp.Failure> {
    var (column, times) = (TimeColumn(unit), [Int64]())
    for text in texts {
      do throws(Timestamp.Failure) { times.append(try read(&column, text)) } catch { return .failure(error) }
    }
    return .success(times)
  }

  @Test func oneUnitAColumn() {
    #expect(read(["1700000000", "1700000001.5", "0"]) == .success([1_700_000_000_000, 1_700_000_001_500, 0]))
    #expect(read(["1700000000", "1700000000000"]) == .failure(.otherUnit(.milliseconds, in: .seconds)))
    #expect(read(["1700000000000", "1700000000"]) == .failure(.otherUnit(.seconds, in: .milliseconds)))
    #expect(read(["1700000000000", "0"]) == .failure(.otherUnit(.seconds, in: .milliseconds)))
    #expect(read(["2024-01-01", "1700000000"]) == .failure(.otherUnit(.seconds, in: .iso8601)))
    #expect(read(["1700000000", "2024-01-01"]) == .failure(.otherUnit(.iso8601, in: .seconds)))
    #expect(read(["1700000000", "1700000000000000"]) == .failure(.otherUnit(.microseconds, in: .seconds)))
    let (reason, problem, _) = Timestamp.Failure.otherUnit(.milliseconds, in: .seconds).explanation("1700000000000".utf8)
    #expect(reason == .impossibleTime && problem == "'1700000000000' looks like milliseconds in a column of seconds")
  }

  @Test func aBadRowDoesNotDecideTheUnit() throws {
    var column = TimeColumn()
    #expect(throws: Timestamp.Failure.malformed) { try read(&column, "soon") }
    #expect(throws: Timestamp.Failure.unaskedUnit(.nanoseconds)) { try read(&column, "1700000000000000000") }
    #expect(column.unit == nil)
    #expect(try read(&column, "1700000000") == 1_700_000_000_000 && column.unit == .seconds)
  }

  @Test func unitsOnRequest() {
    #expect(read(["1700000000123456"]) == .failure(.unaskedUnit(.microseconds)))
    #expect(read(["1700000000123456", "0"], .microseconds) == .success([1_700_000_000_123, 0]))
    #expect(read(["1700000000123456789"], .nanoseconds) == .success([1_700_000_000_123]))
    #expect(read(["1000"], .milliseconds) == .success([1000]))
    #expect(read(["1700000000000"], .seconds) == .failure(.otherUnit(.milliseconds, in: .seconds)))
    #expect(read(["18446744073709551615"], .nanoseconds) == .failure(.absurd))
    #expect(read(["9999999999999999999"], .nanoseconds) == .failure(.absurd))
    #expect(read(["1700000000"], .iso8601) == .failure(.otherUnit(.seconds, in: .iso8601)))
  }

  @Test func dates() {
    #expect(read(["19970101"]) == .failure(.unaskedUnit(.calendarDate)))
    #expect(read(["19970101", "20240229"], .calendarDate) == .success([852_076_800_000, 1_709_164_800_000]))
    for text in ["20230229", "19971301", "19970100", "1997", "19970101.5", "0", "99999999"] {
      #expect(read([text], .calendarDate) == .failure(.malformed), "\(text)")
    }
    #expect(read(["19691231"], .calendarDate) == .failure(.negative) && read(["22010101"], .calendarDate) == .failure(.absurd))
    #expect(throws: EventsError.self) { try TimeUnit.parsing("hours") }
    #expect((try? TimeUnit.parsing("auto")) == .some(nil))
  }

  @Test(arguments: [
    // The hour that Berlin has twice, and the one that it does not have.
    ("2024-10-27T02:30:00+02:00", 1_729_989_000_000), ("2024-10-27T02:30:00+01:00", 1_729_992_600_000),
    ("2024-03-31T01:59:59+01:00", 1_711_846_799_000), ("2024-03-31T03:00:00+02:00", 1_711_846_800_000),
    ("2019-10-01 00:00:00 UTC", 1_569_888_000_000), ("2019-10-01 00:00:00 GMT", 1_569_888_000_000),
    ("2019-10-01 02:00:00+02", 1_569_888_000_000), ("2019-10-01 02:00:00 +0200", 1_569_888_000_000),
    ("2024-01-01T00:00:00.123456Z", 1_704_067_200_123), ("2024-01-01T00:00:00,5Z", 1_704_067_200_500),
    ("2024-01-01T00:00-18:00", 1_704_132_000_000), ("2016-12-31T23:59:60Z", 1_483_228_800_000),
    ("2017-01-01T00:59:60+01:00", 1_483_228_800_000), ("2016-12-31T23:59:60.5Z", 1_483_228_800_500),
  ]) func iso(text: String, time: Int64) { #expect(read([text]) == .success([time]), "\(text)") }

  @Test(arguments: [
    "2024-02-30", "2023-02-29", "1900-02-29T00:00", "2024-01-01T12:30:60Z", "2024-01-01T23:59:61Z", "2024-01-01T24:00:00Z",
    "2024-01-01T00:60:00Z", "2024-01-01T00:00:00+18:01", "2024-01-01T00:00:00+1", "2024-01-01T00:00:00 CET",
    "2024-01-01T00:00:00 EST",
    "2024-01-01 ", "2024-01-01Z", "2024-1-1", "2024-01-01T00:00:0", "2024-01-01T00:00:00.x", "2024-01-01T00Z", "2024-01-0a",
    "2024-01-01T00:00:00+", "2024-01-01T-----", "2024-01-01T00:00:00ZZ",
  ]) func badISO(text: String) { #expect(read([text]) == .failure(.malformed), "\(text)") }
}
