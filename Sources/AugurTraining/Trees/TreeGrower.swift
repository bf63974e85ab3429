// Growth of one tree, leaf by leaf, the one with the largest gain first: Ke et al. 2017 (LightGBM), categories as in Fisher 1958.
//
// Gradients are whole numbers of a fixed unit, so that sums of them are exact in any order: a tree does not depend on the number
// of threads, and the histogram of a sibling, its parent's minus the other child's, is exact too.
import AugurCompute
import AugurModels
import AugurTensors

/// What bounds a tree.
struct TreeLimits {
  var leaves = 31
  /// 0: no limit.
  var depth = 0
  /// Rows of a leaf at least, estimated from second derivatives.
  var leafRows = 20.0
  /// Second derivatives of a leaf at least.
  var leafWeight = 1e-3
  /// L2 penalty on leaf values.
  var l2 = 1.0
  /// More of it where a set of categories is chosen, which can fit noise.
  var categoryL2 = 10.0
  /// Weight towards 0 of the order of categories.
  var categorySmoothing = 10.0
  var learningRate = 0.1
  /// By input: 1 where outputs may not fall as it rises, -1 where they may not rise; empty where nothing is asked.
  var directions: [Int8] = []
}

/// A sum of first and second derivatives in their units.
typealias Derivatives = SIMD2<Int64>

struct TreeGrower {
  private let rows: BinnedRows
  private let features: [FeatureBins]
  private let limits: TreeLimits
  /// Inputs of this tree.
  private let used: [Int]
  /// Where the bins of each input begin in a histogram.
  private let offsets: [Int]
  private let unit: SIMD2<Double>
  /// Rows that a second derivative of one unit stands for.
  private let rowsPerUnit: Double

  /// Rows of the sample, those of a leaf side by side.
  private var order: [Int32]
  private var spare: [Int32]
  /// [rows of the table]
  private let derivatives: [Derivatives]
  private var gathered: [Derivatives]
  private var leaves: [Leaf] = []
  private var nodes: [DecisionTree.Node] = []
  private var sets: [SIMD4<UInt64>] = []
  private var freeHistograms: [Histogram] = []

  /// Additions that one thread does alone: fewer cost less than waking another.
  static let leastShared = 30_000

  private final class Histogram {
    let sums: UnsafeMutablePointer<Derivatives>
    init(_ bins: Int) { sums = .allocate(capacity: max(1, bins)) }
    deinit { sums.deallocate() }
  }

  private struct Leaf {
    var node: Int
    var range: Range<Int>
    var depth: Int
    var total: Derivatives
    var histogram: Histogram?
    var split: Split?
    /// What its value has to keep to, so that leaves on both sides of a decision above stand in order (Ke et al. 2017, "basic").
    var bounds = -Double.infinity...Double.infinity
  }

  private struct Split {
    var gain: Double
    var feature: Int
    var threshold: Int32
    var missingLeft = false
    var set: SIMD4<UInt64>?
    var left: Derivatives
  }

  /// - Parameters:
  ///   - sample: rows that count, rising.
  ///   - used: inputs that may decide, rising.
  ///   - derivatives: of each row of `rows`, in units of `unit`.
  init(
    _ rows: BinnedRows, _ features: [FeatureBins], sample: [Int32], used: [Int], _ derivatives: [Derivatives],
    unit: SIMD2<Double>,
    _ limits: TreeLimits
  ) {
    (self.rows, self.features, self.limits, self.used, self.derivatives, self.unit) = (
      rows, features, limits, used, derivatives, unit
    )
    var offsets = [0]
    for feature in features { offsets.append(offsets[offsets.count - 1] + feature.count) }
    self.offsets = offsets
    (order, spare) = (sample, sample)
    gathered = [Derivatives](repeating: .zero, count: sample.count)
    var total = Derivatives.zero
    for row in sample { total &+= derivatives[Int(row)] }
    rowsPerUnit = Double(sample.count) / max(1, Double(total.y))
    nodes.append(DecisionTree.Node())
    leaves.append(Leaf(node: 0, range: 0..<sample.count, depth: 0, total: total))
  }

