// The four counts of a decision at a threshold: what accuracy, precision, recall and F1 are made of.

/// Weights of the four outcomes where rows of at least `threshold` count as yes.
public struct Confusion: Equatable, Sendable {
  public var truePositive = 0.0
  public var falsePositive = 0.0
  public var falseNegative = 0.0
  public var trueNegative = 0.0

  /// - Parameter threshold: a probability; a row with exactly this one counts as yes.
  public init(_ examples: BinaryExamples, threshold: Double) {
    self.init(examples, weights: examples.weights, threshold: threshold)
  }

  init(_ examples: BinaryExamples, weights: [Double], threshold: Double) {
    (falseNegative, trueNegative) = examples.classWeights(weights)
    for row in weights.indices {
      guard examples.probabilities[row] >= threshold else { break }
      move(weights[row] * examples.labels[row], weights[row] * (1 - examples.labels[row]))
    }
  }

  /// Everything counts as no.
  init(positive: Double, negative: Double) { (falseNegative, trueNegative) = (positive, negative) }

  /// These now count as yes.
  mutating func move(_ positive: Double, _ negative: Double) {
    truePositive += positive
    falseNegative -= positive
    falsePositive += negative
    trueNegative -= negative
  }

  /// (TP + TN) / all; nil without weight.
  public var accuracy: Double? {
    ratio(truePositive + trueNegative, truePositive + trueNegative + falsePositive + falseNegative)
  }
  /// TP / (TP + FP); nil where nothing counts as yes.
  public var precision: Double? { ratio(truePositive, truePositive + falsePositive) }
  /// TP / (TP + FN); nil without positives.
  public var recall: Double? { ratio(truePositive, truePositive + falseNegative) }
  /// 2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall; nil where nothing is positive and nothing counts as yes.
  public var f1: Double? { ratio(2 * truePositive, 2 * truePositive + falsePositive + falseNegative) }

  private func ratio(_ part: Double, _ whole: Double) -> Double? { whole > 0 ? part / whole : nil }
}

/// The threshold at which a quality of the decision is best, and that best value.
public struct BestThreshold: Equatable, Sendable {
  /// A probability; infinity where it is best that nothing counts as yes.
  public let threshold: Double
  public let value: Double

  /// Tries every distinct probability of the validation rows; of several equally good thresholds the highest is taken.
  ///
  /// Choose it on validation and apply it to the test: `BestThreshold(validation, for: \.f1)`. O(rows). nil where the quality has
  /// no value at any threshold.
  public init?(_ examples: BinaryExamples, for quality: (Confusion) -> Double?) {
    let (positive, negative) = examples.classWeights(examples.weights)
    var confusion = Confusion(positive: positive, negative: negative)
    var best = quality(confusion).map { BestThreshold(threshold: .infinity, value: $0) }
    examples.forEachStep(of: examples.probabilities, examples.weights) { rows, positives, negatives in
      confusion.move(positives, negatives)
      guard let value = quality(confusion), value > best?.value ?? -.infinity else { return }
      best = BestThreshold(threshold: examples.probabilities[rows.lowerBound], value: value)
    }
    guard let best else { return nil }
    self = best
  }

  private init(threshold: Double, value: Double) { (self.threshold, self.value) = (threshold, value) }
}
