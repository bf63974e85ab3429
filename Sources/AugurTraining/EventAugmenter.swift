// Histories changed before a step learns from them: crop, mask and reorder as in CL4SRec (Xie et al. 2022), substitute as in CoSeRec
// (Liu et al. 2021), and dropout of events. Batches come from the training part alone, so nothing held out is ever changed.
import AugurEvents
import AugurModels
import AugurTensors

/// Knobs of what is changed.
let augmentationKnobs: [Hyperparameter] = [
  .choice(
    "augment", "none", of: ["none"] + Augmentation.Kind.allCases.map(\.rawValue),
    "changes training histories. crop: a stretch stays; mask: other items stand in place of inputs; reorder: a stretch is shuffled; "
      + "substitute: an event becomes another that came after the same one elsewhere; drop: events are left out"),
  .real("augment-share", 0.5, in: 0...1, "share of the histories that a step changes"),
  .real("augment-strength", 0.2, in: 0...0.95, "share of a history's events that is changed, or that crop leaves out"),
]

/// What is changed, and what that needs to know.
struct Augmentation: Sendable {
  enum Kind: String, Sendable, CaseIterable { case crop, mask, reorder, substitute, drop }
  let kind: Kind
  let share: Double
  let strength: Double
  let itemCount: Int
  let length: Int
  let alignment: PositionAlignment
  /// `successorCount` items that came after each item in training, -1 where there were fewer; empty unless substituted.
  let successors: [Int32]
  static let successorCount = 8

  /// Nil where the knobs ask for none. Throws where the model hides events itself.
  init?(_ knobs: Hyperparameters, _ model: any SequenceModel, _ split: SequenceSplit, seed: UInt64) throws(ModelError) {
    guard let kind = Kind(rawValue: knobs.choice("augment")) else { return nil }
    guard !model.fillsMasks else { throw .badCombination("hyper-parameter 'augment': this model masks histories itself; set augment=none") }
    (self.kind, share, strength) = (kind, Double(knobs.real("augment-share")), Double(knobs.real("augment-strength")))
    (itemCount, length, alignment) = (split.dataset.itemCount, model.longestHistory, model.positionAlignment)
    successors = kind == .substitute ? Self.successors(split, seed: seed) : []
  }

  /// A uniform sample of what followed each item. O(events).
  private static func successors(_ split: SequenceSplit, seed: UInt64) -> [Int32] {
    let (offsets, items) = split.trainingHistories()
    var chosen = [Int32](repeating: -1, count: split.dataset.itemCount * successorCount)
    var seen = [Int](repeating: 0, count: split.dataset.itemCount)
    var random = RandomStream(seed: seed)
    for (begin, end) in zip(offsets, offsets.dropFirst()) where end - begin > 1 {
      for place in begin..<end - 1 {
        let item = Int(items[place])
        let slot = seen[item] < successorCount ? seen[item] : random.below(seen[item] + 1)
        if slot < successorCount { chosen[item * successorCount + slot] = items[place + 1] }
        seen[item] += 1
      }
    }
    return chosen
  }
}

/// Changes the histories of one batch; a pure function of the seed.
struct EventAugmenter {
  private let plan: Augmentation
  private var random: RandomStream

  init(_ plan: Augmentation, seed: UInt64) { (self.plan, random) = (plan, RandomStream(seed: seed)) }

  mutating func augment(_ batch: inout SequenceBatch) {
    var made = SequenceBatch()
    made.users = batch.users
    for (begin, end) in zip(batch.offsets, batch.offsets.dropFirst()) {
      let rows = Int(begin)..<Int(end)
      let times = batch.times.isEmpty ? batch.times[..<0] : batch.times[rows]
      if rows.isEmpty || random.uniform() >= plan.share {
        append(batch.inputs[rows], batch.targets[rows], times, to: &made)
      } else if plan.kind == .mask {
        var inputs = Array(batch.inputs[rows])
        for place in inputs.indices where random.uniform() < plan.strength { inputs[place] = Int32(random.below(plan.itemCount)) }
        append(inputs[...], batch.targets[rows], times, to: &made)
      } else {
        let history = Array(batch.inputs[rows]) + [batch.targets[Int(end) - 1]]
        let (events, places) = changed(history)
        append(events[..<(events.count - 1)], events[1...], times.isEmpty ? times : places.dropLast().map { times[rows.lowerBound + $0] }[...], to: &made)
      }
    }
    batch = made
  }

  /// The events that stay or stand in for others, and the places whose times they have. At least 2.
  private mutating func changed(_ history: [Int32]) -> (events: [Int32], places: [Int]) {
    var events = history
    switch plan.kind {
    case .crop:
      let count = max(2, history.count - Int(plan.strength * Double(history.count)))
      let first = random.below(history.count - count + 1)
      return (Array(history[first..<first + count]), Array(first..<first + count))
    case .drop:
      var places = history.indices.filter { _ in random.uniform() >= plan.strength }
      if places.count < 2 { places = [history.count - 2, history.count - 1] }
      return (places.map { history[$0] }, places)
    case .reorder:
      let count = min(history.count, max(2, Int(plan.strength * Double(history.count))))
      let first = random.below(history.count - count + 1)
      events.replaceSubrange(first..<first + count, with: events[first..<first + count].shuffled(using: &random))
    case .substitute:
      for place in events.indices.dropFirst() where random.uniform() < plan.strength {
        let first = Int(events[place - 1]) * Augmentation.successorCount
        let known = plan.successors[first..<first + Augmentation.successorCount].prefix { $0 >= 0 }
        if !known.isEmpty { events[place] = known[known.startIndex + random.below(known.count)] }
      }
    case .mask: break
    }
    return (events, Array(events.indices))
  }

  private func append(_ inputs: ArraySlice<Int32>, _ targets: ArraySlice<Int32>, _ times: ArraySlice<Int32>, to batch: inout SequenceBatch) {
    let first = plan.alignment.first(count: inputs.count, length: plan.length)
    batch.inputs.append(contentsOf: inputs)
    batch.targets.append(contentsOf: targets)
    batch.times.append(contentsOf: times)
    batch.positions.append(contentsOf: Int32(first)..<Int32(first + inputs.count))
    batch.offsets.append(Int32(batch.inputs.count))
  }
}
