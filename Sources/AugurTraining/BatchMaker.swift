// From a batch of sequences to what a model and its loss take on the device, in two halves: what the host can do beside
// a step that runs, and the move to the device between two steps.
import AugurCompute
import AugurEvents
import AugurLayers
import AugurModels
import AugurOps
import AugurTensors

struct TrainingBatch {
  let input: SequenceInput
  /// Rows that predict; nil: all.
  let chosen: Lookup?
  let targets: Lookup
  let negatives: Negatives?
  let logShares: Tensor?
  var tokens: Int { input.rows.rows }

  /// The mean loss of the rows that predict.
  func loss(of model: any SequenceModel, _ pass: Pass, _ knobs: Hyperparameters) -> Tensor {
    let states = model.states(input, pass)
    return nextItemLoss(
      chosen.map { chosenRows(states, $0) } ?? states, model.itemVectors(pass), itemCount: model.outputTable.shape.rows, targets: targets,
      negatives: negatives, logShares: logShares, knobs)
  }
}

/// All of a batch that the host can make: plain arrays whose memory the next batch uses again.
struct HostBatch {
  var sequences = SequenceBatch()
  fileprivate(set) var inputs = HostLookup(), positions = HostLookup(), targets = HostLookup(), negatives = HostLookup()
  /// Rows that predict, where not all do.
  fileprivate(set) var chosen = HostLookup()
  fileprivate var own = ItemSet()
}

struct BatchMaker: Sendable {
  let itemCount: Int
  let device: Device
  let knobs: Hyperparameters
  let seed: UInt64
  /// Of the model.
  let fillsMasks: Bool
  var augmentation: Augmentation?
  /// `[V]`, the log of each item's share of the training targets, where negatives are drawn among them.
  var logShares: Tensor?

  /// Both halves, on the calling thread.
  func make(_ sequences: SequenceBatch, step: Int, _ cache: RowCache? = nil) -> TrainingBatch {
    var host = HostBatch()
    host.sequences = sequences
    complete(&host, step: step)
    return upload(host, cache)
  }

  /// Draws the negatives of `step` and groups equal ids. Neither the pool nor an arena is touched, so it can run beside a step.
  func complete(_ host: inout HostBatch, step: Int) {
    if let augmentation {
      var augmenter = EventAugmenter(augmentation, seed: derivedSeed(seed, step, 6))
      augmenter.augment(&host.sequences)
    }
    if fillsMasks {
      var masker = EventMasker(knobs, mask: Int32(truncatingIfNeeded: itemCount), seed: derivedSeed(seed, step, 5))
      masker.mask(&host.sequences)
      host.chosen.copy(masker.rows)
      host.chosen.group(rowCount: host.sequences.inputs.count)
    }
    host.inputs.copy(host.sequences.inputs)
    host.positions.copy(host.sequences.positions)
    host.targets.copy(host.sequences.targets)
    host.inputs.group(rowCount: fillsMasks ? itemCount + 1 : itemCount)
    host.positions.group(rowCount: knobs.integer("length"))
    host.targets.group(rowCount: itemCount)
    guard knobs.drawsNegatives else { return }
    drawNegatives(&host, step)
    host.negatives.group(rowCount: itemCount)
  }

  /// Moves everything to the device: the only upload of a step. With a cache the rows that the step looks up enter it, and the step has
  /// begun.
  func upload(_ host: HostBatch, _ cache: RowCache?) -> TrainingBatch {
    guard let cache else { return move(host, nil, logShares) }
    return cache.beginStep([host.inputs, host.targets] + (knobs.drawsNegatives ? [host.negatives] : [])) {
      move(host, $0, cache.logShares)
    }
  }

