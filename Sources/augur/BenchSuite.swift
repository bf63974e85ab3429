// The whole way of the data at size: a log is made, prepared, trained on and scored, each stage with its rate and its memory.
import ArgumentParser
import AugurCompute
import AugurEvents
import AugurLayers
import AugurModels
import AugurServing
import AugurTraining
import Foundation

struct BenchSuite: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "suite", abstract: "Rates and peak memory of making, preparing, training on and scoring a large log.",
    discussion: "Works in a temporary folder ($TMPDIR) that needs about 75 bytes an event and is removed at the end.")
  @Option(help: "Rows of the log.") var events = 1_000_000
  @Option(help: "Users; one for 50 events by default.") var users: Int?
  @Option(help: "Items.") var items = 20_000
  @Option(help: "Training steps timed, of 128 histories of up to 50 events.") var steps = 100
  @Option(help: "Users scored at most.") var scored = 12_800
  @OptionGroup var place: DeviceOptions
  @Flag(help: "One JSON object a stage.") var json = false

  func run() throws {
    guard (1...1_000_000).contains(steps), scored > 0 else {
      throw UserMistake("suite: expected --steps in 1...1000000 and --scored above 0")
    }
    let log = try SyntheticLog(events: events, users: users ?? max(1, events / 50), items: items, seed: 1)
    let device = try place.open()
    try withTemporaryFolder("suite") { try run(log, device, in: $0) }
  }

  private func run(_ log: SyntheticLog, _ device: Device, in folder: String) throws {
    try stage("generate", log, "events/s") {
      try log.write(to: folder + "/log.csv")
      return events
    }
    try stage("prepare", log, "events/s") {
      try prepareDataset(
        input: folder + "/log.csv", output: folder + "/data", options: PrepareOptions(split: SplitOptions(.leaveOneOut)))
      return events
    }
    try FileManager.default.removeItem(atPath: folder + "/log.csv")
    let dataset = try Dataset(path: folder + "/data")
    let trainer = try makeBenchTrainer(BenchShape(), dataset, device)
    _ = try trainer.timedSteps(5, epoch: 0)
    try stage("train", log, "tokens/s") { try trainer.timedSteps(steps, epoch: 1).tokens }
    let recommender = Recommender(trainer.model, itemCount: dataset.itemCount, device: device, manyRequests: true)
    let answered = min(scored, dataset.userCount)
    score(recommender, dataset, users: 0..<min(256, answered))
    try stage("score", log, "users/s") {
      score(recommender, dataset, users: 0..<answered)
      return answered
    }
  }

  /// Exact top 10 of the catalogue without what the user has seen, 128 users at a time.
  private func score(_ recommender: Recommender, _ dataset: Dataset, users: Range<Int>) {
    for first in stride(from: users.lowerBound, to: users.upperBound, by: 128) {
      let histories = (first..<min(users.upperBound, first + 128)).map { Array(dataset.history($0))[...] }
      _ = recommender.suggestions(recommender.encoded(histories), after: histories, top: 10)
    }
  }

  /// Times `body`, which returns how many units of work it did.
  private func stage(_ name: String, _ log: SyntheticLog, _ unit: String, _ body: () throws -> Int) throws {
    ResidentMemory.resetPeak()
    var count = 0
    let seconds = try ContinuousClock().measure { count = try body() } / .seconds(1)
    let (rate, peak) = (Double(count) / seconds, Double(ResidentMemory.peakBytes) / 1_048_576)
    if json {
      printJSON([
        "op": "suite", "name": name, "events": log.events, "users": log.users, "items": log.items,
        "threads": ThreadPool.shared.threads, "seconds": number(seconds, digits: 3), "rate": number(rate, digits: 0),
        "unit": unit, "peak_memory_mib": number(peak, digits: 1),
      ])
    } else {
      print(
        "\(name): \(decimal(seconds, places: 2)) s, \(Int(rate)) \(unit), \(decimal(peak, places: 0)) MiB at the peak")
    }
  }
}
