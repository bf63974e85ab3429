// What decides which epoch, tree or model is the best: any metric by its name, in its own direction.
import AugurCompute
import AugurEvents
import AugurMetrics
import AugurModels
import AugurTensors
import Foundation
import OpCases
import Testing

@testable import AugurTraining

@Suite(.serialized) struct JudgeTests {
  private typealias Ended = (method: TableMethod, run: any TableRun, model: TrainedTableModel)

  private let common = ["epochs": "6", "batch": "128", "learning-rate": "0.01", "units": "16", "patience": "0", "networks": "no"]

  /// The kept model has, on the validation rows, the best value of all epochs.
  private func check(_ metric: String, _ ended: Ended, _ data: TableDataset, isMore: Bool, group: Int? = nil) throws {
    let scores = outputs(of: ended.model.predictor, on: data, .validation)[0]
    let quality = TableQuality(scores, data, .validation, ended.model.answers[0], group: group, intervals: false)
    let value = try #require(quality[metric])
    let values = ended.run.history.compactMap(\.metric)
    let best = try #require(values.max())
    #expect(abs((isMore ? value : -value) - best) < 1e-9, "\(metric): kept \(value), epochs \(values)")
    let (name, direction) = ended.method.judgement(data, ended.run.knobs)
    #expect(name == metric && direction == isMore)
  }

  @Test(arguments: ["AUC", "PR-AUC", "logloss", "NE", "Brier", "ECE", "accuracy", "F1"])
  func classesAreJudgedByEveryName(_ metric: String) throws {
    let scratch = try Scratch()
    let data = try scratch.table(rows: 1500)
    let known = binaryMetrics().map(\.name)
    let own = try #require(known.first { $0.lowercased() == metric.lowercased() }, "\(known)")
    let found = try binaryMetric(named: own)
    let isMore = found.isGreaterBetter == true
    for model in ["deepfm", "gbdt"] {
      try check(own, try scratch.trained(model, data, "\(model)", common.merging(["metric": metric.lowercased()]) { $1 }), data, isMore: isMore)
    }
  }

  @Test(arguments: ["RMSE", "MAE", "MSE", "quantile@0.9"])
  func valuesAreJudgedByEveryName(_ metric: String) throws {
    let scratch = try Scratch()
    let data = try scratch.table(rows: 1000, isBinary: false)
    for model in ["mlp", "gbdt"] {
      try check(metric, try scratch.trained(model, data, "\(model)", common.merging(["metric": metric]) { $1 }), data, isMore: false)
    }
  }

  @Test func groupsAreJudgedWithinThemselves() throws {
    let scratch = try Scratch()
    let data = try scratch.table(rows: 1500)
    let group = try groupField("b", of: data.features)
    let ended = try scratch.trained("deepfm", data, "run", common.merging(["metric": "gAUC", "group": "b"]) { $1 })
    try check("gAUC", ended, data, isMore: true, group: group)
    let error = #expect(throws: ModelError.self) { try scratch.trained("mlp", data, "none", common.merging(["metric": "gAUC"]) { $1 }) }
    #expect(error?.description.contains("group=COLUMN") == true)
  }

  @Test func timesAreJudgedByTheirOrder() throws {
    let scratch = try Scratch()
    var text = "x,days,left\n"
    for row in 0..<1200 {
      let x = fixedValue(row, 1)
      let days = Int(exp(1.5 + x + 0.5 * fixedValue(row, 2)))
      text += "\(x),\(min(days, 8)),\(days < 8 ? 1 : 0)\n"
    }
    try text.write(toFile: scratch.path + "/t.csv", atomically: true, encoding: .utf8)
    var options = TableOptions(label: "days")
    options.furtherLabels = ["left"]
    try prepareTable(inputs: [scratch.path + "/t.csv"], output: scratch.path + "/data", options: options)
    let data = try TableDataset(path: scratch.path + "/data")
    let ended = try scratch.trained("mlp", data, "run", common.merging(["metric": "C-index", "loss": "survival"]) { $1 })
    try check("C-index", ended, data, isMore: true)
    let value = try #require(ended.run.history.compactMap(\.metric).max())
    #expect(value > 0.7)
    let error = #expect(throws: ModelError.self) { try scratch.trained("mlp", data, "none", common.merging(["metric": "AUC", "loss": "survival"]) { $1 }) }
    #expect(error?.description.contains("(known: C-index, loss)") == true, "\(String(describing: error))")
  }

