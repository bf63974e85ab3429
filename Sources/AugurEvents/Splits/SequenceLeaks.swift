// The leak detector of sequences: reads every event and trusts no arithmetic of the split.

/// What of a later part is known to an earlier one, a line each; empty where nothing is.
///
/// Found are, in splits by time: training events from the first cut on; known events from the cut of their target on, and targets before
/// it; sessions that training and a later part share, or validation and test, where sessions are cut anew from the times; in all splits:
/// events of a user out of time order, so that inputs lie after their target; a target that is an event of the same item and time as a
/// known one; a target among the training events. Reads all times once and gives the pages of the mapped file back.
public func sequenceLeaks(_ split: SequenceSplit) throws(EventsError) -> [String] { try sequenceLeaks(split, checksSessions: true) }

/// The same; sessions are only checked where all events of the users are at hand.
func sequenceLeaks(_ split: SequenceSplit, checksSessions: Bool) throws(EventsError) -> [String] {
  var search = try LeakSearch(split, checksSessions)
  var events = 0
  for user in 0..<split.dataset.userCount {
    search.check(user)
    events += split.dataset.eventCount(ofUser: user)
    guard events > 1 << 20 else { continue }
    split.dataset.releaseColumns()
    events = 0
  }
  return search.lines
}

private struct LeakSearch {
  enum Leak: Int, CaseIterable {
    case trainingAfterCut, knownAfterCut, targetBeforeCut, trainedSession, sharedSession, unordered, repeated, trained
  }
  private let split: SequenceSplit
  private let checksSessions: Bool
  private let cuts: (first: Int64, second: Int64)?
  private var found: [(count: Int, user: Int, place: Int)]
  private var sessionizer: Sessionizer
  private var starts: [Int] = []

  init(_ split: SequenceSplit, _ checksSessions: Bool) throws(EventsError) {
    (self.split, self.checksSessions) = (split, checksSessions)
    let data = split.dataset
    sessionizer = try Sessionizer(
      data.description.rules.sessions, kindNames: (0..<data.labelCount(.kind)).map { data.label(.kind, $0) })
    found = Array(repeating: (0, 0, 0), count: Leak.allCases.count)
    if case .time(_, let first, let second) = split.rule { cuts = (first, second) } else { cuts = nil }
  }

  mutating func check(_ user: Int) {
    let places = split.places(user)
    let training = places.training
    let targets = [(HeldOut.validation, places.validation), (.test, places.test)].compactMap { part, place in place.map { (part, $0) } }
    for (_, place) in targets where place < training { add(.trained, user, place) }
    guard let slice = split.dataset.timestamps(user) else { return }
    let comparesItems = split.dataset.description.attributes.isEmpty
    let items = split.dataset.history(user, 0..<(comparesItems ? slice.count : 0))
    if let cuts, checksSessions { checkSessions(user, Array(slice), training, targets, cuts.first) }
    slice.withItems { times in
      for place in times.indices.dropFirst() where times[place] < times[place - 1] { add(.unordered, user, place) }
      if let cuts { for place in 0..<training where times[place] >= cuts.first { add(.trainingAfterCut, user, place) } }
      for (part, target) in targets {
        if let cuts {
          let cut = part == .validation ? cuts.first : cuts.second
          if times[target] < cut { add(.targetBeforeCut, user, target) }
          for place in 0..<target where times[place] >= cut { add(.knownAfterCut, user, place) }
        }
        // Two events of an item at one time may differ in their kind or price.
        guard comparesItems else { continue }
        var place = target - 1
        while place >= 0, times[place] == times[target] {
          if items[place] == items[target] { add(.repeated, user, target) }
          place -= 1
        }
      }
    }
  }

  private mutating func checkSessions(
    _ user: Int, _ times: [Int64], _ training: Int, _ targets: [(HeldOut, Int)], _ cut: Int64
  ) {
    // Only users with something on both sides can share a session.
    guard targets.count == 2 || training > 0 && times.contains(where: { $0 >= cut }) else { return }
    let kinds = sessionizer.needsKinds ? split.dataset.labels(user, .kind).map { Array($0) } ?? [] : []
    sessionizer.findStarts(times.count, times: times, kinds: kinds, into: &starts)
    for (start, end) in zip(starts, starts.dropFirst() + [times.count]) {
      if start < training, times[start..<end].contains(where: { $0 >= cut }) { add(.trainedSession, user, start) }
      if targets.count == 2, targets.allSatisfy({ (start..<end).contains($0.1) }) { add(.sharedSession, user, start) }
    }
  }

  private mutating func add(_ leak: Leak, _ user: Int, _ place: Int) {
    let tally = found[leak.rawValue]
    found[leak.rawValue] = tally.count == 0 ? (1, user, place) : (tally.count + 1, tally.user, tally.place)
  }

  var lines: [String] {
    Leak.allCases.compactMap { leak in
      let (count, user, place) = found[leak.rawValue]
      guard count > 0 else { return nil }
      let what =
        switch leak {
        case .trainingAfterCut: "training events from the first cut on"
        case .knownAfterCut: "events known to a prediction from its cut on"
        case .targetBeforeCut: "targets before their cut"
        case .trainedSession: "sessions with training events and events from the first cut on"
        case .sharedSession: "sessions with the targets of validation and of test"
        case .unordered: "events before an earlier one of their user"
        case .repeated: "targets that are a known event again, with its item and time"
        case .trained: "targets among the training events"
        }
      return "\(count) \(what), the first is event \(place + 1) of user '\(split.dataset.userID(user))'"
    }
  }
}
