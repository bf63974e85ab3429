// Options of cleaning, sessions and bad rows, the same for every command that reads a log.
import ArgumentParser
import AugurEvents
import AugurTensors

/// Call `settings()` before anything is read: it checks every value, each with one clear line.
struct CleaningOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Bad rows after which the run stops: a number, or a share of all rows such as 1%. 0 without --quarantine, 50% with it.",
      valueName: "n|p%"))
  var maxBadRows: String?
  @Option(
    help: ArgumentHelp(
      "Writes bad rows here, as file:line, reason and row; there even when the run fails.",
      valueName: "file"))
  var quarantine: String?
  @Option(help: ArgumentHelp("Writes what cleaning did here: JSON where the name ends in .json, else text.", valueName: "file"))
  var report: String?
  @Option(
    help: ArgumentHelp(
      "JSON object of rules, named as the options from here on; options on the command line win.",
      valueName: "file"))
  var rules: String?
  @Option(
    help: ArgumentHelp(
      "auto, s, ms, us, ns, yyyymmdd or iso8601; auto tells s, ms and ISO 8601 apart by the first row.",
      valueName: "unit"))
  var timeUnit = "auto"
  @Option(help: ArgumentHelp("Events equal in every column read: drop (all but one) or keep.", valueName: "what"))
  var exactDuplicates: String?
  @Option(help: ArgumentHelp("The same user, item and event kind counts once within this time; 0 is off.", valueName: "seconds"))
  var duplicateWindow: String?
  @Option(
    help: ArgumentHelp(
      "Missing values: COLUMN=keep|drop|fill:VALUE,... of event, category, price, quantity. All keep.",
      valueName: "policies"))
  var missing: String?
  @Option(
    help: ArgumentHelp(
      "Impossible values: reject (a bad row), drop, missing or keep; each is counted. reject.",
      valueName: "policy"))
  var impossible: String?
  @Option(help: ArgumentHelp("Possible prices; 0: by default.", valueName: "least:largest"))
  var priceRange: String?
  @Option(help: ArgumentHelp("Possible quantities; 0: by default.", valueName: "least:largest"))
  var quantityRange: String?
  @Option(help: ArgumentHelp("Events before are impossible; epoch or ISO 8601, UTC unless it names a zone.", valueName: "time"))
  var earliestTime: String?
  @Option(help: ArgumentHelp("Events after are impossible; epoch or ISO 8601, UTC unless it names a zone.", valueName: "time"))
  var latestTime: String?
  @Option(
    help: ArgumentHelp(
      "More events of a user within so many seconds are a burst: flag (count only), drop-burst or drop-user.",
      valueName: "events/seconds[:action]"))
  var burst: String?
  @Option(help: ArgumentHelp("A user keeps the newest n events.", valueName: "n"))
  var maxHistory: String?
  @Option(help: ArgumentHelp("Users with fewer events are left out.", valueName: "n"))
  var minEvents: String?
  @Option(
    help: ArgumentHelp(
      "Items with fewer events are left out; with --min-events, again and again until all have enough.",
      valueName: "n"))
  var minItemEvents: String?
  @Option(help: ArgumentHelp("Both --min-events and --min-item-events: the k-core.", valueName: "k"))
  var core: String?
  @Option(help: ArgumentHelp("Clips prices at these quantiles of the training part, as in 0.001:0.999.", valueName: "low:high"))
  var clipPrice: String?
  @Option(help: ArgumentHelp("A longer pause ends a session. 30.", valueName: "minutes"))
  var sessionGap: String?
  @Option(help: ArgumentHelp("Most events and minutes of a session; either may be left out.", valueName: "events/minutes"))
  var sessionCap: String?
  @Option(help: ArgumentHelp("Kinds of events that end a session, such as purchase.", valueName: "kinds"))
  var sessionEnd: String?
  @Flag(help: "Ends sessions at midnight of --time-zone.")
  var sessionMidnight = false
  @Option(
    help: ArgumentHelp(
      """
      Zone of times and dates that name none, and of midnights, such as Europe/Berlin or +02:00. UTC. For times, a zone in the schema goes first. A time \
      that clocks skip is a bad row; one that they show twice is read as the first, and counted.
      """, valueName: "zone"))
  var timeZone: String?

  /// What the options ask for.
  struct Settings {
    var rules: CleaningRules
    var timeUnit: TimeUnit?
    var badRows: BadRowLimit
    var quarantine: String?
    var report: String?
  }

  private var texts: [(name: String, text: String?)] {
    [
      ("core", core), ("exact-duplicates", exactDuplicates), ("duplicate-window", duplicateWindow), ("missing", missing),
      ("impossible", impossible), ("price-range", priceRange), ("quantity-range", quantityRange), ("earliest-time", earliestTime),
      ("latest-time", latestTime), ("burst", burst), ("max-history", maxHistory), ("min-events", minEvents),
      ("min-item-events", minItemEvents), ("clip-price", clipPrice), ("session-gap", sessionGap), ("session-cap", sessionCap),
      ("session-end", sessionEnd), ("session-midnight", sessionMidnight ? "true" : nil), ("time-zone", timeZone),
    ]
  }

  /// The first rule that was given, for tables, which know none of them; bad rows and `--time-unit` are of every format.
  var givenRule: String? { ([("rules", rules)] + texts).first { $0.1 != nil }.map { "--\($0.0)" } }

  /// All options checked; throws `EventsError` with the option and the value.
  func settings() throws -> Settings {
    var checked = try rules.map { path throws(EventsError) in try CleaningRules(file: path) } ?? CleaningRules()
    for (name, text) in texts {
      if let text { try checked.set(name, text, place: "--\(name)") }
    }
    for (option, path) in [("--quarantine", quarantine), ("--report", report)] where path?.isEmpty == true {
      throw UserMistake("\(option): expected the name of a file, got ''")
    }
    if let quarantine, quarantine == report { throw UserMistake("--report: is the same file as --quarantine; name two") }
    let limit = try maxBadRows.map { text throws(EventsError) in try BadRowLimit(parsing: text) }
    return Settings(
      rules: checked, timeUnit: try TimeUnit.parsing(timeUnit), badRows: limit ?? .standard(hasQuarantine: quarantine != nil),
      quarantine: quarantine, report: report)
  }
}

/// Writes the report where `--report` asks for it.
func writeReport(_ report: CleaningReport, to path: String) throws {
  try writeFileDurably(path: path, text: path.hasSuffix(".json") ? report.json() : report.text())
}
