// Training on fewer negatives: the odds that come out are those of all rows.
import AugurCompute
import AugurEvents
import AugurMetrics
import AugurModels
import AugurTensors
import Foundation
import OpCases
import Testing

@testable import AugurTraining

@Suite(.serialized) struct NegativeSamplingTests {
  private func spread(_ row: Int, _ step: Double) -> Double { (Double(row) * step).truncatingRemainder(dividingBy: 1) }

  /// Two classes by a known log-odds; thinned, a tenth of the training negatives is left in the file.
  private func table(_ scratch: Scratch, rows: Int, isThinned: Bool = false) throws -> TableDataset {
    var (training, validation, test) = ("a,x,y\n", "a,x,y\n", "a,x,y\n")
    var negatives: [String] = []
    for row in 0..<rows {
      // Spread evenly, so that sums are near what is planted (Kronecker's sequence).
      let (a, x, u) = (row * 7 % 5, 2 * spread(row, 0.41421356237309515) - 1, spread(row, 0.6180339887498949))
      let logit: Double = -2.2 + 0.5 * Double(a) + 1.2 * x
      let isOne = u < 1 / (1 + exp(-logit))
      let line = "a\(a),\(x),\(isOne ? 1 : 0)\n"
      if row % 4 == 0 { validation += line } else if row % 20 == 2 { test += line } else {
        if isOne { training += line } else { negatives.append(line) }
      }
    }
    var random = RandomStream(seed: 8, stream: 0)
    training += negatives.shuffled(using: &random).prefix(isThinned ? negatives.count / 10 : negatives.count).joined()
    let name = isThinned ? "thin" : "whole"
    let files = ["a", "b", "c"].map { "\(scratch.path)/\(name)-\($0).csv" }
    for (file, text) in zip(files, [training, validation, test]) { try text.write(toFile: file, atomically: true, encoding: .utf8) }
    var options = TableOptions(label: "y")
    (options.validationInputs, options.testInputs, options.allowsLeaks) = ([files[1]], [files[2]], true)
    try prepareTable(inputs: [files[0]], output: "\(scratch.path)/\(name)", options: options)
    return try TableDataset(path: "\(scratch.path)/\(name)")
  }

  /// Promised over observed on the validation rows, before any map.
  private func ratio(
    _ model: String, _ data: TableDataset, _ scratch: Scratch, _ name: String, _ settings: [String: String]
  ) throws -> Double {
    let predictor = try scratch.trained(model, data, name, settings).model.predictor
    let logits = outputs(of: predictor, on: data, .validation)[0].map(Double.init)
    let labels = data.rows(.validation).map { Double(data.labels[$0]) }
    return try #require(CalibrationRatio().value(try BinaryExamples(logits: logits, labels: labels)))
  }

  private let settings = [
    "epochs": "12", "batch": "256", "learning-rate": "0.02", "schedule": "cosine", "final-share": "0.001", "metric": "loss", "units": "16", "dropout": "0", "dim": "4", "leaves": "6",
    "networks": "no", "members": "3",
  ]

  @Test(arguments: ["logistic-regression", "mlp", "gbdt"])
  func aTenthOfTheNegativesGivesTheOddsOfAll(_ model: String) throws {
    let scratch = try Scratch()
    let data = try table(scratch, rows: 240_000)
    let own = model == "gbdt" ? settings.merging(["epochs": "60", "learning-rate": "0.1"]) { $1 } : settings
    let drawn = try ratio(model, data, scratch, "drawn", own.merging(["sample-negatives": "0.1"]) { $1 })
    #expect(abs(drawn - 1) < 0.02, "\(model): \(drawn)")
    let thin = try table(scratch, rows: 240_000, isThinned: true)
    let told = try ratio(model, thin, scratch, "told", own.merging(["negative-rate": "0.1"]) { $1 })
    #expect(abs(told - 1) < 0.02, "\(model): \(told)")
    let untold = try ratio(model, thin, scratch, "untold", own)
    #expect(untold > 1.5, "\(model): \(untold)")
  }

  @Test func aSearchTellsItsModels() throws {
    let scratch = try Scratch()
    let data = try table(scratch, rows: 40_000)
    let ratio = try ratio("auto", data, scratch, "auto", settings.merging(["sample-negatives": "0.2"]) { $1 })
    #expect(abs(ratio - 1) < 0.04, "\(ratio)")
  }

  @Test func theRowsAreThoseOfTheSeed() throws {
    let scratch = try Scratch()
    let data = try table(scratch, rows: 4000)
    var plan = Hyperparameters(TrainingPlan.tableKnobs)
    #expect(TrainingRows(data, plan, seed: 1).rows == Array(data.rows(.training)))
    try plan.set("sample-negatives", "0.25")
    let (one, again, other) = (TrainingRows(data, plan, seed: 1), TrainingRows(data, plan, seed: 1), TrainingRows(data, plan, seed: 2))
    #expect(one.rows == again.rows && one.rows != other.rows && one.rows == one.rows.sorted())
    let negatives = data.rows(.training).count { data.labels[$0] == 0 }
    let kept = one.rows.count { data.labels[$0] == 0 }
    #expect(kept == Int((0.25 * Double(negatives)).rounded()) && one.negativeShare == Double(kept) / Double(negatives))
    #expect(one.rows.count - kept == data.rows(.training).count - negatives)
    try plan.set("sample-negatives", "0.000001")
    #expect(TrainingRows(data, plan, seed: 1).rows.count { data.labels[$0] == 0 } == 1)
  }

  @Test func theRateIsPartOfTheModelAndOfItsProduct() throws {
    var objective = try TableObjective("entire-space", labels: [.init("click", isBinary: true), .init("buy", isBinary: true)])
    objective.negativeRate = 0.25
    let answers = objective.answers([[0], [-1]])
    let click = 0.25 / 1.25
    #expect(abs(1 / (1 + exp(-Double(answers[0][0]))) - click) < 1e-6)
    #expect(abs(1 / (1 + exp(-Double(answers[1][0]))) - click / (1 + exp(1))) < 1e-6)
  }

  @Test(arguments: [("loss", "focal"), ("loss", "bce")])
  func onlyClicksHaveNegatives(_ name: String, _ value: String) throws {
    let scratch = try Scratch()
    let data = try scratch.table(rows: 300, isBinary: value == "focal")
    let method = try #require(TableMethod.named("mlp"))
    var plan = Hyperparameters(method.planKnobs)
    try plan.set("negative-rate", "0.5")
    if value == "focal" { try plan.set(name, value) }
    let error = #expect(throws: ModelError.self) {
      try method.makeRun(
        Hyperparameters(method.modelKnobs), plan, data, device: .cpu, seed: 1, folder: RunFolder(scratch.path + "/r"), resume: false)
    }
    #expect(error?.description.contains("'negative-rate': is of one label of two classes") == true)
  }
}
