// The rules that see one user at a time.

/// Applies the rules to users, one after another, and counts. A cleaner allocates nothing once it has seen the largest user,
/// but for the sort of the duplicate window.
package struct UserCleaner {
  /// Indices of the words that fill missing kinds and categories.
  package struct Fills: Sendable {
    package var kind: Int32
    package var category: Int32
    package init(kind: Int32 = UserEvents.missing, category: Int32 = UserEvents.missing) {
      (self.kind, self.category) = (kind, category)
    }
  }

  private let rules: CleaningRules
  private let hasTimes: Bool
  private let fills: Fills
  private let fillPrice: Float
  private let fillQuantity: Float
  private let windowMilliseconds: Int64
  private let burstMilliseconds: Int64
  /// Counts of this cleaner alone; `rowsIn` stays 0, because rows are counted where they are read.
  package private(set) var report = CleaningReport()
  /// [N] of the user under way: which events stay, and which a rule marks.
  private var keeps: [Bool] = []
  private var order: [Int32] = []

  package init(_ rules: CleaningRules, hasTimes: Bool, fills: Fills = Fills()) {
    (self.rules, self.hasTimes, self.fills) = (rules, hasTimes, fills)
    func number(_ policy: MissingPolicy) -> Float {
      if case .fill(let text) = policy, let value = Float(text) { return value }
      return .nan
    }
    (fillPrice, fillQuantity) = (number(rules.missingPrice), number(rules.missingQuantity))
    func milliseconds(_ seconds: Double) -> Int64 { Int64((min(max(0, seconds), 1e9) * 1000).rounded()) }
    windowMilliseconds = milliseconds(rules.duplicateWindow)
    burstMilliseconds = milliseconds(rules.burst?.seconds ?? 0)
  }

  /// Cleans the events of one user, which are in canonical order and stay so; a user without events left is left out.
  package mutating func apply(to events: inout UserEvents) {
    settleValues(&events)
    if hasTimes, rules.dropsExactDuplicates { dropDuplicates(&events) }
    applyRules(&events)
  }

  /// Impossible and missing values, whatever the order of the events.
  mutating func settleValues(_ events: inout UserEvents) {
    refuseImpossible(&events)
    settleMissing(&events)
  }

  /// The rules behind that of exact duplicates; events in canonical order.
  mutating func applyRules(_ events: inout UserEvents) {
    if hasTimes {
      if rules.duplicateWindow > 0 { dropRepeats(&events) }
      if rules.burst != nil { findBursts(&events) }
    }
    if let limit = rules.maximumHistory { keepNewest(limit, &events) }
  }

  private mutating func begin(_ events: UserEvents) {
    keeps.removeAll(keepingCapacity: true)
    keeps.append(contentsOf: repeatElement(true, count: events.count))
  }

  private mutating func dropMarked(_ events: inout UserEvents, _ reason: CleaningReason) {
    let dropped = events.keep(where: keeps)
    report[reason].dropped += dropped
    if dropped > 0, events.count == 0 { report[reason].users += 1 }
  }

  /// Drops, empties or counts the events whose `isImpossible` is true.
  private mutating func settle(
    _ events: inout UserEvents, _ reason: CleaningReason, column: WritableKeyPath<UserEvents, [Float]>?,
    _ isImpossible: (UserEvents, Int) -> Bool
  ) {
    var found = false
    for place in 0..<events.count where isImpossible(events, place) {
      if !found { begin(events) }
      (found, keeps[place]) = (true, false)
    }
    guard found else { return }
    switch rules.impossible {
    case .keep: report[reason].flagged += keeps.reduce(0) { $0 + ($1 ? 0 : 1) }
    case .missing where column != nil:
      for place in keeps.indices where !keeps[place] {
        if let column { events[keyPath: column][place] = .nan }
        report[reason].changed += 1
      }
    case .reject, .drop, .missing: dropMarked(&events, reason)
    }
  }

  private mutating func refuseImpossible(_ events: inout UserEvents) {
    let rules = rules
    if hasTimes, rules.earliestTime != nil || rules.latestTime != nil {
      settle(&events, .impossibleTime, column: nil) { rules.problem(time: $0.times[$1]) != nil }
    }
    if !events.prices.isEmpty {
      settle(&events, .impossiblePrice, column: \.prices) { rules.problem(price: $0.prices[$1]) != nil }
    }
    if !events.quantities.isEmpty {
      settle(&events, .impossibleQuantity, column: \.quantities) { rules.problem(quantity: $0.quantities[$1]) != nil }
    }
  }

  private mutating func settleMissing(_ events: inout UserEvents) {
    func isMissing(_ index: Int32) -> Bool { index == UserEvents.missing }
    settleMissing(&events, rules.missingKind, .missingKind, \.kinds, fills.kind, isMissing)
    settleMissing(&events, rules.missingCategory, .missingCategory, \.categories, fills.category, isMissing)
    settleMissing(&events, rules.missingPrice, .missingPrice, \.prices, fillPrice, \.isNaN)
    settleMissing(&events, rules.missingQuantity, .missingQuantity, \.quantities, fillQuantity, \.isNaN)
  }

  private mutating func settleMissing<Value>(
    _ events: inout UserEvents, _ policy: MissingPolicy, _ reason: CleaningReason, _ column: WritableKeyPath<UserEvents, [Value]>,
    _ fill: Value, _ isMissing: (Value) -> Bool
  ) {
    if policy == .keep { return }
    guard events[keyPath: column].contains(where: isMissing) else { return }
    begin(events)
    for place in keeps.indices where isMissing(events[keyPath: column][place]) {
      if policy == .drop {
        keeps[place] = false
      } else {
        events[keyPath: column][place] = fill
        report[reason].changed += 1
      }
    }
    if policy == .drop { dropMarked(&events, reason) }
  }

  /// Equal events are neighbours in canonical order.
  private mutating func dropDuplicates(_ events: inout UserEvents) {
    var found = false
    for place in 1..<max(1, events.count) where events.areEqual(place - 1, place) {
      if !found { begin(events) }
      (found, keeps[place]) = (true, false)
    }
    if found { dropMarked(&events, .exactDuplicate) }
  }

  /// Of events with one item and kind, keeps the first and each that is later than the last kept one by more than the window.
  private mutating func dropRepeats(_ events: inout UserEvents) {
    guard events.count > 1 else { return }
    order.removeAll(keepingCapacity: true)
    order.append(contentsOf: 0..<Int32(clamping: events.count))
    let (items, kinds) = (events.items, events.kinds)
    func same(_ a: Int, _ b: Int) -> Bool { items[a] == items[b] && (kinds.isEmpty || kinds[a] == kinds[b]) }
    order.sort { x, y in
      let (a, b) = (Int(x), Int(y))
      if items[a] != items[b] { return items[a] < items[b] }
      if !kinds.isEmpty, kinds[a] != kinds[b] { return kinds[a] < kinds[b] }
      return a < b
    }
    begin(events)
    var last = Int(order[0])
    for place in order.dropFirst().lazy.map({ Int($0) }) {
      if same(last, place), events.times[place] - events.times[last] <= windowMilliseconds {
        keeps[place] = false
      } else {
        last = place
      }
    }
    dropMarked(&events, .repeatInWindow)
  }

  /// An event is in a burst when some span of the window's length holds it and more events than the rule allows.
  private mutating func findBursts(_ events: inout UserEvents) {
    guard let burst = rules.burst, events.count > burst.events else { return }
    var (markedTo, found) = (0, 0)  // events before `markedTo` are settled
    for first in 0..<events.count - burst.events {
      guard events.times[first + burst.events] - events.times[first] <= burstMilliseconds else { continue }
      if found == 0 { begin(events) }
      for place in max(first, markedTo)...first + burst.events {
        keeps[place] = false
        found += 1
      }
      markedTo = first + burst.events + 1
    }
    guard found > 0 else { return }
    switch burst.action {
    case .flag: report[.burst].flagged += found
    case .dropBurst: dropMarked(&events, .burst)
    case .dropUser:
      for place in keeps.indices { keeps[place] = false }
      dropMarked(&events, .burst)
    }
  }

  private mutating func keepNewest(_ limit: Int, _ events: inout UserEvents) {
    let old = events.count - limit
    guard old > 0 else { return }
    begin(events)
    for place in 0..<old { keeps[place] = false }
    dropMarked(&events, .oldHistory)
  }
}
