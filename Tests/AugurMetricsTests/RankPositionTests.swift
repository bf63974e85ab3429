// G and Q from scores: seen items removed, ties counted, values that are not numbers harmless.

import AugurMetrics
import Testing

@Suite("Rank position")
struct RankPositionTests {
  static func position(_ target: Int32, seen: [Int32] = [], _ scores: [Float]) -> RankPosition {
    let seenSpan = seen.span
    let scoreSpan = scores.span
    return rankPosition(target: target, seen: seenSpan, scores: scoreSpan)
  }

  @Test func countsGreaterAndEqual() {
    let scores: [Float] = [3, 1, 2, 2, 5, 2]
    #expect(Self.position(2, scores) == RankPosition(greater: 2, equal: 2))
    #expect(Self.position(4, scores) == RankPosition(greater: 0, equal: 0))
    #expect(Self.position(1, scores) == RankPosition(greater: 5, equal: 0))
  }

  @Test func seenItemsAreNoCandidates() {
    let scores: [Float] = [3, 1, 2, 2, 5, 2]
    // Repeats, the target itself and items outside the catalogue change nothing.
    #expect(Self.position(2, seen: [4, 4, 3, 2, -1, 99, 1, .max, .min], scores) == RankPosition(greater: 1, equal: 1))
  }

  @Test func constantScorerIsOneTie() {
    let scores = [Float](repeating: 0.25, count: 50)
    let position = Self.position(7, seen: [1, 2], scores)
    #expect(position == RankPosition(greater: 0, equal: 47))
    #expect(HitRate.value(at: 10, position) == 10 / 48.0)
  }

  @Test func valuesThatAreNoNumbersNeverHelp() {
    #expect(Self.position(1, [0, .nan, 1]) == RankPosition(greater: 2, equal: 0))
    #expect(Self.position(1, seen: [0], [0, .nan, 1]) == RankPosition(greater: 1, equal: 0))
    #expect(Self.position(0, [1, .nan, 0]) == RankPosition(greater: 1, equal: 0))
    #expect(Self.position(0, seen: [1], [1, .nan, 0]) == RankPosition(greater: 0, equal: 0))
    #expect(Self.position(0, [.nan, .nan, .nan]) == RankPosition(greater: 2, equal: 0))
    #expect(Self.position(0, [-.infinity, -.infinity, .infinity]) == RankPosition(greater: 1, equal: 1))
  }

  @Test func targetOutsideTheCatalogueStandsLast() {
    #expect(Self.position(9, seen: [0], [1, 2, 3]) == RankPosition(greater: 2, equal: 0))
    #expect(Self.position(-1, [1, 2, 3]) == RankPosition(greater: 3, equal: 0))
    #expect(Self.position(0, []) == RankPosition(greater: 0, equal: 0))
  }
}
