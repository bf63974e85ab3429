// From a host batch of sequences to what a model and its loss take on the device.
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
    var ids = [Int32](repeating: 0, count: batch.inputs.count * N)
    var own = SmallSet()
    for (begin, end) in zip(batch.offsets, batch.offsets.dropFirst()) where end > begin {
      own.removeAll(capacity: 2 * Int(end - begin))
      for t in Int(begin)..<Int(end) {
        own.insert(batch.inputs[t])
        own.insert(batch.targets[t])
      }
      for i in Int(begin) * N..<Int(end) * N {
        var id = Int32(random.below(itemCount))
        // A user who saw nearly everything gets what comes after a few tries.
        for _ in 0..<16 where own.contains(id) { id = Int32(random.below(itemCount)) }
        ids[i] = id
      }
    }
    return ids
  }
}

/// The items of one history, in a table that stays in the first cache: the library's hashing set took 4 % of a training step.
private struct SmallSet {
  private var slots: [Int32] = []  // -1: free
  private var shift = 0

  mutating func removeAll(capacity: Int) {
    let bits = max(4, Int.bitWidth - capacity.leadingZeroBitCount + 1)  // at most half full
    shift = 32 - bits
    slots = [Int32](repeating: -1, count: 1 << bits)
  }

  mutating func insert(_ id: Int32) { slots[place(of: id)] = id }
  func contains(_ id: Int32) -> Bool { slots[place(of: id)] == id }

  /// Where `id` is, or would be: Fibonacci hashing, then the next slots in turn.
  private func place(of id: Int32) -> Int {
    var slot = Int((UInt32(bitPattern: id) &* 0x9e37_79b9) >> UInt32(shift))
    while slots[slot] >= 0, slots[slot] != id { slot = (slot + 1) & (slots.count - 1) }
    return slot
  }
}
