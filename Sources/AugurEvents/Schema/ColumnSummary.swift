// What is known of a column after the whole log has been read.

/// Types of columns; raw values are those of schema files.
public enum ColumnType: String, Sendable, CaseIterable, Codable {
  case integer, decimal, boolean, category, text, time, list
}

public struct ColumnSummary: Sendable, Encodable {
  public struct Value: Sendable, Equatable, Encodable {
    public let value: String
    public let rows: Int
  }
  public struct Quantile: Sendable, Equatable, Encodable {
    public let share: Double
    public let value: Double
  }
  static let quantileShares = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]
  static let bins = 32

  public let name: String
  public let type: ColumnType
  public let role: ColumnRole?
  /// Of a time.
  public let unit: TimeUnit?
  /// Between the parts of a list; nil for arrays of JSON.
  public let separator: String?
  public let rows: Int
  public let missing: Int
  public let distinct: Int
  /// Standard error of `distinct`, as a share of it; 0 where it is exact.
  public let distinctError: Double
  /// Numbers as they are, times in epoch milliseconds.
  public let least: Double?
  public let largest: Double?
  public let mean: Double?
  /// From a sample of `sampled` values; exact where that is all of them.
  public let quantiles: [Quantile]
  public let sampled: Int
  /// Sampled values in equal parts of the range.
  public let histogram: [Int]
  public let frequent: [Value]
  /// How much the counts of `frequent` may be too low.
  public let frequentError: Int
  public let meanBytes: Double
  public let longestBytes: Int
  let findings: [Finding]

  private enum CodingKeys: String, CodingKey {
    case name, type, role, unit, separator, rows, missing, distinct, distinctError, least, largest, mean, quantiles, sampled, histogram,
      frequent, frequentError, meanBytes, longestBytes
  }

  init(_ name: String, role: ColumnRole?, rows: Int, _ profile: ColumnProfile) {
    let judged = ColumnJudgement(name, role: role, profile)
    (self.name, self.role, self.rows) = (name, role, rows)
    (type, unit, separator) = (judged.type, judged.unit, judged.separator)
    let gaps = judged.isText ? 0 : profile.counts[Trait.kind(.gap)]
    missing = profile.counts[Trait.kind(.missing)] + gaps
    let present = rows - missing
    // One word for a gap, usually.
    (distinct, distinctError) = (max(0, profile.values.distinct - (gaps > 0 ? 1 : 0)), profile.values.isExact ? 0 : HyperLogLog.error)
    let isISO = profile.times.count > profile.numbers.count
    let sample = isISO ? profile.times : profile.numbers
    let scale = isISO ? 1 : judged.unit?.millisecondsOfOne
    func scaled(_ value: Double) -> Double {
      guard judged.unit == .calendarDate, !isISO else { return value * (scale ?? 1) }
      return Timestamp.day(ofDigits: Int64(value)).map { Double($0) * 86_400_000 } ?? 0
    }
    if sample.count > 0 {
      let sorted = sample.sorted().map(scaled)
      (least, largest) = (scaled(sample.least), scaled(sample.largest))
      mean = isISO || judged.type == .time ? nil : profile.sum / Double(sample.count)
      quantiles = Self.quantileShares.compactMap { share in quantile(share, of: sorted).map { Quantile(share: share, value: $0) } }
      (sampled, histogram) = (sorted.count, AugurEvents.histogram(sorted, bins: Self.bins))
    } else {
      (least, largest, mean, quantiles, sampled, histogram) = (nil, nil, nil, [], 0, [])
    }
    frequent = profile.values.top(5).map { Value(value: $0.text, rows: $0.count) }
    frequentError = profile.values.lost
    (meanBytes, longestBytes) = (present > 0 ? Double(profile.bytes) / Double(present) : 0, profile.longest)
    findings = judged.findings(rows: rows, missing: missing, distinct: distinct)
  }
}

extension TimeUnit {
  /// nil where the unit is not a count.
  fileprivate var millisecondsOfOne: Double? {
    switch self {
    case .seconds: 1000
    case .milliseconds: 1
    case .microseconds: 1e-3
    case .nanoseconds: 1e-6
    case .calendarDate, .iso8601: nil
    }
  }

