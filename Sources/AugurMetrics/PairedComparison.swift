// Two systems on the same users: the bootstrap of the difference, much narrower than the difference of two intervals.

/// Difference of two systems in one metric: first minus second.
public struct MetricDifference: Sendable {
  public let name: String
  /// Mean over users of the first system's value minus the second's.
  public let mean: Double
  /// Percentile bootstrap interval of `mean` over users.
  public let interval: Interval
  /// Share of the resamples where the first system is strictly better.
  public let shareFirstBetter: Double

  /// Whether the interval leaves 0 out.
  public var isSignificant: Bool { interval.lower > 0 || interval.upper < 0 }
}

/// Paired bootstrap: each draw takes the same users for both systems.
public struct PairedComparison: Sendable {
  public let userCount: Int
  /// In the order of the metrics.
  public let differences: [MetricDifference]

  /// - Parameters:
  ///   - first: one position per user.
  ///   - second: the same users in the same order.
  /// - Throws: `MetricsError.userCountsDiffer`.
  public init(
    _ first: [RankPosition], _ second: [RankPosition], metrics: [Metric], bootstrap: Bootstrap = Bootstrap()
  ) throws(MetricsError) {
    guard first.count == second.count else {
      throw .userCountsDiffer(first: first.count, second: second.count)
    }
    let longest = metrics.map(\.cutoff).max() ?? 0
    let miss = RankPosition(greater: longest, equal: 0)
    let keys = zip(first, second).map { pair in
      PositionPair(
        first: pair.0.greater < longest ? pair.0 : miss, second: pair.1.greater < longest ? pair.1 : miss)
    }
    let table = UserTable(keys: keys, columnCount: metrics.count) { column, pair in
      metrics[column].value(pair.first) - metrics[column].value(pair.second)
    }
    let means = bootstrap.sortedMeans(table)
    userCount = first.count
    differences = metrics.indices.map { column in
      let better = means[column].count { $0 > 0 }
      return MetricDifference(
        name: metrics[column].name, mean: table.mean(column: column),
        interval: bootstrap.interval(ofSorted: means[column]),
        shareFirstBetter: means[column].isEmpty ? 0 : Double(better) / Double(means[column].count))
    }
  }

  /// Difference of a name such as `NDCG@10`; nil when it was not compared.
  public subscript(name: String) -> MetricDifference? { differences.first { $0.name == name } }
}

/// Positions of one user under both systems.
private struct PositionPair: Hashable {
  let first: RankPosition
  let second: RankPosition
}
