// Log loss, the cross-entropy of probabilities: a proper score, best at the true probability.

/// logloss = Σ w loss / Σ w with loss = -ln of the probability of the label that came.
///
/// From logits it goes through softplus and nothing is clipped. Probabilities are clipped to `clip` ... 1 - `clip`, so that one
/// certain mistake costs 34.5 and not infinity.
public struct LogLoss: BinaryMetric {
  /// What probabilities are clipped to; logits never are.
  public static let clip = 1e-15

  public let name = "logloss"
  public let isGreaterBetter: Bool? = false

  public init() {}

  public func value(_ examples: BinaryExamples, weights: [Double]) -> Double? {
    weightedMean(weights) { examples.losses[$0] }
  }
}

/// Σ w x / Σ w in the order of the rows; nil without weight.
@inline(__always)
func weightedMean(_ weights: [Double], _ value: (Int) -> Double) -> Double? {
  var (sum, all) = (0.0, 0.0)
  for row in weights.indices where weights[row] > 0 {
    sum += weights[row] * value(row)
    all += weights[row]
  }
  return all > 0 ? sum / all : nil
}
