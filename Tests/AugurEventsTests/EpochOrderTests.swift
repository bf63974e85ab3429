// Orders of an epoch: the plain shuffle to the draw, blocks that stay together, batches closed by tokens.
import AugurTensors
import Testing

@testable import AugurEvents

@Suite struct EpochOrderTests {
  let folder = TestFolder()

  private func source(_ users: Int, _ blocks: BlockSizes? = nil, tokens: Int = 0) -> EpochOrder.Source {
    let rows = (0..<2 * users + 1).map { Int32(1 + $0 * 7 % 10) }
    return EpochOrder.Source(users: (0..<Int32(users)).map { 2 * $0 + 1 }, rows: rows, blocks: blocks, tokens: tokens, seed: 6)
  }

  private func complete(_ source: EpochOrder.Source, epoch: Int) -> EpochOrder {
    var order = EpochOrder(source, epoch: epoch)
    order.complete()
    return order
  }

  /// The order that runs made before there was a feed: resumed runs and published numbers rest on it.
  @Test(arguments: [0, 1, 2, 83]) func plainShuffle(users: Int) {
    let source = source(users)
    for epoch in 0..<3 {
      var random = RandomStream(seed: 6, stream: UInt64(epoch))
      var expected = source.users
      for last in stride(from: users - 1, to: 0, by: -1) { expected.swapAt(last, random.below(last + 1)) }
      #expect(complete(source, epoch: epoch).users == expected)
    }
  }

  @Test(arguments: [0, 1, 5, 83, 90]) func blocksCoverEveryUserOnceAndStayTogether(users: Int) {
    let source = source(users, BlockSizes(users: 5, blocksOfWindow: 3))
    var orders: Set<[Int32]> = []
    for epoch in 0..<4 {
      let order = complete(source, epoch: epoch)
      #expect(order.users.sorted() == source.users)
      orders.insert(order.users)
      var place = 0
      for window in stride(from: 0, to: order.blocks.count, by: 3) {
        let members = order.blocks[window..<min(order.blocks.count, window + 3)].flatMap { block in
          source.users[Int(block) * 5..<min(users, Int(block) * 5 + 5)]
        }
        #expect(order.users[place..<place + members.count].sorted() == members.sorted())
        place += members.count
      }
      #expect(place == users)
    }
    #expect(users < 5 || orders.count == 4)
  }

  /// Pieces of any size give the same order, into recycled memory too.
  @Test func piecesChangeNothing() {
    for blocks in [nil, BlockSizes(users: 4, blocksOfWindow: 5)] {
      for tokens in [0, 12] {
        let source = source(83, blocks, tokens: tokens)
        let whole = complete(source, epoch: 1)
        for piece in [1, 2, 7, 64, 1000] {
          var order = EpochOrder(source, epoch: 1, recycled: complete(source, epoch: 0).users)
          var calls = 0
          while !order.isComplete {
            order.advance(piece)
            calls += 1
          }
          #expect(order.users == whole.users && order.batchEnds == whole.batchEnds && order.blocks == whole.blocks)
          #expect(piece < 1000 || calls == 1)
        }
      }
    }
  }

  private func split() throws -> SequenceSplit {
    var text = ""
    for user in 0..<97 { text += "u\(user)" + (0..<3 + user * user % 23).map { " i\($0 * 3 % 31)" }.joined() + "\n" }
    return SequenceSplit(try folder.dataset(text, .sequences))
  }

  @Test(arguments: UserShuffle.allCases, [8, 20, 1000]) func tokensCloseBatches(_ shuffle: UserShuffle, tokens: Int) throws {
    let split = try split()
    let rules = BatchRules(size: 4, length: 8, tokens: tokens, shuffle: shuffle)
    let small = BlockSizes(users: 6, blocksOfWindow: 4)
    let batches = SequenceBatches(split, rules, seed: 3, blocks: small)
    var all: [[SequenceBatch]] = []
    for epoch in 0..<4 {
      let made = (0..<batches.batchCount(ofEpoch: epoch)).map { batches.batch(epoch: epoch, index: $0) }
      all.append(made)
      #expect(made.allSatisfy { !$0.users.isEmpty && $0.inputs.count <= tokens })
      #expect(made.flatMap(\.users).sorted() == (0..<97).filter { split.trainingCount($0) >= 2 }.map { Int32($0) })
      #expect(made.reduce(0) { $0 + $1.inputs.count } == batches.transitionsPerEpoch)
      #expect(batches.batchTokens(epoch: epoch) == made.map(\.inputs.count))
      // None could have taken one row more of everything that followed: with histories of at most 8 rows it is full to 7.
      #expect(made.dropLast().allSatisfy { $0.inputs.count > tokens - 8 })
      let largest = batches.largestBatch
      #expect(made.allSatisfy { $0.inputs.count <= largest.tokens && $0.users.count <= largest.users })
    }
    let again = SequenceBatches(split, rules, seed: 3, blocks: small)
    for epoch in (0..<4).reversed() {
      for index in all[epoch].indices.reversed() { #expect(again.batch(epoch: epoch, index: index) == all[epoch][index]) }
    }
    #expect(batches.batchesPerEpoch == all[0].count)
  }

  @Test func largestBatchIsReached() throws {
    let split = try split()
    for size in [1, 5, 200] {
      let batches = SequenceBatches(split, BatchRules(size: size, length: 8), seed: 3)
      let rows = (0..<97).map { min(8, split.trainingCount($0) - 1) }.filter { $0 > 0 }.sorted(by: >)
      #expect(batches.largestBatch == (rows.prefix(size).reduce(0, +), min(size, rows.count)))
    }
  }

  @Test func blocksOfRealSizes() {
    #expect(BlockSizes(users: 1000, events: 1_000_000) == BlockSizes(users: 65, blocksOfWindow: 64))
    #expect(BlockSizes(users: 0, events: 0).users == 1 && BlockSizes(users: 3, events: 1 << 40).users == 1)
  }
}
