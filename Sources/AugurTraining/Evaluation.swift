// Full ranking of the catalogue for held-out events, seen items removed.
public import AugurEvents
import AugurLayers
public import AugurMetrics
public import AugurModels
import AugurOps
import AugurTensors

/// Users that an evaluation ranks at a time.
let evaluationBatch = 128

/// Where the held-out item of each user stands among all unseen items. The result does not depend on `batch`, to the bit.
public func rankPositions(
  of model: any SequenceModel, on split: SequenceSplit, _ part: HeldOut, users: [Int], batch: Int = 128
) -> [RankPosition] {
  let device = model.outputTable.value.device
  var positions: [RankPosition] = []
  positions.reserveCapacity(users.count)
  for start in stride(from: 0, to: users.count, by: batch) {
    let chunk = users[start..<min(users.count, start + batch)]
    let cases = chunk.map { example(of: $0, on: split, part) }
    let h = model.lastStates(
      SequenceInput(
        cases.map(\.seen), itemCount: split.dataset.itemCount, longest: model.longestHistory, positions: model.positionAlignment,
        device: device))
    var (seen, seenOffsets): ([Int32], [Int32]) = ([], [0])
    for one in cases {
      seen.append(contentsOf: one.seen.sorted())
      seenOffsets.append(Int32(seen.count))
    }
    let ranks = targetRanks(
      h, model.outputTable.value, targets: cases.map(\.target), seen: seen, seenOffsets: seenOffsets)
    for (greater, equal) in zip(ranks.greater, ranks.equal) {
      positions.append(RankPosition(greater: Int(greater), equal: Int(equal)))
    }
  }
  return positions
}

private func example(of user: Int, on split: SequenceSplit, _ part: HeldOut) -> (seen: ArraySlice<Int32>, target: Int32) {
  guard let found = split.example(user, part) else {
    preconditionFailure("evaluation: expected users with \(split.targetRule(part)), got user \(user)")
  }
  return (Array(found.history)[...], found.target)
}

/// The same for a baseline that scores from counts.
public func rankPositions(of scorer: some Scorer, on split: SequenceSplit, _ part: HeldOut, users: [Int]) -> [RankPosition] {
  var scores = [Float](repeating: 0, count: split.dataset.itemCount)
  return users.map { user in
    let (seen, target) = example(of: user, on: split, part)
    let history = Array(seen)
    scores.withUnsafeMutableBufferPointer { scorer.scores(history: history.span, into: $0) }
    return rankPosition(target: target, seen: history.span, scores: scores.span)
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
public func protocolText(_ part: HeldOut, users: Int, split: SequenceSplit) -> String {
  "\(split.words(part, users: users)), all \(split.dataset.itemCount) items ranked, "
    + "seen items removed, ties at their expectation, data \(split.dataset.fingerprint)"
}
