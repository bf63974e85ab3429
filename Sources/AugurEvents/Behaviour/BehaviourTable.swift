// A data set of events as a table of features: each event, or each impression of a task, a row of CSV.
import AugurCompute
import AugurTensors

/// What was written.
public struct BehaviourTableReport: Sendable, Equatable {
  public var events = 0
  public var rows = 0
  public var columns = 0
  /// Rows whose label is 1.
  public var positives = 0
  /// Impressions left out because their horizon passes the end of the log.
  public var droppedPastEnd = 0
  /// The most events kept for windows at once.
  public var keptEvents = 0
  /// Of each joined file, how many users or items of the state it has no row of.
  public var withoutRow: [String: Int] = [:]
  /// Joined tables without times: what they say may have come to be known after an event.
  public var notPointInTime: [String] = []
}

extension BehaviourDescription {
  /// The standard description of what a data set has, on the clocks that it was prepared with.
  public static func standard(for data: Dataset) -> BehaviourDescription {
    let kinds = (0..<data.labelCount(.kind)).map { data.label(.kind, $0) }
    var description = standard(
      kinds: kinds, hasPrices: data.description.attributes.contains(.price), hasCategories: data.description.attributes.contains(.category))
    description.zoneName = data.description.rules.sessions.zoneName
    return description
  }

  /// Throws where a group has no kind in the log, or a feature needs a column that the log does not have; `place` names the description.
  public func check(against data: Dataset, place: String) throws(EventsError) {
    let kinds = (0..<data.labelCount(.kind)).map { data.label(.kind, $0) }
    for (name, members) in groups.sorted(by: { $0.key < $1.key }) where !members.contains(where: kinds.contains) {
      let error = unknownKind(members.first ?? "", kinds, place: place)
      throw EventsError(file: place, field: "groups.\(name)", problem: error.problem, advice: error.advice)
    }
    for (index, feature) in features.enumerated() {
      for attribute in feature.attributes where !data.description.attributes.contains(attribute) {
        throw EventsError(
          file: place, field: "features[\(index)]", problem: "the log has no column for the \(attribute.rawValue)",
          advice: "leave the feature out, or prepare with --columns \(attribute.rawValue)=COLUMN")
      }
    }
  }
}

extension BehaviourFeature {
  /// Columns of the log without which the feature says nothing.
  fileprivate var attributes: [EventAttribute] {
    switch self {
    case .count(let entities, _, _), .frequency(let entities, _, _), .recency(let entities, _), .age(let entities),
      .conversion(let entities, _, _, _), .weight(let entities, _, _):
      entities.contains(.category) ? [.category] : []
    case .money(let entities, _, _), .priceRatio(let entities): [.price] + (entities.contains(.category) ? [.category] : [])
    case .clock: []
    case .event(let columns): columns
    case .history(let subject, _): subject == .category ? [.category] : []
    case .join: []
    }
  }
}