  /// Grows the tree.
  mutating func tree() -> DecisionTree {
    guard !order.isEmpty else { return DecisionTree(nodes: nodes, sets: []) }
    search(at: 0, sibling: nil)
    while leaves.count < limits.leaves {
      var best: Int?
      for place in leaves.indices {
        guard let split = leaves[place].split else { continue }
        if split.gain > best.flatMap({ leaves[$0].split?.gain }) ?? 0 { best = place }
      }
      guard let best else { break }
      divide(best)
    }
    for leaf in leaves { nodes[leaf.node].value = Float(limits.learningRate * value(leaf.total, limits.l2, leaf.bounds)) }
    return DecisionTree(nodes: nodes, sets: sets)
  }

  /// Where each row of the sample ended: calls `body` with the rows of a leaf and its value.
  func forEachLeaf(_ body: (ArraySlice<Int32>, Float) -> Void) {
    for leaf in leaves { body(order[leaf.range], nodes[leaf.node].value) }
  }

  private func value(_ sum: Derivatives, _ l2: Double, _ bounds: ClosedRange<Double>) -> Double {
    let (g, h) = (Double(sum.x) * unit.x, Double(sum.y) * unit.y)
    return min(max(h + l2 > 0 ? -g / (h + l2) : 0, bounds.lowerBound), bounds.upperBound)
  }

  private func direction(of feature: Int) -> Int8 { limits.directions.isEmpty ? 0 : limits.directions[feature] }

  /// What the two sides of a split have to keep to.
  private func bounds(of leaf: Leaf, _ split: Split) -> (left: ClosedRange<Double>, right: ClosedRange<Double>) {
    let direction = direction(of: split.feature)
    guard direction != 0 else { return (leaf.bounds, leaf.bounds) }
    let values = [split.left, leaf.total &- split.left].map { value($0, limits.l2, leaf.bounds) }
    let (middle, low, high) = ((values[0] + values[1]) / 2, leaf.bounds.lowerBound, leaf.bounds.upperBound)
    return direction > 0 ? (low...middle, middle...high) : (middle...high, low...middle)
  }

  // MARK: Division of a leaf

  private mutating func divide(_ place: Int) {
    let leaf = leaves[place]
    guard let split = leaf.split else { return }
    let middle = partition(leaf.range, split)
    let bounds = bounds(of: leaf, split)
    let first = Int32(nodes.count)
    nodes[leaf.node] = DecisionTree.Node(
      feature: Int32(split.feature), threshold: split.set == nil ? split.threshold : Int32(sets.count), left: first,
      right: first + 1,
      isCategory: split.set != nil, missingLeft: split.missingLeft)
    if let set = split.set { sets.append(set) }
    nodes += [DecisionTree.Node(), DecisionTree.Node()]
    leaves[place] = Leaf(
      node: Int(first), range: leaf.range.lowerBound..<middle, depth: leaf.depth + 1, total: split.left, histogram: leaf.histogram,
      bounds: bounds.left)
    leaves.append(
      Leaf(
        node: Int(first) + 1, range: middle..<leaf.range.upperBound, depth: leaf.depth + 1, total: leaf.total &- split.left,
        histogram: nil, bounds: bounds.right))
    guard leaves.count < limits.leaves, limits.depth == 0 || leaf.depth + 1 < limits.depth else {
      // Nothing divides the two: they need no histogram.
      leaves[place].histogram = nil
      if let histogram = leaf.histogram { freeHistograms.append(histogram) }
      return
    }
    let (left, right) = (place, leaves.count - 1)
    // The smaller child is summed, the other one is what remains of the parent.
    if leaves[left].range.count <= leaves[right].range.count {
      leaves[right].histogram = leaves[left].histogram
      search(at: left, sibling: right)
    } else {
      search(at: right, sibling: left)
    }
  }

