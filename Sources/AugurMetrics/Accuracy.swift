// Accuracy: the share of decisions that are right.

/// (TP + TN) / all. Under a heavy imbalance a constant "no" is hard to beat: read it beside AUC.
public struct Accuracy: BinaryMetric {
  public let name = "accuracy"
  public let isGreaterBetter: Bool? = true
  /// Rows of at least this probability count as yes.
  public let threshold: Double

  public init(threshold: Double = 0.5) { self.threshold = threshold }

  public func value(_ examples: BinaryExamples, weights: [Double]) -> Double? {
    Confusion(examples, weights: weights, threshold: threshold).accuracy
  }
}
