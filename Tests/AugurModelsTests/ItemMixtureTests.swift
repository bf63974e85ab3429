// Mixtures of what is counted: tastes by hand, and weights that are found again.
import AugurTensors
import Testing

@testable import AugurModels

@Suite struct ItemMixtureTests {
  private func withHistories<R>(_ users: [[Int32]], items: Int, _ body: (Histories) -> R) -> R {
    let offsets = users.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1.count) }
    return Array(users.joined()).withUnsafeBufferPointer { body(Histories(offsets: offsets, items: $0, itemCount: items)) }
  }

  private func scores(_ scorer: some Scorer, _ history: [Int32]) -> [Float] {
    var scores = [Float](repeating: -1, count: scorer.itemCount)
    scores.withUnsafeMutableBufferPointer { scorer.scores(history: history.span, into: $0) }
    return scores
  }

  /// Gives the same scores to everyone.
  private struct Fixed: Scorer {
    let values: [Float]
    var itemCount: Int { values.count }
    func scores(history: Span<Int32>, into: UnsafeMutableBufferPointer<Float>) { _ = into.update(fromContentsOf: values) }
  }

  /// Users like one of 4 categories of 5 items each; half of the steps go to the one successor of an item, 3 in 8 to the taste.
  private func drawn(users: Int, _ random: inout RandomStream) -> [[Int32]] {
    (0..<users).map { user in
      var history: [Int32] = [Int32(random.below(20))]
      while history.count < 30 {
        let part = random.uniform()
        let last = history[history.count - 1]
        let item = part < 0.5 ? (last * 7 + 3) % 20 : part < 0.875 ? Int32(user % 4 + 4 * random.below(5)) : Int32(random.below(20))
        history.append(item)
      }
      return history
    }
  }

  @Test func whatEachPartExplainsIsFoundAgain() {
    var random = RandomStream(seed: 5, stream: 0)
    let histories = drawn(users: 400, &random)
    let scorer = withHistories(histories, items: 20) { TasteChain($0, categories: (0..<20).map { Int32($0 % 4) }) }
    #expect(abs(scorer.weights.chain - 0.5) < 0.05 && abs(scorer.weights.taste + scorer.weights.popular - 0.5) < 0.05)
    for user in 0..<4 {
      let all = scores(scorer, histories[user])
      let last = histories[user][29]
      #expect(abs(all.reduce(0, +) - 1) < 1e-4)
      // The successor has half; an item of the taste has more than one of another category, by much.
      #expect(all[Int((last * 7 + 3) % 20)] > 0.45)
      let others = (0..<20).filter { $0 != Int((last * 7 + 3) % 20) }
      let liked = others.filter { $0 % 4 == user }.map { all[$0] }
      let rest = others.filter { $0 % 4 != user }.map { all[$0] }
      #expect((liked.min() ?? 0) > 2 * (rest.max() ?? 1), "\(liked), \(rest)")
    }
  }

  @Test func strangeHistoriesHaveScores() {
    let scorer = withHistories([[0, 1], [5, -1, 1, 0], [2]], items: 3) { TasteChain($0, categories: [0, -1, 0]) }
    for history: [Int32] in [[], [9], [-1, 0], [2]] {
      let all = scores(scorer, history)
      #expect(all.allSatisfy { $0.isFinite && $0 >= 0 })
    }
    let empty = withHistories([], items: 2) { TasteChain($0, categories: [0, 0]) }
    #expect(scores(empty, [1]) == [0, 0])
    let none = withHistories([], items: 0) { TasteChain($0, categories: []) }
    #expect(scores(none, []) == [])
  }

  @Test func weightsAreFoundAgain() {
    let parts = [Fixed(values: [6, 2, 1, 1]), Fixed(values: [1, 1, 1, 7])]
    var random = RandomStream(seed: 3, stream: 0)
    // From .3 of the first and .7 of the second.
    var examples: [(history: [Int32], target: Int32)] = []
    for _ in 0..<20_000 {
      let part: [Float] = parts[random.uniform() < 0.3 ? 0 : 1].values
      var left = Float(random.uniform()) * 10
      var item = 0
      while item < 3, left >= part[item] {
        left -= part[item]
        item += 1
      }
      examples.append((history: [], target: Int32(item)))
    }
    let mixture = ItemMixture(parts, examples: examples)
    #expect(abs(mixture.weights[0] - 0.3) < 0.02 && abs(mixture.weights.reduce(0, +) - 1) < 1e-12)
    let all = scores(mixture, [])
    let first = 0.6 * mixture.weights[0] + 0.1 * mixture.weights[1]
    #expect(abs(all.reduce(0, +) - 1) < 1e-5)
    #expect(abs(Double(all[0]) - first) < 1e-5)
    // What was met has no share: the rest shares it.
    let rest = scores(mixture, [0])
    #expect(rest[0] == 0 && abs(rest.reduce(0, +) - 1) < 1e-5)
  }

  @Test func whatWasMetHasAShareWhereItMayComeAgain() {
    let parts = [Fixed(values: [3, 1]), Fixed(values: [0, 1])]
    let mixture = ItemMixture(parts, keepsSeen: true, examples: [])
    #expect(scores(mixture, [0]) == [0.375, 0.625])
    // The first part alone holds the return to 0 possible.
    #expect(ItemMixture(parts, keepsSeen: true, examples: [(history: [0], target: 0)]).weights == [1, 0])
  }

  @Test func withoutExamplesAllWeighAlike() {
    let parts = [Fixed(values: [1, 0]), Fixed(values: [0, 1])]
    #expect(ItemMixture(parts, examples: []).weights == [0.5, 0.5])
    #expect(ItemMixture(parts, examples: [(history: [0], target: 9), (history: [0, 1], target: 1)]).weights == [0.5, 0.5])
    #expect(scores(ItemMixture(parts, examples: []), [0, 1]) == [0, 0])
  }
}
