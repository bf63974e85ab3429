// The loop end to end on a small synthetic log: it learns, it is deterministic, it resumes to the bit, it allocates nothing.
import AugurCompute
import AugurEvents
import AugurLayers
import AugurMetrics
import AugurModels
import AugurTensors
import AugurTraining
import Foundation
import Testing

private func makeTrainer(
  _ data: Dataset, _ output: String, model: String = "esasrec", epochs: Int = 3, resume: Bool = false, device: Device = .cpu,
  extra: [String: String] = [:]
) throws -> Trainer {
  var knobs = Hyperparameters(try ModelEntry.named(model).hyperparameters)
  for (name, value) in ["dim": "16", "length": "20", "negatives": "32", "blocks": "1"] where knobs.knows(name) {
    try knobs.set(name, value)
  }
  var plan = Hyperparameters(TrainingPlan.knobs)
  for (name, value) in ["epochs": String(epochs), "batch": "64", "learning-rate": "0.01"].merging(extra, uniquingKeysWith: { $1 }) {
    try plan.set(name, value)
  }
  let folder = RunFolder(output)
  if !resume {
    try folder.create(
      RunSettings(
        model: model, hyperparameters: knobs.all.merging(plan.all) { a, _ in a }, seed: 5, dataPath: data.path, data: data.fingerprint,
        itemCount: data.itemCount))
  }
  let description = ModelDescription(model: model, hyperparameters: knobs.all, itemCount: data.itemCount, data: data.fingerprint)
  return try Trainer(description, plan: plan, data: data, device: device, seed: 5, folder: folder, resume: resume)
}

private func bytes(_ path: String) -> Data? { FileManager.default.contents(atPath: path) }

