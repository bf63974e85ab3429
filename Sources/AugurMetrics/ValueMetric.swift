// Predicted numbers against those that came, what a metric of them is, the registry, and the report.

/// Rows with a predicted number, the one that came, a weight and a user.
public struct ValueExamples: Sendable {
  let predictions: [Double]
  let targets: [Double]
  public let weights: [Double]
  let users: [Int32]
  public let userCount: Int

  public var rowCount: Int { targets.count }

  /// - Parameters:
  ///   - weights: at least 0 and finite; nil stands for 1 each.
  /// - Throws: `MetricsError` with the row of the first value that is not finite.
  public init(predictions: [Double], targets: [Double], weights: [Double]? = nil) throws(MetricsError) {
    try checkCount(predictions.count, "predictions", targets.count)
    try checkFinite(predictions, "prediction")
    try checkFinite(targets, "target")
    self.weights = try checkedWeights(weights, targets.count)
    (self.predictions, self.targets) = (predictions, targets)
    users = targets.indices.map { Int32(truncatingIfNeeded: $0) }
    userCount = targets.count
  }
}

/// A quality of predicted numbers; less is better.
public protocol ValueMetric: Sendable {
  var name: String { get }
  /// The value under other weights, one per row; nil without weight.
  func value(_ examples: ValueExamples, weights: [Double]) -> Double?
}

extension ValueMetric {
  /// The value; nil without rows or weight.
  public func value(_ examples: ValueExamples) -> Double? { value(examples, weights: examples.weights) }
}

/// Every metric of predicted numbers. A new one adds its line here.
public let valueMetrics: [any ValueMetric] = [
  MeanSquaredError(), RootMeanSquaredError(), MeanAbsoluteError(), QuantileLoss(0.1), QuantileLoss(0.5), QuantileLoss(0.9),
  PoissonDeviance(),
]

/// The metric of a name such as `RMSE`; upper and lower case are the same.
/// - Throws: `MetricsError.unknownName`.
public func valueMetric(named name: String) throws(MetricsError) -> any ValueMetric {
  valueMetrics[try nameIndex(name, in: valueMetrics.map(\.name))]
}

/// Metrics of one set of predicted numbers.
public struct ValueReport: Sendable {
  public let rowCount: Int
  public let results: [MetricValue]

  /// - Parameter bootstrap: nil gives no intervals. Cost: O(draws · rows) a metric.
  public init(_ examples: ValueExamples, metrics: [any ValueMetric]? = nil, bootstrap: Bootstrap? = Bootstrap()) {
    let metrics = metrics ?? valueMetrics
    let functions = metrics.map { metric in { (rows: ValueExamples, weights: [Double]) in metric.value(rows, weights: weights) } }
    let intervals = bootstrap?.intervals(examples, functions)
    rowCount = examples.rowCount
    results = metrics.indices.map { index in
      MetricValue(name: metrics[index].name, value: metrics[index].value(examples), interval: intervals?[index])
    }
  }

  /// Result of a name such as `RMSE`; nil when the report does not hold it.
  public subscript(name: String) -> MetricValue? { results.first { $0.name == name } }
}
