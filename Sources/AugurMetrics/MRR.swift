// Mean reciprocal rank (Voorhees, 1999), 0 beyond the cutoff.

/// MRR@k = Σ_{r=G+1}^{h} (1/r) / (Q+1) with h = min(G + Q + 1, k).
public enum MRR: RankingMetric {
  public static let name = "MRR"

  public static func value(at k: Int, _ position: RankPosition) -> Double {
    let (ranks, chance) = position.ranks(within: k)
    var reciprocal = 0.0
    for rank in ranks { reciprocal += 1 / Double(rank) }
    return reciprocal * chance
  }
}
