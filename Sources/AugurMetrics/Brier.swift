// Brier score (1950): the mean squared error of a probability, a proper score that stays bounded.

/// Brier = Σ w (p - y)² / Σ w.
public struct Brier: BinaryMetric {
  public let name = "Brier"
  public let isGreaterBetter: Bool? = false

  public init() {}

  public func value(_ examples: BinaryExamples, weights: [Double]) -> Double? {
    weightedMean(weights) { row in
      let error = examples.probabilities[row] - examples.labels[row]
      return error * error
    }
  }
}
