// Changed histories are what they say, in whole batches that a step can take, and the same for the same seed.
import AugurCompute
import AugurEvents
import AugurModels
import AugurTensors
import Testing

@testable import AugurTraining

@Suite struct AugmentationTests {
  private let L = 12

  private func augmentation(_ kind: String, share: String = "1", data: Dataset) throws -> Augmentation? {
    let entry = try ModelEntry.named("sasrec")
    var knobs = Hyperparameters(entry.hyperparameters + TrainingPlan.knobs)
    let settings = ["length": "\(L)", "dim": "8", "augment": kind, "augment-share": share, "augment-strength": "0.4"]
    for (name, value) in settings { try knobs.set(name, value) }
    let model = try entry.makeModel(knobs, itemCount: data.itemCount, device: .cpu, seed: 1)
    return try Augmentation(knobs, model, SequenceSplit(data), seed: 3)
  }

  private func histories(_ batch: SequenceBatch) -> [[Int32]] {
    zip(batch.offsets, batch.offsets.dropFirst()).map { begin, end in
      Array(batch.inputs[Int(begin)..<Int(end)]) + [batch.targets[Int(end) - 1]]
    }
  }

  @Test(arguments: Augmentation.Kind.allCases) func historiesChangeAsTheKindSays(_ kind: Augmentation.Kind) throws {
    let data = try Scratch().dataset()
    let plan = try #require(try augmentation(kind.rawValue, data: data))
    let before = SequenceBatches(SequenceSplit(data), BatchRules(size: 64, length: L), seed: 1).batch(epoch: 0, index: 0)
    var (after, again) = (before, before)
    var (first, second) = (EventAugmenter(plan, seed: 9), EventAugmenter(plan, seed: 9))
    first.augment(&after)
    second.augment(&again)
    #expect(after == again && after != before && after.users == before.users)
    #expect(after.inputs.count == after.targets.count && after.positions.count == after.inputs.count)
    for (begin, end) in zip(after.offsets, after.offsets.dropFirst()) {
      // The newest event has the last place.
      #expect(end > begin && after.positions[Int(begin)..<Int(end)].elementsEqual(Int32(L) - (end - begin)..<Int32(L)))
      guard kind != .mask else { continue }
      #expect(after.inputs[Int(begin) + 1..<Int(end)] == after.targets[Int(begin)..<Int(end) - 1])
    }
    for (old, new) in zip(histories(before), histories(after)) {
      switch kind {
      case .crop: #expect((0...old.count - new.count).contains { Array(old[$0..<$0 + new.count]) == new } && new.count >= 2)
      case .reorder: #expect(old.sorted() == new.sorted())
      case .drop:
        var rest = old[...]
        for item in new { rest = rest.drop { $0 != item }.dropFirst() }
        #expect(new.count >= 2 && new.count <= old.count && rest.count <= old.count - new.count)
      case .substitute:
        for place in new.indices.dropFirst() where new[place] != old[place] {
          let known = Int(new[place - 1]) * Augmentation.successorCount
          #expect(plan.successors[known..<known + Augmentation.successorCount].contains(new[place]))
        }
      case .mask: break
      }
    }
    if kind == .mask { #expect(after.targets == before.targets && after.inputs != before.inputs) }
  }

  @Test func shareAndModelsDecide() throws {
    let data = try Scratch().dataset()
    #expect(try augmentation("none", data: data) == nil)
    let before = SequenceBatches(SequenceSplit(data), BatchRules(size: 64, length: L), seed: 1).batch(epoch: 0, index: 0)
    var after = before
    var augmenter = EventAugmenter(try #require(try augmentation("drop", share: "0", data: data)), seed: 1)
    augmenter.augment(&after)
    #expect(after == before)
    let entry = try ModelEntry.named("bert4rec")
    var knobs = Hyperparameters(entry.hyperparameters + TrainingPlan.knobs)
    for (name, value) in ["length": "\(L)", "dim": "8", "augment": "crop"] { try knobs.set(name, value) }
    let model = try entry.makeModel(knobs, itemCount: data.itemCount, device: .cpu, seed: 1)
    let error = #expect(throws: ModelError.self) { try Augmentation(knobs, model, SequenceSplit(data), seed: 3) }
    #expect(error?.description.contains("masks histories itself") == true)
  }
}
