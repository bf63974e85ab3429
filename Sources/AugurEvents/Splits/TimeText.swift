// Moments in words.

extension Timestamp {
  /// ISO 8601 in UTC, such as `2024-05-31T12:30:15Z`, with thousandths where there are some.
  static func text(_ milliseconds: Int64) -> String {
    func padded(_ value: Int64, _ digits: Int) -> String {
      let text = String(value)
      return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
    let seconds = floored(milliseconds, 1000)
    let days = floored(seconds.quotient, 86_400)
    // Days to civil date: H. Hinnant, "chrono-compatible low-level date algorithms", with years that begin in March.
    let era = floored(days.quotient + 719_468, 146_097)
    let day = era.remainder
    let yearOfEra = (day - day / 1460 + day / 36_524 - day / 146_096) / 365
    let dayOfYear = day - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    let year = yearOfEra + era.quotient * 400 + (month <= 2 ? 1 : 0)
    let date = "\(padded(year, 4))-\(padded(month, 2))-\(padded(dayOfYear - (153 * marchMonth + 2) / 5 + 1, 2))"
    let time = [days.remainder / 3600, days.remainder / 60 % 60, days.remainder % 60].map { padded($0, 2) }.joined(separator: ":")
    return "\(date)T\(time)" + (seconds.remainder == 0 ? "" : ".\(padded(seconds.remainder, 3))") + "Z"
  }

  private static func floored(_ value: Int64, _ divisor: Int64) -> (quotient: Int64, remainder: Int64) {
    let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
  }
}
