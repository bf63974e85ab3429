// Quantile (pinball) loss (Koenker and Bassett, 1978): best at the quantile q.

/// Σ w max(q e, (q - 1) e) / Σ w with e = target - prediction. At q = 1/2 it is half the MAE.
public struct QuantileLoss: ValueMetric {
  public let name: String
  /// q, in 0 ... 1.
  public let quantile: Double

  /// - Precondition: `quantile` is in 0 ... 1.
  public init(_ quantile: Double) {
    precondition(quantile >= 0 && quantile <= 1, "QuantileLoss: expected a quantile in 0 ... 1, got \(quantile)")
    self.quantile = quantile
    name = "quantile@\(quantile)"
  }

  public func value(_ examples: ValueExamples, weights: [Double]) -> Double? {
    weightedMean(weights) { row in
      let error = examples.targets[row] - examples.predictions[row]
      return max(quantile * error, (quantile - 1) * error)
    }
  }
}
