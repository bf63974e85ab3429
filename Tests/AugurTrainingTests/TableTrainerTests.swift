// Table models from a CSV to a run: they learn, resume to the byte, and agree between devices.
import AugurCompute
import AugurEvents
import AugurModels
import AugurTensors
import Foundation
import Testing

@testable import AugurTraining

@Suite(.serialized) struct TableTrainerTests {
  private func trainer(
    _ data: TableDataset, _ output: String, _ model: String, _ settings: [String: String] = [:], resume: Bool = false,
    device: Device = .cpu
  ) throws -> TableTrainer {
    var (knobs, plan) = (Hyperparameters(try TableModelEntry.named(model).hyperparameters), Hyperparameters(TrainingPlan.tableKnobs))
    let common = ["epochs": "12", "batch": "128", "units": "32", "units2": "16", "gate-units": "8", "heads": "4", "dropout": "0.1", "learning-rate": "0.01"]
    for (name, value) in common.merging(settings, uniquingKeysWith: { $1 }) {
      if plan.knows(name) { try plan.set(name, value) } else if knobs.knows(name) { try knobs.set(name, value) }
    }
    let folder = RunFolder(output)
    if !resume {
      try folder.create(
        RunSettings(
          model: model, hyperparameters: knobs.all.merging(plan.all) { a, _ in a }, seed: 5, dataPath: data.path,
          data: data.fingerprint, itemCount: 0))
    }
    let description = TableModelDescription(
      model: model, hyperparameters: knobs.all, shape: TableShape(data), objective: try TableObjective(try #require(TableMethod.named(model)), plan, data.description).fitted(to: data),
      data: data.fingerprint)
    return try TableTrainer(description, plan: plan, data: data, device: device, seed: 5, folder: folder, resume: resume)
  }

  /// Of the test rows, by answer.
  private func quality(_ run: TableTrainer, _ data: TableDataset) throws -> [TableQuality] {
    let objective = run.objective
    let scores = outputs(of: NetworkPredictor(run.model, data.features, objective), on: data, .test)
    return zip(objective.answers, scores).map { TableQuality($1, data, .test, $0, intervals: false) }
  }

  @Test(arguments: ["fm", "mlp", "deepfm", "dcnv2", "finalmlp", "mmoe", "ple"])
  func learnsWhatNoSingleFeatureTells(_ model: String) throws {
    let scratch = try Scratch()
    let data = try scratch.table()
    func auc(_ model: String) throws -> Double {
      let run = try trainer(data, "\(scratch.path)/\(model)", model, ["patience": "0"])
      _ = try run.run()
      return try #require(quality(run, data)[0]["AUC"])
    }
    let (ours, linear) = (try auc(model), try auc("logistic-regression"))
    #expect(ours > 0.9 && linear < 0.65, "\(model) \(ours), logistic regression \(linear)")
  }

  @Test(arguments: [("din", "6", "0.01"), ("bst", "12", "0.003"), ("dien", "8", "0.02")])
  func whatWasSeenMattersByWhatIsShown(_ model: String, _ epochs: String, _ rate: String) throws {
    let scratch = try Scratch()
    let data = try scratch.histories(rows: 8000, items: false)
    func auc(_ model: String) throws -> Double {
      let settings = ["patience": "0", "dim": "16", "batch": "64", "epochs": epochs, "learning-rate": rate, "heads": "2", "dropout": "0"]
      let run = try trainer(data, "\(scratch.path)/\(model)", model, settings)
      _ = try run.run()
      return try #require(quality(run, data)[0]["AUC"])
    }
    let (ours, means) = (try auc(model), try auc("mlp"))
    #expect(ours > 0.88 && means < ours - 0.04, "\(model) \(ours), mlp \(means)")
  }

  @Test func aModelOfHistoriesAsksForOne() throws {
    let scratch = try Scratch()
    let data = try scratch.table(rows: 200)
    for model in ["din", "bst", "dien"] {
      let error = #expect(throws: ModelError.self) { try trainer(data, scratch.path + "/" + model, model) }
      #expect(error?.description.contains("--history COLUMN=ITEM_COLUMN") == true)
    }
    let histories = try scratch.histories(rows: 300)
    let error = #expect(throws: ModelError.self) { try trainer(histories, scratch.path + "/heads", "bst", ["dim": "5", "heads": "4"]) }
    #expect(error?.description.contains("divisor of 2 dim = 10") == true)
  }

  /// A score depends neither on who else is in the batch nor on the number of threads.
  @Test(arguments: ["din", "bst", "dien"])
  func scoresOfHistoriesAreOfTheRowAlone(_ model: String) throws {
    let scratch = try Scratch()
    let data = try scratch.histories(rows: 600)
    let run = try trainer(data, scratch.path + "/run", model, ["epochs": "1", "heads": "2"])
    _ = try run.run()
    let predictor = NetworkPredictor(run.model, data.features, run.objective)
    let threads = ThreadPool.shared.threads
    defer { ThreadPool.shared.threads = threads }
    let all = predictor.outputs(data.columns, 0..<600)[0]
    ThreadPool.shared.threads = 1
    for (row, score) in all.enumerated() where row % 7 == 0 {
      #expect(predictor.outputs(data.columns, row..<row + 1)[0][0].bitPattern == score.bitPattern, "\(model), row \(row)")
    }
  }

  @Test func valuesAreLearned() throws {
    let scratch = try Scratch()
    let data = try scratch.table(isBinary: false)
    let run = try trainer(data, scratch.path + "/run", "deepfm", ["epochs": "40", "patience": "0", "dropout": "0"])
    _ = try run.run()
    #expect(try #require(quality(run, data)[0]["RMSE"]) < 2)  // the mean alone: 3.8
    let error = #expect(throws: ModelError.self) { try trainer(data, scratch.path + "/other", "deepfm", ["loss": "bce"]) }
    #expect(error?.description.contains("bce does not fit") == true)
  }

  @Test(arguments: ["finalmlp", "din", "bst", "dien"])
  func stoppedRunsEndWithTheBytesOfWholeOnes(_ model: String) throws {
    let scratch = try Scratch()
    let data = try model == "finalmlp" ? scratch.table(rows: 1500) : scratch.histories(rows: 1500)
    let settings = [
      "epochs": "3", "embedding-l2": "0.001", "schedule": "plateau", "ema": "0.9", "batch": "64", "accumulate": "2", "learning-rate": "0.1",
    ]
    let whole = try trainer(data, scratch.path + "/whole", model, settings)
    #expect(try whole.run() == .finished)
    let threads = ThreadPool.shared.threads
    defer { ThreadPool.shared.threads = threads }
    for stop in [1, 9, 14] {
      ThreadPool.shared.threads = stop % 2 + 1
      var left = stop
      let part = try trainer(data, "\(scratch.path)/stop-\(stop)", model, settings)
      #expect(try part.run(shouldStop: { left -= 1; return left == 0 }, report: { _ in }) == .interrupted)
      let rest = try trainer(data, "\(scratch.path)/stop-\(stop)", model, settings, resume: true)
      #expect(try rest.run() == .finished)
      for file in ["last.safetensors", "best.safetensors"] {
        let (a, b) = ["whole", "stop-\(stop)"].map { FileManager.default.contents(atPath: "\(scratch.path)/\($0)/\(file)") }.pair
        #expect(a != nil && a == b, "\(file) after a stop at step \(stop)")
      }
    }
  }

  @Test(arguments: Device.available.dropFirst().indices, ["deepfm", "dcnv2", "finalmlp", "mlp", "din", "bst", "dien"])
  func devicesGiveTheSameLosses(_ index: Int, _ model: String) throws {
    let scratch = try Scratch()
    let data = try ["din", "bst", "dien"].contains(model) ? scratch.histories(rows: 1000) : scratch.table(rows: 1000)
    func losses(_ device: Device, _ name: String) throws -> [Double] {
      var losses: [Double] = []
      let run = try trainer(data, "\(scratch.path)/\(name)", model, ["epochs": "1"], device: device)
      _ = try run.run(report: { event in if case .step(let step) = event { losses.append(step.loss) } })
      return losses
    }
    let (cpu, other) = (try losses(.cpu, "cpu"), try losses(Device.available[index], "other"))
    #expect(cpu.count == 6 && zip(cpu, other).allSatisfy { abs($0 - $1) <= 1e-4 * abs($0) }, "\(cpu), \(other)")
  }
}

extension Array {
  fileprivate var pair: (Element, Element) { (self[0], self[1]) }
}
