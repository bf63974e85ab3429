// Batches made ahead: the bytes of those made one by one, on any number of threads, stopped and resumed anywhere.
import AugurCompute
import AugurEvents
import AugurModels
import AugurTensors
import Foundation
import Testing

@testable import AugurTraining

@Suite(.serialized) struct FeedTests {
  /// What makes the feed's work differ: who closes a batch, in which order, with which negatives.
  static let plans: [[String: String]] = [
    ["batch": "32"], ["batch-tokens": "150"], ["shuffle": "blocks", "window": "random", "batch": "40"],
    ["shuffle": "blocks", "batch-tokens": "333", "sharing": "row"], ["sharing": "batch"], ["loss": "ce"],
    ["drawn": "in-batch", "sharing": "sequence", "loss": "sampled"],
  ]

  private func makeTrainer(_ scratch: Scratch, _ data: Dataset, _ name: String, _ extra: [String: String], resume: Bool = false) throws -> Trainer {
    var (knobs, plan) = (Hyperparameters(try ModelEntry.named("sasrec").hyperparameters), Hyperparameters(TrainingPlan.knobs))
    let common = ["dim": "8", "length": "12", "negatives": "5", "blocks": "1", "epochs": "3", "evaluate-every": "3", "schedule": "cosine"]
    for (key, value) in common.merging(extra, uniquingKeysWith: { $1 }) {
      if plan.knows(key) { try plan.set(key, value) } else { try knobs.set(key, value) }
    }
    let folder = RunFolder(scratch.path + "/" + name)
    if !resume {
      try folder.create(
        RunSettings(model: "sasrec", hyperparameters: knobs.all, seed: 5, dataPath: data.path, data: data.fingerprint, itemCount: data.itemCount))
    }
    return try Trainer(
      ModelDescription(model: "sasrec", hyperparameters: knobs.all, itemCount: data.itemCount, data: data.fingerprint), plan: plan, data: data,
      device: .cpu, seed: 5, folder: folder, resume: resume)
  }

  private func bytes(_ scratch: Scratch, _ name: String) -> Data? {
    FileManager.default.contents(atPath: scratch.path + "/" + name + "/last.safetensors")
  }

  @Test(arguments: plans) func isAsGoodAsNone(_ plan: [String: String]) throws {
    let scratch = try Scratch()
    let data = try scratch.dataset()
    let threads = ThreadPool.shared.threads
    defer { ThreadPool.shared.threads = threads }
    var first: Data?
    for (count, ahead) in [(1, 0), (1, 2), (2, 1), (2, 2)] {
      ThreadPool.shared.threads = count
      let name = "\(count)-\(ahead)"
      let trainer = try makeTrainer(scratch, data, name, plan)
      trainer.batchesAhead = ahead
      #expect(try trainer.run() == .finished)
      let written = try #require(bytes(scratch, name))
      first = first ?? written
      #expect(written == first, "\(count) threads, \(ahead) ahead")
    }
  }

  /// Stopped after every step in turn.
  @Test(arguments: plans[1...3]) func resumesAtEveryStep(_ plan: [String: String]) throws {
    let scratch = try Scratch()
    let data = try scratch.dataset(events: 1500)
    let whole = try makeTrainer(scratch, data, "whole", plan)
    _ = try whole.run()
    let expected = try #require(bytes(scratch, "whole"))
    let total = whole.progress.step
    #expect(total > 6)
    for stop in 1..<total {
      var steps = 0
      let end = try makeTrainer(scratch, data, "cut\(stop)", plan).run(shouldStop: { steps >= stop }) { if case .step = $0 { steps += 1 } }
      #expect(end == .interrupted)
      #expect(try makeTrainer(scratch, data, "cut\(stop)", plan, resume: true).run() == .finished)
      #expect(bytes(scratch, "cut\(stop)") == expected, "stopped after step \(stop)")
    }
  }

  /// Any place may be asked for, near or far, and the feed may go at any moment.
  @Test func placesOutOfOrder() throws {
    let scratch = try Scratch()
    let data = try scratch.dataset(events: 1500)
    let trainer = try makeTrainer(scratch, data, "run", ["batch": "16"])
    let count = trainer.batchesPerEpoch
    var random = RandomStream(seed: 1)
    for _ in 0..<20 {
      let feed = BatchFeed(trainer.batches, trainer.maker, ahead: 1 + random.below(2))
      for _ in 0..<random.below(6) {
        var place = BatchPlace(epoch: random.below(3), index: random.below(count), step: random.below(100))
        for _ in 0..<1 + random.below(4) {
          var expected = HostBatch()
          trainer.batches.fill(&expected.sequences, epoch: place.epoch, index: place.index)
          trainer.maker.complete(&expected, step: place.step)
          feed.withBatch(at: place) { found in
            #expect(found.sequences == expected.sequences && found.negatives.ids == expected.negatives.ids)
          }
          place.step += 1
          place.index += 1
          if place.index == count { (place.epoch, place.index) = (place.epoch + 1, 0) }
        }
      }
    }
  }

