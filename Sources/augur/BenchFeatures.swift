// Features of behaviour without the text of a table: what a scorer that keeps up with a log has to do.
import ArgumentParser
import AugurEvents
import AugurTensors

struct BenchFeatures: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "features",
    abstract: "Events a second whose features are computed and which are then observed, on one thread, in order of time; best of 3.")
  @Option(help: "Data set of events, made by augur prepare.") var data: String
  @Option(help: "JSON description of the features; without it, what the data set's columns give.") var features: String?
  @Flag(help: "One JSON object.") var json = false

  func run() throws {
    let set = try Dataset(path: data)
    let description = try features.map { path throws(EventsError) in try BehaviourDescription(file: path) } ?? .standard(for: set)
    let clock = ContinuousClock()
    var (best, events, columns) = (Double.infinity, 0, 0)
    for _ in 0..<3 {
      let start = clock.now
      var state = try BehaviourState(description)
      events = try replayBehaviour(set, state: &state)
      columns = state.columns.count
      best = min(best, (clock.now - start) / .seconds(1))
    }
    if json {
      printJSON([
        "op": "features", "events": events, "columns": columns, "threads": 1, "seconds": number(best, digits: 4),
        "events_per_second": number(Double(events) / best, digits: 0),
      ])
    } else {
      print("\(events) events, \(columns) features each, in \(decimal(best, places: 3)) s, \(Int(Double(events) / best)) events/s")
    }
  }
}
