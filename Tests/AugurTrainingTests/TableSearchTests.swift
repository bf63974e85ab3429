// The search for a model by validation, its blend, and the map from logits to probabilities beside it.
import AugurCompute
import AugurEvents
import AugurMetrics
import AugurModels
import Foundation
import OpCases
import Testing

@testable import AugurTraining

@Suite(.serialized) struct TableSearchTests {
  private func search(_ data: TableDataset, _ output: String, resume: Bool = false) throws -> TableSearch {
    let method = try #require(TableMethod.named("auto"))
    var plan = Hyperparameters(method.planKnobs)
    try plan.set("networks", "no")
    let folder = RunFolder(output)
    if !resume {
      try folder.create(
        RunSettings(model: "auto", hyperparameters: plan.all, seed: 5, dataPath: data.path, data: data.fingerprint, itemCount: 0))
      try folder.keepFeatures(of: data)
    }
    return try #require(
      try method.makeRun(Hyperparameters([]), plan, data, device: .cpu, seed: 5, folder: folder, resume: resume) as? TableSearch)
  }

  @Test func aBlendIsNoWorseThanItsBestModelAndAnswersAsTheirMean() throws {
    let scratch = try Scratch()
    let data = try scratch.table(rows: 1200)
    var reported: [SearchRecord] = []
    let whole = try search(data, scratch.path + "/whole")
    #expect(try whole.run(report: { if case .candidate(let record) = $0 { reported.append(record) } }) == .finished)
    let outcome = try #require(whole.outcome)
    #expect(outcome.records.map(\.folder) == reported.map(\.folder) && outcome.records.count == 7)
    #expect(outcome.loss <= (outcome.records.map(\.loss).min() ?? 0) + 1e-6)
    #expect(abs(outcome.records.reduce(0) { $0 + $1.weight } - 1) < 1e-9)
    #expect(try RunFolder(scratch.path + "/whole").readSearch() == outcome)

    let model = try TrainedTableModel(RunFolder(scratch.path + "/whole"), data: data.path, device: .cpu)
    var mean = [Double](repeating: 0, count: data.rows(.test).count)
    for record in outcome.records where record.weight > 0 {
      let member = try makePredictor(RunFolder("\(scratch.path)/whole/\(record.folder)"), data.features, device: .cpu).predictor
      for (row, x) in outputs(of: member, on: data, .test)[0].enumerated() { mean[row] += record.weight * Double(x) }
    }
    #expect(zip(outputs(of: model.predictor, on: data, .test)[0], mean).allSatisfy { abs(Double($0) - $1) < 1e-5 })

    var left = 40
    let part = try search(data, scratch.path + "/part")
    #expect(
      try part.run(shouldStop: {
        left -= 1
        return left == 0
      }) == .interrupted)
    #expect(try search(data, scratch.path + "/part", resume: true).run() == .finished)
    let (a, b) = (
      FileManager.default.contents(atPath: scratch.path + "/whole/search.json"),
      FileManager.default.contents(atPath: scratch.path + "/part/search.json")
    )
    #expect(a != nil && a == b)
  }

  @Test func probabilitiesAreMendedAndJudged() throws {
    // Logits twice as steep as the truth, and one too high.
    let truth = (0..<4000).map { 2 * fixedValue($0, 1) - 1 }
    let labels = truth.enumerated().map { fixedValue($0, 2) < 2 / (1 + exp(-$1)) - 1 ? 1.0 : 0 }
    let logits = truth.map { Float(2 * $0 + 1) }
    let none = try #require(try TableCalibration("none", logits: logits, labels: labels, weights: nil))
    #expect(!none.isTrusted && none.ratio == none.ratioBefore && none.calibrator == .identity)
    #expect(none.distrust.contains("outside 0.98...1.02"))
    for method in ["platt", "isotonic"] {
      let mended = try #require(try TableCalibration(method, logits: logits, labels: labels, weights: nil))
      #expect(mended.isTrusted && mended.ratioBefore == none.ratio)
      let worst =
        zip(logits, truth).map { abs(mended.calibrator.probability(Double($0)) - 1 / (1 + exp(-$1))) }.reduce(0, +) / 4000
      #expect(worst < 0.03, "\(method): \(worst)")
    }
    #expect(try TableCalibration("platt", logits: [1, 2], labels: [0, 1], weights: nil) == nil)
    #expect(try TableCalibration("platt", logits: logits, labels: labels.map { _ in 0 }, weights: nil) == nil)
  }
}
