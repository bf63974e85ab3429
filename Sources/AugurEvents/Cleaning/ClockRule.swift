// The yearly rule at the end of a time zone file, such as `CET-1CEST,M3.5.0,M10.5.0/3` (POSIX TZ with the hours of RFC 8536).

/// Standard time, and summer time between two moments of each year where the zone has it.
struct ClockRule: Sendable, Equatable {
  private enum Day: Equatable {
    /// Day of the year, 0...365.
    case ordinal(Int64)
    /// Day of the year, 1...365, 29 February never counted.
    case withoutLeap(Int64)
    /// The `week`th `weekday` (0 is Sunday) of the month; the fifth is the last.
    case month(Int64, week: Int64, weekday: Int64)
  }
  private struct Change: Equatable {
    var day: Day
    /// Seconds after local midnight.
    var time: Int64
  }

  private let standard: Int64
  private let summer: (offset: Int64, begins: Change, ends: Change)?

  static func == (a: ClockRule, b: ClockRule) -> Bool {
    a.standard == b.standard && a.summer?.offset == b.summer?.offset && a.summer?.begins == b.summer?.begins
      && a.summer?.ends == b.summer?.ends
  }

  /// The text between two newlines; nil when there is none or it is not a rule.
  init?(footer bytes: UnsafeRawBufferPointer, from start: Int) {
    let newline = UInt8(ascii: "\n")
    guard start < bytes.count, bytes[start] == newline,
      let end = bytes[(start + 1)...].prefix(256).firstIndex(of: newline)
    else { return nil }
    self.init(Array(bytes[start + 1..<end]))
  }

  init?(_ text: [UInt8]) {
    var scanner = RuleScanner(text)
    guard scanner.skipName(), let west = scanner.time(hours: 24) else { return nil }
    standard = -west
    if scanner.isAtEnd {
      summer = nil
      return
    }
    guard scanner.skipName() else { return nil }
    var offset = standard + 3600
    if !scanner.take(",") {
      guard let west = scanner.time(hours: 24), scanner.take(",") else { return nil }
      offset = -west
    }
    guard let begins = Self.change(&scanner), scanner.take(","), let ends = Self.change(&scanner), scanner.isAtEnd else {
      return nil
    }
    summer = (offset, begins, ends)
  }

  private static func change(_ scanner: inout RuleScanner) -> Change? {
    let day: Day
    if scanner.take("M") {
      guard let month = scanner.number(1...12), scanner.take("."), let week = scanner.number(1...5), scanner.take("."),
        let weekday = scanner.number(0...6)
      else { return nil }
      day = .month(month, week: week, weekday: weekday)
    } else if scanner.take("J") {
      guard let number = scanner.number(1...365) else { return nil }
      day = .withoutLeap(number)
    } else {
      guard let number = scanner.number(0...365) else { return nil }
      day = .ordinal(number)
    }
    guard scanner.take("/") else { return Change(day: day, time: 7200) }
    guard let time = scanner.time(hours: 167) else { return nil }
    return Change(day: day, time: time)
  }

  /// The offset at an instant, and how far it holds.
  func stretch(at second: Int64) -> ClockZone.Stretch {
    guard let summer else { return ClockZone.Stretch(offset: standard, from: .min, until: .max) }
    // Years past any log would overflow the calendar; the rule of its edge is as good as any.
    let bounded = min(max(second, -1 << 40), 1 << 40)
    let year = Timestamp.year(ofDay: floorDivide(bounded + standard, 86_400))
    var moments: [(at: Int64, offset: Int64)] = []
    for year in year - 1...year + 1 {
      moments.append((Self.instant(summer.begins, year) - standard, summer.offset))
      moments.append((Self.instant(summer.ends, year) - summer.offset, standard))
    }
    moments.sort { $0.at < $1.at }
    let next = moments.firstIndex { $0.at > bounded } ?? moments.count
    guard next > 0 else { return ClockZone.Stretch(offset: standard, from: bounded, until: bounded) }
    return ClockZone.Stretch(
      offset: moments[next - 1].offset, from: moments[next - 1].at, until: next < moments.count ? moments[next].at : bounded)
  }

  /// Local seconds since 1970 of a change in a year.
  private static func instant(_ change: Change, _ year: Int64) -> Int64 {
    let january = Timestamp.days(year, 1, 1)
    let day: Int64
    switch change.day {
    case .ordinal(let number): day = january + number
    case .withoutLeap(let number):
      let isLeap = Timestamp.days(year + 1, 1, 1) - january == 366
      day = january + number - 1 + (isLeap && number >= 60 ? 1 : 0)
    case .month(let month, let week, let weekday):
      let first = Timestamp.days(year, month, 1)
      let next = month == 12 ? Timestamp.days(year + 1, 1, 1) : Timestamp.days(year, month + 1, 1)
      // 1970-01-01 was a Thursday, day 4 of its week.
      let ahead = (weekday - (first + 4) % 7 + 14) % 7
      let found = first + ahead + (week - 1) * 7
      day = found < next ? found : found - 7
    }
    return day * 86_400 + change.time
  }
}

/// Steps through the text of a rule.
private struct RuleScanner {
  private let text: [UInt8]
  private var at = 0

  init(_ text: [UInt8]) { self.text = text }

  var isAtEnd: Bool { at >= text.count }

  mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    guard at < text.count, UInt32(text[at]) == scalar.value else { return false }
    at += 1
    return true
  }

  /// `CET` or `<+0330>`, at least three characters.
  mutating func skipName() -> Bool {
    let start = at
    if take("<") {
      while at < text.count, text[at] != UInt8(ascii: ">") { at += 1 }
      return take(">")
    }
    while at < text.count, (0x41...0x5a).contains(text[at] & 0xdf) { at += 1 }
    return at - start >= 3
  }

  mutating func number(_ range: ClosedRange<Int64>) -> Int64? {
    let start = at
    var value: Int64 = 0
    while at < text.count, at - start < 4, (0x30...0x39).contains(text[at]) {
      value = value * 10 + Int64(text[at] - 0x30)
      at += 1
    }
    return at > start && range.contains(value) ? value : nil
  }

  /// `[+-]h[:m[:s]]` in seconds.
  mutating func time(hours: Int64) -> Int64? {
    let sign: Int64 = take("-") ? -1 : 1
    if sign > 0 { _ = take("+") }
    guard let hour = number(0...hours) else { return nil }
    var seconds = hour * 3600
    for scale: Int64 in [60, 1] {
      guard take(":") else { break }
      guard let value = number(0...59) else { return nil }
      seconds += value * scale
    }
    return sign * seconds
  }
}
