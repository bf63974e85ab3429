// From a log to a data set on disk.
public import ArgumentParser
import AugurCompute
public import AugurEvents

extension LogFormat: ExpressibleByArgument {}
extension SplitKind: ExpressibleByArgument {}

struct Prepare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Turns a log into a data set: users, items, ordered histories.",
    discussion: """
      events: CSV or TSV with a header (user_id, item_id, timestamp). pairs: `user item` a line, in time order. \
      sequences: `user item item ...` a line. sessions: `item item ...` a line, each a user of its own. table: one \
      labelled example a row, for --label COLUMN.
      """)
  @Option(parsing: .upToNextOption, help: "The log: CSV, TSV or JSON lines, plain or gzip or zstd, Parquet, - for standard input; several files or globs are one log.") var input: [String]
  @Option(help: "Folder to write; appears complete or not at all.") var output: String
  @Option(help: "events, pairs, sequences, sessions or table.") var format: PrepareFormat = .events
  @Option(help: "Names of columns: user=...,item=...,time=...,name=...") var columns: String?
  @Option(help: ArgumentHelp("Schema file that names them, in place of --columns; augur schema makes one.", valueName: "file")) var schema: String?
  @Option(
    help: """
      time: training before a moment, validation before a second one, test after it; the default for logs with times. A \
      session (--session-gap) that goes on past the first moment is known to predictions but not learnt from, and one with \
      the targets of validation and test is of test. \
      user: at two places of each user's events. leave-one-out: the last event of a user tests, the second last \
      validates; the default for other logs. random: users are drawn.
      """)
  var split: SplitKind?
  @Option(help: "Shares of training, validation and test of time, user and random.") var splitRatio = "70:15:15"
  @Option(help: "Seed of random.") var splitSeed: UInt64 = 1
  @Flag(help: "Add the log to the data set at OUTPUT, such as a new day; the result is that of preparing all at once.") var append = false
  @Option(help: "Threads that read and sort; the data set does not depend on it.") var threads: Int?
  @Option(help: "Memory to stay within, such as 512MiB or 4GiB; half of what is free without it.") var memory: MemorySize?
  @OptionGroup(title: "Item names") var names: ItemNameOptions
  @OptionGroup(title: "Cleaning") var cleaning: CleaningOptions
  @Flag(help: "One JSON object.") var json = false
  @OptionGroup(title: "Table options") var table: TableFormatOptions

  func run() throws {
    let clock = ContinuousClock()
    let start = clock.now
    let mapped = try LogColumns(parsing: columns, schema: schema)
    guard let ratio = SplitRatio(parsing: splitRatio) else {
      throw UserMistake("--split-ratio: expected three whole numbers such as 70:15:15, the first above 0, got '\(splitRatio)'")
    }
    guard let format = format.log else { return try runTable(ratio) }
    if let option = table.given { throw UserMistake("\(option): is of --format table") }
    var options = PrepareOptions(format: format, columns: mapped, split: SplitOptions(split, ratio: ratio, seed: splitSeed))
    (options.append, options.itemNames) = (append, try names.file())
    let settings = try cleaning.settings()
    (options.rules, options.timeUnit) = (settings.rules, settings.timeUnit)
    // What the options or --rules say goes first.
    if options.rules.sessions.zoneName == SessionRules().zoneName, let zone = mapped.timeZone {
      options.rules.sessions.zoneName = zone
    }
    (options.badRows, options.quarantine) = (settings.badRows, settings.quarantine)
    options.memory = try useMachine()
    let (made, report) = try prepared(options, reportTo: settings.report)
    if let warning = splitWarning(made) { writeError("augur: \(warning)\n") }
    let seconds = (clock.now - start) / .seconds(1)
    if json {
      printJSON([
        "users": made.users, "items": made.items, "events": made.events, "sessions": made.sessions, "rows": made.rows,
        "rejected": made.rejected, "dropped": made.dropped, "fingerprint": made.fingerprint, "split": made.split.words,
        "seconds": number(seconds), "rows_per_second": number(Double(report.rowsIn) / seconds, digits: 0),
        "peak_bytes": ResidentMemory.peakBytes,
      ])
    } else {
      print(
        "\(output): \(made.users) users, \(made.items) items, \(made.events) events, \(made.sessions) sessions "
          + "in \(decimal(seconds, places: 2)) s")
      print("split: \(made.split.words)")
      if report.isWorthTelling { print(report.text(), terminator: "") }
    }
  }

  private func prepared(_ options: PrepareOptions, reportTo path: String?) throws -> (DatasetDescription, CleaningReport) {
    let made: PreparedDataset = try prepareDataset(inputs: input, output: output, options: options)
    if let path { try writeReport(made.report, to: path) }
    return (made.description, made.report)
  }

  /// Sets the threads; the memory that was given.
  private func useMachine() throws -> Int? {
    if let threads {
      guard (1...64).contains(threads) else { throw UserMistake("--threads: expected 1...64, got \(threads)") }
      ThreadPool.shared.threads = threads
    }
    guard let memory else { return nil }
    guard memory.bytes >= 128 << 20 else { throw UserMistake("--memory: expected at least 128MiB") }
    return memory.bytes
  }

  private func runTable(_ ratio: SplitRatio) throws {
    guard columns == nil, schema == nil else {
      throw UserMistake("\(columns == nil ? "--schema" : "--columns"): is of logs; name columns of a table with --label, --time and --features")
    }
    if let option = cleaning.givenRule {
      throw UserMistake("\(option): cleans logs of events; of a table, --quarantine and --max-bad-rows set bad rows aside")
    }
    if let option = names.given { throw UserMistake("\(option): is of logs; a table has no items to name") }
    guard !append else { throw UserMistake("--append: a table cannot be added to, its statistics are those of all training rows") }
    if let split, split != .time, split != .random {
      throw UserMistake("--split: a table is divided by time or random, got '\(split.rawValue)'")
    }
    var options = try table.options()
    let settings = try cleaning.settings()
    (options.timeUnit, options.badRows, options.quarantine) = (settings.timeUnit, settings.badRows, settings.quarantine)
    (options.kind, options.ratio, options.seed, options.memory) = (split, ratio, splitSeed, try useMachine())
    try runPrepareTable(inputs: input, output: output, options: options, reportTo: settings.report, json: json)
  }

  /// What a number measured on this split cannot promise.
  private func splitWarning(_ made: DatasetDescription) -> String? {
    if split == nil, made.split == .leaveOneOut {
      return "the log has no times to split at: leave-one-out, by the order of the rows"
    }
    guard made.split == .leaveOneOut else { return nil }
    return "leave-one-out lets the future of other users into training" + (made.hasTimestamps ? "; --split time does not" : "")
  }
}

/// An amount of memory: digits, then `MiB`, `GiB` or nothing for bytes.
struct MemorySize: ExpressibleByArgument {
  let bytes: Int

  init?(argument: String) {
    let digits = argument.prefix { $0.isASCII && $0.isNumber }
    let units = ["": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30]
    guard let count = Int(digits), let unit = units[String(argument.dropFirst(digits.count))] else { return nil }
    let (bytes, overflow) = count.multipliedReportingOverflow(by: unit)
    guard !overflow, bytes > 0 else { return nil }
    self.bytes = bytes
  }
}
