// Isotonic regression of labels on scores by pooling adjacent violators (Ayer et al., 1955).

/// A rising map through the pooled blocks: flat on each block, linear between blocks, flat beyond the ends.
///
/// Values are kept 1 / (2 (w + 1)) away from 0 and 1, w the weight of all rows: no number of rows proves a certainty.
public struct IsotonicCurve: Codable, Equatable, Sendable {
  /// Rising, the first and the last score of each block.
  public let scores: [Double]
  /// The probability at each score; never falls.
  public let values: [Double]

  /// Pools rows of the same score, then neighbours whose means fall. O(rows).
  init(_ examples: BinaryExamples) {
    var blocks: [Block] = []
    // From the highest score down, so a mean may not be above the one before it.
    examples.forEachStep(of: examples.scores, examples.weights) { rows, positive, negative in
      guard positive + negative > 0 else { return }
      let score = examples.scores[rows.lowerBound]
      var block = Block(low: score, high: score, positive: positive, weight: positive + negative)
      while let above = blocks.last, block.mean >= above.mean {
        blocks.removeLast()
        block = Block(low: block.low, high: above.high, positive: block.positive + above.positive, weight: block.weight + above.weight)
      }
      blocks.append(block)
    }
    let margin = 0.5 / (blocks.reduce(0) { $0 + $1.weight } + 1)
    var (scores, values): ([Double], [Double]) = ([], [])
    for block in blocks.reversed() {
      for score in block.low == block.high ? [block.low] : [block.low, block.high] {
        scores.append(score)
        values.append(min(max(block.mean, margin), 1 - margin))
      }
    }
    (self.scores, self.values) = (scores, values)
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    scores = try container.decode([Double].self, forKey: .scores)
    values = try container.decode([Double].self, forKey: .values)
    let isRising = zip(scores, scores.dropFirst()).allSatisfy(<) && zip(values, values.dropFirst()).allSatisfy(<=)
    guard !scores.isEmpty, scores.count == values.count, isRising, values.allSatisfy({ $0 >= 0 && $0 <= 1 }) else {
      throw DecodingError.dataCorruptedError(
        forKey: .values, in: container,
        debugDescription: "isotonic curve: expected rising scores and as many values that never fall within 0 ... 1")
    }
  }

  /// The probability at a score; NaN of NaN. O(log of the blocks).
  func value(_ score: Double) -> Double {
    guard score > scores[0] else { return score.isNaN ? score : values[0] }
    var (low, high) = (0, scores.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if scores[middle] <= score { low = middle } else { high = middle }
    }
    guard high < scores.count else { return values[low] }
    let share = (score - scores[low]) / (scores[high] - scores[low])
    return min(values[low] + share * (values[high] - values[low]), values[high])
  }

  private struct Block {
    let low: Double
    let high: Double
    let positive: Double
    let weight: Double
    var mean: Double { positive / weight }
  }
}
