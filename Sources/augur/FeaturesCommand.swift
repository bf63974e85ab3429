// Features of behaviour as of each event's time, as a table to learn from.
import ArgumentParser
import AugurCompute
import AugurEvents
import AugurTensors
import Foundation

struct FeaturesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "features", abstract: "Turns the events of a data set into a table of behaviour features as of each event's time.",
    discussion: """
      A row of the CSV at OUTPUT for each event, in order of time: user_id, item_id, timestamp and the features, which see only what \
      happened before: counts in windows, money, recency, conversion, prices and the clock. Events of the same millisecond are not \
      before. A missing number is an empty field.

      With --label KIND, a row for each impression (--impressions; view and its usual names without it), and a column label: 1 where the \
      same user has an event of KIND with the same item at the same moment or up to --horizon later. Impressions whose horizon passes the \
      end of the log are left out and counted. The column label_known is the end of the horizon: prepare --format table leaves out rows of \
      training that were labelled by what came behind the cut.

      With --as-of TIME, a row for each user with an event before it, of features about users as of that moment, for churn or value: user_id, \
      timestamp and the features. Labels of what came later are yours to join.

      Features are described by a JSON file, for which --print-features prints a beginning. {"feature": "history", "of": "item", "last": 20} is \
      a column item_history of the ids of the items that the user met last, oldest first and joined by '|' (or "category"): prepare --format \
      table takes it with --history item_history=item_id, for the models din, bst and dien. Two more features join files: {"feature": "table", \
      "of": "user", "file": "users.csv"} takes the row of user_id (or of "key") with the latest valid_from (or "time") at or before the event, \
      {"feature": "vectors", "of": "item", "file": "v.safetensors", "tensor": "v", "ids": "ids.txt"} vectors of items; "format": "text" is for \
      lines of an id and numbers. A table without times is joined as it is and reported as not point-in-time.

      --print-features prints the description that is used, to edit and give back with --features. --save-state keeps what the whole log \
      adds up to, for a scorer that goes on from there, or for the features of the next day's log with --state. Memory: users, items and 32 \
      bytes for each event of the widest window.

      Example:
        augur prepare --input log.csv --output data
        augur features --data data --label purchase --horizon 7d --output features.csv
        augur prepare --format table --label label --input features.csv --output table --split time
        augur train --data table --model deepfm --output run
        augur evaluate --run run
      """)
  @Option(help: "Data set of events, made by augur prepare.") var data: String?
  @Option(help: "JSON description of the features; without it, what the data set's columns give.") var features: String?
  @Option(help: "CSV to write; appears complete or not at all.") var output: String?
  @Option(help: ArgumentHelp("Kind of event to predict, such as purchase.", valueName: "kind")) var label: String?
  @Option(help: ArgumentHelp("Kinds of events that are rows, with --label.", valueName: "kind,...")) var impressions: String?
  @Option(help: ArgumentHelp("How long after an impression the label looks: 1h, 7d.", valueName: "span")) var horizon = "7d"
  @Option(help: ArgumentHelp("A row a user, as of this moment: 2024-05-31, or epoch seconds.", valueName: "time")) var asOf: String?
  @Option(help: ArgumentHelp("Goes on from a saved state; the log must begin where that one ended.", valueName: "file")) var state: String?
  @Option(help: ArgumentHelp("Writes the state after the last event.", valueName: "file")) var saveState: String?
  @Option(help: "Threads; the table does not depend on it.") var threads: Int?
  @Flag(help: "Prints the description of the features and does nothing else.") var printFeatures = false
  @Flag(help: "One JSON object.") var json = false

  func run() throws {
    if printFeatures {
      let set = try data.map { path throws(EventsError) in try Dataset(path: path, verify: false) }
      return print(try description(for: set).json(), terminator: "")
    }
    guard let data else { throw UserMistake("features: --data is missing; name a data set made by augur prepare") }
    guard let output, !output.isEmpty else { throw UserMistake("features: --output is missing; name the CSV to write") }
    guard output != saveState else { throw UserMistake("--save-state: is the same file as --output; name two") }
    guard state == nil || features == nil else {
      throw UserMistake("--features: a saved state has its own description; leave one of --features and --state out")
    }
    guard asOf == nil || label == nil else { throw UserMistake("--as-of: gives rows of users, --label rows of impressions; leave one of them out") }
    let time = try asOf.map { text throws(EventsError) in try moment(text, option: "--as-of") }
    if let threads {
      guard (1...64).contains(threads) else { throw UserMistake("--threads: expected 1...64, got \(threads)") }
      ThreadPool.shared.threads = threads
    }
    let clock = ContinuousClock()
    let start = clock.now
    let set = try Dataset(path: data)
    var behaviour =
      if let state { try BehaviourState(path: state) } else { try BehaviourState(try description(for: set)) }
    try behaviour.description.check(against: set, place: state ?? features ?? "--features")
    if time != nil { try behaviour.description.checkOfUsers(place: state ?? features ?? "--features") }
    let report = try writeBehaviourTable(set, state: &behaviour, task: try task(for: set), asOf: time, output: output)
    if let saveState { try behaviour.save(to: saveState) }
    show(report, output, seconds: (clock.now - start) / .seconds(1))
  }

  private func description(for set: Dataset?) throws -> BehaviourDescription {
    if let features { return try BehaviourDescription(file: features) }
    let standard = set.map(BehaviourDescription.standard(for:)) ?? .standard()
    return asOf == nil ? standard : standard.ofUsers
  }

  private func task(for set: Dataset) throws -> OutcomeTask? {
    guard let label else {
      guard impressions == nil else { throw UserMistake("--impressions: say with --label what is predicted of them") }
      return nil
    }
    guard let window = BehaviourWindow(horizon), window != .ever else {
      throw UserMistake("--horizon: expected a span such as 1h or 7d, got '\(horizon)'")
    }
    let named = impressions?.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    return OutcomeTask(outcome: label, impressions: try named ?? usualImpressions(of: set), horizon: window)
  }

  private func usualImpressions(of set: Dataset) throws -> [String] {
    let views = BehaviourDescription.standard(for: set).groups["view"] ?? []
    guard !views.isEmpty else { throw UserMistake("--impressions: the log has no kind named view; say which kinds are rows") }
    return views
  }

  private func show(_ report: BehaviourTableReport, _ output: String, seconds: Double) {
    let rate = Double(report.events) / seconds
    for file in report.notPointInTime {
      writeError("augur: \(file): not point-in-time: no column valid_from, so that its rows may tell what was known only later\n")
    }
    if json {
      return printJSON([
        "rows": report.rows, "events": report.events, "columns": report.columns, "positives": report.positives,
        "without_row": report.withoutRow, "not_point_in_time": report.notPointInTime, "dropped_past_end": report.droppedPastEnd, "kept_events": report.keptEvents, "seconds": number(seconds),
        "events_per_second": number(rate, digits: 0), "peak_bytes": ResidentMemory.peakBytes,
      ])
    }
    let task = label == nil ? "" : ", \(report.positives) positive, \(report.droppedPastEnd) left out (their horizon passes the end of the log)"
    for (file, count) in report.withoutRow.sorted(by: { $0.key < $1.key }) where count > 0 { print("\(file): no row for \(count) of the log's keys") }
    print("\(output): \(report.rows) rows of \(report.columns) features from \(report.events) events in \(decimal(seconds, places: 2)) s\(task)")
  }
}
