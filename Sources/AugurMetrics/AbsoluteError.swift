// Mean absolute error: best at the median.

/// MAE = Σ w |prediction - target| / Σ w.
public struct MeanAbsoluteError: ValueMetric {
  public let name = "MAE"

  public init() {}

  public func value(_ examples: ValueExamples, weights: [Double]) -> Double? {
    weightedMean(weights) { (examples.predictions[$0] - examples.targets[$0]).magnitude }
  }
}
