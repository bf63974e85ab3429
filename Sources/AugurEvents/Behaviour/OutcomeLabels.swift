// Labels of a prediction task: whether the same user does something with the same item within a horizon.

/// For each event of an impression kind: does an event of the outcome kind follow?
public struct OutcomeTask: Sendable, Equatable {
  /// Kind that is predicted, such as purchase.
  public var outcome: String
  /// Kinds whose events are rows; all others are only counted.
  public var impressions: [String]
  public var horizon: BehaviourWindow

  /// `horizon` is not `ever`: a label that waits for ever is never known.
  public init(outcome: String, impressions: [String], horizon: BehaviourWindow) {
    (self.outcome, self.impressions, self.horizon) = (outcome, impressions, horizon)
  }
}

/// What a row of a table is labelled with.
enum OutcomeLabel: UInt8 {
  case no, yes
  /// The horizon passes the end of the log.
  case unknown
  /// The event is no impression.
  case none
}

/// Labels of all events of a data set, in its order. An impression at t is positive where an outcome lies in t...t + horizon: features see
/// what is before t, so that neither sees the other. An impression that is itself an outcome waits for a later one.
struct OutcomeLabels {
  private(set) var labels: [UInt8] = []
  private let isOutcome: [Bool]
  private let isImpression: [Bool]
  private let horizon: Int64
  private let end: Int64
  /// By item: the next outcome of the user under way, where `owners` says that it is his.
  private var nextTimes: [Int64]
  private var owners: [Int32]

  init(_ data: Dataset, _ task: OutcomeTask, latest: Int64) throws(EventsError) {
    let kinds = (0..<data.labelCount(.kind)).map { data.label(.kind, $0) }
    func flags(_ names: [String], _ option: String) throws(EventsError) -> [Bool] {
      for name in names where !kinds.contains(name) || name.isEmpty { throw unknownKind(name, kinds, place: option) }
      return kinds.map(names.contains)
    }
    guard let horizon = task.horizon.milliseconds else {
      throw EventsError(file: "--horizon", problem: "'ever' has no end", advice: "give a span such as 7d")
    }
    (isOutcome, isImpression) = (try flags([task.outcome], "--label"), try flags(task.impressions, "--impressions"))
    (self.horizon, end) = (horizon, latest)
    nextTimes = Array(repeating: 0, count: data.itemCount)
    owners = Array(repeating: -1, count: data.itemCount)
    labels.reserveCapacity(data.eventCount)
    for user in 0..<data.userCount { append(data, user) }
  }

  private mutating func append(_ data: Dataset, _ user: Int) {
    guard let times = data.timestamps(user), let kinds = data.labels(user, .kind) else { return }
    let items = data.history(user)
    let first = labels.count
    labels.append(contentsOf: repeatElement(OutcomeLabel.none.rawValue, count: items.count))
    var last = items.count
    while last > 0 {
      // Events of one moment: the impressions that are outcomes look at later ones only.
      var begin = last
      while begin > 0, times[begin - 1] == times[last - 1] { begin -= 1 }
      for outcomesCome in [false, true] {
        for place in begin..<last where isImpression[Int(kinds[place])] && isOutcome[Int(kinds[place])] != outcomesCome {
          labels[first + place] = label(of: Int(items[place]), Int32(user), at: times[place]).rawValue
        }
        guard !outcomesCome else { break }
        for place in begin..<last where isOutcome[Int(kinds[place])] {
          nextTimes[Int(items[place])] = times[place]
          owners[Int(items[place])] = Int32(user)
        }
      }
      last = begin
    }
  }

  private func label(of item: Int, _ user: Int32, at time: Int64) -> OutcomeLabel {
    guard time <= end - horizon else { return .unknown }
    return owners[item] == user && nextTimes[item] - time <= horizon ? .yes : .no
  }
}

/// A kind that the log does not have.
func unknownKind(_ name: String, _ kinds: [String], place: String) -> EventsError {
  let near = nearest(to: name, in: kinds).map { "did you mean \($0)?" }
  let known = kinds.filter { !$0.isEmpty }.prefix(16).map { excerpt($0.utf8) }.joined(separator: ", ")
  return EventsError(
    file: place, problem: "no event of kind \(excerpt(name.utf8)) in the log",
    advice: near ?? (known.isEmpty ? "the log has no kinds of events" : "the kinds are \(known)"))
}
