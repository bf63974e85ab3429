// What all kinds of examples share: checks of what is given, and resampling by weights.

/// Rows that a bootstrap draws users of.
protocol WeightedExamples {
  var weights: [Double] { get }
  /// User of each row, in 0 ..< userCount.
  var users: [Int32] { get }
  var userCount: Int { get }
}

extension BinaryExamples: WeightedExamples {}
extension ValueExamples: WeightedExamples {}
extension SurvivalExamples: WeightedExamples {}

func checkCount(_ count: Int?, _ what: String, _ expected: Int) throws(MetricsError) {
  if let count, count != expected { throw .countsDiffer(what: what, expected: expected, count: count) }
}

/// Every value may be compared; infinities may.
func checkNumbers(_ values: [Double], _ what: String) throws(MetricsError) {
  for (row, value) in values.enumerated() where value.isNaN {
    throw .badValue(what: what, row: row, value: value, expected: "a number")
  }
}

func checkFinite(_ values: [Double], _ what: String) throws(MetricsError) {
  for (row, value) in values.enumerated() where !value.isFinite {
    throw .badValue(what: what, row: row, value: value, expected: "a finite number")
  }
}

/// The weights that were given, or 1 each.
func checkedWeights(_ weights: [Double]?, _ count: Int) throws(MetricsError) -> [Double] {
  guard let weights else { return [Double](repeating: 1, count: count) }
  try checkCount(weights.count, "weights", count)
  for (row, weight) in weights.enumerated() where !(weight >= 0 && weight < .infinity) {
    throw .badValue(what: "weight", row: row, value: weight, expected: "a finite number of at least 0")
  }
  return weights
}

extension Bootstrap {
  /// Intervals of several metrics at once: each draw takes as many users as there are, with replacement, and a row weighs its own
  /// weight times how often its user was drawn. Draws in which a metric has no value are left out; nil where it has none in half
  /// of them.
  ///
  /// Cost: O(draws · rows) a metric.
  func intervals<Examples: WeightedExamples>(
    _ examples: Examples, _ metrics: [(Examples, [Double]) -> Double?]
  ) -> [Interval?] {
    var values = metrics.map { _ in [Double]() }
    var random = SplitMix64(seed: seed)
    var counts = [Double](repeating: 0, count: examples.userCount)
    var weights = examples.weights
    for _ in 0..<draws where examples.userCount > 0 {
      for user in counts.indices { counts[user] = 0 }
      for _ in counts.indices { counts[random.index(below: UInt64(examples.userCount))] += 1 }
      for row in weights.indices { weights[row] = examples.weights[row] * counts[Int(examples.users[row])] }
      for (index, metric) in metrics.enumerated() {
        if let value = metric(examples, weights) { values[index].append(value) }
      }
    }
    return values.map { drawn in
      drawn.count * 2 >= draws ? interval(ofSorted: drawn.sorted()) : nil
    }
  }
}
