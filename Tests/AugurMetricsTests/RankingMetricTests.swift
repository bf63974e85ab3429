// Ranking metrics against hand-worked values and against every order of a tie.

import AugurMetrics
import Testing

@Suite("Ranking metrics")
struct RankingMetricTests {
  static let untied = RankPosition(greater: 2, equal: 0)
  static let tied = RankPosition(greater: 1, equal: 2)

  @Test func rankThreeByHand() {
    #expect(HitRate.value(at: 2, Self.untied) == 0)
    #expect(HitRate.value(at: 3, Self.untied) == 1)
    #expect(NDCG.value(at: 3, Self.untied) == 0.5)
    #expect(MRR.value(at: 3, Self.untied) == 1 / 3.0)
    #expect(Recall.value(at: 3, Self.untied) == 1)
  }

  @Test func tieByHand() {
    // Ranks 2, 3, 4 with a third each; k = 3 leaves rank 4 out.
    #expect(HitRate.value(at: 3, Self.tied) == 2 / 3.0)
    #expect(abs(NDCG.value(at: 3, Self.tied) - (0.63092975357145743 + 0.5) / 3) < 1e-15)
    #expect(abs(MRR.value(at: 3, Self.tied) - (1 / 2.0 + 1 / 3.0) / 3) < 1e-15)
  }

  @Test(arguments: [1, 10, 50, 12_101])
  func constantScorerEarnsWhatChanceEarns(itemCount: Int) {
    let position = RankPosition(greater: 0, equal: itemCount - 1)
    #expect(HitRate.value(at: 10, position) == Double(min(10, itemCount)) / Double(itemCount))
  }

  @Test func expectationIsTheMeanOverEveryOrderOfTheTie() {
    for greater in 0..<4 {
      for equal in 0..<5 {
        let orders = permutations(Array(0...equal))
        for family in Metric.families {
          for k in 1...6 {
            var sum = 0.0
            for order in orders {
              // The target is member 0 of the tie.
              let place = order.firstIndex(of: 0) ?? 0
              sum += family.value(at: k, RankPosition(greater: greater + place, equal: 0))
            }
            let expected = family.value(at: k, RankPosition(greater: greater, equal: equal))
            #expect(abs(expected - sum / Double(orders.count)) < 1e-12, "\(family.name)@\(k) G \(greater) Q \(equal)")
          }
        }
      }
    }
  }

  @Test func everyMetricIsMonotoneAndWithinBounds() {
    for family in Metric.families {
      for equal in [0, 1, 7] {
        for k in 1...12 {
          for greater in 0..<12 {
            let value = family.value(at: k, RankPosition(greater: greater, equal: equal))
            #expect(value >= 0 && value <= 1)
            #expect(value <= family.value(at: k + 1, RankPosition(greater: greater, equal: equal)))
            #expect(value >= family.value(at: k, RankPosition(greater: greater + 1, equal: equal)))
          }
        }
      }
    }
  }

  @Test func cutoffsBelowOneGiveZero() {
    for family in Metric.families {
      for k in [0, -1, Int.min] {
        #expect(family.value(at: k, Self.untied) == 0)
        #expect(family.value(at: k, RankPosition(greater: 0, equal: 3)) == 0)
      }
    }
    #expect(NDCG.value(at: 0, relevant: [Self.untied]) == 0)
  }

  @Test func severalRelevantItems() {
    // Ranks 1 and 3 of three relevant items within k = 3; the third is far away.
    let relevant = [0, 2, 40].map { RankPosition(greater: $0, equal: 0) }
    #expect(Recall.value(at: 3, relevant: relevant) == 2 / 3.0)
    let ideal = 1 + 0.63092975357145743 + 0.5
    #expect(abs(NDCG.value(at: 3, relevant: relevant) - 1.5 / ideal) < 1e-15)
    #expect(Recall.value(at: 3, relevant: []) == 0)
    #expect(NDCG.value(at: 3, relevant: []) == 0)
    let perfect = (0..<4).map { RankPosition(greater: $0, equal: 0) }
    #expect(NDCG.value(at: 2, relevant: [perfect[0], perfect[1]]) == 1)
    #expect(Recall.value(at: 10, relevant: perfect) == 1)
  }

  @Test func coverageCountsItemsOnce() {
    #expect(Coverage.value(at: 2, lists: [[0, 1, 2], [1, 3], [-1, 99]], itemCount: 10) == 0.3)
    #expect(Coverage.value(at: 2, lists: [], itemCount: 10) == 0)
    #expect(Coverage.value(at: 2, lists: [[0]], itemCount: 0) == 0)
    #expect(Coverage.value(at: -1, lists: [[0]], itemCount: 1) == 0)
  }

  /// Every order of `elements`.
  func permutations(_ elements: [Int]) -> [[Int]] {
    guard elements.count > 1 else { return [elements] }
    return elements.indices.flatMap { index in
      var rest = elements
      let head = rest.remove(at: index)
      return permutations(rest).map { [head] + $0 }
    }
  }
}
