// The training batches of a data set. A batch is a pure function of (seed, epoch, index).
import AugurCompute
public import AugurTensors
import Glibc

/// Which part of a training history longer than L + 1 events an epoch reads: the newest, or one that ends anywhere.
public enum HistoryWindow: String, Sendable, CaseIterable { case newest, random }

/// How histories become batches.
public struct BatchRules: Sendable {
  /// B, users of a batch; not used where `tokens` closes the batches.
  public var size: Int
  /// A batch ends before the user whose rows would exceed this number; 0: after B users.
  public var tokens: Int
  /// L, the most inputs of a user.
  public var length: Int
  public var alignment: PositionAlignment
  public var window: HistoryWindow
  public var shuffle: UserShuffle
  /// Batches carry the times of their inputs. Precondition of the batches: the data set has times.
  public var hasTimes = false
  /// The last event of a history is a row too: models that fill in masked events read histories whole. Counts of rows follow it; batches
  /// stay inputs and targets.
  public var isWhole = false

  public init(
    size: Int, length: Int, tokens: Int = 0, alignment: PositionAlignment = .right, window: HistoryWindow = .newest,
    shuffle: UserShuffle = .users
  ) {
    (self.size, self.length, self.tokens) = (size, length, tokens)
    (self.alignment, self.window, self.shuffle) = (alignment, window, shuffle)
  }
}

/// The training batches of every epoch. Users with fewer than 2 training events have nothing to predict and are left
/// out.
public final class SequenceBatches: Sendable {
  public let split: SequenceSplit
  public let rules: BatchRules
  public let seed: UInt64
  private let counts: [Int32]  // training events of each user of the data set
  private let source: EpochOrder.Source
  private let orders = Guarded(Orders())

  /// The epoch that is read, and the one that is made ready beside it.
  private struct Orders {
    var current: EpochOrder?
    var next: EpochOrder?
    var spare: [Int32] = []
    /// Batches of the latest epochs.
    var batchCounts: [(epoch: Int, count: Int)] = []
    var announced: (epoch: Int, window: Int) = (-1, -1)
  }

  /// Precondition: B and L positive, B x L below 2^31, `tokens` 0 or in L..<2^31.
  public convenience init(_ split: SequenceSplit, _ rules: BatchRules, seed: UInt64) {
    self.init(split, rules, seed: seed, blocks: nil)
  }

  /// `blocks` are other sizes than those that fit the data.
  init(_ split: SequenceSplit, _ rules: BatchRules, seed: UInt64, blocks: BlockSizes?) {
    checkSizes(rules)
    (self.split, self.rules, self.seed) = (split, rules, seed)
    let counts = (0..<split.dataset.userCount).map { Int32(truncatingIfNeeded: split.trainingCount($0)) }
    let users = counts.indices.lazy.filter { counts[$0] >= 2 }.map { Int32(truncatingIfNeeded: $0) }
    let isByBlocks = rules.shuffle == .blocks
    self.counts = counts
    let trained = Array(users)
    let events = isByBlocks ? trained.reduce(0) { $0 + Int(counts[Int($1)]) } : 0
    source = EpochOrder.Source(
      users: trained, rows: rules.tokens == 0 ? [] : counts.map { min(rules.isWhole ? $0 : $0 - 1, Int32(rules.length)) },
      blocks: isByBlocks ? blocks ?? BlockSizes(users: trained.count, events: events) : nil, tokens: rules.tokens, seed: seed)
  }

  /// Users with something to learn from; 0 means that the data set is too small to train on.
  public var trainingUserCount: Int { source.users.count }

  /// Batches of the first epoch. Others have as many; where tokens close them, nearly as many.
  public var batchesPerEpoch: Int { batchCount(ofEpoch: 0) }

  /// Batches of an epoch.
  public func batchCount(ofEpoch epoch: Int) -> Int {
    guard rules.tokens > 0 else { return (source.users.count + rules.size - 1) / rules.size }
    return orders.withLock { orders in
      if let known = orders.batchCounts.last(where: { $0.epoch == epoch }) { return known.count }
      bring(epoch, &orders)
      return orders.current?.batchEnds.count ?? 0
    }
  }

