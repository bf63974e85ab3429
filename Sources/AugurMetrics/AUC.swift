// Area under the ROC curve (Hanley and McNeil, 1982): the chance that a positive scores more than a negative.

/// AUC = (Σ over positives of the mid-rank - n₊(n₊+1)/2) / (n₊ n₋): a tied pair counts 1/2. With weights, pairs weigh their product.
///
/// Not defined where one class has no weight.
public struct AUC: BinaryMetric {
  public let name = "AUC"
  public let isGreaterBetter: Bool? = true

  public init() {}

  public func value(_ examples: BinaryExamples, weights: [Double]) -> Double? {
    var area = PairArea()
    examples.forEachStep(of: examples.scores, weights) { _, positive, negative in area.add(positive, negative) }
    return area.share
  }
}

/// Pairs of a positive and a negative that are in the right order, counted from the highest score down.
struct PairArea {
  private var right = 0.0
  private(set) var positive = 0.0
  private(set) var negative = 0.0

  /// The next group of equal scores.
  mutating func add(_ positives: Double, _ negatives: Double) {
    right += negatives * (positive + positives / 2)
    positive += positives
    negative += negatives
  }

  /// nil without a pair.
  var share: Double? { positive > 0 && negative > 0 ? right / (positive * negative) : nil }
}
