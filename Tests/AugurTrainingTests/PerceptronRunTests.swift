// The smallest network as one line of configuration, from a CSV to its curves, against the same run in float64 PyTorch.
import AugurCompute
import AugurEvents
import AugurModels
import Foundation
import OpCases
import Testing

@testable import AugurTraining

@Suite struct PerceptronRunTests {
  /// `--set units=64 --set dropout=0 --set batch=4096 --epochs 10 --set patience=3`; dropout, 0.5 by default, is drawn otherwise
  /// there.
  @Test(arguments: [false, true])
  func tenEpochsAreThoseOfPyTorch(_ isFlipped: Bool) throws {
    let scratch = try Scratch()
    let name = isFlipped ? "mlp stopped" : "mlp run"
    let method = try #require(TableMethod.named("mlp"))
    var (model, plan) = (Hyperparameters(method.modelKnobs), Hyperparameters(method.planKnobs))
    #expect(model.choice("dropout") == "0.5" && plan.choice("learning-rate") == "0.001" && plan.choice("optimizer") == "adam")
    try model.set("units", "64")
    try model.set("dropout", "0")
    try plan.set("epochs", "10")
    try plan.set("patience", "3")
    let data = try table(scratch, isFlipped: isFlipped)
    let folder = RunFolder(scratch.path + "/run")
    try folder.create(
      RunSettings(model: "mlp", hyperparameters: [:], seed: 1, dataPath: data.path, data: data.fingerprint, itemCount: 0))
    let run = try #require(
      try method.makeRun(model, plan, data, device: .cpu, seed: 1, folder: folder, resume: false) as? TableTrainer)
    for parameter in run.model.parameters { assignFixedValues(parameter) }
    let end = try run.run()
    #expect(end == (isFlipped ? .stoppedEarly : .finished))
    let (losses, metrics) = (try #require(goldenLosses["\(name) losses"]), try #require(goldenLosses["\(name) AUC"]))
    #expect(run.history.count == losses.count)
    for (record, (loss, metric)) in zip(run.history, zip(losses, metrics)) {
      #expect(abs(record.loss - loss) <= 1e-5 * loss, "epoch \(record.epoch): \(record.loss), not \(loss)")
      #expect(abs((record.metric ?? 0) - metric) <= 1e-9, "epoch \(record.epoch): AUC \(record.metric ?? 0), not \(metric)")
    }
  }

  /// 160 rows to train on, 40 to validate and 40 to test.
  private func table(_ scratch: Scratch, isFlipped: Bool) throws -> TableDataset {
    let features = (0..<5).map { #"{"column": "x\#($0)", "kind": "numeric", "transform": "none", "missing": "mean"}"# }
    let list =
      #"{"format": "augur-features", "version": 1, "label": {"column": "y"}, "features": [\#(features.joined(separator: ","))]}"#
    try list.write(toFile: scratch.path + "/features.json", atomically: true, encoding: .utf8)
    for (part, rows) in [("training", 0..<160), ("validation", 160..<200), ("test", 200..<240)] {
      var text = "x0,x1,x2,x3,x4,y\n"
      for row in rows {
        let x = (0..<5).map { Float(fixedValue(row * 5 + $0, 41)) }
        let isOne = fixedValue(row, 42) + Double(x[0]) - 0.5 * Double(x[1]) * Double(x[2]) > 0
        text += x.map(\.description).joined(separator: ",") + ",\(isOne != (isFlipped && part == "validation") ? 1 : 0)\n"
      }
      try text.write(toFile: "\(scratch.path)/\(part).csv", atomically: true, encoding: .utf8)
    }
    var options = TableOptions()
    options.features = scratch.path + "/features.json"
    (options.validationInputs, options.testInputs) = ([scratch.path + "/validation.csv"], [scratch.path + "/test.csv"])
    try prepareTable(inputs: [scratch.path + "/training.csv"], output: scratch.path + "/data", options: options)
    return try TableDataset(path: scratch.path + "/data")
  }
}