@Suite(.serialized) struct TrainerTests {
  @Test(arguments: ModelEntry.all.map(\.name))
  func learnsMoreThanPopularity(_ model: String) throws {
    let scratch = try Scratch()
    // A step of BERT4Rec predicts a fifth of the events: it wants more of them.
    let (events, catalogue, epochs) = model == "bert4rec" ? (90_000, 200, 20) : (30_000, 400, 15)
    let data = try scratch.dataset(events: events, items: catalogue)
    let trainer = try makeTrainer(data, scratch.path + "/run", model: model, epochs: epochs)
    #expect(try trainer.run() == .finished)
    let split = SequenceSplit(data)
    let users = split.evaluatedUsers(.test)
    let (offsets, items) = split.trainingHistories()
    let popular = items.withUnsafeBufferPointer {
      rankPositions(of: Popularity(Histories(offsets: offsets, items: $0, itemCount: data.itemCount)), on: split, .test, users: users)
    }
    let ours = RankingReport(positions: rankPositions(of: trainer.model, on: split, .test, users: users), cutoffs: [10])
    let theirs = RankingReport(positions: popular, cutoffs: [10])
    let (a, b) = (try #require(ours["NDCG@10"]).mean, try #require(theirs["NDCG@10"]).mean)
    #expect(a > 1.2 * b, "\(model) \(a), popularity \(b)")
    #expect(trainer.history.last!.loss < trainer.history.first!.loss)
  }

  @Test func evaluationDoesNotDependOnTheBatch() throws {
    let scratch = try Scratch()
    let data = try scratch.dataset()
    let trainer = try makeTrainer(data, scratch.path + "/run", epochs: 1)
    _ = try trainer.run()
    let split = SequenceSplit(data)
    let users = split.evaluatedUsers(.test)
    let whole = rankPositions(of: trainer.model, on: split, .test, users: users, batch: 1000)
    for batch in [1, 7, 128] {
      #expect(rankPositions(of: trainer.model, on: split, .test, users: users, batch: batch) == whole)
    }
  }

  @Test func twoRunsWithOneSeedWriteTheSameBytesOnAnyNumberOfThreads() throws {
    let scratch = try Scratch()
    let data = try scratch.dataset()
    let threads = ThreadPool.shared.threads
    defer { ThreadPool.shared.threads = threads }
    for (name, count) in [("a", 1), ("b", 2)] {
      ThreadPool.shared.threads = count
      _ = try makeTrainer(data, scratch.path + "/" + name).run()
    }
    for file in ["last.safetensors", "best.safetensors"] {
      let first = try #require(bytes(scratch.path + "/a/" + file))
      #expect(first == bytes(scratch.path + "/b/" + file))
    }
  }

  @Test(arguments: ["adam", "lazy-adam", "sgd"])
  func anInterruptedRunResumesToTheBit(_ optimizer: String) throws {
    let scratch = try Scratch()
    let data = try scratch.dataset()
    let extra = ["optimizer": optimizer, "clip": "1", "momentum": "0.9", "schedule": "cosine", "warm-up": "5"]
    _ = try makeTrainer(data, scratch.path + "/whole", extra: extra).run()
    for stop in [1, 5, 9, 13] {
      let path = scratch.path + "/cut\(stop)"
      var steps = 0
      let first = try makeTrainer(data, path, extra: extra)
      let end = try first.run(shouldStop: { steps >= stop }) { if case .step = $0 { steps += 1 } }
      #expect(end == .interrupted)
      #expect(try makeTrainer(data, path, resume: true, extra: extra).run() == .finished)
      for file in ["last.safetensors", "best.safetensors"] {
        let whole = try #require(bytes(scratch.path + "/whole/" + file))
        #expect(bytes(path + "/" + file) == whole, "\(file) after a stop at step \(stop)")
      }
    }
  }

  @Test func aForecastWritesNothingAndGrowsWithThePlan() throws {
    let scratch = try Scratch()
    let data = try scratch.dataset()
    let folder = scratch.path + "/run"
    let short = try makeTrainer(data, folder, epochs: 2)
    let before = try FileManager.default.subpathsOfDirectory(atPath: folder)
    let (two, forty) = (try short.forecast(), try makeTrainer(data, scratch.path + "/long", epochs: 40).forecast())
    #expect(try FileManager.default.subpathsOfDirectory(atPath: folder) == before)
    #expect(two.steps == 2 * short.batchesPerEpoch && forty.steps == 20 * two.steps)
    #expect(two.seconds > 0 && forty.seconds > 5 * two.seconds)
    #expect(two.peakMemoryBytes > 1 << 20)
  }

  @Test func batchSizesAreKnownWithoutMakingTheBatches() throws {
    let scratch = try Scratch()
    let batches = SequenceBatches(SequenceSplit(try scratch.dataset()), BatchRules(size: 64, length: 9), seed: 4)
    for epoch in 0..<3 {
      let made = (0..<batches.batchesPerEpoch).map { batches.batch(epoch: epoch, index: $0).inputs.count }
      #expect(batches.batchTokens(epoch: epoch) == made)
    }
  }

  @Test func aDamagedCheckpointIsRefused() throws {
    let scratch = try Scratch()
    let data = try scratch.dataset()
    _ = try makeTrainer(data, scratch.path + "/run", epochs: 1).run()
    let path = scratch.path + "/run/last.safetensors"
    let whole = try #require(bytes(path))
    for damaged in [whole.prefix(whole.count / 2), whole.prefix(3), Data()] {
      try damaged.write(to: URL(fileURLWithPath: path))
      #expect(throws: TrainingError.self) { try makeTrainer(data, scratch.path + "/run", epochs: 1, resume: true) }
    }
    var flipped = whole
    flipped[whole.count - 5] ^= 1
    try flipped.write(to: URL(fileURLWithPath: path))
    #expect(throws: TrainingError.self) { try makeTrainer(data, scratch.path + "/run", epochs: 1, resume: true) }
  }

  @Test func aFolderThatIsNoRunIsLeftAlone() throws {
    let scratch = try Scratch()
    let data = try scratch.dataset()
    #expect(throws: TrainingError.self) { try makeTrainer(data, scratch.path) }
    _ = try makeTrainer(data, scratch.path + "/run", epochs: 1).run()
    #expect(throws: TrainingError.self) { try makeTrainer(data, scratch.path + "/run", epochs: 1) }
  }

  @Test func aLossThatIsNoNumberStopsBeforeTheUpdate() throws {
    let scratch = try Scratch()
    let data = try scratch.dataset()
    let trainer = try makeTrainer(data, scratch.path + "/run", epochs: 2)
    let table = trainer.model.outputTable.value
    table.assign([Float](repeating: .nan, count: table.count))
    let before = trainer.model.parameters.filter { $0 !== trainer.model.outputTable }.map { $0.value.floats() }
    #expect(throws: TrainingError.nonFiniteLoss(step: 1, epoch: 1, batch: 1, checkpoint: "none yet")) { try trainer.run() }
    #expect(trainer.model.parameters.filter { $0 !== trainer.model.outputTable }.map { $0.value.floats() } == before)
  }

  @Test func knobsAreChecked() throws {
    var knobs = Hyperparameters(try ModelEntry.named("sasrec").hyperparameters)
    #expect(throws: ModelError.self) { try knobs.set("dmi", "64") }
    #expect(throws: ModelError.self) { try knobs.set("dim", "-1") }
    #expect(throws: ModelError.self) { try knobs.set("dropout", "nan") }
    #expect(throws: ModelError.self) { try ModelEntry.named("sasrek") }
    try knobs.set("heads", "7")
    #expect(throws: ModelError.self) { try ModelEntry.named("sasrec").makeModel(knobs, itemCount: 10, device: .cpu, seed: 1) }
  }
}

@Suite(.serialized) struct DeviceTests {
  /// Every OpenCL device of this machine, PoCL in CI.
  static let devices = Device.available.filter { $0 != .cpu }

