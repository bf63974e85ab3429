// One optimiser step of SASRec on full-length random histories: forward, loss, backward, Adam.
import ArgumentParser
import AugurCompute
import AugurLayers
import AugurModels
import AugurOps
import AugurTensors
import AugurTraining

struct BenchTrainStep: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train-step", abstract: "Median time of one training step of a pre-norm SASRec, or of HSTU.")
  @Option(help: "sasrec or hstu.") var model = Model.sasrec
  @Option(help: "V, items.") var items = 3416
  @Option(help: "L, length of every history.") var length = 200
  @Option(help: "D, width.") var dim = 64
  @Option(help: "H, heads.") var heads = 2
  @Option(help: "Blocks.") var blocks = 2
  @Option(help: "B, histories a step.") var batch = 128
  @Option(help: "Negatives: of each row for bce, shared by the batch for sampled.") var negatives = 1
  @Option(help: "bce, ce or sampled.") var loss = "bce"
  @Option(help: "float32 or bfloat16.") var dtype = "float32"
  @OptionGroup var place: DeviceOptions
  @Option(help: "Steps timed; on a GPU runs of up to 16 of them, with one wait at the end, as training reads the losses.") var steps = 10
  @Option(help: "Steps before the first timed one.") var warmup = 4
  @Flag(help: "One JSON object.") var json = false

  enum Model: String, CaseIterable, ExpressibleByArgument {
    case sasrec, hstu
    /// Knobs that the other does not have.
    var own: [String: String] {
      self == .hstu
        ? [:] : ["variant": "pre-norm", "feed-forward": "4", "feed-forward-activation": "gelu", "inner-dropout": "no"]
    }
  }

  func run() throws {
    guard steps > 0, warmup >= 0, (1...Int(Int32.max)).contains(items), (1...1 << 20).contains(batch) else {
      throw UserMistake("train-step: expected --steps above 0, --warmup of at least 0, --items in 1...2147483647 and --batch in 1...1048576")
    }
    let entry = try ModelEntry.named(model.rawValue)
    var knobs = Hyperparameters(entry.hyperparameters + TrainingPlan.knobs)
    let values = [
      "dim": String(dim), "heads": String(heads), "blocks": String(blocks), "length": String(length), "dropout": "0.2", "loss": loss,
      "negatives": String(negatives), "sharing": loss == "bce" ? "row" : "batch", "beta2": "0.999", "dtype": dtype,
    ].merging(model.own) { $1 }
    for (name, value) in values.sorted(by: { $0.key < $1.key }) { try knobs.set(name, value) }
    let device = try place.open()
    var bench = try TrainStepBench(knobs, of: model.rawValue, itemCount: items, batch: batch, device: device)
    let clock = ContinuousClock()
    var (making, single): ([Double], Double) = ([], 1)
    func seconds(_ steps: Int) -> Double {
      // Training makes batches beside the steps: a device does not wait for them, while the CPU does both.
      if device != .cpu { making.append(clock.measure { for _ in 0..<steps { bench.makeBatch() } } / .seconds(Double(steps))) }
      let elapsed = clock.measure {
        for _ in 0..<steps { bench.step() }
        device.finish()
      }
      return elapsed / .seconds(Double(steps))
    }
    for _ in 0..<warmup { single = seconds(1) }
    let before = bench.allocations
    let run = device == .cpu ? 1 : max(1, Int(min(16, 0.1 / single)))
    making = []
    let seconds = (0..<steps).map { _ in seconds(run) }.sorted()
    let median = seconds[seconds.count / 2]
    let tokens = Double(batch * length) / median
    let share = Limits(device).seconds(flops: flops, dtype == "bfloat16" ? .bfloat16 : .float32) / median
    if json {
      var line: [String: Any] = [
        "op": "train-step", "model": model.rawValue, "dtype": dtype, "items": items, "length": length, "dim": dim, "heads": heads,
        "blocks": blocks, "batch": batch, "negatives": negatives, "loss": loss, "threads": ThreadPool.shared.threads,
        "milliseconds": number(median * 1e3, digits: 3), "tokens_per_second": number(tokens, digits: 0),
        "limit_share": number(share, digits: 3), "allocations": bench.allocations - before,
        "best_milliseconds": number(seconds[0] * 1e3, digits: 3), "steps": steps, "steps_a_run": run,
      ]
      if !making.isEmpty { line["batch_milliseconds"] = number(making.sorted()[making.count / 2] * 1e3, digits: 3) }
      printJSON(line.merging(fields(of: device)) { $1 })
    } else {
      print(
        "\(decimal(median * 1e3, places: 1)) ms a step, \(Int(tokens)) tokens/s, \(decimal(share * 100, places: 0)) % of the limit, "
          + "\(bench.allocations - before) allocations in \(steps * run) steps")
    }
  }

  /// Of the products of a step, forward and twice as much backward; attention's backward pass makes its scores again.
  private var flops: Double {
    let (T, D) = (Double(batch * length), Double(dim))
    let candidates = loss == "ce" ? Double(items) : Double(negatives + 1)
    let products: Double = model == .hstu ? 30 : 72
    return Double(blocks) * (products * T * D * D + 7 * T * Double(length) * D) + 6 * T * candidates * D
  }
}
