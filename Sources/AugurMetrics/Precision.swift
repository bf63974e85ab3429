// Precision: the share of the rows that count as yes and are.

/// TP / (TP + FP); nil where no row counts as yes.
public struct Precision: BinaryMetric {
  public let name = "precision"
  public let isGreaterBetter: Bool? = true
  /// Rows of at least this probability count as yes.
  public let threshold: Double

  public init(threshold: Double = 0.5) { self.threshold = threshold }

  public func value(_ examples: BinaryExamples, weights: [Double]) -> Double? {
    Confusion(examples, weights: weights, threshold: threshold).precision
  }
}
