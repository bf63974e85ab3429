// A Markov chain, the tastes of users in categories, and popularity, each counting only the events that it explains: fitted by EM
// (Dempster, Laird and Rubin, 1977). A chain counted from all events holds what users would have done anyway; this one does not.

/// P(j | i, u) = w_chain T(i, j) + w_taste theta_u(c) Q(j) + w_popular G(j), with i the last item and c the category of j. Q adds up to 1 in
/// each category. A user's theta is found in the history that is scored.
public struct TasteChain: Scorer {
  public struct Weights: Sendable, Equatable {
    public var (chain, taste, popular) = (0.4, 0.4, 0.2)
  }
  public let itemCount: Int
  public private(set) var weights = Weights()
  /// Of each item.
  private let categories: [Int]
  private let categoryCount: Int
  /// T(i, .) is `chain[rows[i]..<rows[i + 1]]`, by ascending successor.
  private let rows: [Int]
  private let successors: [Int32]
  private var chain: [Double]
  private var inCategory: [Double]  // Q, [V]
  private var popularity: [Double]  // G, [V]

  /// Events that draw a user's taste towards all categories alike.
  private static let strength = 0.3
  private static let tasteRounds = 8

  /// - Parameters:
  ///   - categories: of each item, [V]; a negative number is none, and such items share one.
  ///   - rounds: of EM; each costs O(T) for T events.
  /// - Precondition: as many categories as items.
  public init(_ histories: Histories, categories given: [Int32], rounds: Int = 12) {
    precondition(given.count == histories.itemCount, "TasteChain: expected \(histories.itemCount) categories, got \(given.count)")
    itemCount = histories.itemCount
    let named = Int(max(-1, given.max() ?? -1)) + 1
    (categories, categoryCount) = (given.map { $0 < 0 ? named : Int($0) }, named + (given.contains { $0 < 0 } ? 1 : 0))
    let known = (0..<histories.userCount).map { user in histories[user].filter(histories.isKnown) }
    var pairs: [UInt64] = []
    for history in known { for (from, to) in zip(history, history.dropFirst()) { pairs.append(UInt64(from) << 32 | UInt64(to)) } }
    pairs.sort()
    var (starts, found, counts): ([Int], [Int32], [Double]) = ([0], [], [])
    for (place, pair) in pairs.enumerated() {
      if place > 0, pairs[place - 1] == pair {
        counts[counts.count - 1] += 1
        continue
      }
      while starts.count <= Int(pair >> 32) { starts.append(found.count) }
      found.append(Int32(truncatingIfNeeded: pair & 0xffff_ffff))
      counts.append(1)
    }
    while starts.count <= itemCount { starts.append(found.count) }
    (rows, successors, chain) = (starts, found, counts)
    popularity = [Double](repeating: 0, count: itemCount)
    for history in known { for item in history { popularity[Int(item)] += 1 } }
    inCategory = popularity
    normalise()
    for _ in 0..<rounds { improve(known) }
  }

  private mutating func normalise() {
    for item in 0..<itemCount {
      let row = rows[item]..<rows[item + 1]
      let sum = chain[row].reduce(0, +)
      if sum > 0 { for entry in row { chain[entry] /= sum } }
    }
    let sum = popularity.reduce(0, +)
    if sum > 0 { for item in popularity.indices { popularity[item] /= sum } }
    var sums = [Double](repeating: 0, count: categoryCount)
    for item in inCategory.indices { sums[categories[item]] += inCategory[item] }
    for item in inCategory.indices where sums[categories[item]] > 0 { inCategory[item] /= sums[categories[item]] }
  }

  /// Where T(from, to) stands; nil where it is 0.
  private func entry(_ from: Int32, _ to: Int32) -> Int? {
    var (low, high) = (rows[Int(from)], rows[Int(from) + 1])
    while low < high {
      let middle = (low + high) / 2
      if successors[middle] < to { low = middle + 1 } else { high = middle }
    }
    return low < rows[Int(from) + 1] && successors[low] == to ? low : nil
  }

  /// How likely each part makes the step, with its weight, and the entry of the chain.
  private func parts(_ from: Int32, _ to: Int32, _ taste: [Double]) -> (chain: Double, taste: Double, popular: Double, entry: Int?) {
    let (entry, item) = (entry(from, to), Int(to))
    return (
      weights.chain * (entry.map { chain[$0] } ?? 0), weights.taste * taste[categories[item]] * inCategory[item],
      weights.popular * popularity[item], entry
    )
  }

  /// theta of a user, [C]: shares of the events that the other parts do not explain.
  private func taste(of history: [Int32], rounds: Int) -> [Double] {
    let even = 1 / Double(max(1, categoryCount))
    var taste = [Double](repeating: even, count: categoryCount)
    for _ in 0..<rounds {
      var (shares, sum) = ([Double](repeating: Self.strength * even, count: categoryCount), Self.strength)
      for (from, to) in zip(history, history.dropFirst()) {
        let own = parts(from, to, taste)
        let all = own.chain + own.taste + own.popular
        guard all > 0 else { continue }
        shares[categories[Int(to)]] += own.taste / all
        sum += own.taste / all
      }
      taste = shares.map { $0 / sum }
    }
    return taste
  }

  /// One round of EM over all steps.
  private mutating func improve(_ histories: [[Int32]]) {
    var (nextChain, nextTaste, nextPopular) = (chain.map { _ in 0.0 }, inCategory.map { _ in 0.0 }, popularity.map { _ in 0.0 })
    var (next, steps) = (Weights(chain: 0, taste: 0, popular: 0), 0.0)
    for history in histories where history.count > 1 {
      let taste = taste(of: history, rounds: 3)
      for (from, to) in zip(history, history.dropFirst()) {
        let own = parts(from, to, taste)
        let all = own.chain + own.taste + own.popular
        guard all > 0 else { continue }
        if let entry = own.entry { nextChain[entry] += own.chain / all }
        nextTaste[Int(to)] += own.taste / all
        nextPopular[Int(to)] += own.popular / all
        next.chain += own.chain / all
        next.taste += own.taste / all
        next.popular += own.popular / all
        steps += 1
      }
    }
    guard steps > 0 else { return }
    (chain, inCategory, popularity) = (nextChain, nextTaste, nextPopular)
    weights = Weights(chain: next.chain / steps, taste: next.taste / steps, popular: next.popular / steps)
    normalise()
  }

  public func scores(history: Span<Int32>, into: UnsafeMutableBufferPointer<Float>) {
    checkSize(into, "TasteChain")
    var known: [Int32] = []
    for place in history.indices where history[place] >= 0 && Int(history[place]) < itemCount { known.append(history[place]) }
    let taste = taste(of: known, rounds: Self.tasteRounds)
    for item in 0..<itemCount {
      into[item] = Float(weights.taste * taste[categories[item]] * inCategory[item] + weights.popular * popularity[item])
    }
    guard let last = known.last else { return }
    for entry in rows[Int(last)]..<rows[Int(last) + 1] { into[Int(successors[entry])] += Float(weights.chain * chain[entry]) }
  }
}
