// Schedules, averages of weights and adding up of gradients, each against its definition in Double.
import AugurCompute
import AugurEvents
import AugurLayers
import AugurModels
import AugurTensors
import Foundation
import OpCases
import Testing

@testable import AugurTraining

@Suite struct ScheduleTests {
  private func plan(_ settings: [String: String]) throws -> Hyperparameters {
    var plan = Hyperparameters(TrainingPlan.tableKnobs)
    for (name, value) in settings.merging(["learning-rate": "0.01", "final-share": "0.1"], uniquingKeysWith: { a, _ in a }) {
      try plan.set(name, value)
    }
    return plan
  }

  /// Step t of 1...T after a warm-up of W.
  private func reference(_ schedule: String, _ t: Int, _ W: Int, _ T: Int, decays: Int) -> Double {
    if t <= W { return 0.01 * Double(t) / Double(W) }
    let share = Double(t - W) / Double(T - W)
    switch schedule {
    case "linear": return 0.01 - 0.009 * share
    case "cosine": return 0.001 + 0.5 * 0.009 * (1 + cos(Double.pi * share))
    case "step": return 0.01 * pow(0.5, floor(Double(t - W - 1) / 7))
    case "plateau": return 0.01 * pow(0.5, Double(decays))
    case "one-cycle":
      if share < 0.3 { return 0.01 + (0.01 / 25 - 0.01) * 0.5 * (1 + cos(Double.pi * share / 0.3)) }
      return 0.001 + 0.009 * 0.5 * (1 + cos(Double.pi * (share - 0.3) / 0.7))
    default: return 0.01
    }
  }

  @Test(arguments: ["constant", "linear", "cosine", "step", "one-cycle", "plateau"], [0, 5])
  func ratesFollowTheirFormula(_ schedule: String, _ warmUp: Int) throws {
    let plan = try plan(["schedule": schedule, "warm-up": String(warmUp), "decay-factor": "0.5", "decay-steps": "7"])
    for step in 1...40 {
      let rate = Double(TrainingPlan.learningRate(plan, step: step, steps: 40, decays: step / 9))
      let expected = reference(schedule, step, warmUp, 40, decays: step / 9)
      #expect(abs(rate - expected) < 1e-8, "\(schedule), step \(step): \(rate), not \(expected)")
    }
  }

  @Test func aPlateauLowersTheRateAndStatesHowOften() throws {
    let scratch = try Scratch()
    let data = try scratch.table(rows: 300)
    // A rate at which no epoch betters the first for long.
    let run = try run(
      data, scratch.path + "/run",
      ["schedule": "plateau", "epochs": "8", "patience": "0", "learning-rate": "3", "decay-patience": "1"])
    _ = try run.run()
    let gains = run.history.count { $0.isBest }
    #expect(run.progress.decays == 8 - gains && gains < 8, "\(run.progress.decays) decays, \(gains) gains")
  }

  private func run(_ data: TableDataset, _ output: String, _ settings: [String: String]) throws -> TableTrainer {
    let method = try #require(TableMethod.named("mlp"))
    var (knobs, plan) = (Hyperparameters(method.modelKnobs), Hyperparameters(method.planKnobs))
    for (name, value) in ["units": "16", "dropout": "0", "batch": "64"].merging(settings, uniquingKeysWith: { $1 }) {
      if plan.knows(name) { try plan.set(name, value) } else { try knobs.set(name, value) }
    }
    let folder = RunFolder(output)
    try folder.create(RunSettings(model: "mlp", hyperparameters: [:], seed: 3, dataPath: "", data: "", itemCount: 0))
    return try #require(
      try method.makeRun(knobs, plan, data, device: .cpu, seed: 3, folder: folder, resume: false) as? TableTrainer)
  }

  @Test(arguments: Device.available.indices)
  func averagesForgetAtTheirRate(_ index: Int) throws {
    let device = Device.available[index]
    let store = ParameterStore()
    let weight = store.make("weight", [3, 2], .values([1, 2, 3, 4, 5, 6]))
    initialize(store.parameters, on: device, seed: 1)
    let optimizer = Optimizer(store.parameters, try plan(["optimizer": "sgd", "ema": "0.75"]))
    var (w, average) = ((1...6).map { Double($0) }, (1...6).map { Double($0) })
    for step in 1...5 {
      let gradient = (0..<6).map { Float(fixedValue($0, step)) }
      let slot = try #require(weight.value.slot)
      slot.gradient = Tensor(gradient, shape: [3, 2], device: device)
      slot.touchedRows = nil
      optimizer.update(step: step, learningRate: 0.5)
      for i in 0..<6 {
        w[i] -= 0.5 * Double(gradient[i])
        average[i] = 0.75 * average[i] + 0.25 * w[i]
      }
    }
    let restore = try #require(optimizer.takeAverages())
    #expect(zip(weight.value.floats(), average).allSatisfy { abs(Double($0) - $1) < 1e-5 })
    restore()
    #expect(zip(weight.value.floats(), w).allSatisfy { abs(Double($0) - $1) < 1e-5 })
  }

  @Test func partsOfABatchAddUpToIt() throws {
    let scratch = try Scratch()
    let data = try scratch.table(rows: 700)
    func losses(_ settings: [String: String]) throws -> [Double] {
      let run = try run(data, "\(scratch.path)/\(settings.count)", settings.merging(["epochs": "3"]) { a, _ in a })
      _ = try run.run()
      return run.history.map(\.loss)
    }
    let (whole, parts) = (try losses(["batch": "96"]), try losses(["batch": "32", "accumulate": "3"]))
    #expect(whole.count == 3 && zip(whole, parts).allSatisfy { abs($0 - $1) < 1e-5 * $0 }, "\(whole), \(parts)")
  }

  @Test(arguments: ["nesterov", "adagrad", "rowwise-adagrad"])
  func otherOptimisersLearn(_ optimizer: String) throws {
    let scratch = try Scratch()
    let data = try scratch.table(rows: 1500)
    let settings = ["optimizer": optimizer, "momentum": "0.9", "learning-rate": "0.05", "epochs": "20", "patience": "0"]
    let run = try run(data, scratch.path + "/run", settings)
    _ = try run.run()
    #expect((run.history.last?.loss ?? 1) < 0.8 * run.history[0].loss, "\(run.history.map(\.loss))")
  }
}
