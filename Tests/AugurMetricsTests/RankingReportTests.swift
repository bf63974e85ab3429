// Reports, intervals and paired comparisons.

import Testing

@testable import AugurMetrics

@Suite("Ranking report")
struct RankingReportTests {
  /// Users with ranks 1 ... 20 in turn.
  static func positions(_ count: Int, shift: Int = 0) -> [RankPosition] {
    (0..<count).map { RankPosition(greater: ($0 * 7 + shift) % 20, equal: 0) }
  }

  @Test func meansByHand() {
    let report = RankingReport(
      positions: [RankPosition(greater: 0, equal: 0), RankPosition(greater: 2, equal: 0)], cutoffs: [1, 3])
    #expect(report.userCount == 2)
    let names = ["HR@1", "HR@3", "NDCG@1", "NDCG@3", "MRR@1", "MRR@3", "Recall@1", "Recall@3"]
    #expect(report.results.map(\.name) == names)
    #expect(report["HR@1"]?.mean == 0.5)
    #expect(report["HR@3"]?.mean == 1)
    #expect(report["NDCG@3"]?.mean == 0.75)
    #expect(report["MRR@3"]?.mean == (1 + 1 / 3.0) / 2)
    #expect(report["MRR@4"] == nil)
  }

  @Test func constantScorer() throws {
    let positions = [RankPosition](repeating: RankPosition(greater: 0, equal: 999), count: 30)
    let result = try #require(RankingReport(positions: positions, cutoffs: [10])["HR@10"])
    #expect(abs(result.mean - 0.01) < 1e-15)
    // All users are alike: chance moves nothing.
    #expect(abs(result.interval.upper - result.interval.lower) < 1e-15)
  }

  @Test func intervalHasTheWidthOfTheStandardError() throws {
    // HR is a share p of n users: standard error √(p(1-p)/n), 1.96 of them to each side.
    let count = 2000
    let result = try #require(RankingReport(positions: Self.positions(count), cutoffs: [5])["HR@5"])
    #expect(result.mean == 0.25)
    let error = (0.25 * 0.75 / Double(count)).squareRoot()
    #expect(abs(result.interval.lower - (0.25 - 1.96 * error)) < 0.15 * error)
    #expect(abs(result.interval.upper - (0.25 + 1.96 * error)) < 0.15 * error)
  }

  @Test func sameSeedSameBits() {
    let first = RankingReport(positions: Self.positions(300), cutoffs: [5, 10])
    let second = RankingReport(positions: Self.positions(300), cutoffs: [5, 10])
    let other = RankingReport(positions: Self.positions(300), cutoffs: [5, 10], bootstrap: Bootstrap(seed: 1))
    #expect(first.results.map(\.interval) == second.results.map(\.interval))
    #expect(first.results.map(\.interval) != other.results.map(\.interval))
    #expect(first.results.map(\.mean) == other.results.map(\.mean))
  }

  @Test func noUsersGiveZeros() throws {
    let report = RankingReport(positions: [], cutoffs: [10])
    #expect(report.userCount == 0)
    #expect(report.results.allSatisfy { $0.mean == 0 && $0.interval == Interval(lower: 0, upper: 0) })
    #expect(RankingReport(positions: Self.positions(3), cutoffs: []).results.isEmpty)
    let comparison = try PairedComparison([], [], metrics: [Metric(HitRate.self, at: 5)])
    #expect(comparison.differences.first?.mean == 0)
    #expect(comparison.differences.first?.isSignificant == false)
  }

  @Test func pairedComparisonIsNarrowerThanTwoIntervals() throws {
    // The second system loses one place for every user: a small but certain loss.
    let first = Self.positions(1000)
    let second = first.map { RankPosition(greater: $0.greater + 1, equal: 0) }
    let metric = try Metric(named: "MRR@20")
    let comparison = try PairedComparison(first, second, metrics: [metric])
    let difference = try #require(comparison["MRR@20"])
    let reports = [first, second].map { RankingReport(positions: $0, metrics: [metric]).results[0] }
    #expect(abs(difference.mean - (reports[0].mean - reports[1].mean)) < 1e-14)
    #expect(difference.isSignificant)
    #expect(difference.shareFirstBetter == 1)
    let paired = difference.interval.upper - difference.interval.lower
    #expect(paired < reports[0].interval.upper - reports[0].interval.lower)
  }

  @Test func aSystemDoesNotBeatItself() throws {
    let positions = Self.positions(100)
    let comparison = try PairedComparison(positions, positions, metrics: [try Metric(named: "hr@5")])
    #expect(comparison["HR@5"]?.interval == Interval(lower: 0, upper: 0))
    #expect(comparison["HR@5"]?.shareFirstBetter == 0)
    #expect(comparison["HR@5"]?.isSignificant == false)
  }

  @Test func differentUserCountsAreRefused() {
    #expect(throws: MetricsError.userCountsDiffer(first: 2, second: 1)) {
      try PairedComparison(Self.positions(2), Self.positions(1), metrics: [])
    }
  }

  @Test func splitMix64KnownValues() {
    // First outputs for seed 1234567, from Vigna's reference program.
    var random = SplitMix64(seed: 1_234_567)
    #expect(random.next() == 6_457_827_717_110_365_317)
    #expect(random.next() == 3_203_168_211_198_807_973)
  }
}