  private func move(_ host: HostBatch, _ places: CachedRows?, _ logShares: Tensor?) -> TrainingBatch {
    // A copy: the feed writes into its own again while the step that runs still reads these.
    let rows = Jagged(offsets: host.sequences.offsets.map { $0 }, device: device)
    let times = host.sequences.times
    var negatives: Negatives?
    if knobs.drawsNegatives {
      let sharing: Negatives.Sharing =
        switch knobs.choice("sharing") {
        case "batch": .batch
        case "sequence": .sequence(rows)
        default: .row
        }
      negatives = Negatives(Lookup(host.negatives, in: places, device: device), count: knobs.integer("negatives"), sharing: sharing)
    }
    return TrainingBatch(
      input: SequenceInput(
        rows: rows, items: Lookup(host.inputs, in: places, device: device), places: Lookup(host.positions, device: device),
        times: times.isEmpty ? nil : Tensor(times, shape: [times.count], device: device)),
      chosen: fillsMasks ? Lookup(host.chosen, device: device) : nil, targets: Lookup(host.targets, in: places, device: device), negatives: negatives,
      logShares: logShares)
  }

  /// Any items, or targets of the batch. Lists of a single row avoid the row's own sequence (SASRec), and so do those of one sequence
  /// where they are drawn in the batch; other lists are plain draws, and the loss leaves out a negative that is its row's target.
  private func drawNegatives(_ host: inout HostBatch, _ step: Int) {
    let (N, isInBatch) = (knobs.integer("negatives"), knobs.drawsInBatch)
    let sampler = NegativeSampler(itemCount: itemCount, targets: isInBatch ? host.sequences.targets : nil)
    var random = RandomStream(seed: derivedSeed(seed, step, 2))
    host.negatives.ids.removeAll(keepingCapacity: true)
    let sequences = host.sequences.offsets.count - 1
    switch knobs.choice("sharing") {
    case "batch": sampler.draw(N, &random, into: &host.negatives.ids)
    case "sequence" where !isInBatch: sampler.draw(N * sequences, &random, into: &host.negatives.ids)
    case "sequence": drawForeign(&host, sampler, &random) { _ in N }
    default: drawForeign(&host, sampler, &random) { $0.isEmpty ? 0 : $0.count * N }
    }
  }

  /// For each sequence as many negatives as `count` says of its rows, none of them its own where a few tries find another.
  private func drawForeign(
    _ host: inout HostBatch, _ sampler: NegativeSampler, _ random: inout RandomStream, _ count: (Range<Int>) -> Int
  ) {
    let batch = host.sequences
    host.own.fit(itemCount)
    for (begin, end) in zip(batch.offsets, batch.offsets.dropFirst()) {
      let range = Int(begin)..<Int(end)
      for t in range {
        host.own.insert(batch.inputs[t])
        host.own.insert(batch.targets[t])
      }
      for _ in 0..<count(range) {
        var id = sampler.draw(&random)
        // A user who saw nearly everything gets what comes after a few tries.
        for _ in 0..<16 where host.own.contains(id) { id = sampler.draw(&random) }
        host.negatives.ids.append(id)
      }
      for t in range {
        host.own.remove(batch.inputs[t])
        host.own.remove(batch.targets[t])
      }
    }
  }
}

/// Draws items: each as likely as any other, or as often as it is among `targets`.
private struct NegativeSampler {
  let itemCount: Int
  let targets: [Int32]?

  func draw(_ random: inout RandomStream) -> Int32 {
    if let targets { return targets[random.below(targets.count)] }
    return Int32(truncatingIfNeeded: random.below(itemCount))
  }

  func draw(_ count: Int, _ random: inout RandomStream, into ids: inout [Int32]) {
    for _ in 0..<count { ids.append(draw(&random)) }
  }
}

/// A bit for each item: hashed sets took a twentieth of a training step, on one thread. Empty between two users.
private struct ItemSet {
  private var words: [UInt64] = []

  mutating func fit(_ itemCount: Int) {
    if words.count * 64 < itemCount { words = Array(repeating: 0, count: (itemCount + 63) / 64) }
  }
  mutating func insert(_ item: Int32) { words[Int(item) >> 6] |= 1 << (UInt64(item) & 63) }
  mutating func remove(_ item: Int32) { words[Int(item) >> 6] &= ~(1 << (UInt64(item) & 63)) }
  func contains(_ item: Int32) -> Bool { words[Int(item) >> 6] >> (UInt64(item) & 63) & 1 == 1 }
}
