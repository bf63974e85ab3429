// AUC within each user, averaged (Zhou et al., 2018): ranking quality that a user sees, free of differences between users.

/// gAUC = Σ_u n_u AUC_u / Σ_u n_u over users with both classes, n_u the weight of the user's rows.
///
/// Not defined without users or where none has both classes.
public struct GroupAUC: BinaryMetric {
  public let name = "gAUC"
  public let isGreaterBetter: Bool? = true

  public init() {}

  public func value(_ examples: BinaryExamples, weights: [Double]) -> Double? { groups(examples, weights: weights).weighted }

  /// Both averages over users, and how many users have none because they have one class only.
  public struct Groups: Sendable {
    /// Weighted by the rows of each user.
    public let weighted: Double?
    /// "avgAUC": each user weighs 1.
    public let plain: Double?
    public let usersCounted: Int
    public let leftOut: Int
  }

  public func groups(_ examples: BinaryExamples) -> Groups { groups(examples, weights: examples.weights) }

  /// One pass over rows in the order of falling scores, with the open tie of every user kept aside: O(rows + users).
  func groups(_ examples: BinaryExamples, weights: [Double]) -> Groups {
    guard examples.hasUsers else { return Groups(weighted: nil, plain: nil, usersCounted: 0, leftOut: 0) }
    var users = [UserArea](repeating: UserArea(), count: examples.userCount)
    for row in weights.indices {
      users[Int(examples.users[row])].add(score: examples.scores[row], label: examples.labels[row], weight: weights[row])
    }
    var (sum, weight, plain, counted, present) = (0.0, 0.0, 0.0, 0, 0)
    for var user in users {
      user.closeTie()
      present += user.area.positive + user.area.negative > 0 ? 1 : 0
      guard let share = user.area.share else { continue }
      let rows = user.area.positive + user.area.negative
      sum += rows * share
      weight += rows
      plain += share
      counted += 1
    }
    return Groups(
      weighted: counted > 0 ? sum / weight : nil, plain: counted > 0 ? plain / Double(counted) : nil, usersCounted: counted,
      leftOut: present - counted)
  }
}

/// Area of one user, with the rows of the score that is open.
private struct UserArea {
  var area = PairArea()
  private var score = Double.nan
  private var positive = 0.0
  private var negative = 0.0

  mutating func add(score next: Double, label: Double, weight: Double) {
    if next != score {
      closeTie()
      score = next
    }
    positive += weight * label
    negative += weight * (1 - label)
  }

  mutating func closeTie() {
    area.add(positive, negative)
    (positive, negative) = (0, 0)
  }
}
