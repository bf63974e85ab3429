// Times of a log: epoch seconds or milliseconds, with or without a fraction, or ISO 8601; all become epoch
// milliseconds.

enum Timestamp {
  /// The year 2200 in seconds; anything later is taken for a mistake.
  static let latestSecond: Int64 = 7_258_118_400

  enum Failure: Error { case empty, malformed, negative, absurd }

  /// Epoch milliseconds. Whole numbers above 100 billion are milliseconds, below seconds.
  static func milliseconds(_ text: UnsafeRawBufferPointer) throws(Failure) -> Int64 {
    guard let first = text.first else { throw .empty }
    if first == UInt8(ascii: "-") {
      throw text.dropFirst().allSatisfy(isNumeric) && text.count > 1 ? .negative : .malformed
    }
    if text.count > 4, text[4] == UInt8(ascii: "-") { return try iso8601(text) }
    var value: Int64 = 0
    var at = 0
    while at < text.count, isDigit(text[at]) {
      guard at < 18 else { throw .absurd }
      value = value * 10 + Int64(text[at] - 0x30)
      at += 1
    }
    guard at > 0 else { throw .malformed }
    let fraction = try thousandths(text, from: at)
    if value <= latestSecond { return value * 1000 + fraction }
    guard value >= 100_000_000_000, value <= latestSecond * 1000 else { throw .absurd }
    return value
  }

  private static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }
  private static func isNumeric(_ byte: UInt8) -> Bool { isDigit(byte) || byte == UInt8(ascii: ".") }

  /// `.5` is 500; the text must end with the fraction.
  private static func thousandths(_ text: UnsafeRawBufferPointer, from start: Int) throws(Failure) -> Int64 {
    guard start < text.count else { return 0 }
    guard text[start] == UInt8(ascii: ".") else { throw .malformed }
    var value: Int64 = 0
    var scale: Int64 = 100
    for byte in text[(start + 1)...] {
      guard isDigit(byte) else { throw .malformed }
      value += Int64(byte - 0x30) * scale
      scale /= 10
    }
    return value
  }

  /// `2024-05-31`, `2024-05-31 12:30`, `2024-05-31T12:30:15.250Z`, `...+02:00`; without a zone it is UTC.
  private static func iso8601(_ text: UnsafeRawBufferPointer) throws(Failure) -> Int64 {
    func number(_ at: Int, _ digits: Int) throws(Failure) -> Int64 {
      guard at >= 0, at + digits <= text.count else { throw .malformed }
      var value: Int64 = 0
      for byte in text[at..<at + digits] {
        guard isDigit(byte) else { throw .malformed }
        value = value * 10 + Int64(byte - 0x30)
      }
      return value
    }
    func has(_ scalar: Unicode.Scalar, _ at: Int) -> Bool { at < text.count && UInt32(text[at]) == scalar.value }
    let (year, month, day) = (try number(0, 4), try number(5, 2), try number(8, 2))
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    let lengths: [Int64] = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    guard has("-", 7), (1...12).contains(month), day >= 1, day <= lengths[Int(month) - 1] else { throw .malformed }
    guard year >= 1970 else { throw .negative }
    guard year <= 2200 else { throw .absurd }
    var milliseconds = days(year, month, day) * 86_400_000
    var end = text.count
    if text.count > 10 {
      guard has("T", 10) || has(" ", 10) || has("t", 10), has(":", 13) else { throw .malformed }
      let zone = try zoneOffset(text, &end, number)
      let (hour, minute) = (try number(11, 2), try number(14, 2))
      var second: Int64 = 0
      if end > 16 {
        guard has(":", 16), end >= 19 else { throw .malformed }
        second = try number(17, 2)
        milliseconds += try thousandths(UnsafeRawBufferPointer(rebasing: text[..<end]), from: 19)
      }
      guard end >= 16, hour < 24, minute < 60, second <= 60 else { throw .malformed }
      milliseconds += (hour * 3600 + minute * 60 + second) * 1000 - zone * 60_000
    }
    guard milliseconds >= 0 else { throw .negative }
    return milliseconds
  }

  /// Minutes east of UTC; moves `end` in front of the zone.
  private static func zoneOffset(
    _ text: UnsafeRawBufferPointer, _ end: inout Int, _ number: (Int, Int) throws(Failure) -> Int64
  ) throws(Failure) -> Int64 {
    if text[end - 1] == UInt8(ascii: "Z") || text[end - 1] == UInt8(ascii: "z") {
      end -= 1
      return 0
    }
    guard let sign = text[11...].lastIndex(where: { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "-") }) else {
      return 0
    }
    let colon = text.count - sign == 6 && text[sign + 3] == UInt8(ascii: ":")
    guard colon || text.count - sign == 5 else { throw .malformed }
    let (hours, minutes) = (try number(sign + 1, 2), try number(sign + (colon ? 4 : 3), 2))
    guard hours < 24, minutes < 60 else { throw .malformed }
    end = sign
    return (hours * 60 + minutes) * (text[sign] == UInt8(ascii: "-") ? -1 : 1)
  }

  /// Days since 1970-01-01 of a Gregorian date (Hinnant 2013, `days_from_civil`).
  private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
    let shifted = month <= 2 ? year - 1 : year
    let (era, yearOfEra) = (shifted / 400, shifted % 400)
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }
}
