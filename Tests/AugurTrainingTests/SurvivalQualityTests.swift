// Survival curves of a network: their Brier scores, and whether as many are left as is said.
import AugurCompute
import AugurEvents
import AugurMetrics
import AugurModels
import Foundation
import OpCases
import Testing

@testable import AugurTraining

@Suite struct SurvivalQualityTests {
  /// Curves that are given.
  private struct Curves: TablePredictor {
    let curve: @Sendable (_ row: Int, _ time: Double) -> Double
    func outputs(_ columns: TableColumns, _ range: Range<Int>) -> [[Float]] { [range.map { Float($0) }] }
    func survival(_ columns: TableColumns, _ range: Range<Int>, at times: [Double]) -> [[Double]]? {
      times.map { time in range.map { curve($0, time) } }
    }
  }

  /// Two kinds of rows with constant hazards of 0.1 and 0.4 a step; a quarter is cut off at a random step.
  private func table(_ scratch: Scratch) throws -> TableDataset {
    var text = "kind,days,left\n"
    for row in 0..<6000 {
      let isFast = row % 2 == 1
      let u = (fixedValue(row, 1) + 1) / 2
      let days = Int(log(max(u, 1e-9)) / log(isFast ? 0.6 : 0.9))
      let cut = row % 4 < 2 ? Int((fixedValue(row, 2) + 1) * 8) : 40
      text += "k\(row % 2),\(min(days, cut)),\(days <= cut ? 1 : 0)\n"
    }
    try text.write(toFile: scratch.path + "/t.csv", atomically: true, encoding: .utf8)
    var options = TableOptions(label: "days")
    (options.furtherLabels, options.allowsLeaks) = (["left"], true)
    try prepareTable(inputs: [scratch.path + "/t.csv"], output: scratch.path + "/data", options: options)
    return try TableDataset(path: scratch.path + "/data")
  }

  private func answer() throws -> TableObjective.Answer {
    try TableObjective("survival", labels: [.init("days", isBinary: false), .init("left", isBinary: true)]).answers[0]
  }

  @Test func theTruthIsCalibratedAndBeatsOneCurveForAll() throws {
    let scratch = try Scratch()
    let data = try table(scratch)
    let ids = (0..<data.rowCount).map { data.features.valueName(Int(data.ids(0)[$0]), of: 0) }
    let truth = Curves { row, time in pow(ids[row] == "k1" ? 0.6 : 0.9, floor(time) + 1) }
    let quality = try #require(try SurvivalQuality(truth, data, .test, answer()))
    for (promised, observed) in zip(quality.promised, quality.observed) { #expect(abs(promised - observed) < 0.05, "\(promised), \(observed)") }
    for group in quality.groups { #expect(abs(group.promised - group.observed) < 0.16, "\(group)") }
    #expect(quality.groups.map(\.rows).reduce(0, +) == data.rows(.test).count)
    let (own, baseline) = (try #require(quality.results[0].value), try #require(quality.results[1].value))
    #expect(quality.results.map(\.name) == ["IBS", "IBS Kaplan-Meier"] && own < baseline - 0.01, "\(own), \(baseline)")
    // The expected Brier score of the truth is the mean of S (1 - S).
    let times = quality.grid
    let expected = times.map { time in
      let s = [0.6, 0.9].map { pow($0, floor(time) + 1) }
      return (s[0] * (1 - s[0]) + s[1] * (1 - s[1])) / 2
    }
    for (found, meant) in zip(quality.brier, expected) { #expect(abs(found - meant) < 0.03, "\(found), \(meant)") }
    let wrong = Curves { row, time in pow(ids[row] == "k1" ? 0.9 : 0.6, floor(time) + 1) }
    #expect(try #require(try SurvivalQuality(wrong, data, .test, answer())?.results[0].value) > baseline)
  }

  @Test func aNetworkSaysWhatItsLossHasLearnt() throws {
    let scratch = try Scratch()
    let data = try table(scratch)
    let method = try #require(TableMethod.named("mlp"))
    var (knobs, plan) = (Hyperparameters(method.modelKnobs), Hyperparameters(method.planKnobs))
    for (name, value) in [("loss", "survival"), ("epochs", "30"), ("batch", "256"), ("learning-rate", "0.01")] { try plan.set(name, value) }
    try knobs.set("dropout", "0")
    let run = try #require(
      try method.makeRun(knobs, plan, data, device: .cpu, seed: 1, folder: RunFolder(scratch.path + "/r"), resume: false) as? TableTrainer)
    try RunFolder(scratch.path + "/r").create(
      RunSettings(model: "mlp", hyperparameters: [:], seed: 1, dataPath: data.path, data: data.fingerprint, itemCount: 0))
    _ = try run.run()
    let predictor = NetworkPredictor(run.model, data.features, run.objective)
    let quality = try #require(try SurvivalQuality(predictor, data, .test, run.objective.answers[0]))
    #expect(try #require(quality.results[0].value) < (quality.results[1].value ?? 0) - 0.01, "\(quality.results)")
    for (promised, observed) in zip(quality.promised, quality.observed) { #expect(abs(promised - observed) < 0.06, "\(promised), \(observed)") }
    // Curves fall from 1 towards 0, and half is left near the answer.
    let rows = data.rows(.test)
    let curves = try #require(predictor.survival(data.columns, rows, at: [0, 5, 50, 1e6]))
    #expect(zip(curves, curves.dropFirst()).allSatisfy { zip($0, $1).allSatisfy(>=) } && curves[3].allSatisfy { $0 < 1e-6 })
    let median = Double(predictor.outputs(data.columns, rows.lowerBound..<rows.lowerBound + 1)[0][0])
    let half = try #require(predictor.survival(data.columns, rows.lowerBound..<rows.lowerBound + 1, at: [median - 1]))
    #expect(abs(half[0][0] - 0.5) < 1e-4)
  }

  @Test func whatHasNoCurveHasNoScore() throws {
    let scratch = try Scratch()
    let data = try table(scratch)
    struct Plain: TablePredictor { func outputs(_ columns: TableColumns, _ range: Range<Int>) -> [[Float]] { [range.map { Float($0) }] } }
    #expect(try SurvivalQuality(Plain(), data, .test, answer()) == nil)
    let curves = Curves { _, _ in 0.5 }
    #expect(try SurvivalQuality(curves, data, .test, .value(of: "days")) == nil)
  }
}
