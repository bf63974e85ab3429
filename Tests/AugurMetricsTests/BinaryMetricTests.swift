// Metrics of yes/no predictions against values worked by hand, plain definitions, and what must not change them.

import Foundation
import Testing

@testable import AugurMetrics

/// Repeatable rows: scores on a coarse grid, so that there are ties; labels that follow them.
struct RandomRows {
  let logits: [Double]
  let labels: [Double]
  let weights: [Double]
  let users: [Int32]

  init(_ count: Int, seed: UInt64, grid: Double = 4, userCount: UInt64 = 7) {
    var random = SplitMix64(seed: seed)
    func uniform() -> Double { Double(random.next() >> 11) * 0x1p-53 }
    let logits = (0..<count).map { _ in ((uniform() - 0.5) * 6 * grid).rounded() / grid }
    labels = logits.map { uniform() < sigmoid($0) ? 1 : 0 }
    weights = logits.map { _ in Double(random.index(below: 4)) }
    users = logits.map { _ in Int32(random.index(below: userCount)) }
    self.logits = logits
  }
}

@Suite("Metrics of yes/no predictions")
struct BinaryMetricTests {
  /// Scores .8 .6 .6 .3 .1 with labels 1 1 0 1 0.
  static func five() throws -> BinaryExamples {
    try BinaryExamples(probabilities: [0.6, 0.8, 0.1, 0.6, 0.3], labels: [1, 1, 0, 0, 1])
  }

  @Test func aucByHand() throws {
    // Pairs (positive, negative): .8 beats both, .6 ties with .6 and beats .1, .3 loses to .6 and beats .1: 2 + 1.5 + 1 of 6.
    #expect(AUC().value(try Self.five()) == 0.75)
  }

  @Test func averagePrecisionByHand() throws {
    // Steps: .8 (1 of 1), .6 (2 of 3), .3 (3 of 4): (1 · 1 + 1 · 2/3 + 1 · 3/4) / 3.
    let value = try #require(AveragePrecision().value(try Self.five()))
    #expect(isNear(value, (1 + 2 / 3.0 + 3 / 4.0) / 3, 1e-15))
  }

  @Test func decisionsByHand() throws {
    // At .6 three rows count as yes: two hits, one alarm; one positive is missed, one negative is right.
    let confusion = Confusion(try Self.five(), threshold: 0.6)
    #expect(confusion.truePositive == 2 && confusion.falsePositive == 1)
    #expect(confusion.falseNegative == 1 && confusion.trueNegative == 1)
    #expect(confusion.accuracy == 3 / 5.0)
    #expect(confusion.precision == 2 / 3.0)
    #expect(confusion.recall == 2 / 3.0)
    #expect(confusion.f1 == 2 / 3.0)
    #expect(Accuracy(threshold: 0.6).value(try Self.five()) == 0.6)
    #expect(Precision(threshold: 0.7).value(try Self.five()) == 1)
    #expect(BinaryRecall(threshold: 0.7).value(try Self.five()) == 1 / 3.0)
    #expect(F1(threshold: 0.7).value(try Self.five()) == 0.5)
    #expect(Precision(threshold: 0.9).value(try Self.five()) == nil)
    #expect(F1(threshold: 0.9).value(try Self.five()) == 0)
  }

  @Test func probabilityScoresByHand() throws {
    let examples = try BinaryExamples(probabilities: [0.8, 0.4, 0.5], labels: [1, 0, 1])
    let loss = try #require(LogLoss().value(examples))
    let logs = log(0.8) + log(0.6) + log(0.5)
    #expect(isNear(loss, -logs / 3, 1e-15))
    let brier = try #require(Brier().value(examples))
    #expect(isNear(brier, (0.04 + 0.16 + 0.25) / 3, 1e-15))
    let ratio = try #require(CalibrationRatio().value(examples))
    #expect(isNear(ratio, 1.7 / 2, 1e-15))
    let entropy = try #require(NormalizedEntropy().value(examples))
    let base = 2 * log(2 / 3.0) + log(1 / 3.0)
    #expect(isNear(entropy, -loss * 3 / base))
  }

