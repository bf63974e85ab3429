// The known structure behind a synthetic log: Markov successors, user tastes and popularity.
//   P(j | c, u, seen, t) is proportional to, over items j that are unseen and sold at time t,
//   pMarkov * sum_s w_s [successor_s(c) = j] + pTaste * sum_k theta_k [category_k(u) = category(j)] z(rank(j)) +
// pGlobal * g(j)
import AugurTensors
import Glibc

/// Draws from fixed weights in O(1) (Walker 1977, Vose 1991).
struct AliasTable: Sendable {
  let probabilities: [Double]
  private var accept: [UInt64]
  private var alias: [Int32]

  /// Zipf: the weight of rank r is 1 / (r + 1)^exponent.
  init(zipf count: Int, exponent: Double) {
    let logWeights = (0..<count).map { pow(Double($0 + 1), -exponent) }
    let total = logWeights.reduce(0, +)
    probabilities = logWeights.map { $0 / total }
    accept = [UInt64](repeating: .max, count: count)
    alias = [Int32](0..<Int32(count))
    var scaled = probabilities.map { $0 * Double(count) }
    var small = scaled.indices.filter { scaled[$0] < 1 }
    var large = scaled.indices.filter { scaled[$0] >= 1 }
    while let low = small.popLast(), let high = large.last {
      accept[low] = UInt64(scaled[low] * 0x1p63) << 1
      alias[low] = Int32(high)
      scaled[high] -= 1 - scaled[low]
      if scaled[high] < 1 {
        large.removeLast()
        small.append(high)
      }
    }
  }

  func draw(_ random: inout RandomStream) -> Int {
    let slot = random.below(accept.count)
    return random.next() <= accept[slot] ? slot : Int(alias[slot])
  }
}

struct SyntheticModel: Sendable {
  static let (pMarkov, pTaste, pGlobal) = (0.4, 0.5, 0.1)
  static let successorWeights = [0.4, 0.25, 0.15, 0.1, 0.06, 0.04]
  static let tasteWeights = [0.6, 0.3, 0.1]
  static let (globalExponent, categoryExponent) = (1.0, 1.0)

  let itemCount: Int
  let categoryCount: Int
  let seed: UInt64
  let global: AliasTable
  let category: AliasTable  // of ranks inside a category; ranks behind its end are drawn again
  private let successors: [Int32]  // [V, 6]
  private var width: Int { Self.successorWeights.count }

  init(items: Int, seed: UInt64) {
    (itemCount, self.seed) = (items, seed)
    categoryCount = max(1, min(1000, items / 50))
    global = AliasTable(zipf: items, exponent: Self.globalExponent)
    category = AliasTable(zipf: (items + categoryCount - 1) / categoryCount, exponent: Self.categoryExponent)
    var random = RandomStream(seed: seed, stream: 1)
    var table: [Int32] = []
    table.reserveCapacity(items * Self.successorWeights.count)
    for item in 0..<items {
      let start = table.count
      while table.count < start + Self.successorWeights.count {
        // Half of the successors are of the item's own category.
        let near = random.below(2) == 0
        let rank = random.below((items - item % categoryCount + categoryCount - 1) / categoryCount)
        let candidate = Int32(near ? rank * categoryCount + item % categoryCount : random.below(items))
        let fresh = candidate != item && !table[start...].contains(candidate)
        if fresh || items <= Self.successorWeights.count + 1 { table.append(candidate) }
      }
    }
    successors = table
  }

  /// The categories a user likes, in falling weight.
  func taste(of user: Int) -> [Int] {
    var random = RandomStream(seed: seed ^ 0x7461_7374_65, stream: UInt64(user))
    return Self.tasteWeights.map { _ in random.below(categoryCount) }
  }

  /// A draw from the unrestricted mixture; nil where it has no item (no current item, or a rank behind the category).
  func draw(after current: Int?, taste: [Int], _ random: inout RandomStream) -> Int? {
    let part = random.uniform()
    if part < Self.pMarkov {
      guard let current else { return nil }
      return Int(successors[current * width + Self.pick(Self.successorWeights, part / Self.pMarkov)])
    }
    if part < Self.pMarkov + Self.pTaste {
      let chosen = taste[Self.pick(Self.tasteWeights, (part - Self.pMarkov) / Self.pTaste)]
      let item = category.draw(&random) * categoryCount + chosen
      return item < itemCount ? item : nil
    }
    return global.draw(&random)
  }

  /// The entry of `weights` (sum 1) in which `unit` falls.
  private static func pick(_ weights: [Double], _ unit: Double) -> Int {
    var rest = unit
    for index in 0..<weights.count - 1 {
      if rest < weights[index] { return index }
      rest -= weights[index]
    }
    return weights.count - 1
  }

  /// Unnormalised true probabilities of every item, [V], into an array that is kept.
  func score(after current: Int, taste: [Int], into scores: inout [Double]) {
    if scores.count != itemCount { scores = [Double](repeating: 0, count: itemCount) }
    for item in scores.indices { scores[item] = global.probabilities[item] * Self.pGlobal }
    for (weight, chosen) in zip(Self.tasteWeights, taste) {
      var rank = 0
      for item in stride(from: chosen, to: itemCount, by: categoryCount) {
        scores[item] += Self.pTaste * weight * category.probabilities[rank]
        rank += 1
      }
    }
    for (slot, weight) in Self.successorWeights.enumerated() {
      scores[Int(successors[current * width + slot])] += Self.pMarkov * weight
    }
  }
}
