// Harrell's concordance index (1982): how often the one at greater risk has its event first.

/// Share of comparable pairs whose risks are in the order of their events; equal risks count 1/2.
///
/// A pair is comparable where the earlier time is an event, or where times are equal and one is an event and the other is cut off.
/// With weights a pair weighs the product. O(n log n).
public enum ConcordanceIndex {
  public static let name = "C-index"

  /// - Parameter risks: one per row; more stands for sooner.
  /// - Returns: nil without a comparable pair.
  /// - Throws: `MetricsError` where the counts differ or a risk is not a number.
  public static func value(_ examples: SurvivalExamples, risks: [Double]) throws(MetricsError) -> Double? {
    try checkCount(risks.count, "risks", examples.rowCount)
    try checkNumbers(risks, "risk")
    return Order(examples, risks).share(examples, weights: examples.weights)
  }

  /// Value and bootstrap interval over rows; no interval where `bootstrap` is nil. Cost: O(draws · n log n).
  public static func result(
    _ examples: SurvivalExamples, risks: [Double], bootstrap: Bootstrap? = Bootstrap()
  ) throws(MetricsError) -> MetricValue {
    let value = try value(examples, risks: risks)
    let order = Order(examples, risks)
    let interval = bootstrap?.intervals(examples, [{ order.share($0, weights: $1) }])[0]
    return MetricValue(name: name, value: value, interval: interval)
  }

  /// Rows from the latest time, and the place of each row's risk among the distinct risks.
  private struct Order {
    let rows: [Int]
    let places: [Int]
    let placeCount: Int

    init(_ examples: SurvivalExamples, _ risks: [Double]) {
      // At equal times those cut off come first: they outlive the events of that time.
      rows = examples.times.indices.sorted { a, b in
        let (first, second) = (examples.times[a], examples.times[b])
        return first != second ? first > second : !examples.isObserved[a] && examples.isObserved[b]
      }
      var places = [Int](repeating: 0, count: risks.count)
      var (place, last) = (0, Double.nan)
      for row in risks.indices.sorted(by: { risks[$0] < risks[$1] }) {
        if risks[row] != last { place += 1 }
        last = risks[row]
        places[row] = place
      }
      (self.places, placeCount) = (places, place)
    }

    /// Adds rows from the latest on; an event meets all rows that were added before its own time.
    func share(_ examples: SurvivalExamples, weights: [Double]) -> Double? {
      var later = PrefixSums(count: placeCount)
      var (right, pairs, start) = (0.0, 0.0, 0)
      while start < rows.count {
        let (time, observed) = (examples.times[rows[start]], examples.isObserved[rows[start]])
        var end = start
        while end < rows.count, examples.times[rows[end]] == time, examples.isObserved[rows[end]] == observed { end += 1 }
        for row in rows[start..<end] where observed && weights[row] > 0 {
          let (below, upTo) = (later.sum(upTo: places[row] - 1), later.sum(upTo: places[row]))
          right += weights[row] * (below + (upTo - below) / 2)
          pairs += weights[row] * later.total
        }
        for row in rows[start..<end] where weights[row] > 0 { later.add(weights[row], at: places[row]) }
        start = end
      }
      return pairs > 0 ? right / pairs : nil
    }
  }
}

/// Sums of the first places of a list that changes (Fenwick, 1994): O(log n) each. Places count from 1.
private struct PrefixSums {
  private var tree: [Double]
  private(set) var total = 0.0

  init(count: Int) { tree = [Double](repeating: 0, count: count + 1) }

  mutating func add(_ value: Double, at place: Int) {
    total += value
    var node = place
    while node < tree.count {
      tree[node] += value
      node += node & -node
    }
  }

  func sum(upTo place: Int) -> Double {
    var (sum, node) = (0.0, place)
    while node > 0 {
      sum += tree[node]
      node -= node & -node
    }
    return sum
  }
}
