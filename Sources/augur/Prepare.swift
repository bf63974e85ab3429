// From a log to a data set on disk.
public import ArgumentParser
public import AugurEvents

extension LogFormat: ExpressibleByArgument {}
extension DatasetSplit: ExpressibleByArgument {}

struct Prepare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Turns a log into a data set: users, items, ordered histories.",
    discussion: """
      events: CSV or TSV with a header (user_id, item_id, timestamp). pairs: `user item` a line, in time order. \
      sequences: `user item item ...` a line.
      """)
  @Option(help: "The log.") var input: String
  @Option(help: "Folder to write; appears complete or not at all.") var output: String
  @Option(help: "events, pairs or sequences.") var format: LogFormat = .events
  @Option(help: "Names of columns: user=...,item=...,time=...,name=...") var columns: String?
  @Option(help: "leave-one-out: the last event of a user is for test, the second last for validation.")
  var split: DatasetSplit = .leaveOneOut
  @Flag(help: "One JSON object.") var json = false

  func run() throws {
    let clock = ContinuousClock()
    let start = clock.now
    let mapped = try columns.map { text throws(EventsError) in try LogColumns(parsing: text) } ?? LogColumns()
    let made = try prepareDataset(
      input: input, output: output, options: PrepareOptions(format: format, columns: mapped, split: split))
    let seconds = (clock.now - start) / .seconds(1)
    if json {
      printJSON([
        "users": made.users, "items": made.items, "events": made.events, "dropped": made.dropped, "fingerprint": made.fingerprint,
        "seconds": number(seconds),
      ])
    } else {
      print("\(output): \(made.users) users, \(made.items) items, \(made.events) events in \(decimal(seconds, places: 2)) s")
      for (reason, count) in made.dropped.sorted(by: { $0.key < $1.key }) where count > 0 { print("dropped \(count): \(reason)") }
    }
  }
}
