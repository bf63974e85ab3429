// Jagged batches: T rows, offsets [B + 1], no padding. A batch is a pure function of (seed, epoch, index).
public import AugurTensors
import Synchronization

/// Which part of a training history longer than L + 1 events an epoch reads: the newest, or one that ends anywhere.
public enum HistoryWindow: String, Sendable, CaseIterable { case newest, random }

/// A training batch, longest history first: row t predicts `targets[t]` from the inputs of its user up to t.
public struct SequenceBatch: Sendable, Equatable {
  public var users: [Int32] = []  // [B]
  public var offsets: [Int32] = [0]  // [B + 1]
  public var inputs: [Int32] = []  // [T]
  public var targets: [Int32] = []  // [T]
  public var positions: [Int32] = []  // [T], in 0..<L

  public init() {}
}

/// The training batches of every epoch. Users with fewer than 2 training events have nothing to predict and are left
/// out.
public final class SequenceBatches: Sendable {
  public let split: LeaveOneOut
  public let batchSize: Int
  public let maxLength: Int
  public let seed: UInt64
  public let alignment: PositionAlignment
  public let window: HistoryWindow
  private let users: [Int32]
  private let order = Mutex<(epoch: Int, users: [Int32])?>(nil)

  /// `maxLength` is L, the most inputs of a user. Precondition: both sizes positive, and B x L below 2^31.
  public init(
    _ split: LeaveOneOut, batchSize: Int, maxLength: Int, seed: UInt64, alignment: PositionAlignment = .right,
    window: HistoryWindow = .newest
  ) {
    checkSizes(batchSize, maxLength)
    (self.split, self.batchSize, self.maxLength) = (split, batchSize, maxLength)
    (self.seed, self.alignment, self.window) = (seed, alignment, window)
    users = (0..<Int32(split.dataset.userCount)).filter { split.trainingCount(Int($0)) >= 2 }
  }

  /// Users with something to learn from; 0 means that the data set is too small to train on.
  public var trainingUserCount: Int { users.count }
  public var batchesPerEpoch: Int { (users.count + batchSize - 1) / batchSize }
  /// Transitions (T summed over an epoch's batches).
  public var transitionsPerEpoch: Int {
    users.reduce(0) { $0 + rowCount($1) }
  }

  /// T of every batch of an epoch.
  public func batchTokens(epoch: Int) -> [Int] {
    let shuffled = order(of: epoch)
    return stride(from: 0, to: shuffled.count, by: batchSize).map { first in
      shuffled[first..<min(shuffled.count, first + batchSize)].reduce(0) { $0 + rowCount($1) }
    }
  }

  /// T of the largest batch that a shuffle can make.
  public var largestBatch: Int {
    users.map(rowCount).sorted(by: >).prefix(batchSize).reduce(0, +)
  }

  /// The batch at a place of the training run. Precondition: `epoch` >= 0, `index` in `0..<batchesPerEpoch`.
  public func batch(epoch: Int, index: Int) -> SequenceBatch {
    precondition(
      epoch >= 0 && index >= 0 && index < batchesPerEpoch,
      "SequenceBatches: expected a batch in 0..<\(batchesPerEpoch), got epoch \(epoch), index \(index)")
    let shuffled = order(of: epoch)
    let members = shuffled[index * batchSize..<min(users.count, (index + 1) * batchSize)]
    let histories = members.map { (user: $0, history: trainingWindow(of: Int($0), epoch: epoch)) }
    var batch = SequenceBatch()
    for row in longestFirst(histories.map(\.history.count)) {
      let (user, history) = histories[row]
      let count = history.count - 1
      let first = alignment.first(count: count, length: maxLength)
      batch.users.append(user)
      batch.inputs.append(contentsOf: history.dropLast())
      batch.targets.append(contentsOf: history.dropFirst())
      batch.positions.append(contentsOf: Int32(first)..<Int32(first + count))
      batch.offsets.append(Int32(batch.inputs.count))
    }
    return batch
  }

  private func rowCount(_ user: Int32) -> Int { min(split.trainingCount(Int(user)) - 1, maxLength) }

  /// At most L + 1 events in a row of a user.
  private func trainingWindow(of user: Int, epoch: Int) -> ArraySlice<Int32> {
    let history = Array(split.trainingHistory(user))
    let first = history.count - (maxLength + 1)
    guard first > 0, window == .random else { return history.suffix(maxLength + 1) }
    var random = RandomStream(seed: RandomStream.mix(seed &+ UInt64(epoch)), stream: UInt64(user))
    return history[random.below(first + 1)...].prefix(maxLength + 1)
  }

  /// Fisher and Yates' shuffle with draws keyed by (seed, epoch); the last epoch asked for is kept.
  private func order(of epoch: Int) -> [Int32] {
    order.withLock { kept in
      if let kept, kept.epoch == epoch { return kept.users }
      var random = RandomStream(seed: seed, stream: UInt64(epoch))
      var shuffled = users
      for last in stride(from: shuffled.count - 1, to: 0, by: -1) { shuffled.swapAt(last, random.below(last + 1)) }
      kept = (epoch, shuffled)
      return shuffled
    }
  }
}

private func checkSizes(_ batchSize: Int, _ maxLength: Int) {
  let (rows, overflow) = batchSize.multipliedReportingOverflow(by: maxLength)
  precondition(
    batchSize > 0 && maxLength > 0 && !overflow && rows < Int(Int32.max),
    "batches: expected positive B and L with B x L < 2^31, got B = \(batchSize), L = \(maxLength)")
}

/// Positions by falling length; equal lengths keep their order.
private func longestFirst(_ lengths: [Int]) -> [Int] {
  lengths.indices.sorted { (-lengths[$0], $0) < (-lengths[$1], $1) }
}
