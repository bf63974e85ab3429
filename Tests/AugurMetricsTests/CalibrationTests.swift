// Calibrators: what they fit, that they never fall, and that they repair what is known to be broken.

import Foundation
import Testing

@testable import AugurMetrics

@Suite("Calibration")
struct CalibrationTests {
  /// Logits of a well calibrated model and labels drawn from them.
  private func drawn(_ count: Int, seed: UInt64) -> (logits: [Double], labels: [Double]) {
    var random = SplitMix64(seed: seed)
    func uniform() -> Double { Double(random.next() >> 11) * 0x1p-53 }
    let logits = (0..<count).map { _ in uniform() * 6 - 4 }
    return (logits, logits.map { uniform() < sigmoid($0) ? 1 : 0 })
  }

  private func ratio(_ calibrator: Calibrator, _ logits: [Double], _ labels: [Double]) throws -> Double {
    let examples = try BinaryExamples(probabilities: logits.map(calibrator.probability), labels: labels)
    return try checkedCalibration(examples, gate: 0...100)
  }

  @Test func plattFindsThePlantedMap() throws {
    let (logits, labels) = drawn(40_000, seed: 1)
    // The model reports 2.5 x + 1: the map back is (z - 1) / 2.5.
    let calibrator = try CalibrationMethod.platt.fitted(logits: logits.map { 2.5 * $0 + 1 }, labels: labels)
    guard case .logistic(let slope, let intercept) = calibrator else { return #expect(Bool(false), "not logistic") }
    #expect(isNear(slope, 0.4, 0.01))
    #expect(isNear(intercept, -0.4, 0.03))
    #expect(isNear(try ratio(calibrator, logits.map { 2.5 * $0 + 1 }, labels), 1, 1e-3))
  }

  @Test func temperatureFindsThePlantedScale() throws {
    let (logits, labels) = drawn(40_000, seed: 2)
    let calibrator = try CalibrationMethod.temperature.fitted(logits: logits.map { 3 * $0 }, labels: labels)
    guard case .logistic(let slope, let intercept) = calibrator else { return #expect(Bool(false), "not logistic") }
    #expect(isNear(slope, 1 / 3.0, 0.005))
    #expect(intercept == 0)
  }

  @Test func theFitIsTheMinimum() throws {
    let rows = RandomRows(500, seed: 3)
    guard case .logistic(let slope, let intercept) = try CalibrationMethod.platt.fitted(
      logits: rows.logits, labels: rows.labels, weights: rows.weights)
    else { return #expect(Bool(false), "not logistic") }
    let examples = try BinaryExamples(logits: rows.logits, labels: rows.labels, weights: rows.weights)
    let (positive, negative) = examples.classWeights(examples.weights)
    func loss(_ a: Double, _ b: Double) -> Double {
      rows.logits.indices.reduce(0) { sum, row in
        let target = rows.labels[row] == 1 ? (positive + 1) / (positive + 2) : 1 / (negative + 2)
        let z = a * rows.logits[row] + b
        return sum + rows.weights[row] * (softplus(z) - target * z)
      }
    }
    for (a, b) in [(1e-3, 0.0), (-1e-3, 0), (0, 1e-3), (0, -1e-3)] {
      #expect(loss(slope + a, intercept + b) > loss(slope, intercept))
    }
  }

  @Test func isotonicByHand() throws {
    // Means by score 1 0 1/2 0 1: the first three pool to ((1 + 0 + 1 + 0) of 4), then the next joins: 2 of 5, then 1.
    let calibrator = try CalibrationMethod.isotonic.fitted(logits: [1, 2, 3, 3, 4, 5], labels: [1, 0, 1, 0, 0, 1])
    guard case .isotonic(let curve) = calibrator else { return #expect(Bool(false), "not isotonic") }
    #expect(curve.scores == [1, 4, 5])
    #expect(curve.values == [0.4, 0.4, 1 - 0.5 / 7])
    #expect(calibrator.probability(-9) == 0.4 && calibrator.probability(2.5) == 0.4)
    #expect(calibrator.probability(99) == 1 - 0.5 / 7)
    #expect(isNear(calibrator.probability(4.5), (0.4 + 1 - 0.5 / 7) / 2))
  }

  /// The solution has a closed form: the greatest over starts of the least over ends of the mean between.
  @Test(arguments: [1, 2, 3])
  func isotonicIsTheClosedForm(seed: UInt64) throws {
    let rows = RandomRows(80, seed: seed)
    let weights = rows.weights.map { $0 + 0.5 }
    let calibrator = try CalibrationMethod.isotonic.fitted(logits: rows.logits, labels: rows.labels, weights: weights)
    let scores = Set(rows.logits).sorted()
    func mean(_ low: Double, _ high: Double) -> Double {
      let inside = rows.logits.indices.filter { rows.logits[$0] >= low && rows.logits[$0] <= high }
      return inside.reduce(0) { $0 + weights[$1] * rows.labels[$1] } / inside.reduce(0) { $0 + weights[$1] }
    }
    let margin = 0.5 / (weights.reduce(0, +) + 1)
    for score in scores {
      let starts = scores.filter { $0 <= score }
      let best = starts.map { start in scores.filter { $0 >= score }.map { mean(start, $0) }.min() ?? 0 }.max() ?? 0
      #expect(isNear(calibrator.probability(score), min(max(best, margin), 1 - margin), 1e-12), "\(score)")
    }
  }

  @Test(arguments: CalibrationMethod.allCases)
  func noMapFalls(method: CalibrationMethod) throws {
    let rows = RandomRows(2000, seed: 7)
    // Turned around too: a model that ranks the wrong way.
    for sign in [1.0, -1] {
      let calibrator = try method.fitted(logits: rows.logits.map { $0 * sign }, labels: rows.labels)
      let grid = (-200...200).map { Double($0) / 20 } + [1e6, .infinity]
      let values = [calibrator.probability(-.infinity)] + grid.map(calibrator.probability)
      #expect(zip(values, values.dropFirst()).allSatisfy { $0 <= $1 + 1e-15 }, "\(sign)")
      #expect(values.allSatisfy { $0 >= 0 && $0 <= 1 })
      #expect(calibrator.probability(.nan).isNaN)
      let copy = try JSONDecoder().decode(Calibrator.self, from: JSONEncoder().encode(calibrator))
      #expect(copy == calibrator)
    }
  }

  @Test func keptNegativesAreUndone() throws {
    // p = p' / (p' + (1 - p') / w).
    let calibrator = Calibrator.downSampledNegatives(keepRate: 0.1)
    for p in [0.001, 0.3, 0.99] {
      #expect(isNear(calibrator.probability(logit(ofProbability: p)), p / (p + (1 - p) / 0.1), 1e-14))
    }
    #expect(Calibrator.downSampledNegatives(keepRate: 1) == .identity)
    // Planted: of the true log-odds x, training on a tenth of the negatives learns x - ln 0.1.
    let (logits, labels) = drawn(40_000, seed: 5)
    let learned = logits.map { $0 - log(0.1) }
    #expect(try ratio(.identity, learned, labels) > 1.5)
    #expect(isNear(try ratio(calibrator, learned, labels), 1, 0.02))
  }

  @Test(arguments: CalibrationMethod.allCases)
  func separableAndConstantScoresHaveAnAnswer(method: CalibrationMethod) throws {
    let separable = try method.fitted(logits: [-2, -1, 1, 2], labels: [0, 0, 1, 1])
    #expect(separable.probability(-1) < 0.5 && separable.probability(1) > 0.5)
    #expect(separable.probability(2) < 1 && separable.probability(-2) > 0)
    let constant = try method.fitted(logits: [0, 0, 0, 0], labels: [0, 0, 0, 1])
    let expected = method == .temperature ? 0.5 : method == .platt ? (2 / 3.0 + 3 / 5.0) / 4 : 0.25
    #expect(isNear(constant.probability(0), expected, 1e-9))
  }

  @Test func segmentsWithRowsHaveTheirOwnMap() throws {
    let (logits, labels) = drawn(20_000, seed: 6)
    // Segment 0 is fine, segment 1 reports 2 too much, segment 2 has few rows, segment 3 one class.
    let segments = labels.indices.map { row in Int32(row % 2000 == 0 ? 2 : row % 2) }
    let reported = logits.indices.map { logits[$0] + (segments[$0] == 1 ? 2 : 0) }
    let own = try SegmentedCalibrator(
      .platt, logits: reported + [0, 0], labels: labels + [1, 1], segments: segments + [3, 3], minimumRows: 1000)
    #expect(own.segments.keys.sorted() == [0, 1])
    #expect(isNear(own.probability(0, segment: 0), 0.5, 0.02))
    #expect(isNear(own.probability(2, segment: 1), 0.5, 0.02))
    #expect(own.probability(1, segment: 2) == own.whole.probability(1))
    #expect(own.probability(1, segment: 99) == own.whole.probability(1))
    #expect(throws: MetricsError.self) { try SegmentedCalibrator(.platt, logits: [1], labels: [1], segments: []) }
  }

  @Test func theGateRefusesWhatIsOff() throws {
    let fine = try BinaryExamples(probabilities: [0.5, 0.5], labels: [1, 0])
    #expect(try checkedCalibration(fine) == 1)
    let off = try BinaryExamples(probabilities: [0.8, 0.4], labels: [1, 0])
    #expect { try checkedCalibration(off) } throws: { "\($0)".contains("expected 0.98 ... 1.02, got 1.2") }
    let none = try BinaryExamples(probabilities: [0.8], labels: [0])
    #expect(throws: MetricsError.notCalibrated(ratio: nil, lower: 0.98, upper: 1.02)) { try checkedCalibration(none) }
  }

  @Test(arguments: CalibrationMethod.allCases)
  func whatCannotBeFittedIsRefused(method: CalibrationMethod) {
    #expect(throws: MetricsError.cannotCalibrate(reason: "no rows")) { try method.fitted(logits: [], labels: []) }
    #expect(throws: MetricsError.self) { try method.fitted(logits: [1, 2], labels: [1, 1]) }
    #expect(throws: MetricsError.self) { try method.fitted(logits: [1, .nan], labels: [1, 0]) }
    #expect(throws: MetricsError.self) { try method.fitted(logits: [1, .infinity], labels: [1, 0]) }
    #expect(throws: MetricsError.self) { try method.fitted(logits: [1, 2], labels: [1, 0], weights: [0, 0]) }
  }

  @Test(arguments: [
    #"{"scores":[],"values":[]}"#, #"{"scores":[1,1],"values":[0.1,0.2]}"#, #"{"scores":[1,2],"values":[0.2,0.1]}"#,
    #"{"scores":[1],"values":[1.5]}"#, #"{"scores":[1,2],"values":[0.1]}"#,
  ])
  func spoiledCurvesAreRefused(text: String) {
    #expect(throws: DecodingError.self) { try JSONDecoder().decode(IsotonicCurve.self, from: Data(text.utf8)) }
  }
}
