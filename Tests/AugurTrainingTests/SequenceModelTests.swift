// Training that differs from next items of plain histories: masked events, times, seen items that are ranked again.
import AugurCompute
import AugurEvents
import AugurLayers
import AugurMetrics
import AugurModels
import AugurTensors
import Foundation
import Testing

@testable import AugurTraining

@Suite(.serialized) struct SequenceModelTests {
  private func masked(lastShare: String, seed: UInt64 = 1) throws -> (batch: SequenceBatch, rows: [Int32]) {
    var knobs = Hyperparameters(try ModelEntry.named("bert4rec").hyperparameters)
    for (name, value) in ["length": "5", "mask-share": "0.4", "last-share": lastShare] { try knobs.set(name, value) }
    var batch = SequenceBatch()
    (batch.users, batch.offsets) = ([7, 8, 9], [0, 5, 8, 9])
    (batch.inputs, batch.targets) = ([0, 1, 2, 3, 4, 10, 11, 12, 20], [1, 2, 3, 4, 5, 11, 12, 13, 21])
    var masker = EventMasker(knobs, mask: 99, seed: seed)
    masker.mask(&batch)
    return (batch, masker.rows)
  }

  /// Histories are whole but no longer than the model reads; what is masked is what is asked for.
  @Test func maskedEventsAreTheTargets() throws {
    let whole: [Int32] = [1, 2, 3, 4, 5, 10, 11, 12, 13, 20, 21]
    var counts: Set<Int> = []
    for seed in 0..<20 {
      let (batch, rows) = try masked(lastShare: "0", seed: UInt64(seed))
      #expect(batch.offsets == [0, 5, 9, 11])
      #expect(batch.positions == [0, 1, 2, 3, 4, 1, 2, 3, 4, 3, 4])
      #expect(batch.targets == rows.map { whole[Int($0)] })
      for (row, item) in batch.inputs.enumerated() { #expect(item == (rows.contains(Int32(row)) ? 99 : whole[row])) }
      for (begin, end) in zip(batch.offsets, batch.offsets.dropFirst()) { #expect(rows.contains { $0 >= begin && $0 < end }) }
      counts.insert(rows.count)
    }
    #expect(counts.count > 2)
    #expect(try masked(lastShare: "1").rows == [4, 8, 10])
  }

  /// A masked history has a row for every event, the last one too: batches closed by tokens count it.
  @Test func masksAreCountedAsRows() throws {
    let scratch = try Scratch()
    let data = try scratch.dataset()
    let trainer = try trainer(data, scratch.path + "/run", model: "bert4rec", ["dim": "8", "length": "10"], ["batch-tokens": "40"])
    let counts = trainer.batches.batchTokens(epoch: 0)
    #expect(counts.count > 5 && counts.max()! <= min(40, trainer.batches.largestBatch.tokens))
    for (index, count) in counts.enumerated() { #expect(trainer.nextBatch(epoch: 0, index: index).tokens == count) }
    #expect(counts.reduce(0, +) > trainer.batches.transitionsPerEpoch)
  }

  private func trainer(
    _ data: Dataset, _ output: String, model: String = "hstu",
    _ settings: [String: String] = ["dim": "8", "length": "10", "negatives": "8", "time-bias": "yes"],
    _ planned: [String: String] = ["epochs": "2", "batch": "32"]
  ) throws -> Trainer {
    var (knobs, plan) = (Hyperparameters(try ModelEntry.named(model).hyperparameters), Hyperparameters(TrainingPlan.knobs))
    for (name, value) in settings { try knobs.set(name, value) }
    for (name, value) in planned { try plan.set(name, value) }
    return try Trainer(
      ModelDescription(model: model, hyperparameters: knobs.all, itemCount: data.itemCount, data: data.fingerprint), plan: plan, data: data,
      device: .cpu, seed: 5, folder: RunFolder(output), resume: false)
  }

  @Test func timesReachTheModel() throws {
    let scratch = try Scratch()
    let trainer = try trainer(try scratch.dataset(), scratch.path + "/run")
    let bias = try #require(trainer.model.parameters.first { $0.name == "blocks.0.attention.time" })
    let before = bias.value.floats()
    try RunFolder(scratch.path + "/run").create(
      RunSettings(model: "hstu", hyperparameters: [:], seed: 5, dataPath: "", data: "", itemCount: 50))
    #expect(try trainer.run() == .finished)
    let moved = zip(before, bias.value.floats()).filter { $0 != $1 }.count
    #expect(moved > 5 && moved < 129, "\(moved) of 129 buckets moved")
    #expect(trainer.history[1].loss < trainer.history[0].loss)
  }

  @Test func timesThatAreNotThereAreRefused() throws {
    let scratch = try Scratch()
    let log = scratch.path + "/pairs.txt"
    try (0..<90).map { "\($0 / 9) \($0 * 7 % 13)" }.joined(separator: "\n").write(toFile: log, atomically: true, encoding: .utf8)
    try prepareDataset(input: log, output: scratch.path + "/data", options: PrepareOptions(format: .pairs))
    let data = try Dataset(path: scratch.path + "/data")
    #expect(throws: TrainingError.self) { try trainer(data, scratch.path + "/run") }
  }

  /// The target was seen: it is ranked either way, but what else was seen only counts where it is ranked.
  @Test func seenItemsAreRankedOrNot() throws {
    let scratch = try Scratch()
    let data = try scratch.dataset()
    let model = try ModelEntry.named("gru4rec").makeModel(
      Hyperparameters(try ModelEntry.named("gru4rec").hyperparameters), itemCount: data.itemCount, device: .cpu, seed: 2)
    let split = SequenceSplit(data)
    let users = split.evaluatedUsers(.test)
    let (removed, ranked) = (
      rankPositions(of: model, on: split, .test, users: users), rankPositions(of: model, on: split, .test, users: users, seen: .ranked)
    )
    #expect(zip(removed, ranked).allSatisfy { $0.greater <= $1.greater })
    #expect(zip(removed, ranked).contains { $0.greater < $1.greater })
    #expect(protocolText(.test, users: 3, split: split, seen: .ranked).contains("seen items ranked"))
  }
}
