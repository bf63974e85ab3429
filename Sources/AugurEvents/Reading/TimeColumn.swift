// The time column of a log: one unit for all its rows, found from the first row or named by the user.

/// Units of time columns, as `--time-unit` names them.
public enum TimeUnit: String, Sendable, CaseIterable, Codable {
  case seconds = "s"
  case milliseconds = "ms"
  case microseconds = "us"
  case nanoseconds = "ns"
  /// Whole days such as 19970101.
  case calendarDate = "yyyymmdd"
  case iso8601

  /// Parses the value of `--time-unit`; nil for `auto`.
  public static func parsing(_ text: String) throws(EventsError) -> TimeUnit? {
    if text == "auto" { return nil }
    guard let unit = TimeUnit(rawValue: text) else {
      let names = (["auto"] + allCases.map(\.rawValue)).joined(separator: ", ")
      throw EventsError(file: "--time-unit", problem: "unknown unit \(excerpt(text.utf8))", advice: "the units are \(names)")
    }
    return unit
  }

  /// As sentences call it.
  var words: String {
    switch self {
    case .seconds: "seconds"
    case .milliseconds: "milliseconds"
    case .microseconds: "microseconds"
    case .nanoseconds: "nanoseconds"
    case .calendarDate: "dates (yyyymmdd)"
    case .iso8601: "ISO 8601 times"
    }
  }

  /// Units in a second; nil where the unit is not a count.
  private var perSecond: UInt64? {
    switch self {
    case .seconds: 1
    case .milliseconds: 1000
    case .microseconds: 1_000_000
    case .nanoseconds: 1_000_000_000
    case .calendarDate, .iso8601: nil
    }
  }

  /// Whole numbers of 9 digits and more that are times of this unit and of no other, and the milliseconds in one; nil for other units.
  var epochs: (values: ClosedRange<Int64>, scale: Int64)? {
    switch self {
    case .seconds: (0...Timestamp.latestSecond, 1000)
    case .milliseconds: (100_000_000_000...Timestamp.latestSecond * 1000, 1)
    default: nil
    }
  }

  /// The unit in which `value` lies between 1973 and 2200, seconds from 1970; nil for none.
  static func likely(_ value: UInt64) -> TimeUnit? {
    if value >= 19_900_101, value <= 20_991_231, Timestamp.day(ofDigits: Int64(value)) != nil { return .calendarDate }
    let latest = UInt64(Timestamp.latestSecond)
    if value <= latest { return .seconds }
    for unit in [TimeUnit.milliseconds, .microseconds, .nanoseconds] {
      guard let scale = unit.perSecond else { continue }
      if value >= 100_000_000 * scale, value <= latest * scale { return unit }
    }
    return nil
  }

  /// Epoch milliseconds of a count of this unit; nil after the year 2200 or for what is no count.
  func milliseconds(_ value: UInt64) -> Int64? {
    guard let scale = perSecond, value <= UInt64(Timestamp.latestSecond) * scale else { return nil }
    return Int64(scale >= 1000 ? value / (scale / 1000) : value * 1000)
  }
}

/// Reads the times of one column. Without an asked unit, the first good row decides between seconds, milliseconds and ISO 8601,
/// and a later row of another unit is refused. Threads that read one log take copies of a column that has read its first row.
struct TimeColumn: Sendable, Equatable {
  /// Whether the user named the unit.
  let isAsked: Bool
  private(set) var unit: TimeUnit?
  /// Of dates, and of ISO 8601 times that name no zone; nil is UTC.
  private(set) var clock: LocalClock?
  /// Local times that could have meant two instants, and were taken for the first.
  var ambiguous: Int { clock?.ambiguous ?? 0 }

  init(_ asked: TimeUnit? = nil, clock: LocalClock? = nil) { (isAsked, unit, self.clock) = (asked != nil, asked, clock) }

  /// Epoch milliseconds; finer times are cut to the millisecond.
  mutating func milliseconds(_ text: UnsafeRawBufferPointer) throws(Timestamp.Failure) -> Int64 {
    guard let first = text.first else { throw .empty }
    if first == UInt8(ascii: "-") { throw Timestamp.isNegativeNumber(text) ? .negative : .malformed }
    if text.count > 4, text[4] == UInt8(ascii: "-") {
      let time = try Timestamp.iso8601(text, clock: &clock)
      try settle(.iso8601)
      return time
    }
    let (value, fraction) = try Timestamp.number(text)
    if isAsked, let unit { return try milliseconds(value, fraction, unit) }
    guard let found = TimeUnit.likely(value) else { throw .absurd }
    guard found == .seconds || found == .milliseconds else {
      // Finer counts and dates are taken only when asked for: the guess would be silent.
      if unit == .seconds, found == .calendarDate { return Int64(value) * 1000 + fraction }
      throw unit.map { .otherUnit(found, in: $0) } ?? .unaskedUnit(found)
    }
    try settle(found)
    return try milliseconds(value, fraction, found)
  }

  private mutating func settle(_ found: TimeUnit) throws(Timestamp.Failure) {
    if let unit, unit != found { throw .otherUnit(found, in: unit) }
    unit = found
  }

  private mutating func milliseconds(_ value: UInt64, _ fraction: Int64, _ unit: TimeUnit) throws(Timestamp.Failure) -> Int64 {
    if unit == .calendarDate {
      guard fraction == 0, value <= 99_991_231, let day = Timestamp.day(ofDigits: Int64(value)) else { throw .malformed }
      let start = clock?.start(ofDay: day) ?? day * 86_400
      guard start >= 0 else { throw .negative }
      guard start <= Timestamp.latestSecond else { throw .absurd }
      return start * 1000
    }
    guard let time = unit.milliseconds(value) else {
      if let found = TimeUnit.likely(value) { throw .otherUnit(found, in: unit) }
      throw unit == .iso8601 ? .malformed : .absurd
    }
    return time + (unit == .seconds ? fraction : 0)
  }
}
