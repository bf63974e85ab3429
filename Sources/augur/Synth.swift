// A synthetic log with known structure.
import ArgumentParser
import AugurEvents

struct Synth: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Writes a synthetic log whose best achievable score is known.",
    discussion: "The truth goes to OUTPUT.truth.json. The same seed gives the same bytes.")
  @Option(help: "Rows of the log.") var events: Int
  @Option(help: "Users.") var users: Int
  @Option(help: "Items.") var items: Int
  @Option(help: "Seed.") var seed: UInt64 = 1
  @Option(help: "CSV file to write.") var output: String
  @Flag(help: "One JSON object.") var json = false

  func run() throws {
    let truth = try SyntheticLog(events: events, users: users, items: items, seed: seed).write(to: output)
    if json {
      printJSON(["events": truth.events, "users": truth.users, "items": truth.items, "seed": Int(seed), "best": truth.best])
    } else {
      let best = truth.best.sorted { $0.key < $1.key }.map { "\($0.key) \(decimal($0.value, places: 4))" }
      print("\(output): \(truth.events) events of \(truth.users) users on \(truth.items) items")
      print("best achievable on the last event: " + best.joined(separator: ", "))
    }
  }
}
