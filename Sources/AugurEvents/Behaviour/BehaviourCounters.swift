// The numbers of all users, items or categories. Counts and sums are whole numbers, so that events of one moment may come in any order
// and what leaves a window leaves nothing behind.

/// Price, and price times quantity, of an event in units of 2^-16. A missing quantity counts as 1; what is beyond 1e12 counts as 1e12.
struct BehaviourAmounts {
  static let scale = 65_536.0
  private static let largest = 1e12
  var price: Int64 = 0
  var money: Int64 = 0

  /// All 0 for an event without a price.
  @inline(__always)
  init(price: Float, quantity: Float) {
    guard price.isFinite else { return }
    self.price = Self.units(Double(price))
    money = quantity.isFinite ? Self.units(Double(price) * Double(quantity)) : self.price
  }

  /// Rounded half away from 0.
  @inline(__always)
  private static func units(_ amount: Double) -> Int64 {
    let scaled = min(max(amount, -largest), largest) * scale
    return Int64(scaled + (scaled < 0 ? -0.5 : 0.5))
  }
}

/// Memory of N entities, shared by copies of a state until one of them changes it.
private final class BehaviourCells: @unchecked Sendable {
  let counts: UnsafeMutablePointer<UInt32>  // [capacity, C]
  let words: UnsafeMutablePointer<Int64>  // [capacity, W]
  let capacity: Int

  init(_ plan: EntityPlan, capacity: Int) {
    self.capacity = capacity
    counts = .allocate(capacity: max(1, capacity * plan.countCells))
    words = .allocate(capacity: capacity * plan.words)
  }

  deinit {
    counts.deallocate()
    words.deallocate()
  }
}

/// N entities of one kind.
struct BehaviourCounters: Sendable {
  /// Stands for a time that never was.
  static let never = Int64.min

  let plan: EntityPlan
  private(set) var count = 0  // N
  private var cells: BehaviourCells

  init(_ plan: EntityPlan) {
    self.plan = plan
    cells = BehaviourCells(plan, capacity: 16)
  }

  /// Takes what a file holds: [N, C] and [N, W]; nil where the sizes do not fit.
  init?(_ plan: EntityPlan, count: Int, counts: [UInt32], words: [Int64]) {
    guard counts.count == count * plan.countCells, words.count == count * plan.words else { return nil }
    self.init(plan)
    grow(to: count)
    for (place, value) in counts.enumerated() { cells.counts[place] = value }
    for (place, value) in words.enumerated() { cells.words[place] = value }
  }

  /// [N, C]
  var counts: [UInt32] { Array(UnsafeBufferPointer(start: cells.counts, count: count * plan.countCells)) }
  /// [N, W]: first time, last times, sums.
  var words: [Int64] { Array(UnsafeBufferPointer(start: cells.words, count: count * plan.words)) }

  /// Whether all first and last times are in 0...`latest`, or never were.
  func hasTimes(until latest: Int64) -> Bool {
    (0..<count).allSatisfy { entity in
      (0..<1 + plan.lastWords).allSatisfy { word in
        let time = cells.words[entity * plan.words + word]
        return time == Self.never || time >= 0 && time <= latest
      }
    }
  }

  func count(_ index: Int, _ cell: Int) -> UInt32 { cells.counts[index * plan.countCells + cell] }

  /// Memory of its own for `capacity` entities.
  private mutating func move(to capacity: Int) {
    let larger = BehaviourCells(plan, capacity: capacity)
    larger.counts.update(from: cells.counts, count: count * plan.countCells)
    larger.words.update(from: cells.words, count: count * plan.words)
    cells = larger
  }

  /// Room for `total` entities; new ones have seen nothing.
  mutating func grow(to total: Int) {
    guard total > count else { return }
    if total > cells.capacity || !isKnownUniquelyReferenced(&cells) { move(to: max(total, 2 * cells.capacity)) }
    (cells.counts + count * plan.countCells).update(repeating: 0, count: (total - count) * plan.countCells)
    for entity in count..<total {
      (cells.words + entity * plan.words).update(repeating: Self.never, count: 1 + plan.lastWords)
      (cells.words + entity * plan.words + 1 + plan.lastWords).update(repeating: 0, count: plan.sumWords)
    }
    count = total
  }

