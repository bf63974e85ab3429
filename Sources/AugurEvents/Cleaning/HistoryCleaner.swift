// The rules that see one user at a time, on the events as the merge delivers them.

/// Settles values, puts events into canonical order, drops copies, then applies the rules that need the order. Logs without rules
/// take the short way, which leaves the events in their words.
struct HistoryCleaner {
  private let rules: CleaningRules
  private let layout: EventLayout
  private let settlesValues: Bool
  private let appliesRules: Bool
  private var order: CanonicalOrder
  private var cleaner: UserCleaner
  private var columns: UserColumns
  /// Copies that the canonical order dropped, beside what the cleaner counts.
  private var copies = 0

  /// Names the words that fill gaps in `dictionaries`.
  init(_ rules: CleaningRules, _ dictionaries: inout EventDictionaries) {
    (self.rules, layout) = (rules, dictionaries.layout)
    let fills = Self.fills(rules, &dictionaries)
    let policies = [rules.missingKind, rules.missingCategory, rules.missingPrice, rules.missingQuantity]
    // Rejected values never come here.
    settlesValues = rules.impossible != .reject || policies.contains { $0 != .keep }
    appliesRules = rules.duplicateWindow > 0 || rules.burst != nil || rules.maximumHistory != nil
    order = CanonicalOrder(dictionaries, dropsCopies: rules.dropsExactDuplicates)
    cleaner = UserCleaner(rules, hasTimes: layout.hasTimes, fills: fills)
    columns = UserColumns(dictionaries)
  }

  var report: CleaningReport {
    var report = cleaner.report
    report[.exactDuplicate].dropped += copies
    return report
  }

  mutating func apply(to history: inout UserHistory) {
    if settlesValues { columns.change(&history) { cleaner.settleValues(&$0) } }
    if layout.hasTimes { copies += order.apply(to: &history) }
    if appliesRules { columns.change(&history) { cleaner.applyRules(&$0) } }
  }

  private static func fills(_ rules: CleaningRules, _ dictionaries: inout EventDictionaries) -> UserCleaner.Fills {
    var fills = UserCleaner.Fills()
    for (place, attribute) in dictionaries.layout.attributes.enumerated() where !attribute.isNumber {
      let policy = attribute == .kind ? rules.missingKind : rules.missingCategory
      guard case .fill(let word) = policy else { continue }
      let index = Int32(bitPattern: Array(word.utf8).withUnsafeBytes { dictionaries.label(place, $0) })
      if attribute == .kind { fills.kind = index } else { fills.category = index }
    }
    return fills
  }
}

/// Between the words of a history and the columns of `UserEvents`.
struct UserColumns {
  private let layout: EventLayout
  /// The index of the empty label, by attribute; -2 where the log has none.
  private let empty: [Int32]
  private(set) var events = UserEvents()

  init(_ dictionaries: EventDictionaries) {
    layout = dictionaries.layout
    empty = dictionaries.labels.map { $0.index(ofText: UnsafeRawBufferPointer(start: nil, count: 0)) ?? -2 }
  }

  /// Lets `body` change or drop the events of a history.
  mutating func change(_ history: inout UserHistory, _ body: (inout UserEvents) -> Void) {
    load(history)
    body(&events)
    store(&history)
  }

  mutating func load(_ history: UserHistory) {
    let (count, width) = (history.count, layout.width)
    events.removeAll()
    if layout.hasTimes { events.times.append(contentsOf: history.times) }
    for event in 0..<count { events.items.append(Int32(bitPattern: history.words[event * width])) }
    for (place, attribute) in layout.attributes.enumerated() {
      for event in 0..<count {
        let word = history.words[event * width + 1 + place]
        let label = Int32(bitPattern: word) == empty[place] ? UserEvents.missing : Int32(bitPattern: word)
        switch attribute {
        case .kind: events.kinds.append(label)
        case .category: events.categories.append(label)
        case .price: events.prices.append(Float(bitPattern: word))
        case .quantity: events.quantities.append(Float(bitPattern: word))
        }
      }
    }
  }

  private func store(_ history: inout UserHistory) {
    let untimed = history.times
    history.removeAll()
    if layout.hasTimes {
      history.times.append(contentsOf: events.times)
    } else {
      // Rules of logs without times keep the newest events: the last places.
      history.times.append(contentsOf: untimed.suffix(events.count))
    }
    for event in 0..<events.count {
      history.words.append(UInt32(bitPattern: events.items[event]))
      for (place, attribute) in layout.attributes.enumerated() {
        func word(_ label: Int32) -> UInt32 { UInt32(bitPattern: label == UserEvents.missing ? empty[place] : label) }
        switch attribute {
        case .kind: history.words.append(word(events.kinds[event]))
        case .category: history.words.append(word(events.categories[event]))
        case .price: history.words.append(events.prices[event].bitPattern)
        case .quantity: history.words.append(events.quantities[event].bitPattern)
        }
      }
    }
  }
}

/// Cleaned histories on disk, which the core filter reads again and again before it lets them through.
struct CleanedRun: HistoryPasses {
  let path: String
  let width: Int
  /// Bytes for reading ahead.
  static let buffer = 2 << 20

  func forEachUser(_ body: (_ user: Int, _ items: Span<Int32>) throws(EventsError) -> Void) throws(EventsError) {
    var items: [Int32] = []
    try forEachHistory { user, _, history throws(EventsError) in
      items.removeAll(keepingCapacity: true)
      for event in 0..<history.count { items.append(Int32(bitPattern: history.words[event * width])) }
      try body(user, items.span)
    }
  }

  /// The same with everything that is known of the user.
  func forEachHistory(
    _ body: (_ user: Int, _ id: [UInt8], _ history: inout UserHistory) throws(EventsError) -> Void
  ) throws(EventsError) {
    let run = try DiskRun(path: path, width: width, bytes: Self.buffer, keepsFile: true)
    var history = UserHistory(width: width)
    var user = 0
    while !run.isAtEnd {
      let id = run.withID { Array($0) }
      history.removeAll()
      try run.take(into: &history)
      try body(user, id, &history)
      user += 1
    }
  }
}
