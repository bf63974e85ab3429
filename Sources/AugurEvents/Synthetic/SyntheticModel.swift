// The known structure behind a synthetic log: Markov successors, user tastes and popularity.
//   P(j | c, u, seen, t) is proportional to, over items j that are unseen and sold at time t,
//   pMarkov * sum_s w_s [successor_s(c) = j] + pTaste * sum_k theta_k [category_k(u) = category(j)] z(rank(j)) +
// pGlobal * g(j)
import AugurCompute
import AugurTensors
import CKernels
import Glibc

/// Draws from fixed weights in O(1) (Walker 1977, Vose 1991).
struct AliasTable: Sendable {
  let probabilities: [Double]
  private let slots: [Slot]
  private struct Slot {
    var accept: UInt64
    var alias: Int32
  }

  /// Zipf: the weight of rank r is 1 / (r + 1)^exponent.
  init(zipf count: Int, exponent: Double) {
    let weights = (0..<count).map { pow(Double($0 + 1), -exponent) }
    let total = weights.reduce(0, +)
    probabilities = weights.map { $0 / total }
    var slots: [Slot] = uninitialized(count)
    for slot in 0..<count { slots[slot] = Slot(accept: .max, alias: Int32(slot)) }
    var scaled = probabilities.map { $0 * Double(count) }
    var small = scaled.indices.filter { scaled[$0] < 1 }
    var large = scaled.indices.filter { scaled[$0] >= 1 }
    while let low = small.popLast(), let high = large.last {
      slots[low] = Slot(accept: UInt64(scaled[low] * 0x1p63) << 1, alias: Int32(high))
      scaled[high] -= 1 - scaled[low]
      if scaled[high] < 1 {
        large.removeLast()
        small.append(high)
      }
    }
    self.slots = slots
  }

  @inline(__always) func draw(_ random: inout RandomStream) -> Int {
    let place = random.below(slots.count)
    let slot = slots[place]
    return random.next() <= slot.accept ? place : Int(slot.alias)
  }
}

/// A class, so that no thread counts its tables when it draws.
final class SyntheticModel: Sendable {
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
    category = AliasTable(zipf: (items + categoryCount - 1) / categoryCount, exponent: Self.categoryExponent)
    var (tables, successors): ([AliasTable], [Int32]) = ([], [])
    let categories = categoryCount
    withUnsafeMutablePointer(to: &tables) { tables in
      withUnsafeMutablePointer(to: &successors) { successors in
        let (tables, successors) = (Shared(tables), Shared(successors))
        parallel(2) { task in
          if task == 0 {
            tables.base.pointee = [AliasTable(zipf: items, exponent: Self.globalExponent)]
          } else {
            successors.base.pointee = Self.successors(items, categories, seed)
          }
        }
      }
    }
    (global, self.successors) = (tables[0], successors)
  }

  /// [V, 6]: half of the successors are of the item's own category.
  private static func successors(_ items: Int, _ categories: Int, _ seed: UInt64) -> [Int32] {
    var random = RandomStream(seed: seed, stream: 1)
    let width = successorWeights.count
    var table: [Int32] = uninitialized(items * width)
    table.withUnsafeMutableBufferPointer { table in
      for item in 0..<items {
        let (category, start) = (item % categories, item * width)
        let ofCategory = (items - category + categories - 1) / categories
        var end = start
        while end < start + width {
          let near = random.below(2) == 0
          let rank = random.below(ofCategory)
          let candidate = Int32(near ? rank * categories + category : random.below(items))
          let fresh = candidate != item && !table[start..<end].contains(candidate)
          guard fresh || items <= width + 1 else { continue }
          table[end] = candidate
          end += 1
        }
      }
    }
    return table
  }

  /// The categories a user likes, in falling weight.
  func taste(of user: Int) -> [Int] {
    var random = RandomStream(seed: seed ^ 0x7461_7374_65, stream: UInt64(user))
    return Self.tasteWeights.map { _ in random.below(categoryCount) }
  }

  /// A hint that the successors of an item are needed soon.
  @inline(__always) func prefetchSuccessors(of item: Int) {
    successors.withUnsafeBufferPointer { ck_prefetch($0.baseAddress.map { $0 + item * width }) }
  }

  /// A draw from the unrestricted mixture; nil where it has no item (no current item, or a rank behind the category).
  @inline(__always) func draw(after current: Int?, taste: [Int], _ random: inout RandomStream) -> Int? {
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

  /// One entry of `score(after:taste:into:)`.
  func score(of item: Int, after current: Int, taste: [Int]) -> Double {
    var score = global.probabilities[item] * Self.pGlobal
    for (weight, chosen) in zip(Self.tasteWeights, taste) where item % categoryCount == chosen {
      score += Self.pTaste * weight * category.probabilities[item / categoryCount]
    }
    for (slot, weight) in Self.successorWeights.enumerated() where Int(successors[current * width + slot]) == item {
      score += Self.pMarkov * weight
    }
    return score
  }

  /// Calls `body` once with each item whose score is `bound` or more, in no particular order. Most items have only their popularity, which
  /// falls with their number: the first ones, and those that the user's taste or the current item raises, are looked at.
  func items(scoring bound: Double, after current: Int, taste: [Int], _ body: (_ item: Int, _ score: Double) -> Void) {
    var (popular, end) = (0, itemCount)
    while popular < end {
      let middle = (popular + end) / 2
      if global.probabilities[middle] * Self.pGlobal >= bound { popular = middle + 1 } else { end = middle }
    }
    let next = Set(successors[current * width..<(current + 1) * width].map { Int($0) })
    for item in 0..<popular where !taste.contains(item % categoryCount) && !next.contains(item) {
      body(item, global.probabilities[item] * Self.pGlobal)
    }
    var raised = Array(next.filter { !taste.contains($0 % categoryCount) })
    for chosen in Set(taste) { raised += stride(from: chosen, to: itemCount, by: categoryCount) }
    for item in raised {
      let score = score(of: item, after: current, taste: taste)
      if score >= bound { body(item, score) }
    }
  }
}
