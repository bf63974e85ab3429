// Batches to fill in instead of to go on: some events of each history are masked, and predicted (Sun et al. 2019, BERT4Rec).
import AugurEvents
import AugurModels
import AugurTensors

struct EventMasker {
  /// Rows of the batch that are masked.
  private(set) var rows: [Int32] = []
  private let share: Double, lastShare: Double
  private let length: Int
  private let mask: Int32
  private var random: RandomStream

  init(_ knobs: Hyperparameters, mask: Int32, seed: UInt64) {
    (share, lastShare) = (Double(knobs.real("mask-share")), Double(knobs.real("last-share")))
    (length, self.mask, random) = (knobs.integer("length"), mask, RandomStream(seed: seed))
  }

  /// Replaces a batch of inputs and next items by one of whole histories with masked events, the items of which become the targets.
  mutating func mask(_ batch: inout SequenceBatch) {
    var masked = SequenceBatch()
    masked.users = batch.users
    for (begin, end) in zip(batch.offsets, batch.offsets.dropFirst()) where end > begin {
      let history = (batch.inputs[Int(begin)..<Int(end)] + [batch.targets[Int(end) - 1]]).suffix(length)
      append(history, to: &masked)
    }
    batch = masked
  }

  private mutating func append(_ history: ArraySlice<Int32>, to batch: inout SequenceBatch) {
    let (first, count) = (batch.inputs.count, history.count)
    let places = PositionAlignment.right.first(count: count, length: length)
    batch.inputs.append(contentsOf: history)
    batch.positions.append(contentsOf: Int32(places)..<Int32(places + count))
    batch.offsets.append(Int32(batch.inputs.count))
    let before = rows.count
    if random.uniform() >= lastShare {
      for row in first..<first + count where random.uniform() < share { rows.append(Int32(row)) }
    }
    // A history always predicts something.
    if rows.count == before { rows.append(Int32(first + count - 1)) }
    for row in rows[before...] {
      batch.targets.append(batch.inputs[Int(row)])
      batch.inputs[Int(row)] = mask
    }
  }
}
