// Gradient-boosted decision trees on binned inputs: Friedman 2001; histograms and growth by leaf as in Ke et al. 2017 (LightGBM).
//
// Why a tree model in an engine of networks: on small tables of mixed columns, such as churn and fraud, boosted trees are the
// model to beat (Grinsztajn et al. 2022, arXiv 2207.08815), and an engine that chooses by validation has to have what would win there.

/// A binary tree; nodes lie parents first, the root at 0.
public struct DecisionTree: Sendable, Equatable {
  public struct Node: Sendable, Equatable {
    /// Input that decides; -1 in a leaf.
    public var feature: Int32
    /// Of a number: the largest bin that goes left. Of a category: the place of its set of bins that go left.
    public var threshold: Int32
    public var left: Int32
    public var right: Int32
    /// Of a leaf.
    public var value: Float
    public var isCategory: Bool
    /// Whether a missing number goes left.
    public var missingLeft: Bool

    public init(
      feature: Int32 = -1, threshold: Int32 = 0, left: Int32 = 0, right: Int32 = 0, value: Float = 0, isCategory: Bool = false,
      missingLeft: Bool = false
    ) {
      (self.feature, self.threshold, self.left, self.right, self.value) = (feature, threshold, left, right, value)
      (self.isCategory, self.missingLeft) = (isCategory, missingLeft)
    }
  }
  public var nodes: [Node]
  /// Sets of bins, a bit each.
  public var sets: [SIMD4<UInt64>]

  public init(nodes: [Node], sets: [SIMD4<UInt64>]) { (self.nodes, self.sets) = (nodes, sets) }

  /// Adds the value of each row's leaf to `outputs`. Precondition: every node's inputs and children exist.
  public func add(to outputs: UnsafeMutableBufferPointer<Float>, _ rows: BinnedRows, _ range: Range<Int>) {
    let R = rows.rowCount
    rows.bins.withUnsafeBufferPointer { bins in
      nodes.withUnsafeBufferPointer { nodes in
        sets.withUnsafeBufferPointer { sets in
          for row in range {
            var node = nodes[0]
            while node.feature >= 0 {
              let goesLeft = Self.goesLeft(bins[Int(node.feature) * R + row], node, sets)
              node = nodes[Int(goesLeft ? node.left : node.right)]
            }
            outputs[row] += node.value
          }
        }
      }
    }
  }

  @inline(__always)
  package static func goesLeft(_ bin: UInt8, _ node: Node, _ sets: UnsafeBufferPointer<SIMD4<UInt64>>) -> Bool {
    if node.isCategory { return sets[Int(node.threshold)][Int(bin >> 6)] >> UInt64(bin & 63) & 1 == 1 }
    return bin == 0 ? node.missingLeft : Int32(bin) <= node.threshold
  }
}

/// base + the sum of the trees: a logit or a value.
public struct TreeEnsemble: Sendable, Equatable {
  public var features: [FeatureBins]
  public var base: Float
  public var trees: [DecisionTree] = []

  public init(features: [FeatureBins], base: Float) { (self.features, self.base) = (features, base) }

  /// Outputs of all rows, each summed tree by tree.
  public func outputs(_ rows: BinnedRows) -> [Float] {
    var outputs = [Float](repeating: base, count: rows.rowCount)
    outputs.withUnsafeMutableBufferPointer { outputs in
      // Few rows at a time, so that their bins stay in the cache for all trees.
      for start in stride(from: 0, to: rows.rowCount, by: 512) {
        for tree in trees { tree.add(to: outputs, rows, start..<min(rows.rowCount, start + 512)) }
      }
    }
    return outputs
  }
}
