// Normalised entropy (He et al., 2014): log loss in units of what the base rate alone achieves.

/// NE = logloss / logloss of the base rate of these rows. The base-rate predictor has 1; below 1 something was learned.
///
/// Not defined where one class has no weight.
public struct NormalizedEntropy: BinaryMetric {
  public let name = "NE"
  public let isGreaterBetter: Bool? = false

  public init() {}

  public func value(_ examples: BinaryExamples, weights: [Double]) -> Double? {
    let (positive, negative) = examples.classWeights(weights)
    guard positive > 0, negative > 0, let loss = LogLoss().value(examples, weights: weights) else { return nil }
    let rate = positive / (positive + negative)
    return loss / -(rate * naturalLogarithm(rate) + (1 - rate) * naturalLogarithm(1 - rate))
  }
}
