// A mixture of distributions of the next item, its weights those under which held-out items are likeliest (Jelinek and Mercer, 1980).
// A softmax of low rank cannot take the form of such a sum (Yang et al., 2018): mixing models reaches what each alone misses.

/// score(j) = sum_k w_k P_k(j), P_k the scores of a component, over all items or those that are no part of the history, made to add up to 1.
public struct ItemMixture: Scorer {
  public let components: [any Scorer]
  /// Not negative, adding up to 1.
  public let weights: [Double]
  /// Whether items of the history have a share.
  public let keepsSeen: Bool
  public var itemCount: Int { components[0].itemCount }

  /// Fits the weights by EM to what came next in some histories.
  ///
  /// - Parameters:
  ///   - components: give no negative scores.
  ///   - keepsSeen: whether items of the history have a share.
  ///   - examples: histories, oldest first, and the item that came next; without one the weights are equal.
  /// - Precondition: there are components, all for the same items.
  public init(_ components: [any Scorer], keepsSeen: Bool = false, examples: [(history: [Int32], target: Int32)]) {
    precondition(
      !components.isEmpty && components.allSatisfy { $0.itemCount == components[0].itemCount },
      "ItemMixture: expected components for the same items, got \(components.map(\.itemCount))")
    (self.components, self.keepsSeen) = (components, keepsSeen)
    var scores = [Float](repeating: 0, count: components[0].itemCount)
    var likelihoods: [[Double]] = []
    for (history, target) in examples where target >= 0 && Int(target) < scores.count {
      var row: [Double] = []
      for component in components {
        let scale = Self.score(component, history.span, keepsSeen, &scores)
        row.append(Double(scores[Int(target)]) * scale)
      }
      // What no component holds possible says nothing about their weights.
      if row.contains(where: { $0 > 0 }) { likelihoods.append(row) }
    }
    weights = Self.weights(likelihoods, count: components.count)
  }

  private static let rounds = 100

  /// The weights of the greatest likelihood; equal ones without examples.
  static func weights(_ likelihoods: [[Double]], count: Int) -> [Double] {
    var weights = [Double](repeating: 1 / Double(count), count: count)
    guard !likelihoods.isEmpty else { return weights }
    for _ in 0..<rounds {
      var sums = [Double](repeating: 0, count: count)
      for row in likelihoods {
        let total = zip(row, weights).reduce(0) { $0 + $1.0 * $1.1 }
        // A weight may fade to 0 where it alone explains a row.
        guard total > 0 else { continue }
        for place in row.indices { sums[place] += row[place] * weights[place] / total }
      }
      let total = sums.reduce(0, +)
      weights = sums.map { $0 / total }
    }
    return weights
  }

  /// Writes the scores of a component, 0 for items that have no share, and returns what makes them add up to 1; 0 where all are 0.
  private static func score(_ component: any Scorer, _ history: Span<Int32>, _ keepsSeen: Bool, _ scores: inout [Float]) -> Double {
    scores.withUnsafeMutableBufferPointer { scores in
      component.scores(history: history, into: scores)
      if !keepsSeen {
        for place in history.indices where history[place] >= 0 && Int(history[place]) < scores.count { scores[Int(history[place])] = 0 }
      }
      let sum = scores.reduce(0.0) { $0 + Double($1) }
      return sum > 0 ? 1 / sum : 0
    }
  }

  public func scores(history: Span<Int32>, into: UnsafeMutableBufferPointer<Float>) {
    checkSize(into, "ItemMixture")
    into.update(repeating: 0)
    var scores = [Float](repeating: 0, count: itemCount)
    for (component, weight) in zip(components, weights) where weight > 0 {
      let scale = Float(weight * Self.score(component, history, keepsSeen, &scores))
      for item in scores.indices { into[item] += scale * scores[item] }
    }
  }
}