  @Test func aSearchIsJudgedByLossUnlessAMetricIsGiven() throws {
    let scratch = try Scratch()
    let data = try scratch.table(rows: 900)
    func chosen(_ metric: String) throws -> SearchOutcome {
      let run = try #require(try scratch.trained("auto", data, "\(metric)", common.merging(["metric": metric, "epochs": "30"]) { $1 }).run as? TableSearch)
      return try #require(run.outcome)
    }
    let (byLoss, byAUC) = (try chosen("auto"), try chosen("AUC"))
    #expect(byLoss.loss <= (byLoss.records.map(\.loss).min() ?? 0) + 1e-9)
    #expect(try #require(byAUC.auc) >= (byAUC.records.compactMap(\.auc).max() ?? 1) - 1e-9)
  }

  @Test(arguments: [
    ("AUCC", "did you mean 'AUC'?"), ("RMSE", "is no metric to choose by of 'y', a probability"), ("calibration", "no metric to choose by"),
  ])
  func aMetricThatIsNoneIsNamed(_ metric: String, _ words: String) throws {
    let scratch = try Scratch()
    let data = try scratch.table(rows: 300)
    for model in ["mlp", "gbdt", "auto"] {
      let error = #expect(throws: ModelError.self) { try scratch.trained(model, data, "none", common.merging(["metric": metric]) { $1 }) }
      #expect(error?.description.contains(words) == true, "\(model): \(String(describing: error))")
    }
  }

  @Test func aMetricWithoutAValueIsRefusedBeforeTraining() throws {
    let scratch = try Scratch()
    func file(_ name: String, _ rows: Range<Int>) throws -> String {
      let text = "x,y\n" + rows.map { "\(fixedValue($0, 1)),\($0 < 150 ? $0 % 2 : 0)\n" }.joined()
      try text.write(toFile: "\(scratch.path)/\(name).csv", atomically: true, encoding: .utf8)
      return "\(scratch.path)/\(name).csv"
    }
    var options = TableOptions(label: "y")
    (options.validationInputs, options.testInputs) = ([try file("validation", 150..<200)], [try file("test", 200..<220)])
    try prepareTable(inputs: [try file("training", 0..<150)], output: scratch.path + "/data", options: options)
    let data = try TableDataset(path: scratch.path + "/data")
    let error = #expect(throws: TrainingError.self) { try scratch.trained("gbdt", data, "none", common.merging(["metric": "AUC"]) { $1 }) }
    #expect(error?.description.contains("AUC of 'y' has no value on the 50 validation rows") == true, "\(String(describing: error))")
    _ = try scratch.trained("gbdt", data, "loss", common.merging(["metric": "loss"]) { $1 })
  }

  @Test func nextItemsAreJudgedByEveryRankingMetric() throws {
    let scratch = try Scratch()
    let data = try scratch.dataset(events: 3000)
    for name in ["HR@5", "MRR@20", "ndcg@3"] {
      let entry = try ModelEntry.named("sasrec")
      var (knobs, plan) = (Hyperparameters(entry.hyperparameters), Hyperparameters(TrainingPlan.knobs))
      for (knob, value) in [("length", "10"), ("dim", "8")] { try knobs.set(knob, value) }
      for (knob, value) in [("epochs", "2"), ("metric", name)] { try plan.set(knob, value) }
      let description = ModelDescription(
        model: "sasrec", hyperparameters: knobs.all, itemCount: data.itemCount, data: data.fingerprint)
      let folder = RunFolder("\(scratch.path)/\(name)")
      let run = try Trainer(description, plan: plan, data: data, device: .cpu, seed: 1, folder: folder, resume: false)
      try folder.create(
        RunSettings(
          model: "sasrec", hyperparameters: plan.all, seed: 1, dataPath: data.path, data: data.fingerprint, itemCount: data.itemCount))
      _ = try run.run()
      let split = SequenceSplit(data)
      let positions = rankPositions(of: run.model, on: split, .validation, users: split.evaluatedUsers(.validation), seen: .removed)
      let metric = try Metric(named: name)
      let mean = positions.reduce(0) { $0 + metric.value($1) } / Double(positions.count)
      #expect(abs(try #require(run.history.last?.metric) - mean) < 1e-12)
    }
  }
}