  @Test func reliabilityByHand() throws {
    let examples = try BinaryExamples(probabilities: [0.1, 0.1, 0.2, 0.9, 1], labels: [0, 1, 0, 1, 1])
    let wide = reliability(examples, .equalWidth, bins: 2)
    #expect(wide.map(\.weight) == [3, 2])
    #expect(isNear(wide[0].meanProbability, 0.4 / 3) && isNear(wide[0].meanLabel, 1 / 3.0))
    #expect(isNear(wide[1].meanProbability, 0.95) && wide[1].meanLabel == 1)
    // Bins of weight 3 and 2 are off by 0.6 / 3 and 0.05.
    let error = try #require(CalibrationError(.equalWidth, bins: 2).value(examples))
    #expect(isNear(error, 0.14, 1e-15))
    // Equal mass, from the top: 1 .9 .2 fill more than half; the tie at .1 is never split.
    #expect(reliability(examples, .equalMass, bins: 2).map(\.weight) == [2, 3])
    #expect(reliability(examples, .equalMass, bins: 1000).map(\.weight) == [2, 1, 1, 1])
  }

  @Test func groupAUCByHand() throws {
    // User 5: AUC 1 of 3 rows; user 9: one tied pair, AUC 1/2 of 2 rows; user 2: one class, left out.
    let examples = try BinaryExamples(
      logits: [2, 1, 3, 0, 0, 5], labels: [1, 0, 1, 1, 0, 1], users: [5, 5, 5, 9, 9, 2])
    let groups = GroupAUC().groups(examples)
    #expect(groups.weighted == 0.8)
    #expect(groups.plain == 0.75)
    #expect(groups.usersCounted == 2 && groups.leftOut == 1)
    #expect(BinaryReport(examples, metrics: [GroupAUC()]).usersLeftOut == 1)
    #expect(GroupAUC().value(try Self.five()) == nil)
  }

  @Test(arguments: [1, 2, 3])
  func aucIsTheShareOfPairs(seed: UInt64) throws {
    let rows = RandomRows(150, seed: seed)
    let examples = try BinaryExamples(logits: rows.logits, labels: rows.labels, weights: rows.weights)
    var (right, pairs) = (0.0, 0.0)
    for i in 0..<150 where rows.labels[i] == 1 {
      for j in 0..<150 where rows.labels[j] == 0 {
        let weight = rows.weights[i] * rows.weights[j]
        pairs += weight
        right += weight * (rows.logits[i] > rows.logits[j] ? 1 : rows.logits[i] == rows.logits[j] ? 0.5 : 0)
      }
    }
    let value = try #require(AUC().value(examples))
    #expect(isNear(value, right / pairs, 1e-14))
    // The trapezoids below the ROC curve are the same area.
    let curve = rocCurve(examples)
    let area = zip(curve, curve.dropFirst()).reduce(0) { $0 + ($1.1.x - $1.0.x) * ($1.1.y + $1.0.y) / 2 }
    #expect(isNear(area, value, 1e-14))
    #expect(curve.first == CurvePoint(x: 0, y: 0, threshold: .infinity))
    #expect(curve.last.map { [$0.x, $0.y] } == [1, 1])
  }

