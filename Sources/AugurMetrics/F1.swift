// F1 (van Rijsbergen, 1979): the harmonic mean of precision and recall.

/// 2 TP / (2 TP + FP + FN). Choose the threshold on validation: `BestThreshold(validation, for: \.f1)`.
public struct F1: BinaryMetric {
  public let name = "F1"
  public let isGreaterBetter: Bool? = true
  /// Rows of at least this probability count as yes.
  public let threshold: Double

  public init(threshold: Double = 0.5) { self.threshold = threshold }

  public func value(_ examples: BinaryExamples, weights: [Double]) -> Double? {
    Confusion(examples, weights: weights, threshold: threshold).f1
  }
}
