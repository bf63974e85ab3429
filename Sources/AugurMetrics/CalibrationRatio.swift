// Calibration ratio: predicted over observed positives.

/// Σ w p / Σ w y; 1 is best. Not defined without a positive of some weight.
public struct CalibrationRatio: BinaryMetric {
  /// What a probability model must keep to on validation before it is exported.
  public static let gate = 0.98...1.02

  public let name = "calibration"
  public let isGreaterBetter: Bool? = nil

  public init() {}

  public func value(_ examples: BinaryExamples, weights: [Double]) -> Double? {
    var (predicted, observed) = (0.0, 0.0)
    for row in weights.indices {
      predicted += weights[row] * examples.probabilities[row]
      observed += weights[row] * examples.labels[row]
    }
    return observed > 0 ? predicted / observed : nil
  }
}