/// Writes the table: `user_id`, `item_id`, `timestamp`, with a task `label` and `label_known`, the end of its horizon, then the columns of the
/// state, in order of time, then user.
/// The file appears whole or not at all. Features are those that `state` gives event by event, and it has observed the whole log behind this.
///
/// - Parameter asOf: writes `user_id`, `timestamp` and the columns for each user with an event before this moment, as of it, instead of a row
///   an event; the log is read up to there. Features must be about users: see `BehaviourDescription.ofUsers`.
public func writeBehaviourTable(
  _ data: Dataset, state: inout BehaviourState, task: OutcomeTask? = nil, asOf: Int64? = nil, output: String
) throws(EventsError) -> BehaviourTableReport {
  let fixed =
    ["user_id"] + (asOf == nil ? ["item_id"] : []) + ["timestamp"] + (task == nil ? [] : ["label", FeatureList.labelKnownName])
  if let name = state.columns.map(\.name).first(where: fixed.contains) {
    throw EventsError(file: "features", field: name, problem: "is a column of every table already", advice: "give the feature another name")
  }
  let order = try TimeOrder(data, StateIndices(of: data, in: &state))
  let labels = try task.map { task throws(EventsError) in try OutcomeLabels(data, task, latest: order.latest).labels }
  var rows = BehaviourRows(order: order, labels: labels)
  rows.users = asOf.map { UserRows(asOf: $0, count: state.ids[BehaviourState.userIDs].count) }
  let text = try RowText(path: output, header: fixed, state: state, horizon: task?.horizon.milliseconds)
  var (filled, written) = (RowBlock(columns: state.columns.count), RowBlock(columns: state.columns.count))
  var failures: (EventsError?, EventsError?) = (nil, nil)
  repeat {
    // One thread computes while the other writes what was computed before.
    parallel(2) { task in
      if task == 0 {
        do throws(EventsError) { try rows.fill(filled, &state) } catch { failures.0 = error }
      } else {
        do throws(EventsError) { try text.write(written) } catch { failures.1 = error }
      }
    }
    if let failure = failures.0 ?? failures.1 { throw failure }
    swap(&filled, &written)
  } while !written.events.isEmpty
  if let asOf, rows.report.rows == 0 {
    throw EventsError(file: data.path, problem: "no event lies before \(Timestamp.text(asOf))", advice: "name a later moment")
  }
  try text.commit()
  rows.report.columns = state.columns.count
  rows.report.note(state)
  return rows.report
}

/// Rows between their computation and their text.
private final class RowBlock {
  static let capacity = 2048
  let columns: Int
  let numbers: UnsafeMutablePointer<Float>  // [capacity, columns]
  var events: [BehaviourEvent] = []
  var labels: [Bool] = []
  /// [rows, histories of a row]
  var histories: [String] = []

  init(columns: Int) {
    self.columns = columns
    numbers = .allocate(capacity: Self.capacity * columns)
    numbers.initialize(repeating: .nan, count: Self.capacity * columns)
  }

  deinit { numbers.deallocate() }
}

/// The rows of a table in order.
private struct BehaviourRows {
  var order: TimeOrder
  let labels: [UInt8]?
  /// Set where the rows are users as of a moment.
  var users: UserRows?
  var report = BehaviourTableReport()

  /// Fills the block with the next rows, none at the end.
  mutating func fill(_ block: RowBlock, _ state: inout BehaviourState) throws(EventsError) {
    block.events.removeAll(keepingCapacity: true)
    block.labels.removeAll(keepingCapacity: true)
    block.histories.removeAll(keepingCapacity: true)
    if users != nil { return try fillUsers(block, &state) }
    while block.events.count < RowBlock.capacity, let timed = order.next() {
      switch labels.map({ OutcomeLabel(rawValue: $0[timed.row]) ?? .none }) ?? .no {
      case .none: break
      case .unknown: report.droppedPastEnd += 1
      case let label:
        try state.features(of: timed.event, into: block.numbers + block.events.count * block.columns)
        if !state.histories.isEmpty { block.histories += try state.histories(of: timed.event) }
        block.events.append(timed.event)
        block.labels.append(label == .yes)
        report.rows += 1
        report.positives += label == .yes ? 1 : 0
      }
      try state.observe(timed.event)
      report.events += 1
      report.keptEvents = max(report.keptEvents, state.keptEvents)
    }
  }
}

/// Which users have rows as of a moment, and how far they are written.
private struct UserRows {
  let asOf: Int64
  var isMet: [Bool]
  var next = 0
  var isObserved = false

  init(asOf: Int64, count: Int) {
    self.asOf = asOf
    isMet = [Bool](repeating: false, count: count)
  }
}

