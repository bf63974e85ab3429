// Metrics of predicted numbers and of times to an event.

import Testing

@testable import AugurMetrics

@Suite("Metrics of predicted numbers")
struct ValueMetricTests {
  @Test func errorsByHand() throws {
    let examples = try ValueExamples(predictions: [1, 5, 2], targets: [2, 2, 2])
    #expect(MeanSquaredError().value(examples) == 10 / 3.0)
    let root = try #require(RootMeanSquaredError().value(examples))
    #expect(isNear(root * root, 10 / 3.0))
    #expect(MeanAbsoluteError().value(examples) == 4 / 3.0)
    // One below by 1 costs q, one above by 3 costs 3 (1 - q).
    let loss = try #require(QuantileLoss(0.9).value(examples))
    #expect(isNear(loss, (0.9 + 0.3) / 3, 1e-15))
    let weighted = try ValueExamples(predictions: [1, 5, 2], targets: [2, 2, 2], weights: [3, 0, 1])
    #expect(MeanAbsoluteError().value(weighted) == 3 / 4.0)
    #expect(QuantileLoss(0.5).value(weighted) == 3 / 8.0)
  }

  @Test func devianceByHand() throws {
    let examples = try ValueExamples(predictions: [1, 2, 3], targets: [1, 0, 6])
    let deviance = try #require(PoissonDeviance().value(examples))
    #expect(isNear(deviance, 2 * (2 + 6 * 0.6931471805599453 - 3) / 3, 1e-14))
    #expect(PoissonDeviance().value(try ValueExamples(predictions: [4, 2], targets: [4, 2])) == 0)
    #expect(PoissonDeviance().value(try ValueExamples(predictions: [0], targets: [1])) == nil)
    #expect(PoissonDeviance().value(try ValueExamples(predictions: [1], targets: [-1])) == nil)
  }

  @Test func theQuantileIsTheBestConstant() throws {
    let targets = (1...99).map(Double.init)
    func loss(_ constant: Double) throws -> Double {
      try #require(QuantileLoss(0.8).value(try ValueExamples(predictions: targets.map { _ in constant }, targets: targets)))
    }
    let best = try targets.min { try loss($0) < loss($1) }
    #expect(best == 80)
  }

  @Test func badOrMissingValues() throws {
    #expect(throws: MetricsError.self) { try ValueExamples(predictions: [.nan], targets: [1]) }
    #expect(throws: MetricsError.self) { try ValueExamples(predictions: [1], targets: [.infinity]) }
    #expect(throws: MetricsError.self) { try ValueExamples(predictions: [1], targets: []) }
    let empty = ValueReport(try ValueExamples(predictions: [], targets: []))
    #expect(empty.results.allSatisfy { $0.value == nil && $0.interval == nil })
    #expect(try valueMetric(named: "rmse").name == "RMSE")
    #expect(try valueMetric(named: "quantile@0.9").name == "quantile@0.9")
    #expect(throws: MetricsError.self) { _ = try valueMetric(named: "AUC") }
  }

  @Test func theIntervalHasTheWidthOfTheStandardError() throws {
    // Errors 0 ... 9 in turn: the standard deviation of |e| is 2.872.
    let targets = (0..<2000).map { Double($0 % 10) }
    let report = ValueReport(try ValueExamples(predictions: targets.map { _ in 0 }, targets: targets), metrics: [MeanAbsoluteError()])
    let interval = try #require(report["MAE"]?.interval)
    let error = 2.8723 / 2000.0.squareRoot()
    #expect(report["MAE"]?.value == 4.5)
    #expect(isNear(interval.lower, 4.5 - 1.96 * error, 0.2 * error))
    #expect(isNear(interval.upper, 4.5 + 1.96 * error, 0.2 * error))
  }
}

@Suite("Survival metrics")
struct SurvivalMetricTests {
  @Test func concordanceByHand() throws {
    // Events at 1 and 3; cut off at 2 and 3. Comparable: (1,2) (1,3) (1,3cut) (3,3cut); cut rows open no pair.
    let examples = try SurvivalExamples(times: [1, 2, 3, 3], isObserved: [true, false, true, false])
    #expect(try ConcordanceIndex.value(examples, risks: [4, 3, 2, 1]) == 1)
    #expect(try ConcordanceIndex.value(examples, risks: [1, 2, 3, 4]) == 0)
    // Right, tied, wrong, wrong.
    #expect(try ConcordanceIndex.value(examples, risks: [2, 1, 2, 3]) == 0.375)
    #expect(try ConcordanceIndex.value(examples, risks: [0, 0, 0, 0]) == 0.5)
  }

