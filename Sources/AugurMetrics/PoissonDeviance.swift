// Poisson deviance: twice how far the likelihood of counts is from that of knowing them (McCullagh and Nelder, 1989, section 2.3).

/// 2 Σ w (y ln(y / ŷ) - (y - ŷ)) / Σ w, with 0 ln 0 = 0: best at the mean. Defined where no target is negative and all predictions are positive.
public struct PoissonDeviance: ValueMetric {
  public let name = "deviance"

  public init() {}

  public func value(_ examples: ValueExamples, weights: [Double]) -> Double? {
    guard examples.targets.allSatisfy({ $0 >= 0 }), examples.predictions.allSatisfy({ $0 > 0 }) else { return nil }
    return weightedMean(weights) { row in
      let (y, mean) = (examples.targets[row], examples.predictions[row])
      return 2 * ((y > 0 ? y * naturalLogarithm(y / mean) : 0) - (y - mean))
    }
  }
}
