// ROC and precision-recall curves as data: one point for each distinct score.

/// One point of a curve.
public struct CurvePoint: Equatable, Sendable {
  public let x: Double
  public let y: Double
  /// Rows with at least this probability count as yes; infinity where none does.
  public let threshold: Double

  package init(x: Double, y: Double, threshold: Double) { (self.x, self.y, self.threshold) = (x, y, threshold) }
}

/// ROC: x the share of negatives that count as yes, y the share of positives, from (0, 0) to (1, 1).
///
/// The trapezoids below it add up to the AUC. Empty where one class has no weight.
public func rocCurve(_ examples: BinaryExamples) -> [CurvePoint] {
  let (allPositive, allNegative) = examples.classWeights(examples.weights)
  guard allPositive > 0, allNegative > 0 else { return [] }
  var (hits, alarms) = (0.0, 0.0)
  var points = [CurvePoint(x: 0, y: 0, threshold: .infinity)]
  examples.forEachStep(of: examples.scores, examples.weights) { rows, positive, negative in
    hits += positive
    alarms += negative
    points.append(CurvePoint(x: alarms / allNegative, y: hits / allPositive, threshold: examples.probabilities[rows.lowerBound]))
  }
  return points
}

/// Precision-recall: x the recall, y the precision, from the highest score down. Empty without a positive of some weight.
public func precisionRecallCurve(_ examples: BinaryExamples) -> [CurvePoint] {
  let allPositive = examples.classWeights(examples.weights).positive
  guard allPositive > 0 else { return [] }
  var (hits, shown) = (0.0, 0.0)
  var points: [CurvePoint] = []
  examples.forEachStep(of: examples.scores, examples.weights) { rows, positive, negative in
    hits += positive
    shown += positive + negative
    guard shown > 0 else { return }
    points.append(CurvePoint(x: hits / allPositive, y: hits / shown, threshold: examples.probabilities[rows.lowerBound]))
  }
  return points
}

/// At most `limit` points of a curve for a picture: the first, the last, and others evenly spread between.
public func thinned(_ curve: [CurvePoint], to limit: Int) -> [CurvePoint] {
  guard limit >= 2, curve.count > limit else { return curve }
  return (0..<limit).map { curve[$0 * (curve.count - 1) / (limit - 1)] }
}
