// One pass of SASRec over a real data set: jagged histories, no padding, the trainer's own batches and steps.
import ArgumentParser
import AugurCompute
import AugurEvents
import AugurModels
import AugurTraining

struct BenchEpoch: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "epoch", abstract: "Seconds of one training epoch of a pre-norm SASRec on a data set, without evaluation.")
  @Option(help: "Data set made by augur prepare.") var data: String
  @Option(help: "L, longest history read.") var length = 50
  @Option(help: "D, width.") var dim = 64
  @Option(help: "H, heads.") var heads = 2
  @Option(help: "Blocks.") var blocks = 2
  @Option(help: "B, histories a step.") var batch = 128
  @Option(help: "Negatives of each row.") var negatives = 1
  @OptionGroup var place: DeviceOptions
  @Option(help: "Steps before the first timed one.") var warmup = 4
  @Option(help: "Epochs timed; the median counts.") var epochs = 3
  @Flag(help: "One JSON object.") var json = false

  func run() throws {
    guard (1...1000).contains(epochs), (0...1_000_000).contains(warmup) else {
      throw UserMistake("epoch: expected --epochs in 1...1000 and --warmup in 0...1000000")
    }
    let device = try place.open()
    let dataset = try Dataset(path: data)
    let shape = BenchShape(length: length, dim: dim, heads: heads, blocks: blocks, batch: batch, negatives: negatives)
    let trainer = try makeBenchTrainer(shape, dataset, device)
    var passes: [(seconds: Double, tokens: Int)] = []
    var allocations = 0
    for pass in 0..<epochs {
      let before = trainer.allocations
      passes.append(try trainer.timedEpoch(warmUp: pass == 0 ? warmup : 0))
      allocations = trainer.allocations - before
    }
    let median = passes.sorted { $0.seconds < $1.seconds }[passes.count / 2]
    let rate = Double(median.tokens) / median.seconds
    if json {
      printJSON([
        "op": "epoch", "device": "\(device)", "length": length, "dim": dim, "heads": heads, "blocks": blocks, "batch": batch,
        "negatives": negatives, "threads": ThreadPool.shared.threads, "steps": trainer.batchesPerEpoch, "events": median.tokens,
        "seconds": number(median.seconds, digits: 4), "tokens_per_second": number(rate, digits: 0),
        "allocations": allocations,
      ])
    } else {
      let seconds = decimal(median.seconds, places: 3)
      print("\(seconds) s an epoch of \(trainer.batchesPerEpoch) steps, \(median.tokens) events, \(Int(rate)) tokens/s")
    }
  }
}

/// Size of the SASRec that benchmarks train.
struct BenchShape {
  var length = 50
  var dim = 64
  var heads = 2
  var blocks = 2
  var batch = 128
  var negatives = 1
}

/// A trainer to measure, with the model of `bench train-step`: pre-norm, gelu, BCE, dropout on what a block adds, Adam.
func makeBenchTrainer(_ shape: BenchShape, _ dataset: Dataset, _ device: Device) throws -> Trainer {
  let entry = try ModelEntry.named("sasrec")
  var (knobs, plan) = (Hyperparameters(entry.hyperparameters), Hyperparameters(TrainingPlan.knobs))
  let values = [
    ("variant", "pre-norm"), ("dim", String(shape.dim)), ("heads", String(shape.heads)), ("blocks", String(shape.blocks)),
    ("length", String(shape.length)), ("feed-forward", "4"), ("feed-forward-activation", "gelu"), ("dropout", "0.2"),
    ("inner-dropout", "no"), ("loss", "bce"), ("negatives", String(shape.negatives)), ("sharing", "row"),
  ]
  for (name, value) in values { try knobs.set(name, value) }
  for (name, value) in [("beta2", "0.999"), ("batch", String(shape.batch))] { try plan.set(name, value) }
  let description = ModelDescription(
    model: entry.name, hyperparameters: knobs.all, itemCount: dataset.itemCount, data: dataset.fingerprint)
  return try Trainer(
    description, plan: plan, data: dataset, device: device, seed: 1, folder: RunFolder("unused"), resume: false)
}