  /// Puts the rows that go left first, both in their order; returns where the others begin.
  private mutating func partition(_ range: Range<Int>, _ split: Split) -> Int {
    let node = DecisionTree.Node(
      feature: Int32(split.feature), threshold: split.set == nil ? split.threshold : 0, isCategory: split.set != nil,
      missingLeft: split.missingLeft)
    let R = rows.rowCount
    return rows.bins.withUnsafeBufferPointer { bins in
      [split.set ?? .zero].withUnsafeBufferPointer { set in
        order.withUnsafeMutableBufferPointer { order in
          spare.withUnsafeMutableBufferPointer { spare in
            let column = UnsafeBufferPointer(rebasing: bins[split.feature * R..<(split.feature + 1) * R])
            var (left, right) = (range.lowerBound, 0)
            for place in range {
              let row = order[place]
              if DecisionTree.goesLeft(column[Int(row)], node, set) {
                order[left] = row
                left += 1
              } else {
                spare[right] = row
                right += 1
              }
            }
            for place in 0..<right { order[left + place] = spare[place] }
            return left
          }
        }
      }
    }
  }

  // MARK: Histograms

  /// Sums the histogram of a leaf and finds its best split and that of its sibling, which holds the histogram of their parent.
  private mutating func search(at place: Int, sibling: Int?) {
    leaves[place].histogram = freeHistograms.popLast() ?? Histogram(offsets[features.count])
    gather(leaves[place].range)
    let pair = [place, sibling].compactMap { $0 }
    let found = splits(of: pair.map { leaves[$0] })
    for (side, leaf) in pair.enumerated() {
      var best: Split?
      for split in found[side * used.count..<(side + 1) * used.count] {
        if let split, split.gain > best?.gain ?? 0 { best = split }
      }
      leaves[leaf].split = best
      if best == nil, let histogram = leaves[leaf].histogram {
        freeHistograms.append(histogram)
        leaves[leaf].histogram = nil
      }
    }
  }

  /// The best split by each input of a leaf and of its sibling, where there is one; their histograms are complete afterwards.
  private func splits(of pair: [Leaf]) -> [Split?] {
    let (count, range) = (used.count, pair[0].range)
    var found = [Split?](repeating: nil, count: pair.count * count)
    found.withUnsafeMutableBufferPointer { found in
      nonisolated(unsafe) let found = found
      func work(_ task: Int) {
        let feature = used[task]
        let (offset, bins) = (offsets[feature], offsets[feature + 1] - offsets[feature])
        guard let sums = pair[0].histogram?.sums else { return }
        sum(feature, range, into: sums + offset, bins: bins)
        if pair.count > 1, let rest = pair[1].histogram?.sums {
          for bin in offset..<offset + bins { rest[bin] &-= sums[bin] }
        }
        for (side, leaf) in pair.enumerated() {
          guard let histogram = leaf.histogram else { continue }
          found[side * count + task] = best(of: leaf, feature, histogram.sums + offset, bins: bins)
        }
      }
      if range.count * count < Self.leastShared { for task in 0..<count { work(task) } } else { parallel(count) { work($0) } }
    }
    return found
  }

  private mutating func gather(_ range: Range<Int>) {
    gathered.withUnsafeMutableBufferPointer { gathered in
      order.withUnsafeBufferPointer { order in
        derivatives.withUnsafeBufferPointer { all in for place in range { gathered[place] = all[Int(order[place])] } }
      }
    }
  }

  private func sum(_ feature: Int, _ range: Range<Int>, into sums: UnsafeMutablePointer<Derivatives>, bins: Int) {
    sums.update(repeating: .zero, count: bins)
    let R = rows.rowCount
    rows.bins.withUnsafeBufferPointer { all in
      gathered.withUnsafeBufferPointer { gathered in
        order.withUnsafeBufferPointer { order in
          let column = UnsafeBufferPointer(rebasing: all[feature * R..<(feature + 1) * R])
          for place in range { sums[Int(column[Int(order[place])])] &+= gathered[place] }
        }
      }
    }
  }

  // MARK: Splits

  private func best(of leaf: Leaf, _ feature: Int, _ sums: UnsafePointer<Derivatives>, bins: Int) -> Split? {
    guard leaf.range.count >= 2 else { return nil }
    return features[feature].isCategory ? bestSet(leaf, feature, sums, bins: bins) : bestEdge(leaf, feature, sums, bins: bins)
  }

