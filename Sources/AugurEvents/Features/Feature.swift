// What one feature of a labelled table is: its column and how a cell becomes ids or numbers.

/// How the values of a categorical feature get their rows.
public enum CategoryCoding: Sendable, Equatable {
  /// A row for each value of the training part that occurs at least so often, by falling count. All others share row 0, which
  /// rarer values of the training part train.
  case vocabulary(minimumCount: Int)
  /// Rows 1...buckets by a hash of the value; row 0 is the empty cell.
  case hash(buckets: Int)
  /// These values in rows 1, 2, ...; all others share row 0.
  case values([String])
  /// The rows of the feature of this name, which stands earlier in the list and has one value a row: a history of what that feature names,
  /// oldest first. Of a longer cell the last `longest` values count.
  case shared(with: String, longest: Int)
}

/// How a number is scaled. Statistics are those of the training part.
public enum NumberTransform: Sendable, Equatable {
  case none
  /// (x - mean) / standard deviation.
  case standardise
  /// 0 at the least value, 1 at the largest; values outside are clipped.
  case minMax
  /// sign(x) log(1 + |x|), then standardised.
  case log
  /// Not a number but an id: 1...buckets by quantiles, 0 where the number is missing.
  case quantileBuckets(Int)
}

/// What stands for a missing number; the number itself becomes the mean.
public enum MissingNumber: String, Sendable, CaseIterable, Codable {
  /// Nothing tells it from the mean.
  case mean
  /// A second column is 1 where the number is missing, else 0.
  case indicator
}

/// What is read from a time.
public enum TimePart: String, Sendable, CaseIterable, Codable {
  /// Id 1...24, hour of the day.
  case hour
  /// Id 1...7, Monday first.
  case weekday
  /// Four numbers: sine and cosine of the time of day and of the time of the week.
  case cyclic
  /// Days since 1970, standardised.
  case days
}

/// One entry of the feature list.
public struct Feature: Sendable, Equatable {
  public enum Kind: Sendable, Equatable {
    /// With a separator a cell holds any number of values.
    case categorical(CategoryCoding, separator: String?)
    case numeric(NumberTransform, missing: MissingNumber)
    case time(unit: TimeUnit, parts: [TimePart], zone: String)
  }
  public var name: String
  public var column: String
  public var kind: Kind

  public init(name: String, column: String, kind: Kind) { (self.name, self.column, self.kind) = (name, column, kind) }

  static let longestName = 128
  /// Between the values of a list.
  static let usualSeparator = "|"
  /// Values of a history that count, where nobody says how many, and at most.
  static let usualHistory = 50
  static let longestHistory = 10_000
}

extension Feature: Codable {
  enum Key: String, CodingKey, CaseIterable {
    case name, column, kind, separator, buckets, values, shares, longest, transform, missing, unit, parts, zone
    case minimumCount = "minimum_count"
  }
  private enum KindName: String, CaseIterable { case categorical, numeric, time }
  private enum TransformName: String, CaseIterable {
    case none, standardise, log
    case minMax = "min-max"
    case quantileBuckets = "quantile-buckets"
  }

  public func encode(to encoder: any Encoder) throws {
    var object = encoder.container(keyedBy: Key.self)
    try object.encode(name, forKey: .name)
    try object.encode(column, forKey: .column)
    switch kind {
    case .categorical(let coding, let separator):
      try object.encode(KindName.categorical.rawValue, forKey: .kind)
      try object.encodeIfPresent(separator, forKey: .separator)
      switch coding {
      case .vocabulary(let minimumCount): try object.encode(minimumCount, forKey: .minimumCount)
      case .hash(let buckets): try object.encode(buckets, forKey: .buckets)
      case .values(let values): try object.encode(values, forKey: .values)
      case .shared(let name, let longest):
        try object.encode(name, forKey: .shares)
        try object.encode(longest, forKey: .longest)
      }
    case .numeric(let transform, let missing):
      try object.encode(KindName.numeric.rawValue, forKey: .kind)
      try object.encode(missing, forKey: .missing)
      let name: TransformName
      switch transform {
      case .none: name = .none
      case .standardise: name = .standardise
      case .minMax: name = .minMax
      case .log: name = .log
      case .quantileBuckets(let buckets):
        name = .quantileBuckets
        try object.encode(buckets, forKey: .buckets)
      }
      try object.encode(name.rawValue, forKey: .transform)
    case .time(let unit, let parts, let zone):
      try object.encode(KindName.time.rawValue, forKey: .kind)
      try object.encode(unit, forKey: .unit)
      try object.encode(parts, forKey: .parts)
      try object.encode(zone, forKey: .zone)
    }
  }

