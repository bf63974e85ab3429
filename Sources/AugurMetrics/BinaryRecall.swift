// Recall of a decision: the share of the positives that are found. The recall of a ranked list is Recall.

/// TP / (TP + FN); nil without positives.
public struct BinaryRecall: BinaryMetric {
  public let name = "recall"
  public let isGreaterBetter: Bool? = true
  /// Rows of at least this probability count as yes.
  public let threshold: Double

  public init(threshold: Double = 0.5) { self.threshold = threshold }

  public func value(_ examples: BinaryExamples, weights: [Double]) -> Double? {
    Confusion(examples, weights: weights, threshold: threshold).recall
  }
}