  /// Groups made on the feed's thread are those of the engine.
  @Test(arguments: [0, 1, 77, 100_000]) func groupsAreThoseOfALookup(count: Int) {
    var random = RandomStream(seed: 4)
    var host = HostLookup()
    for bound in [1, 90, 5000, 3_000_000] {
      host.ids = (0..<count).map { _ in Int32(random.below(bound)) }
      host.group(rowCount: bound)
      let (ours, plain) = (Lookup(host, device: .cpu), Lookup(host.ids, rowCount: bound, device: .cpu))
      #expect(ours.ids.ints() == plain.ids.ints())
      #expect(ours.groups?.order.ints() == plain.groups?.order.ints() && ours.groups?.segments.ints() == plain.groups?.segments.ints())
      #expect(ours.groups?.rows.ints() == plain.groups?.rows.ints())
    }
  }

  @Test func withoutValidationTheLatestIsTheBest() throws {
    let scratch = try Scratch()
    let ratio = try #require(SplitRatio(parsing: "80:0:20"))
    let data = try scratch.dataset(split: SplitOptions(.time, ratio: ratio))
    let trainer = try makeTrainer(scratch, data, "run", ["evaluate-every": "1", "patience": "1"])
    #expect(trainer.validationUsers.isEmpty && !SequenceSplit(data).evaluatedUsers(.test).isEmpty)
    #expect(try trainer.run() == .finished)
    #expect(trainer.history.map(\.isBest) == [true, true, true] && trainer.history.allSatisfy { $0.metric == nil })
  }

  @Test(arguments: [SplitKind.time, .user, .random]) func everySplitTrains(_ kind: SplitKind) throws {
    let scratch = try Scratch()
    let data = try scratch.dataset(split: SplitOptions(kind))
    let trainer = try makeTrainer(scratch, data, "run", [:])
    #expect(try trainer.run() == .finished)
    let split = SequenceSplit(data)
    let users = split.evaluatedUsers(.test)
    #expect(!users.isEmpty && rankPositions(of: trainer.model, on: split, .test, users: users).count == users.count)
    #expect((0...1).contains(unseenTargetShare(split, .test, users: users)))
    #expect(protocolText(.test, users: users.count, split: split).contains("70:15:15"))
  }

  @Test func tokensBelowOneHistoryAreRefused() throws {
    let scratch = try Scratch()
    let data = try scratch.dataset()
    #expect(throws: ModelError.self) { try makeTrainer(scratch, data, "run", ["batch-tokens": "11"]) }
  }

  /// Negatives of the batch are targets of other sequences, in proportion to how often they are targets.
  @Test(arguments: ["sequence", "row", "batch"]) func negativesComeFromTheBatch(_ sharing: String) throws {
    var knobs = Hyperparameters(try ModelEntry.named("two-tower").hyperparameters)
    for (name, value) in ["negatives": "400", "sharing": sharing] { try knobs.set(name, value) }
    var host = HostBatch()
    host.sequences.users = [0, 1, 2]
    (host.sequences.offsets, host.sequences.inputs) = ([0, 3, 3, 7], [1, 2, 3, 9, 8, 7, 8])
    (host.sequences.targets, host.sequences.positions) = ([2, 3, 4, 8, 7, 8, 8], [0, 1, 2, 0, 1, 2, 3])
    let maker = BatchMaker(itemCount: 12, device: .cpu, knobs: knobs, seed: 3, fillsMasks: false)
    maker.complete(&host, step: 0)
    let lists = sharing == "batch" ? 1 : sharing == "sequence" ? 3 : 7
    #expect(host.negatives.ids.count == 400 * lists)
    let drawn = { (lists: Range<Int>) in host.negatives.ids[lists.lowerBound * 400..<lists.upperBound * 400] }
    if sharing == "batch" {
      #expect(Set(drawn(0..<1)) == [2, 3, 4, 7, 8])
      let share = Double(drawn(0..<1).count { $0 == 8 }) / 400
      #expect(abs(share - 3.0 / 7) < 0.08)
    } else {
      let (first, last) = sharing == "sequence" ? (0..<1, 2..<3) : (0..<3, 3..<7)
      #expect(Set(drawn(first)) == [7, 8] && Set(drawn(last)) == [2, 3, 4])
    }
  }
}
