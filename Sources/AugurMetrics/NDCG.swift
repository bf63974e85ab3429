// Normalised discounted cumulative gain with binary gains (Järvelin and Kekäläinen, 2002).

/// NDCG@k = Σ_{r=G+1}^{h} 1/log₂(r+1) / (Q+1) with h = min(G + Q + 1, k); the ideal is 1 for one relevant item.
public enum NDCG: RankingMetric {
  public static let name = "NDCG"

  public static func value(at k: Int, _ position: RankPosition) -> Double {
    let (ranks, chance) = position.ranks(within: k)
    var gain = 0.0
    for rank in ranks { gain += 1 / log2(rank + 1) }
    return gain * chance
  }

  /// NDCG of several relevant items: the expected gain divided by the gain of the ideal list. No relevant item gives 0.
  ///
  /// - Parameter relevant: position of each relevant item among all candidates, the other relevant ones included.
  public static func value(at k: Int, relevant: [RankPosition]) -> Double {
    guard !relevant.isEmpty, k >= 1 else { return 0 }
    var gain = 0.0
    for position in relevant { gain += value(at: k, position) }
    var ideal = 0.0
    for rank in 1...min(k, relevant.count) { ideal += 1 / log2(rank + 1) }
    return gain / ideal
  }

  /// log₂ of a whole number: e + 2/ln 2 · artanh((m-1)/(m+1)) of n = m·2^e; within 2 units in the last place.
  ///
  /// Ours and not the C library's, so that a printed metric has the same bits on every machine.
  static func log2(_ n: Int) -> Double {
    let (exponent, s) = logarithmArgument(Double(n))
    return exponent + 2.8853900817779268 * s * artanhSeries(s)
  }
}
