// What a metric of yes/no predictions is, the registry, and the report of all of them.

/// A quality of scored yes/no examples.
public protocol BinaryMetric: Sendable {
  /// The name that is printed and asked for.
  var name: String { get }
  /// Whether more is better; nil where a target value is best, such as a calibration ratio of 1.
  var isGreaterBetter: Bool? { get }
  /// The value under other weights, one per row in the order of the examples; nil where it is not defined.
  func value(_ examples: BinaryExamples, weights: [Double]) -> Double?
}

extension BinaryMetric {
  /// The value; nil where it is not defined (`BinaryExamples.shortcoming` says why).
  public func value(_ examples: BinaryExamples) -> Double? { value(examples, weights: examples.weights) }
}

/// Every metric of yes/no predictions. A new one adds its line here.
///
/// - Parameter threshold: the probability from which a row counts as yes, chosen on validation.
public func binaryMetrics(threshold: Double = 0.5) -> [any BinaryMetric] {
  [
    AUC(), GroupAUC(), AveragePrecision(), LogLoss(), NormalizedEntropy(), Brier(), CalibrationError(), CalibrationRatio(),
    Accuracy(threshold: threshold), Precision(threshold: threshold), BinaryRecall(threshold: threshold), F1(threshold: threshold),
  ]
}

/// The metric of a name such as `AUC`; upper and lower case are the same.
/// - Throws: `MetricsError.unknownName`.
public func binaryMetric(named name: String, threshold: Double = 0.5) throws(MetricsError) -> any BinaryMetric {
  let metrics = binaryMetrics(threshold: threshold)
  return metrics[try nameIndex(name, in: metrics.map(\.name))]
}

/// Place of a name in a registry, upper and lower case the same.
func nameIndex(_ name: String, in names: [String]) throws(MetricsError) -> Int {
  guard let index = names.firstIndex(where: { $0.lowercased() == name.lowercased() }) else {
    throw .unknownName(name: name, suggestion: nearestName(to: name, in: names), known: names)
  }
  return index
}

/// One metric with how far chance alone could move it.
public struct MetricValue: Sendable {
  public let name: String
  /// nil where the metric is not defined on these rows.
  public let value: Double?
  /// Percentile bootstrap interval over users; nil where it was not asked for, or too few draws had a value.
  public let interval: Interval?

  package init(name: String, value: Double?, interval: Interval?) { (self.name, self.value, self.interval) = (name, value, interval) }
}

/// Every metric of one set of yes/no predictions.
public struct BinaryReport: Sendable {
  public let rowCount: Int
  /// Users of the bootstrap and of gAUC; as many as rows where none were given.
  public let userCount: Int
  /// Users with one class only: gAUC leaves them out.
  public let usersLeftOut: Int
  /// Why some values are missing.
  public let shortcoming: String?
  public let results: [MetricValue]

  /// - Parameters:
  ///   - metrics: nil takes every metric at the threshold .5.
  ///   - bootstrap: nil gives no intervals. Cost: O(draws · rows) a metric.
  public init(_ examples: BinaryExamples, metrics: [any BinaryMetric]? = nil, bootstrap: Bootstrap? = Bootstrap()) {
    let metrics = metrics ?? binaryMetrics()
    let functions = metrics.map { metric in { (rows: BinaryExamples, weights: [Double]) in metric.value(rows, weights: weights) } }
    let intervals = bootstrap?.intervals(examples, functions)
    rowCount = examples.rowCount
    userCount = examples.userCount
    usersLeftOut = GroupAUC().groups(examples, weights: examples.weights).leftOut
    shortcoming = examples.shortcoming
    results = metrics.indices.map { index in
      MetricValue(name: metrics[index].name, value: metrics[index].value(examples), interval: intervals?[index])
    }
  }

  /// Result of a name such as `AUC`; nil when the report does not hold it.
  public subscript(name: String) -> MetricValue? { results.first { $0.name == name } }
}
