// Baselines against hand-worked counts on tiny logs.

import AugurModels
import Glibc
import Testing

@Suite("Baselines")
struct BaselineTests {
  /// Three users over items 0 ... 4: [0 1 2], [1 2 2], [2 0 1]; item 4 is never bought.
  static let log: (offsets: [Int], items: [Int32]) = ([0, 3, 6, 9], [0, 1, 2, 1, 2, 2, 2, 0, 1])

  static func withHistories<R>(
    _ log: (offsets: [Int], items: [Int32]) = log, itemCount: Int = 5, _ body: (Histories) -> R
  ) -> R {
    log.items.withUnsafeBufferPointer {
      body(Histories(offsets: log.offsets, items: $0, itemCount: itemCount))
    }
  }

  static func scores(_ model: some Scorer, _ history: [Int32]) -> [Float] {
    // Starts from rubbish: a scorer must overwrite all of it.
    var scores = [Float](repeating: -7, count: model.itemCount)
    let span = history.span
    scores.withUnsafeMutableBufferPointer { model.scores(history: span, into: $0) }
    return scores
  }

  @Test func popularityCountsOccurrences() {
    let model = Self.withHistories { Popularity($0) }
    #expect(Self.scores(model, []) == [2, 3, 4, 0, 0])
    #expect(Self.scores(model, [3, 99]) == [2, 3, 4, 0, 0])
  }

  @Test func markovChainCountsWhatFollowedTheLastItem() {
    let model = Self.withHistories { MarkovChain($0) }
    // Transitions: 0->1 twice, 1->2 twice, 2->2 and 2->0 once; none across users (2->1 at the border of users 0 and 1).
    #expect(Self.scores(model, [2, 0]) == [0, 2, 0, 0, 0])
    #expect(Self.scores(model, [1]) == [0, 0, 2, 0, 0])
    #expect(Self.scores(model, [0, 2]) == [1, 0, 1, 0, 0])
    #expect(Self.scores(model, [0, 4]) == [0, 0, 0, 0, 0])
  }

  @Test func itemKNNIsTheCosineOfUserSets() {
    let model = Self.withHistories { ItemKNN($0) }
    // Users of 0: {0, 2}; of 1: {0, 1, 2}; of 2: {0, 1, 2}. The repeated 2 of user 1 counts once.
    let near = Float(2 / 6.0.squareRoot())
    #expect(Self.scores(model, [0]) == [0, near, near, 0, 0])
    #expect(Self.scores(model, [1]) == [near, 0, 1, 0, 0])
    #expect(Self.scores(model, [0, 1]) == [near, near, near + 1, 0, 0])
    #expect(Self.scores(model, [3]) == [0, 0, 0, 0, 0])
  }

  @Test func itemKNNKeepsTheMostSimilarAndThenTheLowerIndex() {
    let one = Self.withHistories { ItemKNN($0, neighbourCount: 1) }
    let near = Float(2 / 6.0.squareRoot())
    #expect(Self.scores(one, [0]) == [0, near, 0, 0, 0])
    #expect(Self.scores(one, [1]) == [0, 0, 1, 0, 0])
    let shrunk = Self.withHistories { ItemKNN($0, neighbourCount: 1, shrinkage: 1) }
    #expect(Self.scores(shrunk, [1]) == [0, 0, 0.75, 0, 0])
  }

  /// A decay that halves what is one event away.
  private static let halving = Float(1 / M_LN2)

