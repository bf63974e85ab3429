// Full ranking of the catalogue for held-out events, seen items removed.
public import AugurEvents
import AugurLayers
public import AugurMetrics
public import AugurModels
import AugurOps
import AugurTensors

/// Users that an evaluation ranks at a time.
let evaluationBatch = 128

/// Whether an evaluation ranks the items of a history again: in sessions people come back to them.
public enum SeenItems: String, Sendable, CaseIterable { case removed, ranked }

/// A history with its times in seconds, where there are any, the item that came next, and items that are no candidates beside those seen.
private typealias Case = (seen: ArraySlice<Int32>, times: [Int32], target: Int32, removed: [Int32])

/// Where the held-out item of each user stands among all unseen items, or all. The result does not depend on `batch`, to the bit.
///
/// - Parameter unavailable: items that a user cannot get, such as those that are not sold; they are no candidates.
public func rankPositions(
  of model: any SequenceModel, on split: SequenceSplit, _ part: HeldOut, users: [Int], seen: SeenItems = .removed, batch: Int = 128,
  unavailable: (Int) -> [Int32] = { _ in [] }
) -> [RankPosition] {
  rankPositions(of: model, itemCount: split.dataset.itemCount, users.count, seen, batch) {
    let (seen, times, target) = example(of: users[$0], on: split, part)
    return (seen, times, target, unavailable(users[$0]))
  }
}

/// The same for rows that are given.
public func rankPositions(
  of model: any SequenceModel, itemCount: Int, _ rows: PrefixTargets, seen: SeenItems
) -> [RankPosition] {
  rankPositions(of: model, itemCount: itemCount, rows.targets.count, seen, evaluationBatch) { (rows.prefixes[$0][...], [], rows.targets[$0], []) }
}

private func rankPositions(
  of model: any SequenceModel, itemCount: Int, _ count: Int, _ seenItems: SeenItems, _ batch: Int, _ makeCase: (Int) -> Case
) -> [RankPosition] {
  let device = model.outputTable.value.device
  let table = model.scoringTable
  var positions: [RankPosition] = []
  positions.reserveCapacity(count)
  for start in stride(from: 0, to: count, by: batch) {
    let cases = (start..<min(count, start + batch)).map(makeCase)
    let h = model.lastStates(model.scoringInput(cases.map(\.seen), times: cases.map(\.times), itemCount: itemCount, device: device))
    var (seen, seenOffsets): ([Int32], [Int32]) = ([], [0])
    for one in cases {
      seen.append(contentsOf: ((seenItems == .removed ? Array(one.seen) : []) + one.removed).sorted())
      seenOffsets.append(Int32(seen.count))
    }
    let ranks = targetRanks(
      h, table, targets: cases.map(\.target), seen: seen, seenOffsets: seenOffsets)
    for (greater, equal) in zip(ranks.greater, ranks.equal) {
      positions.append(RankPosition(greater: Int(greater), equal: Int(equal)))
    }
  }
  return positions
}

private func example(
  of user: Int, on split: SequenceSplit, _ part: HeldOut
) -> (seen: ArraySlice<Int32>, times: [Int32], target: Int32) {
  guard let found = split.example(user, part) else {
    preconditionFailure("evaluation: expected users with \(split.targetRule(part)), got user \(user)")
  }
  let moments = split.dataset.timestamps(user).map { secondsSinceFirst($0.prefix(found.history.count)) }
  return (Array(found.history)[...], moments ?? [], found.target)
}

/// The same for a baseline that scores from counts.
public func rankPositions(
  of scorer: some Scorer, on split: SequenceSplit, _ part: HeldOut, users: [Int], seen seenItems: SeenItems = .removed,
  unavailable: (Int) -> [Int32] = { _ in [] }
) -> [RankPosition] {
  rankPositions(of: scorer, users.count, seenItems) {
    let (seen, times, target) = example(of: users[$0], on: split, part)
    return (seen, times, target, unavailable(users[$0]))
  }
}

/// The same for rows that are given.
public func rankPositions(of scorer: some Scorer, _ rows: PrefixTargets, seen: SeenItems) -> [RankPosition] {
  rankPositions(of: scorer, rows.targets.count, seen) { (rows.prefixes[$0][...], [], rows.targets[$0], []) }
}

private func rankPositions(of scorer: some Scorer, _ count: Int, _ seenItems: SeenItems, _ makeCase: (Int) -> Case) -> [RankPosition] {
  var scores = [Float](repeating: 0, count: scorer.itemCount)
  return (0..<count).map { place in
    let one = makeCase(place)
    let history = Array(one.seen)
    scores.withUnsafeMutableBufferPointer { scorer.scores(history: history.span, into: $0) }
    let removed = (seenItems == .removed ? history : []) + one.removed
    return rankPosition(target: one.target, seen: removed.span, scores: scores.span)
  }
}

/// The share of targets that no training event shows: a model without features can only guess there.
public func unseenTargetShare(_ split: SequenceSplit, _ part: HeldOut, users: [Int]) -> Double {
  guard !users.isEmpty else { return 0 }
  let counts = split.trainingCounts()
  let unseen = users.count { user in split.example(user, part).map { counts[Int($0.target)] == 0 } ?? false }
  return Double(unseen) / Double(users.count)
}

/// The protocol of every number of this file, in words.
public func protocolText(_ part: HeldOut, users: Int, split: SequenceSplit, seen: SeenItems = .removed) -> String {
  "\(split.words(part, users: users)), all \(split.dataset.itemCount) items ranked, "
    + "seen items \(seen.rawValue), ties at their expectation, data \(split.dataset.fingerprint)"
}