  /// G^2 / (H + l2), or what is left of it where the best value is out of bounds: -(2 G w + (H + l2) w^2).
  private func score(_ sum: Derivatives, _ l2: Double, _ bounds: ClosedRange<Double>) -> Double {
    let (g, h) = (Double(sum.x) * unit.x, Double(sum.y) * unit.y)
    guard h + l2 > 0 else { return 0 }
    guard !limits.directions.isEmpty else { return g * g / (h + l2) }
    let held = value(sum, l2, bounds)
    guard held != -g / (h + l2) else { return g * g / (h + l2) }
    return -(2 * g * held + (h + l2) * held * held)
  }

  /// What a division adds to the score of its leaf; 0 where that is no more than rounding, whatever the unit of the label, or where the sides
  /// would stand against the `direction` that is asked for.
  private func gain(
    _ left: Derivatives, _ right: Derivatives, _ l2: Double, parent: Double, _ bounds: ClosedRange<Double>, direction: Int8 = 0
  ) -> Double {
    if direction != 0 {
      let rise = value(right, l2, bounds) - value(left, l2, bounds)
      guard direction > 0 ? rise >= 0 : rise <= 0 else { return 0 }
    }
    let sum = score(left, l2, bounds) + score(right, l2, bounds)
    return sum - parent > 1e-9 * sum.magnitude ? sum - parent : 0
  }

  private func isLargeEnough(_ sum: Derivatives) -> Bool {
    Double(sum.y) * rowsPerUnit >= limits.leafRows && Double(sum.y) * unit.y >= limits.leafWeight
  }

  /// Every edge, with missing numbers on either side.
  private func bestEdge(_ leaf: Leaf, _ feature: Int, _ sums: UnsafePointer<Derivatives>, bins: Int) -> Split? {
    let (missing, parent, direction) = (sums[0], score(leaf.total, limits.l2, leaf.bounds), direction(of: feature))
    var best: Split?
    for missingLeft in missing == .zero ? [false] : [false, true] {
      // Where no number is missing here, one that is later goes with zero of both.
      var left = missingLeft ? missing : .zero
      for bin in 1..<max(1, bins) {
        left &+= sums[bin]
        let right = leaf.total &- left
        guard isLargeEnough(left) else { continue }
        guard isLargeEnough(right) else { break }
        let gain = gain(left, right, limits.l2, parent: parent, leaf.bounds, direction: direction)
        if gain > best?.gain ?? 0 {
          let isLeft = missing == .zero ? left.y >= right.y : missingLeft
          best = Split(gain: gain, feature: feature, threshold: Int32(bin), missingLeft: isLeft, left: left)
        }
      }
    }
    return best
  }

  /// Sets of categories: in the order of their mean gradients the best set is a beginning or an end of them.
  private func bestSet(_ leaf: Leaf, _ feature: Int, _ sums: UnsafePointer<Derivatives>, bins: Int) -> Split? {
    var present: [(bin: Int, mean: Double)] = []
    for bin in 0..<bins where sums[bin].y > 0 {
      let (g, h) = (Double(sums[bin].x) * unit.x, Double(sums[bin].y) * unit.y)
      present.append((bin, g / (h + limits.categorySmoothing)))
    }
    guard present.count > 1 else { return nil }
    present.sort { $0.mean < $1.mean || ($0.mean == $1.mean && $0.bin < $1.bin) }
    let l2 = limits.l2 + (present.count > 2 ? limits.categoryL2 : 0)
    let parent = score(leaf.total, limits.l2, leaf.bounds)
    var best: Split?
    for isFromEnd in [false, true] {
      var (left, set) = (Derivatives.zero, SIMD4<UInt64>.zero)
      for place in 0..<min(present.count - 1, 32) {
        let bin = present[isFromEnd ? present.count - 1 - place : place].bin
        left &+= sums[bin]
        set[bin >> 6] |= 1 << UInt64(bin & 63)
        guard isLargeEnough(left) else { continue }
        let right = leaf.total &- left
        guard isLargeEnough(right) else { break }
        let gain = gain(left, right, l2, parent: parent, leaf.bounds)
        if gain > best?.gain ?? 0 { best = Split(gain: gain, feature: feature, threshold: 0, set: set, left: left) }
      }
    }
    return best
  }
}
