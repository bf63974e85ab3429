// `augur prepare --format table`: its options and what it prints.
import ArgumentParser
import AugurCompute
import AugurEvents

/// Formats of `--format`: those of logs, and tables.
enum PrepareFormat: String, CaseIterable, ExpressibleByArgument {
  case events, pairs, sequences, sessions, table
  /// Nil for tables.
  var log: LogFormat? { LogFormat(rawValue: rawValue) }
}

struct TableFormatOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Table: the column to predict; numbers, or two classes. Once for each target of a model with several, or for each column that a loss \
      needs, in its order: survival the time and whether the event came, delayed whether and after which time.
      """, valueName: "column"))
  var label: [String] = []
  @Option(help: ArgumentHelp("Table: the label that counts as 1, where labels are texts.", valueName: "text"))
  var positive: String?
  @Option(
    help: ArgumentHelp("Table: the features, a features.json as an earlier run wrote it beside its data.", valueName: "file"))
  var features: String?
  @Option(help: ArgumentHelp("Table: columns of numbers that are codes, as in a,b,c; '*' is all of them.", valueName: "columns"))
  var categorical: String?
  @Option(
    help: ArgumentHelp(
      """
      Table: a column that lists, oldest first and joined by '|', what the user of a row had seen, and the column whose values it lists. The \
      models din, dien and bst need one; others take the mean of its vectors.
      """, valueName: "column=item-column"))
  var history: [String] = []
  @Option(help: ArgumentHelp("Table: categories rarer than this in training share row 0. 2.", valueName: "n"))
  var minimumCount: Int?
  @Option(help: ArgumentHelp("Table: the column that weighs rows.", valueName: "column"))
  var weight: String?
  @Option(help: ArgumentHelp("Table: when rows happened; one of the usual names without it.", valueName: "column"))
  var time: String?
  @Option(
    help: ArgumentHelp(
      """
      Table: when the label of a row came to be known; label_known without it. A split by time leaves out rows of training and validation whose \
      label came later than their part ends.
      """, valueName: "column"))
  var labelKnown: String?
  @Option(help: ArgumentHelp("Table: rows of one session, user or group stay in one part.", valueName: "column"))
  var session: String?
  @Option(help: ArgumentHelp("Table: a fold number a row, from 0.", valueName: "file"))
  var folds: String?
  @Option(help: ArgumentHelp("Table: the same as a column.", valueName: "column"))
  var foldColumn: String?
  @Option(help: ArgumentHelp("Table: the fold that tests. 0.", valueName: "n"))
  var testFold: Int?
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Table: files of the validation part; --input is training then.", valueName: "file"))
  var validationInput: [String] = []
  @Option(parsing: .upToNextOption, help: ArgumentHelp("Table: files of the test part.", valueName: "file"))
  var testInput: [String] = []
  @Flag(help: "Table: what the leak detector finds is a warning, not an error.")
  var allowLeaks = false

  /// The first option that was given, where the format is another.
  var given: String? {
    let options: [(String, Bool)] = [
      ("label", !label.isEmpty), ("positive", positive != nil), ("features", features != nil), ("categorical", categorical != nil),
      ("minimum-count", minimumCount != nil), ("history", !history.isEmpty), ("weight", weight != nil), ("time", time != nil),
      ("label-known", labelKnown != nil), ("session", session != nil),
      ("folds", folds != nil), ("fold-column", foldColumn != nil), ("test-fold", testFold != nil),
      ("validation-input", !validationInput.isEmpty), ("test-input", !testInput.isEmpty), ("allow-leaks", allowLeaks),
    ]
    return options.first { $0.1 }.map { "--\($0.0)" }
  }

  func options() throws -> TableOptions {
    if label.isEmpty, features == nil { throw UserMistake("--label: name the column to predict, or give --features") }
    var options = TableOptions(label: label.first)
    options.furtherLabels = Array(label.dropFirst())
    (options.positive, options.features, options.weight, options.time) = (positive, features, weight, time)
    (options.session, options.folds, options.foldColumn, options.testFold) = (session, folds, foldColumn, testFold)
    options.labelKnown = labelKnown
    options.categorical = categorical.map { $0.split(separator: ",").map(String.init) } ?? []
    options.histories = try history.map { text in
      let names = text.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
      guard names.count == 2, names.allSatisfy({ !$0.isEmpty }) else {
        throw UserMistake("--history: expected COLUMN=ITEM_COLUMN, got '\(text)'")
      }
      return TableHistory(names[0], of: names[1])
    }
    if let minimumCount {
      guard minimumCount >= 1 else { throw UserMistake("--minimum-count: expected a number from 1, got \(minimumCount)") }
      options.minimumCount = minimumCount
    }
    (options.validationInputs, options.testInputs, options.allowsLeaks) = (validationInput, testInput, allowLeaks)
    return options
  }
}

/// Prepares a table and prints what came of it.
func runPrepareTable(inputs: [String], output: String, options: TableOptions, reportTo path: String?, json: Bool) throws {
  let clock = ContinuousClock()
  let start = clock.now
  var report = CleaningReport()
  let made = try prepareTable(inputs: inputs, output: output, options: options, report: &report)
  if let path { try writeReport(report, to: path) }
  let seconds = (clock.now - start) / .seconds(1)
  for warning in made.warnings { writeError("augur: \(warning)\n") }
  let parts = zip(TablePart.allCases, made.parts).map { (part: $0.name, rows: $1) }
  if json {
    printJSON([
      "rows": made.rows, "features": made.features, "task": made.task.rawValue, "label": made.label.column, "labels": made.labels.map(\.name),
      "parts": Dictionary(uniqueKeysWithValues: parts.map { ($0.part, $0.rows) }),
      "positives": Dictionary(uniqueKeysWithValues: zip(TablePart.allCases.map(\.name), made.positives)),
      "split": made.split.words, "rejected": report.rejected, "left_out": made.split.leftOut ?? 0, "warnings": made.warnings,
      "fingerprint": made.fingerprint, "seconds": number(seconds),
      "rows_per_second": number(Double(made.rows) / seconds, digits: 0), "peak_bytes": ResidentMemory.peakBytes,
    ])
  } else {
    print("\(output): \(made.rows) rows, \(made.features) features in \(decimal(seconds, places: 2)) s")
    print("split: \(made.split.words)")
    for (place, (part, rows)) in parts.enumerated() {
      print("\(part): \(rows) rows" + (made.positives.isEmpty ? "" : ", \(made.positives[place]) of class 1"))
    }
    print("features: \(output)/features.json")
  }
}
