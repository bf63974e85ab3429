// Where the target stands among the candidates, with its ties: all that a ranking metric of one relevant item needs.

/// Standing of one target item: G candidates score more, Q *other* candidates score the same.
///
/// Ties are broken in expectation: the rank is uniform on G+1 ... G+Q+1, so a constant scorer earns what chance earns.
public struct RankPosition: Hashable, Sendable {
  /// G, the number of candidates with a greater score.
  public let greater: Int
  /// Q, the number of other candidates with an equal score.
  public let equal: Int

  /// - Precondition: both counts are at least 0.
  public init(greater: Int, equal: Int) {
    precondition(greater >= 0 && equal >= 0, "RankPosition: expected counts >= 0, got \(greater) and \(equal)")
    self.greater = greater
    self.equal = equal
  }

  /// The ranks within the first `k` that the target can take, and the chance of each: 1/(Q+1).
  func ranks(within k: Int) -> (ranks: Range<Int>, chance: Double) {
    guard k > greater else { return (0..<0, 0) }
    let last = greater + min(equal + 1, k - greater)
    return (greater + 1..<last + 1, 1 / Double(equal + 1))
  }
}

/// Position of `target` among all items but the seen ones: O(V + seen log seen).
///
/// The target stays a candidate when it is among `seen`. A score that is not a number never helps: a NaN candidate counts
/// as greater, a NaN target stands last, and so does a target outside the catalogue.
///
/// - Parameters:
///   - target: item index.
///   - seen: item indices in any order, repeats allowed; those outside the catalogue are ignored.
///   - scores: one score per item [V].
public func rankPosition(target: Int32, seen: Span<Int32>, scores: Span<Float>) -> RankPosition {
  let known = target >= 0 && Int(target) < scores.count
  let targetScore = known ? scores[Int(target)] : .nan
  var greater = 0
  var equal = 0
  for index in scores.indices {
    let score = scores[index]
    greater &+= score <= targetScore ? 0 : 1
    equal &+= score == targetScore ? 1 : 0
  }

  var removed: [Int32] = []
  removed.reserveCapacity(seen.count)
  for index in seen.indices { removed.append(seen[index]) }
  removed.sort()
  var previous: Int32 = -1
  for item in removed where item > previous && Int(item) < scores.count {
    previous = item
    guard item != target else { continue }
    greater -= scores[Int(item)] <= targetScore ? 0 : 1
    equal -= scores[Int(item)] == targetScore ? 1 : 0
  }

  // The target compared with itself: equal to itself, or "greater" when it is NaN.
  guard known else { return RankPosition(greater: greater, equal: 0) }
  return targetScore.isNaN
    ? RankPosition(greater: greater - 1, equal: 0) : RankPosition(greater: greater, equal: equal - 1)
}
