// Times of a log as text: epoch counts, with or without a fraction, or ISO 8601; all become epoch milliseconds. `TimeColumn`
// holds the unit of a column.

package enum Timestamp {
  /// The year 2200 in seconds; anything later is taken for a mistake.
  static let latestSecond: Int64 = 7_258_118_400

  enum Failure: Error, Equatable {
    case empty, malformed, negative, absurd
    /// The value fits another unit than its column.
    case otherUnit(TimeUnit, in: TimeUnit)
    /// The first value of a column fits a unit that is taken only when asked for.
    case unaskedUnit(TimeUnit)
    /// A local time that the clocks of the zone skip.
    case skipped(zone: String)

    /// Reason, problem and advice of a row with this time.
    func explanation(_ text: some Collection<UInt8>) -> (reason: RowProblem, problem: String, advice: String) {
      let value = excerpt(text)
      switch self {
      case .empty: return (.missingTime, "is empty", "fill it in or drop the row")
      case .malformed: return (.malformedTime, "\(value) is not a time", "use epoch seconds, epoch milliseconds or ISO 8601")
      case .negative: return (.impossibleTime, "\(value) is negative (before 1970)", "correct the row")
      case .absurd: return (.impossibleTime, "\(value) is after the year 2200", "use epoch seconds or milliseconds")
      case .otherUnit(let found, let unit):
        return (
          .impossibleTime, "\(value) looks like \(found.words) in a column of \(unit.words)",
          "give all rows one unit, or name it with --time-unit"
        )
      case .unaskedUnit(let found):
        return (.impossibleTime, "\(value) looks like \(found.words)", "give --time-unit \(found.rawValue)")
      case .skipped(let zone):
        return (
          .impossibleTime, "\(value) is never on the clocks of \(zone), which go forward then",
          "correct the row, or name the zone of the log with --time-zone"
        )
      }
    }
  }

  /// Epoch milliseconds of a time that stands alone. Whole numbers above 100 billion are milliseconds, below seconds.
  static func milliseconds(_ text: UnsafeRawBufferPointer) throws(Failure) -> Int64 {
    var column = TimeColumn()
    return try column.milliseconds(text)
  }

  static func isNegativeNumber(_ text: UnsafeRawBufferPointer) -> Bool {
    text.count > 1 && text.dropFirst().allSatisfy(isNumeric)
  }

  /// A count of at most 19 digits and the thousandths behind its point.
  static func number(_ text: UnsafeRawBufferPointer) throws(Failure) -> (value: UInt64, thousandths: Int64) {
    var value: UInt64 = 0
    var at = 0
    while at < text.count, isDigit(text[at]) {
      guard at < 19 else { throw text.allSatisfy(isNumeric) ? .absurd : .malformed }
      value = value * 10 + UInt64(text[at] - 0x30)
      at += 1
    }
    guard at > 0 else { throw .malformed }
    return (value, try thousandths(text, from: at))
  }

  /// Days since 1970-01-01 of a number such as 19970101; nil when the calendar has no such day.
  package static func day(ofDigits value: Int64) -> Int64? {
    let (year, month, day) = (value / 10_000, value / 100 % 100, value % 100)
    guard year >= 1, isDay(year, month, day) else { return nil }
    return days(year, month, day)
  }

  private static func isDay(_ year: Int64, _ month: Int64, _ day: Int64) -> Bool {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    let lengths: [Int64] = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    return (1...12).contains(month) && day >= 1 && day <= lengths[Int(month) - 1]
  }

  private static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }
  private static func isNumeric(_ byte: UInt8) -> Bool { isDigit(byte) || byte == UInt8(ascii: ".") }

  /// `.5` and `,5` are 500; the text must end with the fraction.
  private static func thousandths(_ text: UnsafeRawBufferPointer, from start: Int) throws(Failure) -> Int64 {
    guard start < text.count else { return 0 }
    guard text[start] == UInt8(ascii: ".") || text[start] == UInt8(ascii: ",") else { throw .malformed }
    var value: Int64 = 0
    var scale: Int64 = 100
    for byte in text[(start + 1)...] {
      guard isDigit(byte) else { throw .malformed }
      value += Int64(byte - 0x30) * scale
      scale /= 10
    }
    return value
  }

  /// `2024-05-31`, `2024-05-31 12:30`, `2024-05-31T12:30:15.250Z`, `... +02:00`, `...+0200`, `...+02`, `... UTC`; without a
  /// zone it is on the `clock`, without one UTC. Second 60 is taken where UTC may have a leap second, at 23:59:60, as the second after it.
  static func iso8601(_ text: UnsafeRawBufferPointer, clock: inout LocalClock?) throws(Failure) -> Int64 {
    let (year, month, day) = (try digits(text, 0, 4), try digits(text, 5, 2), try digits(text, 8, 2))
    guard has(text, "-", 4), has(text, "-", 7), isDay(year, month, day) else { throw .malformed }
    guard year >= 1970 else { throw .negative }
    guard year <= 2200 else { throw .absurd }
    var seconds = days(year, month, day) * 86_400
    var fraction: Int64 = 0
    if text.count == 10 {
      seconds = clock?.start(ofDay: seconds / 86_400) ?? seconds
    } else {
      guard has(text, "T", 10) || has(text, " ", 10) || has(text, "t", 10), has(text, ":", 13) else { throw .malformed }
      var end = text.count
      let zone = try zoneOffset(text, &end)
      let face = UnsafeRawBufferPointer(rebasing: text[..<end])
      let (hour, minute) = (try digits(face, 11, 2), try digits(face, 14, 2))
      var second: Int64 = 0
      if end > 16 {
        guard has(face, ":", 16) else { throw .malformed }
        second = try digits(face, 17, 2)
        fraction = try thousandths(face, from: 19)
      }
      guard hour < 24, minute < 60, second <= 60 else { throw .malformed }
      seconds += hour * 3600 + minute * 60 + min(second, 59)
      seconds = if let zone { seconds - zone * 60 } else { try clock?.instant(ofLocal: seconds) ?? seconds }
      if second == 60 {
        // The last second of the day in UTC, behind which alone a second 60 exists.
        guard (seconds % 86_400 + 86_400) % 86_400 == 86_399 else { throw .malformed }
        seconds += 1
      }
    }
    guard seconds >= 0 else { throw .negative }
    guard seconds <= latestSecond else { throw .absurd }
    return seconds * 1000 + fraction
  }

  /// The same where nothing but UTC is known.
  static func iso8601(_ text: UnsafeRawBufferPointer) throws(Failure) -> Int64 {
    var clock: LocalClock?
    return try iso8601(text, clock: &clock)
  }

  private static func digits(_ text: UnsafeRawBufferPointer, _ at: Int, _ count: Int) throws(Failure) -> Int64 {
    guard at >= 0, at + count <= text.count else { throw .malformed }
    var value: Int64 = 0
    for byte in text[at..<at + count] {
      guard isDigit(byte) else { throw .malformed }
      value = value * 10 + Int64(byte - 0x30)
    }
    return value
  }

  private static func has(_ text: UnsafeRawBufferPointer, _ scalar: Unicode.Scalar, _ at: Int) -> Bool {
    at < text.count && UInt32(text[at]) == scalar.value
  }

  /// Minutes east of UTC, at most 18 hours, nil for none; moves `end` in front of the zone and of a space before it.
  private static func zoneOffset(_ text: UnsafeRawBufferPointer, _ end: inout Int) throws(Failure) -> Int64? {
    var offset: Int64 = 0
    if has(text, "Z", end - 1) || has(text, "z", end - 1) {
      end -= 1
    } else if end >= 19, has(text, "C", end - 1) || has(text, "T", end - 1) {
      let name = text[(end - 3)...]
      guard name.elementsEqual("UTC".utf8) || name.elementsEqual("GMT".utf8) else { throw .malformed }
      end -= 3
    } else if let sign = text[11...].lastIndex(where: { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "-") }) {
      let length = text.count - sign
      let colon = length == 6 && has(text, ":", sign + 3)
      guard colon || length == 5 || length == 3 else { throw .malformed }
      let (hours, minutes) = (try digits(text, sign + 1, 2), length == 3 ? 0 : try digits(text, sign + (colon ? 4 : 3), 2))
      guard minutes < 60, hours * 60 + minutes <= 18 * 60 else { throw .malformed }
      offset = (hours * 60 + minutes) * (has(text, "-", sign) ? -1 : 1)
      end = sign
    } else {
      return nil
    }
    if has(text, " ", end - 1), end > 16 { end -= 1 }
    return offset
  }

  /// Days since 1970-01-01 of a Gregorian date (Hinnant 2013, `days_from_civil`).
  static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
    let shifted = month <= 2 ? year - 1 : year
    let era = floorDivide(shifted, 400)
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }

  /// The year of a day counted from 1970-01-01.
  static func year(ofDay day: Int64) -> Int64 {
    // At most one off at the ends of years: 400 years have 146,097 days.
    var year = 1970 + floorDivide(day * 400, 146_097)
    while days(year + 1, 1, 1) <= day { year += 1 }
    while days(year, 1, 1) > day { year -= 1 }
    return year
  }
}
