// Mean squared error and its root: best at the mean.

/// MSE = Σ w (prediction - target)² / Σ w.
public struct MeanSquaredError: ValueMetric {
  public let name = "MSE"

  public init() {}

  public func value(_ examples: ValueExamples, weights: [Double]) -> Double? {
    weightedMean(weights) { row in
      let error = examples.predictions[row] - examples.targets[row]
      return error * error
    }
  }
}

/// RMSE = √MSE, in the unit of the target.
public struct RootMeanSquaredError: ValueMetric {
  public let name = "RMSE"

  public init() {}

  public func value(_ examples: ValueExamples, weights: [Double]) -> Double? {
    MeanSquaredError().value(examples, weights: weights)?.squareRoot()
  }
}
