// Area under the precision-recall curve as average precision: the metric of rare positives.

/// AP = Σ_k (R_k - R_{k-1}) P_k over the distinct scores from the highest down; equal scores enter together, no trapezoid.
///
/// Not defined without a positive of some weight. A constant scorer earns the base rate.
public struct AveragePrecision: BinaryMetric {
  public let name = "PR-AUC"
  public let isGreaterBetter: Bool? = true

  public init() {}

  public func value(_ examples: BinaryExamples, weights: [Double]) -> Double? {
    var (hits, shown, sum) = (0.0, 0.0, 0.0)
    examples.forEachStep(of: examples.scores, weights) { _, positive, negative in
      hits += positive
      shown += positive + negative
      if positive > 0 { sum += positive * (hits / shown) }
    }
    return hits > 0 ? sum / hits : nil
  }
}
