// Hit rate: is the target in the first k?

/// HR@k = P(rank <= k) = (h - G)/(Q + 1) with h = min(G + Q + 1, k), 0 when k <= G.
public enum HitRate: RankingMetric {
  public static let name = "HR"

  public static func value(at k: Int, _ position: RankPosition) -> Double {
    let ranks = position.ranks(within: k).ranks
    // Divided and not multiplied by the chance: a tie that lies within k as a whole gives exactly 1.
    return Double(ranks.count) / Double(position.equal + 1)
  }
}