  /// Transitions: inputs with a target, summed over an epoch's batches.
  public var transitionsPerEpoch: Int { source.users.reduce(0) { $0 + inputCount($1) } }

  /// T of every batch of an epoch.
  public func batchTokens(epoch: Int) -> [Int] {
    let count = batchCount(ofEpoch: epoch)
    return orders.withLock { orders in
      bring(epoch, &orders)
      guard let order = orders.current else { return [] }
      return (0..<count).map { index in order.users[range(of: index, order)].reduce(0) { $0 + rowCount($1) } }
    }
  }

  /// T and B of the largest batches that a shuffle can make; they need not be of one batch.
  public var largestBatch: (tokens: Int, users: Int) {
    var ofLength = [Int](repeating: 0, count: rules.length + 1)
    for user in source.users { ofLength[rowCount(user)] += 1 }
    func most(_ lengths: some Sequence<Int>, users: Int, tokens: Int) -> (users: Int, tokens: Int) {
      var (taken, rows) = (0, 0)
      for length in lengths where length > 0 {
        let fit = min(ofLength[length], users - taken, (tokens - rows) / length)
        (taken, rows) = (taken + fit, rows + fit * length)
      }
      return (taken, rows)
    }
    guard rules.tokens > 0 else {
      let most = most((0...rules.length).reversed(), users: rules.size, tokens: .max)
      return (most.tokens, most.users)
    }
    let rows = source.users.reduce(0) { $0 + rowCount($1) }
    return (min(rules.tokens, rows), most(0...rules.length, users: .max, tokens: rules.tokens).users)
  }

  /// The batch at a place of the training run. Precondition: as `fill`.
  public func batch(epoch: Int, index: Int) -> SequenceBatch {
    var batch = SequenceBatch()
    fill(&batch, epoch: epoch, index: index)
    return batch
  }

  /// Puts the batch of a place into `batch`, whose memory is used again, and does a part of the next epoch's shuffle.
  ///
  /// Precondition: `epoch` >= 0, `index` in `0..<batchCount(ofEpoch: epoch)`.
  public func fill(_ batch: inout SequenceBatch, epoch: Int, index: Int) {
    let members = members(epoch: epoch, index: index)
    // Longest first; equal lengths keep their order.
    var keys: [UInt64] = []
    keys.reserveCapacity(members.count)
    for (place, user) in members.enumerated() {
      keys.append(UInt64(rules.length - inputCount(user)) << 32 | UInt64(truncatingIfNeeded: place))
    }
    keys.sort()
    batch.clear()
    for key in keys {
      let user = members[Int(key & 0xffff_ffff)]
      let window = trainingWindow(of: user, epoch: epoch)
      let first = rules.alignment.first(count: window.count - 1, length: rules.length)
      let moments = rules.hasTimes ? split.dataset.timestamps(Int(user)) : nil
      let times = moments.map { secondsSinceFirst($0[window.lowerBound..<window.upperBound - 1]) } ?? []
      split.dataset.history(Int(user), window).withItems { batch.append(user, $0, times: times, first: first) }
    }
  }

  private func inputCount(_ user: Int32) -> Int { min(Int(counts[Int(user)]) - 1, rules.length) }
  private func rowCount(_ user: Int32) -> Int { min(Int(counts[Int(user)]) - (rules.isWhole ? 0 : 1), rules.length) }

  private func range(of index: Int, _ order: EpochOrder) -> Range<Int> {
    guard rules.tokens > 0 else { return index * rules.size..<min(source.users.count, (index + 1) * rules.size) }
    return (index == 0 ? 0 : order.batchEnds[index - 1])..<order.batchEnds[index]
  }