  /// Throws `EventsError` that names the key and the value.
  public init(from decoder: any Decoder) throws {
    let object = try ListObject<Key>(decoder)
    column = try object.text(.column)
    name = try object.optionalText(.name) ?? column
    guard !name.isEmpty, name.utf8.count <= Self.longestName, !name.unicodeScalars.contains(where: { $0.value < 0x20 }) else {
      throw object.failure(.name, "\(excerpt(name.utf8)) is no name", "names have 1 to \(Self.longestName) bytes on one line")
    }
    switch try object.word(.kind, KindName.self) {
    case .categorical:
      try object.allow([.name, .column, .kind, .separator, .buckets, .values, .minimumCount, .shares, .longest])
      let separator = try object.optionalText(.separator) ?? (object.has(.shares) ? Self.usualSeparator : nil)
      if let separator, separator.utf8.count != 1 {
        throw object.failure(.separator, "\(excerpt(separator.utf8)) is not one byte", "write for example \"|\"")
      }
      kind = .categorical(try Self.coding(object), separator: separator)
    case .numeric:
      try object.allow([.name, .column, .kind, .transform, .missing, .buckets])
      kind = .numeric(try Self.transform(object), missing: try object.optionalWord(.missing, MissingNumber.self) ?? .indicator)
    case .time:
      try object.allow([.name, .column, .kind, .unit, .parts, .zone])
      let zone = try object.optionalText(.zone) ?? "UTC"
      _ = try ClockZone(named: zone, place: object.place(.zone))
      let parts = try object.words(.parts, TimePart.self)
      guard !parts.isEmpty, Set(parts).count == parts.count else {
        throw object.failure(.parts, "none, or one twice", "name each part once")
      }
      kind = .time(unit: try object.word(.unit, TimeUnit.self), parts: parts, zone: zone)
    }
  }

  private static func coding(_ object: ListObject<Key>) throws -> CategoryCoding {
    let given = [Key.buckets, .values, .minimumCount, .shares].filter(object.has)
    guard given.count <= 1 else { throw object.failure(given[1], "stands beside \(given[0].rawValue)", "give one of the two") }
    if object.has(.shares) {
      return .shared(
        with: try object.text(.shares), longest: object.has(.longest) ? try object.whole(.longest, 1...longestHistory) : usualHistory)
    }
    if object.has(.longest) { throw object.failure(.longest, "is of lists that share values", "give shares, or leave it out") }
    if object.has(.buckets) { return .hash(buckets: try object.whole(.buckets, 1...1 << 30)) }
    guard object.has(.values) else {
      return .vocabulary(
        minimumCount: object.has(.minimumCount) ? try object.whole(.minimumCount, 1...1 << 40) : FeatureList.minimumCount)
    }
    let values = try object.texts(.values)
    guard !values.isEmpty, Set(values).count == values.count else {
      throw object.failure(.values, "none, or one twice", "list each value once")
    }
    return .values(values)
  }

  private static func transform(_ object: ListObject<Key>) throws -> NumberTransform {
    let name = try object.optionalWord(.transform, TransformName.self) ?? .standardise
    if name != .quantileBuckets, object.has(.buckets) {
      throw object.failure(.buckets, "is of the transform quantile-buckets", "leave it out, or change the transform")
    }
    switch name {
    case .none: return .none
    case .standardise: return .standardise
    case .minMax: return .minMax
    case .log: return .log
    case .quantileBuckets: return .quantileBuckets(object.has(.buckets) ? try object.whole(.buckets, 2...1 << 16) : 16)
    }
  }
}
