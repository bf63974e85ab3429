// All ranking metrics of one system over its users, each with a bootstrap interval.

/// Mean of one metric over users, and how far chance alone could move it.
public struct MetricResult: Sendable {
  /// Name with cutoff, such as `NDCG@10`.
  public let name: String
  public let mean: Double
  /// Percentile bootstrap interval over users.
  public let interval: Interval
}

/// Mean of every ranking metric at every cutoff: `RankingReport(positions: positions, cutoffs: [5, 10])`.
///
/// Sums are in `Double` in the order of the users, so the result does not depend on how evaluation was batched.
/// Without users every mean and interval is 0 and `userCount` says so.
public struct RankingReport: Sendable {
  public let userCount: Int
  /// By metric in registry order, then by cutoff as given.
  public let results: [MetricResult]

  /// HR, NDCG, MRR and recall at each cutoff.
  ///
  /// - Parameters:
  ///   - positions: one per user.
  ///   - cutoffs: list lengths of at least 1.
  public init(positions: [RankPosition], cutoffs: [Int] = [5, 10], bootstrap: Bootstrap = Bootstrap()) {
    let metrics = Metric.families.flatMap { family in cutoffs.map { Metric(family, at: $0) } }
    self.init(positions: positions, metrics: metrics, bootstrap: bootstrap)
  }

  /// The metrics that are asked for. Cost: O(draws · users), about a nanosecond each.
  public init(positions: [RankPosition], metrics: [Metric], bootstrap: Bootstrap = Bootstrap()) {
    // Every target beyond the longest cutoff earns 0: one group.
    let longest = metrics.map(\.cutoff).max() ?? 0
    let miss = RankPosition(greater: longest, equal: 0)
    let keys = positions.map { $0.greater < longest ? $0 : miss }
    let table = UserTable(keys: keys, columnCount: metrics.count) { metrics[$0].value($1) }
    let means = bootstrap.sortedMeans(table)
    userCount = positions.count
    results = metrics.indices.map { column in
      let interval = bootstrap.interval(ofSorted: means[column])
      return MetricResult(name: metrics[column].name, mean: table.mean(column: column), interval: interval)
    }
  }

  /// Result of a name such as `NDCG@10`; nil when the report does not hold it.
  public subscript(name: String) -> MetricResult? { results.first { $0.name == name } }
}
