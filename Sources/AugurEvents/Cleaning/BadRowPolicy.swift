// How many bad rows a run takes before it stops, and the one place where they are written and counted.

/// The value of `--max-bad-rows`.
public enum BadRowLimit: Sendable, Equatable {
  case rows(Int)
  /// Share of all rows, 0...1, judged at the end of the log, and when half of the first 100,000 rows are bad.
  case share(Double)

  /// Without a quarantine file the first bad row stops the run. With one, bad rows are set aside as long as they are the
  /// smaller part: when most rows are bad, the log or the options are wrong, not the rows.
  public static func standard(hasQuarantine: Bool) -> BadRowLimit { hasQuarantine ? .share(0.5) : .rows(0) }

  /// Parses `N` or `P%`.
  public init(parsing text: String) throws(EventsError) {
    if text.hasSuffix("%"), let percent = Double(text.dropLast()), (0...100).contains(percent) {
      self = .share(percent / 100)
    } else if let rows = Int(text), rows >= 0 {
      self = .rows(rows)
    } else {
      throw EventsError(
        file: "--max-bad-rows", problem: "expected a number of rows or a share such as 1%, got \(excerpt(text.utf8))", advice: "")
    }
  }

  var isShare: Bool { if case .share = self { true } else { false } }

  var text: String {
    switch self {
    case .rows(let rows): String(rows)
    case .share(let share): short(share * 100) + "%"
    }
  }
}

/// A row that is not taken.
package struct BadRow {
  package var file: String
  package var line: Int
  package var problem: RowProblem
  /// The column as messages name it; nil where the whole row is malformed.
  package var field: String?
  /// What is wrong, with the value seen, and what to do.
  package var detail: String
  package var advice: String

  package init(file: String, line: Int, problem: RowProblem, field: String? = nil, detail: String, advice: String) {
    (self.file, self.line, self.problem, self.field, self.detail, self.advice) = (file, line, problem, field, detail, advice)
  }

  var error: EventsError { EventsError(file: file, line: line, field: field, problem: detail, advice: advice) }
}

/// Takes bad rows in file order, one thread at a time: counts them, writes them to the quarantine, and stops the run at the
/// limit.
package struct BadRowPolicy {
  package let limit: BadRowLimit
  private let quarantine: Quarantine?
  /// Rows in, bad rows by reason, and their first places.
  package private(set) var report = CleaningReport()
  private var first: BadRow?

  /// Rows before a share can stop a run.
  static let sample = 100_000

  package init(limit: BadRowLimit, quarantine: Quarantine? = nil) { (self.limit, self.quarantine) = (limit, quarantine) }

  /// Counts rows that were read, the bad ones among them included.
  package mutating func read(_ rows: Int) throws(EventsError) {
    report.rowsIn += rows
    if case .share(let share) = limit, report.rowsIn >= Self.sample, isAbove(max(share, 0.5)) { try stop() }
  }

  /// Counts rows whose local time could have meant two instants.
  mutating func noteAmbiguous(_ rows: Int) { report.add(.ambiguousTime, CleaningReport.Count(flagged: rows)) }

  /// `row` is the text, its line end aside. Throws at the limit: the row's own error where no bad row is allowed, else one that
  /// counts.
  package mutating func take(_ bad: BadRow, row: UnsafeRawBufferPointer) throws(EventsError) {
    report.reject(bad.problem, bad.error.description)
    if first == nil { first = bad }
    try quarantine?.take(file: bad.file, line: bad.line, problem: bad.problem, row: row)
    guard case .rows(let rows) = limit, report.rowsRejected > rows else { return }
    try stop()
  }

  /// Judges the share and completes the quarantine file.
  package mutating func finish() throws(EventsError) {
    if case .share(let share) = limit, isAbove(share) { try stop() }
    try quarantine?.finish()
  }

  private func isAbove(_ share: Double) -> Bool { Double(report.rowsRejected) > share * Double(report.rowsIn) }

  /// Completes the quarantine, which says why, and throws.
  private func stop() throws(EventsError) {
    try quarantine?.finish()
    guard let first else { return }
    let more = quarantine == nil ? "--max-bad-rows N or --quarantine FILE sets bad rows aside" : ""
    if limit == .rows(0) {
      let advice = [first.advice, more].filter { !$0.isEmpty }.joined(separator: "; ")
      throw EventsError(file: first.file, line: first.line, field: first.field, problem: first.detail, advice: advice)
    }
    let reasons = RowProblem.allCases.filter { report[$0].rows > 0 }.map { "\(report[$0].rows) \($0.rawValue)" }
    let rows = limit.isShare ? "\(report.rowsRejected) bad rows in \(report.rowsIn)" : "\(report.rowsRejected) bad rows"
    throw EventsError(
      file: first.file, line: first.line,
      problem: "first of \(rows), more than --max-bad-rows \(limit.text): \(reasons.joined(separator: ", ")); here: "
        + (first.field.map { "\($0): " } ?? "") + first.detail,
      advice: quarantine.map { "see \($0.path), correct the log or raise --max-bad-rows" }
        ?? "correct the log or raise --max-bad-rows; --quarantine FILE shows all bad rows")
  }
}
