// A map for each segment that has the rows for it, and one of all rows for the others.

/// Calibrators by segment, such as category or channel.
public struct SegmentedCalibrator: Codable, Equatable, Sendable {
  /// Fitted on all rows: for segments without a map of their own.
  public let whole: Calibrator
  public let segments: [Int32: Calibrator]

  /// Fits a map on all rows, and one on each segment with at least `minimumRows` rows of some weight, and
  /// `minimumOfEachClass` of each class: with fewer, what keeps a map from certainty moves its sum.
  ///
  /// - Parameters:
  ///   - segments: of each row.
  /// - Throws: `MetricsError` where a value does not fit or one class has no weight.
  public init(
    _ method: CalibrationMethod, logits: [Double], labels: [Double], segments: [Int32], weights: [Double]? = nil,
    minimumRows: Int = 1000, minimumOfEachClass: Int = 1
  ) throws(MetricsError) {
    try checkCount(segments.count, "segments", logits.count)
    whole = try method.fitted(logits: logits, labels: labels, weights: weights)
    var rows: [Int32: [Int]] = [:]
    for (row, segment) in segments.enumerated() where weights?[row] ?? 1 > 0 { rows[segment, default: []].append(row) }
    var fitted: [Int32: Calibrator] = [:]
    for (segment, own) in rows where own.count >= minimumRows {
      let positives = own.count { labels[$0] == 1 }
      guard min(positives, own.count - positives) >= max(1, minimumOfEachClass) else { continue }
      fitted[segment] = try method.fitted(
        logits: own.map { logits[$0] }, labels: own.map { labels[$0] }, weights: weights.map { all in own.map { all[$0] } })
    }
    self.segments = fitted
  }

  /// The calibrated probability of a logit in a segment, which may be unknown.
  public func probability(_ logit: Double, segment: Int32) -> Double { (segments[segment] ?? whole).probability(logit) }
}
