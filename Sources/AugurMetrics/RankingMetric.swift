// What a ranking metric is, and the registry: a name such as "NDCG@10" to a metric.

/// A quality of a ranked list with one relevant item, cut off after `k`; 0 is worst, 1 is best.
public protocol RankingMetric: Sendable {
  /// The part of the name before the `@`.
  static var name: String { get }
  /// Expected value over the random order of the tie. A `k` below 1 gives 0.
  static func value(at k: Int, _ position: RankPosition) -> Double
}

/// A ranking metric with its cutoff: `Metric(named: "NDCG@10")`.
public struct Metric: Sendable {
  /// Every ranking metric. A new one adds its line here.
  public static let families: [any RankingMetric.Type] = [
    HitRate.self,
    NDCG.self,
    MRR.self,
    Recall.self,
  ]

  let family: any RankingMetric.Type
  /// k, the length of the list that counts.
  public let cutoff: Int

  /// - Precondition: `cutoff` is at least 1.
  public init(_ family: any RankingMetric.Type, at cutoff: Int) {
    precondition(cutoff >= 1, "Metric: expected cutoff >= 1, got \(cutoff)")
    self.family = family
    self.cutoff = cutoff
  }

  /// Metric of a name such as `HR@10`; upper and lower case are the same.
  public init(named name: String) throws(MetricsError) {
    let parts = name.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
    let names = Metric.families.map { $0.name }
    let stem = String(parts[0])
    guard let index = names.firstIndex(where: { $0.lowercased() == stem.lowercased() }) else {
      let suffix = parts.count == 2 ? "@" + parts[1] : ""
      let suggestion = nearestName(to: stem, in: names).map { $0 + suffix }
      throw .unknownMetric(name: name, suggestion: suggestion, known: names)
    }
    guard parts.count == 2, let cutoff = Int(parts[1]), cutoff >= 1 else {
      throw .badCutoff(name: name, example: names[index] + "@10")
    }
    self.init(Metric.families[index], at: cutoff)
  }

  /// The name that `init(named:)` reads.
  public var name: String { "\(family.name)@\(cutoff)" }

  /// Expected value for one user.
  public func value(_ position: RankPosition) -> Double { family.value(at: cutoff, position) }
}

/// What is wrong with a request for metrics.
public enum MetricsError: Error, Equatable, CustomStringConvertible {
  case unknownMetric(name: String, suggestion: String?, known: [String])
  case badCutoff(name: String, example: String)
  case userCountsDiffer(first: Int, second: Int)
  /// A metric without a cutoff that does not exist.
  case unknownName(name: String, suggestion: String?, known: [String])
  case countsDiffer(what: String, expected: Int, count: Int)
  /// A value of a row, counted from 0, that does not fit.
  case badValue(what: String, row: Int, value: Double, expected: String)
  case cannotCalibrate(reason: String)
  /// The calibration ratio left its range; nil where it has no value.
  case notCalibrated(ratio: Double?, lower: Double, upper: Double)

  public var description: String {
    switch self {
    case .unknownMetric(let name, let suggestion, let known):
      let hint = suggestion.map { "did you mean '\($0)'?" } ?? "write one of these with a cutoff, such as HR@10:"
      return "unknown metric '\(name)': \(hint) (known: \(known.joined(separator: ", ")))"
    case .badCutoff(let name, let example):
      return "metric '\(name)' needs a cutoff of 1 or more after '@', such as '\(example)'"
    case .userCountsDiffer(let first, let second):
      return "a paired comparison needs the same users in the same order, got \(first) and \(second) users"
    case .unknownName(let name, let suggestion, let known):
      let hint = suggestion.map { "did you mean '\($0)'?" } ?? "write one of these:"
      return "unknown metric '\(name)': \(hint) (known: \(known.joined(separator: ", ")))"
    case .countsDiffer(let what, let expected, let count):
      return "expected one for each row, \(expected) \(what), got \(count)"
    case .badValue(let what, let row, let value, let expected):
      return "\(what) of row \(row) (counted from 0): expected \(expected), got \(value); correct it or leave the row out"
    case .cannotCalibrate(let reason):
      return "calibration needs validation rows of both classes: \(reason); give it more rows, or export raw scores"
    case .notCalibrated(let ratio, let lower, let upper):
      let seen = ratio.map { "\($0)" } ?? "none, since no row of label 1 has weight"
      return "calibration ratio on validation: expected \(lower) ... \(upper), got \(seen); fit a calibrator, or force the export"
    }
  }
}
