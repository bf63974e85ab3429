// Scored yes/no examples, checked and sorted once: what every metric of a probability reads.

/// Rows with a score, a label of 0 or 1, a weight and a user, in the order of falling scores.
///
/// Equal scores stand in the given order, so that every sum has a fixed order. Cost: O(n log n) once; a metric is then one pass.
public struct BinaryExamples: Sendable {
  /// The scores as given, falling.
  let scores: [Double]
  /// Probability of each row, falling.
  let probabilities: [Double]
  /// -ln of the probability of the label that came.
  let losses: [Double]
  /// 0 or 1.
  let labels: [Double]
  public let weights: [Double]
  /// The user of each row, numbered from 0 by first appearance; without users each row is its own.
  let users: [Int32]
  public let userCount: Int
  /// Whether users were given.
  public let hasUsers: Bool

  public var rowCount: Int { scores.count }

  /// Examples from logits, or from any score that is only to be ranked: the loss goes through softplus and needs no clipping.
  ///
  /// - Parameters:
  ///   - logits: one per row; infinities are allowed.
  ///   - labels: 0 or 1.
  ///   - weights: at least 0 and finite; nil stands for 1 each.
  ///   - users: any numbers; nil makes every row its own user.
  /// - Throws: `MetricsError` with the row of the first value that does not fit.
  public init(logits: [Double], labels: [Double], weights: [Double]? = nil, users: [Int32]? = nil) throws(MetricsError) {
    try checkNumbers(logits, "logit")
    try self.init(logits, labels, weights, users, probability: sigmoid) { x, y in softplus(y == 1 ? -x : x) }
  }

  /// Examples from probabilities.
  ///
  /// The loss of a row is taken at p clipped to `LogLoss.clip` ... 1 - `LogLoss.clip`; nothing else is clipped.
  /// - Throws: `MetricsError` with the row of the first value that does not fit.
  public init(probabilities: [Double], labels: [Double], weights: [Double]? = nil, users: [Int32]? = nil) throws(MetricsError) {
    for (row, p) in probabilities.enumerated() where !(p >= 0 && p <= 1) {
      throw .badValue(what: "probability", row: row, value: p, expected: "a number in 0 ... 1")
    }
    try self.init(probabilities, labels, weights, users, probability: { $0 }) { p, y in
      let clipped = min(max(p, LogLoss.clip), 1 - LogLoss.clip)
      return -naturalLogarithm(y == 1 ? clipped : 1 - clipped)
    }
  }

  private init(
    _ scores: [Double], _ labels: [Double], _ weights: [Double]?, _ users: [Int32]?, probability: (Double) -> Double,
    loss: (_ score: Double, _ label: Double) -> Double
  ) throws(MetricsError) {
    try checkCount(labels.count, "labels", scores.count)
    try checkCount(users?.count, "users", scores.count)
    for (row, y) in labels.enumerated() where y != 0 && y != 1 {
      throw .badValue(what: "label", row: row, value: y, expected: "0 or 1")
    }
    let given = try checkedWeights(weights, scores.count)
    let order = fallingOrder(scores)
    self.scores = order.map { scores[$0] }
    self.labels = order.map { labels[$0] }
    self.weights = order.map { given[$0] }
    losses = order.map { loss(scores[$0], labels[$0]) }
    // A rounded sigmoid may rise by one unit in the last place where the score falls.
    var least = Double.infinity
    probabilities = order.map { row in
      least = min(least, probability(scores[row]))
      return least
    }
    hasUsers = users != nil
    (self.users, userCount) = users.map { numbered($0, in: order) } ?? (order.map { Int32(truncatingIfNeeded: $0) }, order.count)
  }

  /// Visits each group of rows with an equal key, from the first row: the rows and the weight of their positives and negatives.
  @inline(__always)
  func forEachStep(
    of keys: [Double], _ weights: [Double], _ visit: (_ rows: Range<Int>, _ positive: Double, _ negative: Double) -> Void
  ) {
    var start = 0
    while start < keys.count {
      var end = start
      var (positive, all) = (0.0, 0.0)
      while end < keys.count, keys[end] == keys[start] {
        positive += weights[end] * labels[end]
        all += weights[end] * (1 - labels[end])
        end += 1
      }
      visit(start..<end, positive, all)
      start = end
    }
  }

  /// Weight of the positives and of the negatives.
  func classWeights(_ weights: [Double]) -> (positive: Double, negative: Double) {
    var (positive, negative) = (0.0, 0.0)
    for row in labels.indices {
      positive += weights[row] * labels[row]
      negative += weights[row] * (1 - labels[row])
    }
    return (positive, negative)
  }

  /// Weighted share of the rows of label 1; 0 without weight.
  package var positiveShare: Double {
    let (positive, negative) = classWeights(weights)
    return positive + negative > 0 ? positive / (positive + negative) : 0
  }

  /// Why metrics of two classes have no value; nil where they do.
  public var shortcoming: String? {
    let (positive, negative) = classWeights(weights)
    if rowCount == 0 { return "no rows" }
    if positive + negative == 0 { return "the weight of all \(rowCount) rows is 0" }
    return positive == 0 ? "no row of label 1 has weight" : negative == 0 ? "no row of label 0 has weight" : nil
  }
}

/// Rows from the highest score down, equal scores as they stand.
private func fallingOrder(_ scores: [Double]) -> [Int] {
  var entries = scores.enumerated().map { (score: $0.element, row: $0.offset) }
  entries.sort { $0.score > $1.score || ($0.score == $1.score && $0.row < $1.row) }
  return entries.map(\.row)
}

/// The user of each row of `order`, numbered from 0 by first appearance in the given order.
private func numbered(_ users: [Int32], in order: [Int]) -> ([Int32], Int) {
  var numbers: [Int32: Int32] = [:]
  let dense = users.map { user in
    let next = Int32(truncatingIfNeeded: numbers.count)
    if let known = numbers[user] { return known }
    numbers[user] = next
    return next
  }
  return (order.map { dense[$0] }, numbers.count)
}