  /// The unit of a count with so many digits, between 1973 and 2200; nil for none.
  fileprivate static func ofDigits(_ count: Int) -> TimeUnit? {
    switch count {
    case 9, 10: .seconds
    case 12, 13: .milliseconds
    case 15, 16: .microseconds
    case 18, 19: .nanoseconds
    default: nil
    }
  }
}

/// The type of a column by what its values look like and by its name, and what does not fit.
private struct ColumnJudgement {
  let name: String
  let role: ColumnRole?
  let type: ColumnType
  let unit: TimeUnit?
  let separator: String?
  private let profile: ColumnProfile
  /// Whether a word such as `none` is a value like others.
  let isText: Bool

  init(_ name: String, role: ColumnRole?, _ profile: ColumnProfile) {
    (self.name, self.role, self.profile) = (name, role, profile)
    let counts = ValueKind.allCases.map { profile.counts[Trait.kind($0)] }
    let gaps = counts[ValueKind.gap.rawValue]
    let present = counts.dropFirst().reduce(0, +) - gaps
    let whole = counts[ValueKind.integer.rawValue]
    let numbers = whole + counts[ValueKind.decimal.rawValue]
    let suffix = name.split(separator: ":", maxSplits: 1).dropFirst().first.map(String.init) ?? ""
    func most(_ count: Int) -> Bool { present > 0 && 10 * count >= 9 * present }
    let median = quantile(0.5, of: profile.numbers.sorted()) ?? -1
    let likely = median >= 0 && median < 1.8e19 ? TimeUnit.likely(UInt64(median)) : nil
    let isNamedTime = role == .time || Self.namesTime(name)
    let distinct = profile.values.distinct
    isText = !most(numbers) && !most(counts[ValueKind.time.rawValue]) && !most(counts[ValueKind.word.rawValue])
    if most(counts[ValueKind.time.rawValue]) {
      (type, unit, separator) = (.time, .iso8601, nil)
    } else if isNamedTime, most(numbers), let likely, likely != .seconds || median >= 100_000_000 || role == .time {
      (type, unit, separator) = (.time, likely, nil)
    } else if suffix.hasSuffix("_seq") {
      (type, unit, separator) = (.list, nil, " ")
    } else if most(counts[ValueKind.list.rawValue]) {
      (type, unit, separator) = (.list, nil, nil)
    } else if most(counts[ValueKind.word.rawValue]) || (most(whole) && distinct == 2 && profile.numbers.least == 0 && profile.numbers.largest == 1) {
      (type, unit, separator) = (.boolean, nil, nil)
    } else if most(numbers) {
      let isCode = suffix == "token" || profile.counts[Trait.leadingZero] > 0
      (type, unit, separator) = (isCode ? .category : whole == numbers ? .integer : .decimal, nil, nil)
    } else if 4 * profile.counts[Trait.barred] >= present, present > 0 {
      (type, unit, separator) = (.list, nil, "|")
    } else {
      (type, unit, separator) = (distinct <= max(1000, present / 10) ? .category : .text, nil, nil)
    }
  }

  private static func namesTime(_ name: String) -> Bool {
    let plain = ColumnPositions.normalised(name)
    return LogColumns.timeNames.contains(plain) || ["_at", "_time", "_date", "_ts", "_timestamp"].contains { plain.hasSuffix($0) }
  }

  private func finding(_ trait: Int, _ problem: (String) -> String) -> Finding? {
    guard profile.counts[trait] > 0, let first = profile.firsts[trait] else { return nil }
    return Finding(column: name, file: first.file, line: first.line, rows: profile.counts[trait], problem: problem(first.excerpt))
  }

