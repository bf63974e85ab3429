// What the columns of a log are.
import ArgumentParser
import AugurCompute
import AugurEvents

struct Schema: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Says what a log or a table holds, and writes a schema file.",
    discussion: """
      Reads the log wholly, in bounded memory: types, missing values, ranges, roles of columns, and what looks wrong. The schema file says \
      which column is what; edit it and give it to augur prepare --schema.
      """)
  @Option(
    parsing: .upToNextOption,
    help: "The log: CSV, TSV or JSON lines, plain or gzip or zstd, Parquet, - for standard input; several files or globs are one log.")
  var input: [String]
  @Option(help: ArgumentHelp("Schema file to write.", valueName: "file")) var output: String?
  @Option(help: "events (any columns with a header), pairs, sequences or sessions.") var format: LogFormat = .events
  @Option(help: "Threads that read.") var threads: Int?
  @Flag(help: "One JSON object.") var json = false

  func run() throws {
    if let threads {
      guard (1...64).contains(threads) else { throw UserMistake("--threads: expected 1...64, got \(threads)") }
      ThreadPool.shared.threads = threads
    }
    let profile = try profileLog(inputs: input, format: format)
    if let output { try LogSchema(profile).write(to: output) }
    print(json ? profile.json : profile.text, terminator: json ? "\n" : "")
  }
}