  @Test(arguments: devices.indices, ModelEntry.all.map(\.name))
  func trainsAsTheCPUDoes(_ index: Int, _ model: String) throws {
    let scratch = try Scratch()
    let data = try scratch.dataset()
    func losses(_ device: Device, _ name: String) throws -> [Double] {
      var losses: [Double] = []
      let trainer = try makeTrainer(data, scratch.path + "/" + name, model: model, epochs: 2, device: device)
      _ = try trainer.run(report: { if case .step(let step) = $0 { losses.append(step.loss) } })
      return losses
    }
    let (ours, theirs) = (try losses(.cpu, "cpu"), try losses(Self.devices[index], "device"))
    #expect(ours.count == theirs.count && !ours.isEmpty)
    for (a, b) in zip(ours, theirs) { #expect(abs(a - b) <= 1e-4 * abs(a)) }
  }

  /// The losses of a device are read later than its steps, but before anything is saved.
  @Test(arguments: devices.indices)
  func aLossThatIsNoNumberIsNeverSaved(_ index: Int) throws {
    let scratch = try Scratch()
    let trainer = try makeTrainer(try scratch.dataset(), scratch.path + "/run", epochs: 2, device: Self.devices[index])
    let table = trainer.model.outputTable.value
    table.assign([Float](repeating: .nan, count: table.count))
    #expect(throws: TrainingError.nonFiniteLoss(step: 1, epoch: 1, batch: 1, checkpoint: "none yet")) { try trainer.run() }
    #expect(!FileManager.default.fileExists(atPath: scratch.path + "/run/last.safetensors"))
  }

  /// The largest tables go first, and no more of them than must; what is no table stays.
  @Test func tablesAreLeftOutsideUntilTheRestFits() {
    func outside(_ room: Int) -> [String] {
      let store = ParameterStore()
      let parameters = [("small", [10, 4], true), ("large", [100, 4], true), ("weight", [50, 4], false)].map { name, shape, isTable in
        store.make(name, Shape(shape), .zeros, isTable: isTable)
      }
      let bytes = leaveOutside(parameters, copies: 2, room: room)
      let left = parameters.filter(\.isOutside)
      #expect(bytes == left.reduce(0) { $0 + 8 * $1.count })
      return left.map(\.name)
    }
    #expect(outside(8 * 640) == [] && outside(8 * 639) == ["large"] && outside(8 * 240) == ["large"])
    #expect(outside(8 * 239) == ["small", "large"] && outside(0) == ["small", "large"])
  }

  /// The host is up to 16 steps ahead of the losses it reads: reports of one reading come with the same work in the queue.
  @Test(arguments: devices.indices)
  func lossesAreReadSixteenAtATime(_ index: Int) throws {
    let scratch = try Scratch()
    let queue = DeviceQueue.makeAll()[index]
    let trainer = try makeTrainer(
      try scratch.dataset(), scratch.path + "/run", epochs: 1, device: .gpu(queue), extra: ["batch": "8", "validation-users": "1"])
    var reports: [(launches: Int, loss: Double)] = []
    _ = try trainer.run(report: { if case .step(let step) = $0 { reports.append((queue.counters.launches, step.loss)) } })
    #expect(reports.count > 32 && reports.allSatisfy { $0.loss.isFinite })
    for (number, report) in reports.dropLast(reports.count % 16).enumerated() {
      #expect(report.launches == reports[number / 16 * 16].launches, "step \(number + 1)")
    }
    #expect(reports[16].launches > reports[0].launches)
  }

  /// A step uploads its batch in one piece, reads nothing back unless asked for its loss, and moves nothing else between host and device.
  @Test(arguments: devices.indices)
  func aStepMovesItsBatchAndNothingElse(_ index: Int) throws {
    // Other suites use the shared queue at the same time.
    let queue = DeviceQueue.makeAll()[index]
    var knobs = Hyperparameters(try ModelEntry.named("sasrec").hyperparameters + TrainingPlan.knobs)
    for (name, value) in ["length": "10", "dim": "16"] { try knobs.set(name, value) }
    var bench = try TrainStepBench(knobs, itemCount: 50, batch: 8, device: .gpu(queue))
    _ = bench.step().floats()
    let (before, blocks) = (queue.counters, bench.allocations)
    let loss = bench.step()
    let after = queue.counters
    #expect(after.downloads == before.downloads)
    // Offsets, three id lists with their groups (ids, order, segments, rows) and negatives with theirs; later the rows that Adam updates.
    #expect(after.uploads - before.uploads == 2)
    #expect(after.launches - before.launches <= 60)
    #expect(bench.allocations == blocks)
    #expect(loss.floats()[0].isFinite && queue.counters.downloadedBytes - before.downloadedBytes == 4)
  }
}
