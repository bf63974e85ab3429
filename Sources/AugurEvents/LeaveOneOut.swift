// The leave-one-out split as views: nothing is copied.

/// The part that an evaluation looks at; raw values as `--split` names them.
public enum EvaluationPart: String, Sendable, CaseIterable {
  case validation, test
}

/// Per user: the last event tests, the second last validates, the others train. Users with fewer than 3 events only
/// train.
public struct LeaveOneOut: Sendable {
  public let dataset: Dataset

  public init(_ dataset: Dataset) { self.dataset = dataset }

  public func hasTargets(_ user: Int) -> Bool { dataset.eventCount(ofUser: user) >= 3 }

  /// How many events of a user a model may learn from.
  public func trainingCount(_ user: Int) -> Int {
    let count = dataset.eventCount(ofUser: user)
    return count < 3 ? count : count - 2
  }

  /// The events a model may learn from, oldest first.
  public func trainingHistory(_ user: Int) -> DatasetSlice<Int32> { dataset.history(user, first: trainingCount(user)) }

  /// What is known before the target, and the target; nil for users without targets.
  public func example(_ user: Int, _ part: EvaluationPart) -> (history: DatasetSlice<Int32>, target: Int32)? {
    guard hasTargets(user) else { return nil }
    let known = dataset.eventCount(ofUser: user) - (part == .test ? 1 : 2)
    return (dataset.history(user, first: known), dataset.storedHistory(user)[known])
  }

  /// Users that have targets, rising.
  public func evaluationUsers() -> [Int32] {
    (0..<Int32(dataset.userCount)).filter { hasTargets(Int($0)) }
  }

  /// Training events of each item: the popularity baseline, [V].
  public func trainingCounts() -> [Int] {
    var counts = [Int](repeating: 0, count: dataset.itemCount)
    for user in 0..<dataset.userCount { for item in trainingHistory(user) { counts[Int(item)] += 1 } }
    return counts
  }
}
