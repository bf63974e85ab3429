// Training on a device beside training on the CPU: the same seed, batches and dropout give the same losses.
import ArgumentParser
import AugurCompute
import AugurModels
import AugurTensors
import AugurTraining
import OpCases

struct VerifySteps: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "steps", abstract: "The loss of every training step on a device is that of the CPU, step by step.")
  @OptionGroup var checks: CheckOptions
  @Option(help: "Steps of each model.") var steps = 6

  func run() throws {
    guard (1...1000).contains(steps) else { throw UserMistake("--steps: expected 1...1000, got \(steps)") }
    var all: [DeviceCheck] = []
    for model in ["sasrec", "hstu"] {
      for loss in ["sampled", "ce"] {
        for dtype in ["float32", "bfloat16"] {
          all.append(
            DeviceCheck(op: "Step", name: "\(model) \(loss) \(dtype)") { try [worstLoss(model, loss, dtype, $0)].compactMap { $0 } })
        }
      }
    }
    try checks.run("steps", all)
  }

  /// The step whose loss is furthest from the CPU's. In bfloat16 a factor may be rounded the other way, and steps carry that on.
  private func worstLoss(_ model: String, _ loss: String, _ dtype: String, _ device: Device) throws -> Deviation? {
    var knobs = Hyperparameters(try ModelEntry.named(model).hyperparameters + TrainingPlan.knobs)
    let values = [
      "length": "64", "dim": "64", "heads": "2", "blocks": "2", "loss": loss, "negatives": "64", "sharing": "batch", "dtype": dtype,
    ]
    for (name, value) in values.sorted(by: { $0.key < $1.key }) { try knobs.set(name, value) }
    func losses(_ device: Device) throws -> [Double] {
      var bench = try TrainStepBench(knobs, of: model, itemCount: 1000, batch: 16, device: device)
      return (0..<steps).map { _ in Double(bench.step(learningRate: 0.02).floats()[0]) }
    }
    let (found, expected) = (try losses(device), try losses(.cpu))
    let tolerance = dtype == "bfloat16" ? 5e-3 : 1e-4
    return found.indices.map {
      Deviation(place: "loss of step", index: $0 + 1, value: found[$0], expected: expected[$0], allowed: tolerance * abs(expected[$0]))
    }.max { $0.share < $1.share }
  }
}