  @Test func sessionKNNWeighsSharedItemsByAgeAndOthersByDistance() {
    let model = Self.withHistories { SessionKNN($0, decay: Self.halving) }
    // [0] is in users 0 and 2, each of 3 events; around it 1 and 2, and 2 and 1.
    expect(Self.scores(model, [0]), [0, 1, 0.75, 0, 0])
    // Shared with user 0: 0 and 1, anchor 1; with user 1: 1, anchor 0; with user 2: 0 and 1, anchor 2.
    expect(Self.scores(model, [0, 1]), [1.5, 0, 1.875, 0, 0])
    expect(Self.scores(model, [-1, 1, 0, 99, 1]), [1.25, 0, 1.6875, 0, 0])
    expect(Self.scores(model, []), [0, 0, 0, 0, 0])
    expect(Self.scores(model, [4]), [0, 0, 0, 0, 0])
    // Users 0 and 2 are as near: the first is taken.
    let one = Self.withHistories { SessionKNN($0, neighbourCount: 1, decay: Self.halving) }
    expect(Self.scores(one, [0, 1]), [0.75, 0, 0.75, 0, 0])

    func expect(_ scores: [Float], _ sums: [Float]) {
      for (score, sum) in zip(scores, sums) { #expect(abs(score - sum / Float(3).squareRoot()) < 1e-6) }
    }
  }

  @Test func sessionKNNAsksTheLastSessionsOfAnItemThatManyHave() {
    let sessions: [[Int32]] = (0..<10_050).map { [0, $0 < 50 ? 1 : 2] }
    let offsets = (0...sessions.count).map { 2 * $0 }
    let model = Self.withHistories((offsets, Array(sessions.joined()))) { SessionKNN($0, neighbourCount: 20_000) }
    let scores = Self.scores(model, [0])
    #expect(scores[1] == 0 && scores[2] > 0)
    #expect(Self.scores(model, [1])[0] > 0)
  }

  @Test func revisitsFadeWithTheEventsSince() {
    let model = Revisits(itemCount: 4, decay: Self.halving)
    let scores = Self.scores(model, [2, 1, 2, 9, 0])
    for (score, sum) in zip(scores, [0, 0.125, 0.25 + 0.0625, 0] as [Float]) { #expect(abs(score - sum) < 1e-6) }
    #expect(Self.scores(model, [3]) == [0, 0, 0, 0])
    #expect(Self.scores(model, []) == [0, 0, 0, 0])
  }

  @Test func itemKNNCutIsTheHeadOfTheFullList() {
    // A log with many neighbours per item, so that the running cut happens several times.
    var log: (offsets: [Int], items: [Int32]) = ([0], [])
    var state: UInt32 = 1
    for _ in 0..<60 {
      for _ in 0..<12 {
        state = state &* 1_664_525 &+ 1_013_904_223
        log.items.append(Int32((state >> 16) % 40))
      }
      log.offsets.append(log.items.count)
    }
    let full = Self.withHistories(log, itemCount: 40) { ItemKNN($0, neighbourCount: 1000) }
    let cut = Self.withHistories(log, itemCount: 40) { ItemKNN($0, neighbourCount: 3) }
    for item in 0..<Int32(40) {
      let all = Self.scores(full, [item])
      let best = all.indices.sorted { (all[$0], $1) > (all[$1], $0) }.prefix(3)
      var expected = [Float](repeating: 0, count: 40)
      for index in best { expected[index] = all[index] }
      #expect(Self.scores(cut, [item]) == expected)
    }
  }

  @Test func strangeItemsAndEmptyLogsAreHarmless() {
    let strange: (offsets: [Int], items: [Int32]) = ([0, 0, 4], [-1, 0, 9, 1])
    Self.withHistories(strange, itemCount: 2) { histories in
      #expect(Self.scores(Popularity(histories), [-1, 9]) == [1, 1])
      #expect(Self.scores(MarkovChain(histories), [0, 9]) == [0, 0])
      #expect(Self.scores(MarkovChain(histories), [0]) == [0, 0])
      #expect(Self.scores(ItemKNN(histories), [-1, 0, 9]) == [0, 1])
    }
    Self.withHistories(([], []), itemCount: 0) { histories in
      #expect(Self.scores(Popularity(histories), [0]) == [])
      #expect(Self.scores(MarkovChain(histories), [0]) == [])
      #expect(Self.scores(ItemKNN(histories), [0]) == [])
    }
  }
}
