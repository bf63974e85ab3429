// A data set of events as a table of features: each event, or each impression of a task, a row of CSV.
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
}

extension BehaviourDescription {
  /// The standard description of what a data set has.
  public static func standard(for data: Dataset) -> BehaviourDescription {
    let kinds = (0..<data.labelCount(.kind)).map { data.label(.kind, $0) }
    return standard(
      kinds: kinds, hasPrices: data.description.attributes.contains(.price), hasCategories: data.description.attributes.contains(.category))
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
    }
  }
}

/// Writes the table: `user_id`, `item_id`, `timestamp`, with a task `label`, then the columns of the state, in order of time, then user.
/// The file appears whole or not at all. Features are those that `state` gives event by event, and it has observed the whole log behind this.
public func writeBehaviourTable(_ data: Dataset, state: inout BehaviourState, task: OutcomeTask? = nil, output: String) throws(EventsError)
  -> BehaviourTableReport
{
  let fixed = ["user_id", "item_id", "timestamp"] + (task == nil ? [] : ["label"])
  if let name = state.columns.map(\.name).first(where: fixed.contains) {
    throw EventsError(file: "features", field: name, problem: "is a column of every table already", advice: "give the feature another name")
  }
  var order = try TimeOrder(data, StateIndices(of: data, in: &state))
  let labels = try task.map { task throws(EventsError) in try OutcomeLabels(data, task, latest: order.latest).labels }
  let text = try TableText(path: output)
  for name in fixed + state.columns.map(\.name) { text.field(name) }
  try text.endRow()
  var report = BehaviourTableReport(columns: state.columns.count)
  var row = [Float](repeating: .nan, count: state.columns.count)
  let runs = TextRun.runs(of: state.columns)
  while let timed = order.next() {
    let label = labels.map { OutcomeLabel(rawValue: $0[timed.row]) ?? .none } ?? .no
    switch label {
    case .none: break
    case .unknown: report.droppedPastEnd += 1
    case .no, .yes:
      try state.features(of: timed.event, into: &row)
      text.field(state.ids[BehaviourState.userIDs], timed.event.user)
      text.field(state.ids[BehaviourState.itemIDs], timed.event.item)
      text.field(time: timed.event.time)
      if labels != nil { text.field(label == .yes ? 1 : 0) }
      state.write(row, runs, to: text)
      try text.endRow()
      report.rows += 1
      report.positives += label == .yes ? 1 : 0
    }
    try state.observe(timed.event)
    report.events += 1
    report.keptEvents = max(report.keptEvents, state.keptEvents)
  }
  try text.commit()
  return report
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

extension BehaviourState {
  fileprivate func write(_ row: [Float], _ runs: [TextRun], to table: TableText) {
    row.withUnsafeBufferPointer { row in
      for run in runs {
        let value = row[run.columns.lowerBound]
        switch run.texts {
        case .category? where !value.isNaN: table.field(ids[Self.categoryIDs], Int32(value))
        case .kind? where !value.isNaN: table.field(ids[Self.kindIDs], Int32(value))
        default: table.fields(UnsafeBufferPointer(rebasing: row[run.columns]))
        }
      }
    }
  }
}
