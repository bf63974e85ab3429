// A synthetic shop with known structure.
import ArgumentParser
import AugurCompute
import AugurEvents

struct Synth: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Writes a synthetic log whose best achievable scores are known.",
    discussion: """
      Beside OUTPUT: OUTPUT.truth.json (the true parameters and the best score of every task), and, without the ending .csv, .users.csv, \
      .items.csv and .labels.csv. The same seed gives the same bytes on any number of threads. A world names the defaults of the effects.
      """)
  @Option(help: "Rows of the log.") var events: Int
  @Option(help: "Users.") var users: Int
  @Option(help: "Items.") var items: Int
  @Option(help: "Seed.") var seed: UInt64 = 1
  @Option(help: "CSV file to write.") var output: String
  @Option(help: "next-item: clean, no user repeats an item. shop: late purchases in rows of their own, fraud, more churn and turnover.")
  var world = World.nextItem
  @OptionGroup(title: "Effects (without them, those of the world)") var effects: EffectOptions
  @Option(help: "Rows by user, by time over all users, or shuffled; memory is bounded in each.") var order = RowOrder.user
  @Option(help: "Threads; the bytes do not depend on it.") var threads: Int?
  @Flag(help: "One JSON object.") var json = false

  enum World: String, ExpressibleByArgument, CaseIterable { case nextItem = "next-item", shop }
  enum RowOrder: String, ExpressibleByArgument, CaseIterable { case user, time, shuffled }

  func run() throws {
    if let threads {
      guard (1...64).contains(threads) else { throw UserMistake("--threads: expected 1...64, got \(threads)") }
      ThreadPool.shared.threads = threads
    }
    var options = effects.applied(to: world == .shop ? .shop : .nextItem)
    options.order = SyntheticOptions.Order(rawValue: order.rawValue) ?? .user
    let log = try SyntheticLog(events: events, users: users, items: items, seed: seed, options: options)
    let truth = try log.write(to: output)
    if json {
      let tasks = truth.tasks.mapValues { $0.best }
      printJSON([
        "events": truth.events, "users": truth.users, "items": truth.items, "seed": truth.seed, "best": truth.best, "tasks": tasks,
        "dirty": truth.dirty,
      ])
    } else {
      print("\(output): \(truth.events) events of \(truth.users) users on \(truth.items) items")
      print("best achievable on the last event: " + line(truth.best))
      for (name, task) in truth.tasks.sorted(by: { $0.key < $1.key }) where name != "next_item" && !task.best.isEmpty {
        print("  \(name): \(line(task.best))")
      }
    }
  }

  private func line(_ scores: [String: Double]) -> String {
    scores.sorted { $0.key < $1.key }.map { "\($0.key) \(decimal($0.value, places: 4))" }.joined(separator: ", ")
  }
}

/// A strength for each effect; 0 switches it off.
struct EffectOptions: ParsableArguments {
  @Option(help: "Span in days.") var days: Int?
  @Option(help: "Amplitude of the yearly rhythm.") var season: Double?
  @Option(help: "Amplitude of the weekly rhythm.") var weekly: Double?
  @Option(help: "Amplitude of the daily rhythm.") var daily: Double?
  @Option(help: "Mean visits of a session.") var session: Double?
  @Option(help: "Daily churn hazard of an average user.") var churn: Double?
  @Option(help: "Share of the items that appear or retire.") var turnover: Double?
  @Option(help: "Share of the category-weeks with a promotion.") var promotion: Double?
  @Option(help: "Mean price elasticity of conversion.") var elasticity: Double?
  @Option(help: "Probability that a visit converts at the typical price.") var conversion: Double?
  @Option(help: "row: one row a visit, its event the stage reached. steps: view, cart and late purchase in rows of their own.")
  var funnel: RowFunnel?
  @Option(help: "Mean days from view to purchase, with --funnel steps.") var delay: Double?
  @Option(help: "Share of fraudulent users.") var fraud: Double?
  @Option(help: "Share of spoiled rows.") var dirty: Double?

  enum RowFunnel: String, ExpressibleByArgument, CaseIterable { case row, steps }

  func applied(to world: SyntheticOptions) -> SyntheticOptions {
    var options = world
    func set<Value>(_ path: WritableKeyPath<SyntheticOptions, Value>, _ value: Value?) {
      if let value { options[keyPath: path] = value }
    }
    set(\.days, days)
    set(\.season, season)
    set(\.weekly, weekly)
    set(\.daily, daily)
    set(\.session, session)
    set(\.churn, churn)
    set(\.turnover, turnover)
    set(\.promotion, promotion)
    set(\.elasticity, elasticity)
    set(\.conversion, conversion)
    set(\.funnel, funnel.flatMap { SyntheticOptions.Funnel(rawValue: $0.rawValue) })
    set(\.delay, delay)
    set(\.fraud, fraud)
    set(\.dirty, dirty)
    return options
  }
}