  private func members(epoch: Int, index: Int) -> [Int32] {
    orders.withLock { orders in
      bring(epoch, &orders)
      guard let order = orders.current else { return [] }
      let count = rules.tokens > 0 ? order.batchEnds.count : (source.users.count + rules.size - 1) / rules.size
      precondition(
        epoch >= 0 && index >= 0 && index < count,
        "SequenceBatches: expected a batch in 0..<\(count), got epoch \(epoch), index \(index)")
      let range = range(of: index, order)
      let members = Array(order.users[range])
      announce(range.lowerBound, order, &orders.announced)
      // Half of the epoch's batches pay for the next shuffle.
      if orders.next?.epoch != epoch + 1 {
        orders.next = EpochOrder(source, epoch: epoch + 1, recycled: orders.spare)
        orders.spare = []
      }
      orders.next?.advance((rules.tokens > 0 ? 4 : 2) * members.count + 64)
      return members
    }
  }

  /// Makes `epoch` the current one.
  private func bring(_ epoch: Int, _ orders: inout Orders) {
    guard orders.current?.epoch != epoch else { return }
    let previous = orders.current
    orders.current = nil
    if orders.next?.epoch == epoch {
      orders.current = orders.next
      orders.next = nil
      orders.spare = previous?.users ?? []
    } else {
      orders.current = EpochOrder(source, epoch: epoch)
    }
    orders.current?.complete()
    if rules.tokens > 0 {
      orders.batchCounts.append((epoch, orders.current?.batchEnds.count ?? 0))
      // The first epoch's count is asked for at any time.
      if orders.batchCounts.count > 8, let old = orders.batchCounts.firstIndex(where: { $0.epoch != 0 }) {
        orders.batchCounts.remove(at: old)
      }
    }
  }

  /// At most L + 1 events in a row of a user, as places in its history.
  private func trainingWindow(of user: Int32, epoch: Int) -> Range<Int> {
    let count = Int(counts[Int(user)])
    var first = max(0, count - (rules.length + 1))
    if first > 0, rules.window == .random {
      var random = RandomStream(seed: RandomStream.mix(seed &+ UInt64(epoch)), stream: UInt64(user))
      first = random.below(first + 1)
    }
    return first..<min(count, first + rules.length + 1)
  }

  /// Tells the system which blocks of the file come next, a window ahead: they are read while this one is trained on.
  private func announce(_ place: Int, _ order: EpochOrder, _ announced: inout (epoch: Int, window: Int)) {
    guard let sizes = source.blocks else { return }
    let window = place / sizes.usersOfWindow
    guard (order.epoch, window) != announced else { return }
    let first = announced == (order.epoch, window - 1) ? window + 1 : window
    announced = (order.epoch, window)
    func end(_ window: Int) -> Int { min(order.blocks.count, window * sizes.blocksOfWindow) }
    for block in order.blocks[end(first)..<end(window + 2)] {
      let begin = Int(block) * sizes.users
      let end = min(source.users.count, begin + sizes.users)
      split.dataset.forEachItemColumn(ofUsers: Int(source.users[begin])...Int(source.users[end - 1]), readAhead)
    }
  }
}

/// A hint: these bytes of a mapped file are needed soon.
private func readAhead(_ bytes: UnsafeRawBufferPointer) {
  guard let start = bytes.baseAddress else { return }
  let page = sysconf(Int32(_SC_PAGESIZE))
  let begin = Int(bitPattern: start) / page * page
  madvise(UnsafeMutableRawPointer(bitPattern: begin), Int(bitPattern: start) + bytes.count - begin, MADV_WILLNEED)
}

private func checkSizes(_ rules: BatchRules) {
  let (rows, overflow) = rules.size.multipliedReportingOverflow(by: rules.length)
  precondition(
    rules.size > 0 && rules.length > 0 && !overflow && rows < Int(Int32.max),
    "batches: expected positive B and L with B x L < 2^31, got B = \(rules.size), L = \(rules.length)")
  precondition(
    rules.tokens == 0 || (rules.length..<Int(Int32.max)).contains(rules.tokens),
    "batches: expected 0 tokens or L..<2^31, got \(rules.tokens) with L = \(rules.length)")
}