  @Test(arguments: [1, 2, 3])
  func concordanceIsTheShareOfPairs(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let count = 120
    let times = (0..<count).map { _ in Double(random.index(below: 30)) }
    let events = (0..<count).map { _ in random.index(below: 3) > 0 }
    let risks = (0..<count).map { _ in Double(random.index(below: 20)) }
    let weights = (0..<count).map { _ in Double(random.index(below: 3)) }
    var (right, pairs) = (0.0, 0.0)
    for i in 0..<count where events[i] {
      for j in 0..<count where times[i] < times[j] || (times[i] == times[j] && !events[j]) {
        let weight = weights[i] * weights[j]
        pairs += weight
        right += weight * (risks[i] > risks[j] ? 1 : risks[i] == risks[j] ? 0.5 : 0)
      }
    }
    let examples = try SurvivalExamples(times: times, isObserved: events, weights: weights)
    let value = try #require(try ConcordanceIndex.value(examples, risks: risks))
    #expect(isNear(value, right / pairs, 1e-12))
    let interval = try #require(try ConcordanceIndex.result(examples, risks: risks).interval)
    #expect(interval.lower < value && value < interval.upper)
  }

  @Test func integratedBrierByHand() throws {
    // Nothing is cut off: plain squared errors. At time 2 the first row had its event: (.5² + .3²)/2; at 4 both had.
    let examples = try SurvivalExamples(times: [1, 3], isObserved: [true, true])
    let value = try #require(try IntegratedBrier.value(examples, survival: [[0.5, 0.7], [0.2, 0.4]], grid: [2, 4]))
    // .17 and .1.
    #expect(isNear(value, 0.135, 1e-15))
  }

  @Test func censoredRowsGiveTheirWeightToThoseObserved() throws {
    // One of four is cut off at 1: G is 3/4 after it. At time 2 one event of weight 1/G(1.5), two alive of weight 1/G(2).
    let examples = try SurvivalExamples(times: [1, 1.5, 5, 5], isObserved: [false, true, true, true])
    let value = try #require(try IntegratedBrier.value(examples, survival: [[0.9, 0.4, 0.8, 0.6]], grid: [2]))
    #expect(isNear(value, 0.36 / 0.75 / 4, 1e-15))
    // Everyone is cut off before time 9: nothing can be said about it.
    let cut = try SurvivalExamples(times: [1, 2], isObserved: [false, false])
    #expect(try IntegratedBrier.value(cut, survival: [[0.5, 0.5]], grid: [9]) == nil)
  }

  @Test func badOrMissingTimes() throws {
    #expect(throws: MetricsError.self) { try SurvivalExamples(times: [-1], isObserved: [true]) }
    #expect(throws: MetricsError.self) { try SurvivalExamples(times: [.nan], isObserved: [true]) }
    let examples = try SurvivalExamples(times: [1, 2], isObserved: [false, false])
    #expect(try ConcordanceIndex.value(examples, risks: [1, 2]) == nil)
    #expect(throws: MetricsError.self) { _ = try ConcordanceIndex.value(examples, risks: [1]) }
    #expect(throws: MetricsError.self) { _ = try ConcordanceIndex.value(examples, risks: [1, .nan]) }
    #expect(throws: MetricsError.self) { _ = try IntegratedBrier.value(examples, survival: [[2, 0]], grid: [1]) }
    #expect(throws: MetricsError.self) { _ = try IntegratedBrier.value(examples, survival: [[0, 0], [0, 0]], grid: [2, 1]) }
    let empty = try SurvivalExamples(times: [], isObserved: [])
    #expect(try ConcordanceIndex.result(empty, risks: []).value == nil)
    #expect(try IntegratedBrier.value(empty, survival: [[]], grid: [1]) == nil)
  }

  @Test func leftByKaplanAndMeier() throws {
    // Events at 1 and 3 of five, one cut off at 1 and one at 3: 4/5, then of the three at risk at 3 one goes.
    let examples = try SurvivalExamples(times: [1, 1, 3, 3, 5], isObserved: [true, false, true, false, true])
    let curve = KaplanMeier(examples)
    let expected: [(Double, Double)] = [(0.5, 1), (1, 0.8), (2, 0.8), (3, 1.6 / 3), (4, 1.6 / 3), (5, 0)]
    for (time, share) in expected { #expect(isNear(curve.survival(at: time), share), "\(time)") }
    let weighted = KaplanMeier(try SurvivalExamples(times: [1, 2], isObserved: [true, true], weights: [3, 1]))
    #expect(weighted.survival(at: 1) == 0.25 && weighted.survival(at: 2) == 0)
  }

  @Test func brierScoresOverTime() throws {
    let examples = try SurvivalExamples(times: [1, 3, 5], isObserved: [true, true, true])
    let scores = try #require(try IntegratedBrier.scores(examples, survival: [[0.5, 0.5, 0.5], [0, 0.5, 1]], grid: [2, 4]))
    #expect(isNear(scores[0], 0.25) && isNear(scores[1], 0.25 / 3))
    let mean = try #require(IntegratedBrier.mean(scores, grid: [2, 4]))
    #expect(isNear(mean, (scores[0] + scores[1]) / 2))
    #expect(IntegratedBrier.mean([], grid: []) == nil)
  }
}
