// A division of histories into training, validation and test as views: nothing is copied.
import AugurTensors

/// Which held-out event of a user an evaluation predicts from what came before it; raw values as `--split` names them.
public enum HeldOut: String, Sendable, CaseIterable {
  case validation, test
}

/// The division of a data set, user by user. A user has at most one target in each held-out part:
///
/// | split | training | validation target | test target |
/// |---|---|---|---|
/// | time | before the first cut, without a session that crosses it | the first event between the cuts | the first from the second cut on |
/// | user | the first 70 %, rounded down | the event after those | the first after 85 % |
/// | leave-one-out | all but two; all of fewer than 3 | the second last of 3 or more | the last of 3 or more |
/// | random | all events of training users | the last of 2 or more of validation users | the same of test users |
///
/// What is known before a target are all earlier events of its user; a user without any has no target. A split by time keeps sessions in
/// one part: one that goes on past the first cut is known to a prediction, not learnt from, and a user whose two targets would lie in one
/// session has that of test only. The other splits cut at places of a history, within its sessions.
public struct SequenceSplit: Sendable {
  public let dataset: Dataset
  public let rule: DatasetSplit

  /// The division that the data set was prepared with.
  public init(_ dataset: Dataset) { self.init(dataset, rule: dataset.description.split) }

  /// Precondition: a split by time has a data set with times.
  init(_ dataset: Dataset, rule: DatasetSplit) {
    if case .time = rule { precondition(dataset.description.hasTimestamps, "SequenceSplit: expected a data set with times") }
    (self.dataset, self.rule) = (dataset, rule)
  }

  /// How many events of a user a model may learn from.
  public func trainingCount(_ user: Int) -> Int { places(user).training }

  /// The events a model may learn from, oldest first.
  public func trainingHistory(_ user: Int) -> DatasetSlice<Int32> { dataset.history(user, 0..<trainingCount(user)) }

  /// What is known before the target, and the target; nil for users without a target in this part.
  public func example(_ user: Int, _ part: HeldOut) -> (history: DatasetSlice<Int32>, target: Int32)? {
    guard let known = targetPlace(user, part) else { return nil }
    return (dataset.history(user, 0..<known), dataset.history(user, known..<known + 1)[0])
  }

  /// Where the target lies in its user's history, in `1..<eventCount(ofUser:)`; nil for users without one.
  public func targetPlace(_ user: Int, _ part: HeldOut) -> Int? {
    let places = places(user)
    return part == .validation ? places.validation : places.test
  }

  /// Users that have a target in this part, rising.
  public func evaluatedUsers(_ part: HeldOut) -> [Int] {
    (0..<dataset.userCount).filter { targetPlace($0, part) != nil }
  }

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

  /// What is ranked for whom, in words; ends with the number of users.
  public func words(_ part: HeldOut, users: Int) -> String {
    let target =
      switch (rule, part) {
      case (.time, .test): "first event from the second time on"
      case (.time, .validation): "first event from the first time on"
      case (.user, _): "first event of the \(part.rawValue) part"
      case (.leaveOneOut, .validation): "second last event"
      case (.leaveOneOut, .test), (.random, _): "last event"
      }
    return "\(rule.words), \(target) of \(users) \(rule.kind == .random ? "\(part.rawValue) users" : "users")"
  }

  /// What a user must have for a target, in words.
  public func targetRule(_ part: HeldOut) -> String {
    switch rule {
    case .time(_, let first, let second):
      part == .test
        ? "an event before \(Timestamp.text(second)) and one after"
        : "an event before \(Timestamp.text(first)) and one between it and \(Timestamp.text(second)), not in the session of the test target"
    case .user(let ratio): "enough events for a \(part.rawValue) part of \(ratio)"
    case .leaveOneOut: "three events"
    case .random: "two events and was drawn for \(part.rawValue)"
    }
  }

  /// Where the parts of a user's history begin.
  struct Places {
    var training: Int
    var validation: Int?
    var test: Int?
  }

  func places(_ user: Int) -> Places {
    let count = dataset.eventCount(ofUser: user)
    switch rule {
    case .time(_, let first, let second):
      let before = dataset.eventCounts(ofUser: user, before: first, and: second)
      return wholeSessions(ordered(before.first, before.second, count), user)
    case .user(let ratio):
      let (first, second) = ratio.places(of: count)
      return ordered(first, second, count)
    case .leaveOneOut: return count < 3 ? ordered(count, count, count) : ordered(count - 2, count - 1, count)
    case .random(let ratio, let seed):
      let target = count >= 2 ? count - 1 : nil
      switch drawnPart(dataset.userID(user).utf8, ratio, seed) {
      case nil: return Places(training: count)
      case .validation: return Places(training: 0, validation: target)
      case .test: return Places(training: 0, test: target)
      }
    }
  }

  /// Training is `..<first`, validation `first..<second`, test the rest.
  private func ordered(_ first: Int, _ second: Int, _ count: Int) -> Places {
    Places(
      training: first, validation: first > 0 && first < second ? first : nil,
      test: second > 0 && second < count ? second : nil)
  }

  /// Takes a session that crosses the end of training out of it, and the validation target where it shares the session of the test target.
  private func wholeSessions(_ places: Places, _ user: Int) -> Places {
    guard let behind = places.validation ?? places.test else { return places }
    let sessions = dataset.sessions(user)
    func session(of place: Int) -> Range<Int> { sessions.last { $0.lowerBound <= place } ?? place..<place + 1 }
    var places = places
    places.training = min(places.training, session(of: behind).lowerBound)
    if let validation = places.validation, let test = places.test, session(of: test).contains(validation) { places.validation = nil }
    return places
  }
}

/// Keyed by the user's id, not by its index: users that come later change nobody's part. Nil is training.
private func drawnPart(_ id: some Sequence<UInt8>, _ ratio: SplitRatio, _ seed: UInt64) -> HeldOut? {
  var hash: UInt64 = 0xcbf2_9ce4_8422_2325  // FNV-1a; `RandomStream` scrambles it
  for byte in id { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
  var random = RandomStream(seed: seed, stream: hash)
  let draw = random.below(ratio.sum)
  return draw < ratio.training ? nil : draw < ratio.training + ratio.validation ? .validation : .test
}

extension DatasetSplit {
  /// How many of a user's `count` events are for training, where that depends on the user alone; nil for a split by time.
  func trainingCount(of id: UnsafeRawBufferPointer, count: Int) -> Int? {
    switch self {
    case .time: nil
    case .user(let ratio): ratio.places(of: count).first
    case .leaveOneOut: count < 3 ? count : count - 2
    case .random(let ratio, let seed): drawnPart(id, ratio, seed) == nil ? count : 0
    }
  }
}
