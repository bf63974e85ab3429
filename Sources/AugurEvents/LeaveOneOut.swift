// The leave-one-out split as views: nothing is copied.

/// The part that an evaluation looks at; raw values as `--split` names them.
public enum EvaluationPart: String, Sendable, CaseIterable {
  case validation, test
}

/// Per user: the last event tests, the second last validates, the others train. Users with fewer than 3 events only train.
public struct LeaveOneOut: Sendable {
  public let dataset: Dataset

  public init(_ dataset: Dataset) { self.dataset = dataset }

  public func hasTargets(_ user: Int) -> Bool { dataset.eventCount(ofUser: user) >= 3 }

  /// The events a model may learn from, oldest first.
  public func trainingHistory(_ user: Int) -> UnsafeBufferPointer<Int32> {
    let history = dataset.history(user)
    return history.count < 3 ? history : UnsafeBufferPointer(rebasing: history.dropLast(2))
  }

  /// What is known before the target, and the target; nil for users without targets.
  public func example(_ user: Int, _ part: EvaluationPart) -> (history: UnsafeBufferPointer<Int32>, target: Int32)? {
    let all = dataset.history(user)
    guard all.count >= 3 else { return nil }
    let known = all.count - (part == .test ? 1 : 2)
    return (UnsafeBufferPointer(rebasing: all[..<known]), all[known])
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
