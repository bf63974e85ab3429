// Recall: the share of the relevant items that are in the first k.

/// Recall@k = |top-k ∩ R| / |R|. With one relevant item it is the hit rate.
public enum Recall: RankingMetric {
  public static let name = "Recall"

  public static func value(at k: Int, _ position: RankPosition) -> Double { HitRate.value(at: k, position) }

  /// Recall of several relevant items, divided by |R| and not by min(k, |R|).
  ///
  /// Exact under ties, since expectation is linear: the mean of P(rank <= k). No relevant item gives 0.
  ///
  /// - Parameter relevant: position of each relevant item among all candidates, the other relevant ones included.
  public static func value(at k: Int, relevant: [RankPosition]) -> Double {
    guard !relevant.isEmpty else { return 0 }
    var hits = 0.0
    for position in relevant { hits += HitRate.value(at: k, position) }
    return hits / Double(relevant.count)
  }
}
