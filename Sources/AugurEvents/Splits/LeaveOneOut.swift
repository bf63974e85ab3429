// The leave-one-out split as views: nothing is copied.

/// Which held-out event of a user an evaluation predicts from what came before it; raw values as `--split` names them.
public enum HeldOut: String, Sendable, CaseIterable {
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
  public func example(_ user: Int, _ part: HeldOut) -> (history: DatasetSlice<Int32>, target: Int32)? {
    guard hasTargets(user) else { return nil }
    let known = dataset.eventCount(ofUser: user) - (part == .test ? 1 : 2)
    return (dataset.history(user, first: known), dataset.storedHistory(user)[known])
  }

  /// Users that have targets, rising.
  public var evaluatedUsers: [Int] { (0..<dataset.userCount).filter(hasTargets) }

  /// Training histories as jagged arrays.
  public func trainingHistories() -> (offsets: [Int], items: [Int32]) {
    var offsets = [0]
    var items: [Int32] = []
    items.reserveCapacity(dataset.eventCount)
    for user in 0..<dataset.userCount {
      items.append(contentsOf: trainingHistory(user))
      offsets.append(items.count)
    }
    return (offsets, items)
  }

  /// Training events of each item: the popularity baseline, [V].
  public func trainingCounts() -> [Int] {
    var counts = [Int](repeating: 0, count: dataset.itemCount)
    for user in 0..<dataset.userCount { for item in trainingHistory(user) { counts[Int(item)] += 1 } }
    return counts
  }
}
