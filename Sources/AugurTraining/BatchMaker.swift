// From a host batch of sequences to what a model and its loss take on the device.
import AugurCompute
import AugurEvents
import AugurLayers
import AugurModels
import AugurOps
import AugurTensors

struct TrainingBatch {
  let input: SequenceInput
  let targets: Lookup
  let negatives: Negatives?
  var tokens: Int { input.rows.rows }
}

struct BatchMaker {
  let itemCount: Int
  let device: Device
  let knobs: Hyperparameters
  let seed: UInt64

  /// Draws the negatives of `step` and moves everything to the device: the only upload of a step.
  func make(_ batch: SequenceBatch, step: Int) -> TrainingBatch {
    let rows = Jagged(offsets: batch.offsets, device: device)
    let input = SequenceInput(
      rows: rows, items: Lookup(batch.inputs, rowCount: itemCount, device: device),
      places: Lookup(batch.positions, rowCount: knobs.integer("length"), device: device))
    return TrainingBatch(
      input: input, targets: Lookup(batch.targets, rowCount: itemCount, device: device),
      negatives: negatives(batch, rows, step: step))
  }

  /// Uniform over the catalogue. Lists of a single row avoid the row's own sequence (SASRec); shared lists are plain draws, and the loss
  /// leaves out a negative that is its row's target.
  private func negatives(_ batch: SequenceBatch, _ rows: Jagged, step: Int) -> Negatives? {
    guard knobs.choice("loss") != "ce" else { return nil }
    let N = knobs.integer("negatives")
    var random = RandomStream(seed: derivedSeed(seed, step, 2))
    var ids: [Int32]
    let sharing: Negatives.Sharing
    switch knobs.choice("sharing") {
    case "batch":
      ids = (0..<N).map { _ in Int32(random.below(itemCount)) }
      sharing = .batch
    case "sequence":
      ids = (0..<N * rows.count).map { _ in Int32(random.below(itemCount)) }
      sharing = .sequence(rows)
    default:
      ids = rowNegatives(batch, N, &random)
      sharing = .row
    }
    return Negatives(Lookup(ids, rowCount: itemCount, device: device), count: N, sharing: sharing)
  }

  private func rowNegatives(_ batch: SequenceBatch, _ N: Int, _ random: inout RandomStream) -> [Int32] {
    var ids: [Int32] = []
    ids.reserveCapacity(batch.inputs.count * N)
    var own = ItemSet(itemCount)
    for (begin, end) in zip(batch.offsets, batch.offsets.dropFirst()) where end > begin {
      let range = Int(begin)..<Int(end)
      for t in range {
        own.insert(batch.inputs[t])
        own.insert(batch.targets[t])
      }
      for _ in 0..<range.count * N {
        var id = Int32(random.below(itemCount))
        // A user who saw nearly everything gets what comes after a few tries.
        for _ in 0..<16 where own.contains(id) { id = Int32(random.below(itemCount)) }
        ids.append(id)
      }
      for t in range {
        own.remove(batch.inputs[t])
        own.remove(batch.targets[t])
      }
    }
    return ids
  }
}

/// A bit for each item: hashed sets took a twentieth of a training step, on one thread.
private struct ItemSet {
  private var words: [UInt64]

  init(_ itemCount: Int) { words = Array(repeating: 0, count: (itemCount + 63) / 64) }

  mutating func insert(_ item: Int32) { words[Int(item) >> 6] |= 1 << (UInt64(item) & 63) }
  mutating func remove(_ item: Int32) { words[Int(item) >> 6] &= ~(1 << (UInt64(item) & 63)) }
  func contains(_ item: Int32) -> Bool { words[Int(item) >> 6] >> (UInt64(item) & 63) & 1 == 1 }
}