  func findings(rows: Int, missing: Int, distinct: Int) -> [Finding] {
    var found = strangers + timeFindings
    if rows > 0, missing == rows {
      found.append(Finding(column: name, problem: "holds nothing"))
    } else if rows > 1, distinct == 1, missing == 0, let first = profile.values.top(1).first {
      found.append(Finding(column: name, problem: "is the same in every row: \(excerpt(first.text.utf8))"))
    }
    if role?.isID == true || role == .time, missing < rows {
      found += [finding(Trait.kind(.missing)) { _ in "is missing" }].compactMap { $0 }
    }
    if role?.isID == true {
      found += [finding(Trait.blanks) { "an id with a blank, \($0): is it one id?" }].compactMap { $0 }
      found += [finding(Trait.kind(.decimal)) { "an id with a decimal point, \($0): was it a number with gaps?" }].compactMap { $0 }
    }
    if role == .price || role == .quantity { found += [finding(Trait.negative) { "is negative, \($0)" }].compactMap { $0 } }
    found += [finding(Trait.invalidUTF8) { "\($0) is not UTF-8: convert it with iconv" }].compactMap { $0 }
    return found
  }

  /// Values of other kinds than nearly all of the column.
  private var strangers: [Finding] {
    let usual: Set<ValueKind>
    switch type {
    case .integer: usual = [.integer]
    case .decimal: usual = [.integer, .decimal]
    case .time: usual = unit == .iso8601 ? [.time] : [.integer, .decimal]
    case .boolean: usual = profile.counts[Trait.kind(.word)] > 0 ? [.word] : [.integer]
    case .list: usual = separator == nil ? [.list] : Set(ValueKind.allCases)
    case .category, .text: return []
    }
    let words = type == .integer ? "whole numbers" : type == .time ? unit?.words ?? "times" : type == .boolean ? "truths" : "\(type.rawValue)s"
    return ValueKind.allCases.filter { $0 != .missing && $0 != .gap && !usual.contains($0) }.compactMap { kind in
      finding(Trait.kind(kind)) { "changes type: \($0) among \(words)" }
    }
  }

  private var timeFindings: [Finding] {
    guard type == .time else {
      guard role == .time, profile.counts[Trait.kind(.missing)] < profile.counts[..<8].reduce(0, +) else { return [] }
      let kinds = ValueKind.allCases.filter { $0 != .missing && profile.counts[Trait.kind($0)] > 0 }
      let first = kinds.compactMap { profile.firsts[Trait.kind($0)] }.min { $0.block < $1.block }
      return [
        Finding(
          column: name, file: first?.file, line: first?.line,
          problem: "is no time that can be read, \(first?.excerpt ?? ""): use epoch counts or ISO 8601")
      ]
    }
    var found: [Finding] = []
    for digits in 0..<20 {
      guard let unit, unit != .iso8601, unit != .calendarDate, let other = TimeUnit.ofDigits(digits), other != unit else { continue }
      found += [finding(Trait.digits(digits)) { "mixed time units: \($0) looks like \(other.words) among \(unit.words)" }].compactMap { $0 }
    }
    if profile.counts[Trait.zoned] > 0 {
      let meaning = "it is read as UTC without a zone in the schema or --time-zone"
      found += [finding(Trait.unzoned) { "\($0) names no zone where others do; \(meaning)" }].compactMap { $0 }
    }
    found += [finding(Trait.negative) { "\($0) is before 1970" }].compactMap { $0 }
    if unit != .calendarDate, profile.numbers.least == 0 {
      found += [finding(Trait.digits(1)) { "\($0) is 1970-01-01: is the time missing?" }].compactMap { $0 }
    }
    return found
  }
}

/// What is wrong with the names of the columns.
func headerFindings(_ names: [String], roles: [Int: ColumnRole], file: String, _ format: LogFormat) -> [Finding] {
  guard format == .events else { return [] }
  var found: [Finding] = []
  var seen: Set<String> = []
  for name in names where !seen.insert(name).inserted {
    found.append(Finding(column: name, file: file, line: 1, problem: "the header has this name twice: rename one of them"))
  }
  if let place = names.firstIndex(of: "") { found.append(Finding(file: file, line: 1, problem: "column \(place + 1) has no name")) }
  if !names.isEmpty, names.allSatisfy({ Double($0) != nil }) {
    found.append(Finding(file: file, line: 1, problem: "the first line is numbers: a header is missing"))
  }
  for role in [ColumnRole.user, .item, .time] where !roles.values.contains(role) {
    found.append(Finding(file: file, line: 1, problem: "no column has a usual name of the \(role.rawValue): give one the role in the schema file"))
  }
  return found
}
