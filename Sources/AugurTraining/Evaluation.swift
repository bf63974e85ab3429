// Full ranking of the catalogue for held-out events, seen items removed.
public import AugurEvents
import AugurLayers
public import AugurMetrics
public import AugurModels
import AugurOps
import AugurTensors

/// Which held-out event of a user is predicted from what came before it.
public enum HeldOut: String, Sendable, CaseIterable {
  case validation, test

  /// Events at the end of a history that the model may not read.
  var hiddenEvents: Int { self == .test ? 1 : 2 }
}

extension Dataset {
  /// Users with at least three events: they have a training part, a validation and a test event.
  public var evaluatedUsers: [Int] { (0..<userCount).filter { history($0).count >= 3 } }

  func seenAndTarget(_ user: Int, _ part: HeldOut) -> (seen: ArraySlice<Int32>, target: Int32) {
    let all = Array(history(user))
    let cut = all.count - part.hiddenEvents
    return (all[..<cut], all[cut])
  }

  /// Training histories as jagged arrays: everything but the last two events of evaluated users.
  public func trainingHistories() -> (offsets: [Int], items: [Int32]) {
    var offsets = [0]
    var items: [Int32] = []
    items.reserveCapacity(eventCount)
    for user in 0..<userCount {
      let all = history(user)
      items.append(contentsOf: all[..<(all.count >= 3 ? all.count - 2 : all.count)])
      offsets.append(items.count)
    }
    return (offsets, items)
  }
}

/// The input of histories that are only scored: each cut to its last `longest` items.
func scoringInput(_ histories: [ArraySlice<Int32>], longest: Int, itemCount: Int, device: Device) -> SequenceInput {
  var (offsets, items, places): ([Int32], [Int32], [Int32]) = ([0], [], [])
  for history in histories {
    let kept = history.suffix(longest)
    items.append(contentsOf: kept)
    places.append(contentsOf: (longest - kept.count..<longest).map(Int32.init))
    offsets.append(Int32(items.count))
  }
  return SequenceInput(
    rows: Jagged(offsets: offsets, device: device),
    items: Lookup(items, rowCount: itemCount, device: device, isGrouped: false),
    places: Lookup(places, rowCount: longest, device: device, isGrouped: false))
}

/// Where the held-out item of each user stands among all unseen items. The result does not depend on `batch`, to the bit.
public func rankPositions(
  of model: any SequenceModel, on data: Dataset, _ part: HeldOut, users: [Int], batch: Int = 128
) -> [RankPosition] {
  let device = model.outputTable.value.device
  var positions: [RankPosition] = []
  positions.reserveCapacity(users.count)
  for start in stride(from: 0, to: users.count, by: batch) {
    let chunk = users[start..<min(users.count, start + batch)]
    let cases = chunk.map { data.seenAndTarget($0, part) }
    let input = scoringInput(cases.map(\.seen), longest: model.longestHistory, itemCount: data.itemCount, device: device)
    let last = input.rows.hostOffsets.dropFirst().map { $0 - 1 }
    let states = model.states(input, Pass())
    let h = selectedRows(states, Lookup(last, rowCount: max(1, states.shape.rows), device: device, isGrouped: false))
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

/// The same for a baseline that scores from counts.
public func rankPositions(of scorer: some Scorer, on data: Dataset, _ part: HeldOut, users: [Int]) -> [RankPosition] {
  var scores = [Float](repeating: 0, count: data.itemCount)
  return users.map { user in
    let (seen, target) = data.seenAndTarget(user, part)
    let history = Array(seen)
    scores.withUnsafeMutableBufferPointer { scorer.scores(history: history.span, into: $0) }
    return rankPosition(target: target, seen: history.span, scores: scores.span)
  }
}

/// The protocol of every number of this file, in words.
public func protocolText(_ part: HeldOut, users: Int, data: Dataset) -> String {
  "leave-one-out, \(part == .test ? "last" : "second last") event of \(users) users, all \(data.itemCount) items ranked, "
    + "seen items removed, ties at their expectation, data \(data.fingerprint)"
}