  /// Counts an event of `eventClass`; `row` is its row of entry. Precondition: `index` in 0..<N.
  @inline(__always)
  mutating func enter(_ index: Int, row: Int, eventClass: Int, time: Int64, _ amounts: BehaviourAmounts) {
    change(index, row: row, by: 1, amounts)
    let words = cells.words + index * plan.words
    if words[0] == Self.never { words[0] = time }
    for step in Int(plan.lastStarts[eventClass])..<Int(plan.lastStarts[eventClass + 1]) {
      words[Int(plan.lastSteps[step].cell)] = time
    }
  }

  /// Adds to, or takes from, the cells of a row. Precondition: `index` in 0..<N.
  @inline(__always)
  mutating func change(_ index: Int, row: Int, by sign: Int64, _ amounts: BehaviourAmounts) {
    assert(index >= 0 && index < count)
    if !isKnownUniquelyReferenced(&cells) { move(to: cells.capacity) }
    let (counts, words) = (cells.counts + index * plan.countCells, cells.words + index * plan.words)
    for step in Int(plan.countStarts[row])..<Int(plan.countStarts[row + 1]) {
      counts[Int(plan.countSteps[step].cell)] &+= UInt32(truncatingIfNeeded: sign)
    }
    for step in Int(plan.sumStarts[row])..<Int(plan.sumStarts[row + 1]) {
      let step = plan.sumSteps[step]
      words[Int(step.cell)] &+= sign &* (step.isMoney ? amounts.money : amounts.price)
    }
  }

  /// Writes the columns of an entity as of `time`; `logRate` is the conversion of the log so far.
  @inline(__always)
  func write(_ index: Int, time: Int64, price: Float, logRate: Double, into row: UnsafeMutablePointer<Float>) {
    assert(index >= 0 && index < count)
    let (counts, words) = (UnsafePointer(cells.counts + index * plan.countCells), UnsafePointer(cells.words + index * plan.words))
    for column in 0..<plan.columns.count {
      let step = plan.columns[column]
      row[Int(step.place)] = value(step.rule, counts, words, time, price, logRate)
    }
  }

  @inline(__always)
  private func value(
    _ rule: BehaviourRule, _ counts: UnsafePointer<UInt32>, _ words: UnsafePointer<Int64>, _ time: Int64, _ price: Float,
    _ logRate: Double
  ) -> Float {
    switch rule {
    case .count(let cell): return Float(counts[cell])
    case .perDay(let cell, let days):
      let span = days > 0 ? days : words[0] == Self.never ? 1 : max(1, Double(time - words[0]) / 86_400_000)
      return Float(Double(counts[cell]) / span)
    case .sum(let word): return Float(Double(words[word]) / BehaviourAmounts.scale)
    case .mean(let word, let cell): return Float(mean(words[word], counts[cell]))
    case .since(let word): return seconds(from: words[word], to: time)
    case .conversion(let purchases, let views, let prior, let strength):
      let hits = Double(counts[purchases]) + strength * (prior.isNaN ? logRate : prior)
      return Float(hits / (Double(counts[views]) + strength))
    case .priceRatio(let word, let cell):
      let ratio = Float(Double(price) / mean(words[word], counts[cell]))
      return ratio.isFinite ? ratio : .nan
    case .weight(let from, let to):
      var sum = 0.0
      for part in from..<to { sum += plan.weights[part].weight * Double(counts[plan.weights[part].cell]) }
      return Float(sum)
    }
  }

  /// NaN of nothing.
  private func mean(_ sum: Int64, _ count: UInt32) -> Double {
    count == 0 ? .nan : Double(sum) / (BehaviourAmounts.scale * Double(count))
  }

  private func seconds(from begin: Int64, to end: Int64) -> Float {
    begin == Self.never ? .nan : Float(Double(end - begin) / 1000)
  }
}