extension BehaviourRows {
  /// All events before the moment first, then the users who had one.
  private mutating func fillUsers(_ block: RowBlock, _ state: inout BehaviourState) throws(EventsError) {
    guard var users else { return }
    if !users.isObserved {
      while let timed = order.next(), timed.event.time < users.asOf {
        try state.observe(timed.event)
        users.isMet[Int(timed.event.user)] = true
        report.events += 1
        report.keptEvents = max(report.keptEvents, state.keptEvents)
      }
      users.isObserved = true
    }
    while block.events.count < RowBlock.capacity, users.next < users.isMet.count {
      defer { users.next += 1 }
      guard users.isMet[users.next] else { continue }
      // No feature reads the item.
      let event = BehaviourEvent(user: Int32(users.next), item: 0, time: users.asOf, kind: BehaviourEvent.none)
      try state.features(of: event, into: block.numbers + block.events.count * block.columns)
      if !state.histories.isEmpty { block.histories += try state.histories(of: event) }
      block.events.append(event)
      block.labels.append(false)
      report.rows += 1
    }
    self.users = users
  }
}

/// Rows as lines of CSV.
private struct RowText {
  private let text: TableText
  private let ids: [Vocabulary]
  private let joined: [[JoinedRows.Column]]
  private let runs: [TextRun]
  /// Of the labels; nil without.
  private let horizon: Int64?
  private let hasItems: Bool

  init(path: String, header: [String], state: BehaviourState, horizon: Int64?) throws(EventsError) {
    text = try TableText(path: path)
    hasItems = header.contains("item_id")
    (ids, joined, self.horizon) = (state.ids, state.joins.map(\.rows.columns), horizon)
    runs = TextRun.runs(of: state.columns)
    for name in header + state.columns.map(\.name) { text.field(name) }
    try text.endRow()
  }

  func write(_ block: RowBlock) throws(EventsError) {
    for (place, event) in block.events.enumerated() {
      text.field(ids[BehaviourState.userIDs], event.user)
      if hasItems { text.field(ids[BehaviourState.itemIDs], event.item) }
      text.field(time: event.time)
      if let horizon {
        text.field(block.labels[place] ? 1 : 0)
        text.field(time: event.time + horizon, column: 1)
      }
      let row = UnsafeBufferPointer(start: block.numbers + place * block.columns, count: block.columns)
      for run in runs {
        let value = row[run.columns.lowerBound]
        switch run.texts {
        case .category? where !value.isNaN: text.field(ids[BehaviourState.categoryIDs], Int32(value))
        case .kind? where !value.isNaN: text.field(ids[BehaviourState.kindIDs], Int32(value))
        case .history(let history)?: text.field(block.histories[block.histories.count / block.events.count * place + history])
        case .joined(let join, let column)? where !value.isNaN: text.field(joined[join][column].texts?[Int(value)] ?? "")
        default: text.fields(UnsafeBufferPointer(rebasing: row[run.columns]))
        }
      }
      try text.endRow()
    }
  }

  func commit() throws(EventsError) { try text.commit() }
}

/// The work of a table without its text: every event's features, then the event. Returns the number of events.
package func replayBehaviour(_ data: Dataset, state: inout BehaviourState) throws(EventsError) -> Int {
  var order = try TimeOrder(data, StateIndices(of: data, in: &state))
  let block = RowBlock(columns: state.columns.count)
  var events = 0
  while let timed = order.next() {
    try state.features(of: timed.event, into: block.numbers)
    try state.observe(timed.event)
    events += 1
  }
  return events
}

extension BehaviourTableReport {
  fileprivate mutating func note(_ state: BehaviourState) {
    let joins = state.description.features.compactMap { if case .join(let join) = $0 { join } else { nil } }
    for (join, made) in zip(joins, state.joins) {
      withoutRow[join.file] = made.unknown
      if join.isTable, made.rows.validFrom.isEmpty { notPointInTime.append(join.file) }
    }
  }
}

/// Columns of one row that are written alike: numbers side by side, or one number that stands for a text.
private struct TextRun {
  var columns: Range<Int>
  var texts: BehaviourTexts?

  static func runs(of columns: [BehaviourColumn]) -> [TextRun] {
    var runs: [TextRun] = []
    for (place, column) in columns.enumerated() {
      if column.texts == nil, let last = runs.last, last.texts == nil {
        runs[runs.count - 1].columns = last.columns.lowerBound..<place + 1
      } else {
        runs.append(TextRun(columns: place..<place + 1, texts: column.texts))
      }
    }
    return runs
  }
}
