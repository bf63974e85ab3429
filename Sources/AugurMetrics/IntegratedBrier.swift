// Integrated Brier score with inverse-censoring weights (Graf et al., 1999): squared error of survival curves.

/// BS(t) = Σ w [ S(t)² 1(T <= t, event)/G(T) + (1 - S(t))² 1(T > t)/G(t) ] / Σ w, and its mean over the grid of times.
///
/// G is Kaplan and Meier's estimate that a row is still observed. S = 1/2 everywhere has about 1/4.
public enum IntegratedBrier {
  public static let name = "IBS"

  /// - Returns: trapezoids of `scores` over the grid, divided by its length (the score itself for one time); nil where they are, or
  ///   without a grid.
  public static func value(_ examples: SurvivalExamples, survival: [[Double]], grid: [Double]) throws(MetricsError) -> Double? {
    guard let scores = try scores(examples, survival: survival, grid: grid) else { return nil }
    return mean(scores, grid: grid)
  }

  /// BS(t) at each time of the grid.
  ///
  /// - Parameters:
  ///   - survival: S(t) of each row at each time of the grid: [times][rows], in 0 ... 1.
  ///   - grid: rising times.
  /// - Returns: nil without rows or weight, or where no row is observed as long as the last time of the grid.
  /// - Throws: `MetricsError` where counts differ, a probability is outside 0 ... 1 or times do not rise.
  public static func scores(_ examples: SurvivalExamples, survival: [[Double]], grid: [Double]) throws(MetricsError) -> [Double]? {
    try checkCount(survival.count, "survival curves' times", grid.count)
    try checkFinite(grid, "time of the grid")
    for (index, values) in survival.enumerated() {
      try checkCount(values.count, "survival probabilities", examples.rowCount)
      for (row, value) in values.enumerated() where !(value >= 0 && value <= 1) {
        throw .badValue(what: "survival probability", row: row, value: value, expected: "a number in 0 ... 1")
      }
      guard index == 0 || grid[index] > grid[index - 1] else {
        throw .badValue(what: "time of the grid", row: index, value: grid[index], expected: "a time after the one before")
      }
    }
    let censoring = ProductLimit(examples, of: .cuts)
    var scores: [Double] = []
    for (values, time) in zip(survival, grid) {
      guard let score = score(examples, values, at: time, censoring) else { return nil }
      scores.append(score)
    }
    return scores
  }

  /// The mean of scores over the grid by trapezoids; nil without any.
  public static func mean(_ scores: [Double], grid: [Double]) -> Double? {
    guard scores.count > 1, let first = grid.first, let last = grid.last else { return scores.first }
    var area = 0.0
    for index in 1..<scores.count { area += (scores[index] + scores[index - 1]) / 2 * (grid[index] - grid[index - 1]) }
    return area / (last - first)
  }

  private static func score(
    _ examples: SurvivalExamples, _ survival: [Double], at time: Double, _ censoring: ProductLimit
  ) -> Double? {
    let shareNow = censoring.share(at: time, isAfter: true)
    guard shareNow > 0 else { return nil }
    return weightedMean(examples.weights) { row in
      let (own, s) = (examples.times[row], survival[row])
      if own > time { return (1 - s) * (1 - s) / shareNow }
      return examples.isObserved[row] ? s * s / censoring.share(at: own, isAfter: false) : 0
    }
  }
}