  @Test func aRisingMapKeepsRankMetrics() throws {
    let rows = RandomRows(400, seed: 4)
    let users = rows.users
    let plain = try BinaryExamples(logits: rows.logits, labels: rows.labels, users: users)
    let mapped = try BinaryExamples(logits: rows.logits.map { 3 * $0 + 100 }, labels: rows.labels, users: users)
    for metric in [AUC(), GroupAUC(), AveragePrecision()] as [any BinaryMetric] {
      #expect(metric.value(plain) == metric.value(mapped), "\(metric.name)")
    }
    // Turned around, every pair is wrong that was right.
    let turned = try BinaryExamples(logits: rows.logits.map { -$0 }, labels: rows.labels)
    let (first, second) = (try #require(AUC().value(plain)), try #require(AUC().value(turned)))
    #expect(isNear(first + second, 1))
  }

  @Test func aWeightIsAsGoodAsARepeatedRow() throws {
    let rows = RandomRows(300, seed: 5)
    let repeated = rows.weights.indices.flatMap { [Int](repeating: $0, count: Int(rows.weights[$0])) }
    let weighted = try BinaryExamples(logits: rows.logits, labels: rows.labels, weights: rows.weights, users: rows.users)
    let plain = try BinaryExamples(
      logits: repeated.map { rows.logits[$0] }, labels: repeated.map { rows.labels[$0] }, users: repeated.map { rows.users[$0] })
    for metric in binaryMetrics(threshold: 0.6) {
      let (first, second) = (try #require(metric.value(weighted)), try #require(metric.value(plain)))
      #expect(isNear(first, second, 1e-12), "\(metric.name)")
    }
  }

  @Test func theOrderOfTheRowsDoesNotMatter() throws {
    let rows = RandomRows(300, seed: 6)
    let forward = try BinaryExamples(logits: rows.logits, labels: rows.labels, users: rows.users)
    let backward = try BinaryExamples(logits: rows.logits.reversed(), labels: rows.labels.reversed(), users: rows.users.reversed())
    for metric in binaryMetrics() {
      let (first, second) = (try #require(metric.value(forward)), try #require(metric.value(backward)))
      #expect(isNear(first, second, 1e-12), "\(metric.name)")
    }
  }

  @Test func aConstantScorerEarnsNothing() throws {
    let labels = (0..<1000).map { $0 % 10 == 0 ? 1.0 : 0 }
    let examples = try BinaryExamples(probabilities: [Double](repeating: 0.1, count: 1000), labels: labels)
    #expect(AUC().value(examples) == 0.5)
    #expect(AveragePrecision().value(examples) == 0.1)
    #expect(isNear(NormalizedEntropy().value(examples), 1, 1e-12))
    #expect(isNear(CalibrationRatio().value(examples), 1, 1e-12))
    #expect(isNear(CalibrationError().value(examples), 0, 1e-12))
  }

  @Test func logitsStayFiniteAndProbabilitiesAreClipped() throws {
    let certain = try BinaryExamples(logits: [80, -80, 800, -800], labels: [0, 1, 1, 0])
    #expect(LogLoss().value(certain) == 40)
    let wrong = try BinaryExamples(probabilities: [0, 1], labels: [1, 0])
    let loss = try #require(LogLoss().value(wrong))
    #expect(isNear(loss, -log(1e-15), 0.06))
    #expect(loss.isFinite)
    // Both ways agree where both are exact.
    let rows = RandomRows(200, seed: 8)
    let logits = try BinaryExamples(logits: rows.logits, labels: rows.labels)
    let probabilities = try BinaryExamples(probabilities: rows.logits.map(sigmoid), labels: rows.labels)
    #expect(isNear(LogLoss().value(logits), try #require(LogLoss().value(probabilities)), 1e-13))
  }

  @Test func theBestThresholdIsTheBestOfAll() throws {
    let rows = RandomRows(120, seed: 9)
    let examples = try BinaryExamples(logits: rows.logits, labels: rows.labels, weights: rows.weights)
    for (quality, name) in [(\Confusion.f1, "F1"), (\Confusion.accuracy, "accuracy")] {
      let best = try #require(BestThreshold(examples) { $0[keyPath: quality] })
      let tried = rows.logits.map { Confusion(examples, threshold: sigmoid($0))[keyPath: quality] ?? -1 }
      #expect(isNear(best.value, tried.max() ?? 0, 1e-12), "\(name)")
      #expect(Confusion(examples, threshold: best.threshold)[keyPath: quality] == best.value, "\(name)")
    }
    let rare = try BinaryExamples(probabilities: [0.9, 0.2, 0.1], labels: [0, 0, 0])
    #expect(BestThreshold(rare) { $0.accuracy }?.threshold == .infinity)
    #expect(BestThreshold(rare) { $0.recall } == nil)
  }

  @Test func precisionRecallCurveByHand() throws {
    let curve = precisionRecallCurve(try Self.five())
    let (recalls, precisions): ([Double], [Double]) = ([1 / 3.0, 2 / 3.0, 1, 1], [1, 2 / 3.0, 0.75, 0.6])
    #expect(curve.map(\.x) == recalls)
    #expect(curve.map(\.y) == precisions)
    #expect(curve.map(\.threshold) == [0.8, 0.6, 0.3, 0.1])
    #expect(thinned(curve, to: 2).map(\.threshold) == [0.8, 0.1])
    #expect(thinned(curve, to: 10) == curve)
  }

  @Test func intervalsHoldTheValueAndNarrow() throws {
    let small = RandomRows(200, seed: 10), large = RandomRows(3200, seed: 10)
    let reports = try [small, large].map { rows in
      BinaryReport(try BinaryExamples(logits: rows.logits, labels: rows.labels), metrics: [AUC(), LogLoss(), Brier()])
    }
    for index in 0..<3 {
      let intervals = try reports.map { report in try #require(report.results[index].interval) }
      let values = try reports.map { report in try #require(report.results[index].value) }
      #expect(zip(intervals, values).allSatisfy { $0.lower < $1 && $1 < $0.upper })
      let widths = intervals.map { $0.upper - $0.lower }
      // 16 times the rows: a quarter of the width.
      #expect(abs(widths[0] / widths[1] - 4) < 1.5, "\(reports[0].results[index].name)")
    }
  }

  @Test func usersAreDrawnWhole() throws {
    // Twenty rows a user that are all alike: as few users, as wide an interval as with one row each.
    let rows = RandomRows(60, seed: 11)
    let one = try BinaryExamples(logits: rows.logits, labels: rows.labels)
    let users = (0..<60 * 20).map { Int32($0 / 20) }
    let many = try BinaryExamples(
      logits: users.map { rows.logits[Int($0)] }, labels: users.map { rows.labels[Int($0)] }, users: users)
    let intervals = [one, many].map { BinaryReport($0, metrics: [LogLoss()]).results[0].interval }
    let (first, second) = (try #require(intervals[0]), try #require(intervals[1]))
    let tolerance = 0.05 * (first.upper - first.lower)
    #expect(isNear(first.lower, second.lower, tolerance))
    #expect(isNear(first.upper, second.upper, tolerance))
  }

  @Test func whatCannotBeMeasuredSaysSo() throws {
    let empty = BinaryReport(try BinaryExamples(logits: [], labels: []))
    #expect(empty.shortcoming == "no rows")
    #expect(empty.results.allSatisfy { $0.value == nil && $0.interval == nil })
    let single = BinaryReport(try BinaryExamples(logits: [1, 2], labels: [1, 1]))
    #expect(single.shortcoming == "no row of label 0 has weight")
    #expect(single["AUC"]?.value == nil && single["NE"]?.value == nil && single["logloss"]?.value != nil)
    let weightless = BinaryReport(try BinaryExamples(logits: [1, 2], labels: [1, 0], weights: [0, 0]))
    #expect(weightless.shortcoming == "the weight of all 2 rows is 0")
    #expect(weightless.results.allSatisfy { $0.value == nil })
  }

  @Test func valuesThatDoNotFitAreRefused() {
    #expect(throws: MetricsError.countsDiffer(what: "labels", expected: 2, count: 1)) {
      try BinaryExamples(logits: [1, 2], labels: [1])
    }
    #expect(throws: MetricsError.countsDiffer(what: "weights", expected: 1, count: 2)) {
      try BinaryExamples(logits: [1], labels: [1], weights: [1, 2])
    }
    for (make, text) in Self.misfits {
      #expect { try make() } throws: { "\($0)".contains(text) }
    }
  }

  static let misfits: [(@Sendable () throws -> BinaryExamples, String)] = [
    ({ try BinaryExamples(logits: [0, .nan], labels: [1, 0]) }, "logit of row 1"),
    ({ try BinaryExamples(logits: [0, 0], labels: [1, .nan]) }, "label of row 1"),
    ({ try BinaryExamples(logits: [0, 0], labels: [2, 0]) }, "expected 0 or 1, got 2.0"),
    ({ try BinaryExamples(probabilities: [1.5], labels: [1]) }, "expected a number in 0 ... 1, got 1.5"),
    ({ try BinaryExamples(probabilities: [.nan], labels: [1]) }, "probability of row 0"),
    ({ try BinaryExamples(logits: [1], labels: [1], weights: [-1]) }, "weight of row 0"),
    ({ try BinaryExamples(logits: [1], labels: [1], weights: [.infinity]) }, "weight of row 0"),
  ]

  @Test func namesAreFound() throws {
    #expect(try binaryMetric(named: "pr-auc").name == "PR-AUC")
    #expect(Set(binaryMetrics().map { $0.name.lowercased() }).count == binaryMetrics().count)
    let known = binaryMetrics().map(\.name)
    #expect(throws: MetricsError.unknownName(name: "loglos", suggestion: "logloss", known: known)) {
      _ = try binaryMetric(named: "loglos")
    }
  }

  @Test func aMillionRowsTakeOneSort() throws {
    let rows = RandomRows(1_000_000, seed: 12, grid: 1000, userCount: 50_000)
    let examples = try BinaryExamples(logits: rows.logits, labels: rows.labels, users: rows.users)
    let report = BinaryReport(examples, bootstrap: nil)
    #expect(report.userCount == 50_000)
    #expect(report.results.allSatisfy { $0.value != nil })
    // The labels were drawn from these probabilities.
    #expect(isNear(report["calibration"]?.value, 1, 0.005))
    #expect(isNear(report["ECE"]?.value, 0, 0.005))
  }
}
