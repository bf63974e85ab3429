// The order in which an epoch reads the users and where its batches end, made a little at a time.
import AugurTensors

/// How far an epoch carries its users: anywhere, or near those that lie beside them in the file.
public enum UserShuffle: String, Sendable, CaseIterable {
  /// Every order is as likely as any other.
  case users
  /// Blocks of neighbours are shuffled, then the users within a window of blocks: a window is read before the next one
  /// begins, so that data sets larger than the memory are read in long pieces.
  case blocks
}

/// Neighbours that are shuffled together, and how many such blocks mix.
struct BlockSizes: Sendable, Equatable {
  var users: Int
  var blocksOfWindow: Int
  var usersOfWindow: Int { users * blocksOfWindow }

  /// Blocks of about 65,536 events (256 KiB), 64 to a window.
  init(users: Int, events: Int) {
    self.init(users: max(1, Int(65_536 * Double(users) / Double(max(1, events)))), blocksOfWindow: 64)
  }

  init(users: Int, blocksOfWindow: Int) { (self.users, self.blocksOfWindow) = (users, blocksOfWindow) }
}

/// A pure function of (seed, epoch), however it is cut into calls of `advance`.
struct EpochOrder {
  let epoch: Int
  /// The users in order; final up to where `advance` has come.
  private(set) var users: [Int32]
  /// Where each batch ends in `users`, for batches that are closed by tokens.
  private(set) var batchEnds: [Int] = []
  /// The blocks in order; empty for `UserShuffle.users`.
  private(set) var blocks: [Int32] = []

  private let source: Source
  private var random: RandomStream
  private var segment = 0..<0  // users that are being shuffled with each other
  private var openedBlocks = 0
  private var last = 0  // of the segment: those behind it have their place
  private var closed = 0  // users that were given to a batch
  private var batchTokens = 0

  /// What the order is made from.
  struct Source {
    let users: [Int32]
    /// Rows of each user of the data set in a batch.
    let rows: [Int32]
    /// Nil: `UserShuffle.users`.
    let blocks: BlockSizes?
    /// Most rows of a batch; 0: batches are closed by users.
    let tokens: Int
    let seed: UInt64
  }

  /// `recycled` is memory to use again.
  init(_ source: Source, epoch: Int, recycled: [Int32] = []) {
    (self.source, self.epoch, users) = (source, epoch, recycled)
    random = RandomStream(seed: source.seed, stream: UInt64(epoch))
    users.removeAll(keepingCapacity: true)
    users.reserveCapacity(source.users.count)
    guard let sizes = source.blocks else { return }
    let count = (source.users.count + sizes.users - 1) / sizes.users
    blocks = (0..<count).map { Int32(truncatingIfNeeded: $0) }
    for last in stride(from: count - 1, to: 0, by: -1) { blocks.swapAt(last, random.below(last + 1)) }
  }

  var isComplete: Bool {
    users.count == source.users.count && last <= segment.lowerBound && (source.tokens == 0 || closed == users.count)
  }

  mutating func complete() { while !isComplete { advance(.max) } }

  /// Does as much as `work` draws or users take.
  mutating func advance(_ work: Int) {
    var left = work
    while left > 0, !isComplete {
      if last > segment.lowerBound {
        shuffle(&left)
      } else if users.count < source.users.count {
        openSegment()
      } else {
        closeBatches(&left)
      }
    }
  }

  /// Fisher and Yates, from the end of the segment.
  private mutating func shuffle(_ left: inout Int) {
    let (begin, first, end) = (segment.lowerBound, last, last - min(left, last - segment.lowerBound))
    left -= first - end
    var draws = random
    users.withUnsafeMutableBufferPointer { users in
      for place in stride(from: first, to: end, by: -1) { users.swapAt(place, begin + draws.below(place - begin + 1)) }
    }
    (random, last) = (draws, end)
  }

  /// The next window of blocks, or all users at once.
  private mutating func openSegment() {
    let start = users.count
    if let sizes = source.blocks {
      // Only the last block in the file is shorter, so a window may hold fewer users: count the blocks that were taken.
      let first = openedBlocks
      openedBlocks = min(blocks.count, first + sizes.blocksOfWindow)
      for block in blocks[first..<openedBlocks] {
        let begin = Int(block) * sizes.users
        users.append(contentsOf: source.users[begin..<min(source.users.count, begin + sizes.users)])
      }
    } else {
      users.append(contentsOf: source.users)
    }
    segment = start..<users.count
    last = users.count - 1
  }

  /// A batch ends before the user whose rows would exceed `tokens`.
  private mutating func closeBatches(_ left: inout Int) {
    let end = closed + min(left, users.count - closed)
    left -= end - closed
    while closed < end {
      let rows = Int(source.rows[Int(users[closed])])
      if batchTokens > 0, batchTokens + rows > source.tokens {
        batchEnds.append(closed)
        batchTokens = 0
      }
      batchTokens += rows
      closed += 1
    }
    if closed == users.count { batchEnds.append(closed) }
  }
}
