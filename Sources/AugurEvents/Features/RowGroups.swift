// What divides the rows of a table, beside chance: times, sessions, folds, and parts that were given.

/// One entry a row where it is there.
struct RowGroups {
  /// Epoch milliseconds.
  var times: [Int64]?
  /// When the label came to be known, epoch milliseconds.
  var labelsKnown: [Int64]?
  /// Equal for rows of one session.
  var sessions: [Int32]?
  var folds: [UInt8]?
  /// Raw values of `TablePart`.
  var given: [UInt8]?

  init(_ table: Table, _ list: FeatureList, _ options: TableOptions, given: [UInt8]?) throws(EventsError) {
    self.given = given
    times = try list.time.map { time throws(EventsError) in
      try Self.times(table, try table.column(time.column, as: "time"), time.unit)
    }
    labelsKnown = try list.labelKnown.map { known throws(EventsError) in
      try Self.times(table, try table.column(known.column, as: "time of the label"), known.unit)
    }
    sessions = try list.session.map { name throws(EventsError) in Self.sessions(table, try table.column(name, as: "session")) }
    if let path = options.folds {
      guard list.fold == nil else {
        throw EventsError(file: "--folds", problem: "stands beside a column of folds", advice: "give one of them")
      }
      folds = try readFolds(path, rows: table.rows)
    } else {
      folds = try list.fold.map { name throws(EventsError) in try Self.folds(table, try table.column(name, as: "fold")) }
    }
    if given != nil, folds != nil {
      throw EventsError(file: "--folds", problem: "stands beside --test-input", advice: "give folds, or parts")
    }
    if options.kind != nil, folds != nil || given != nil {
      throw EventsError(
        file: "--split", problem: "stands beside \(folds == nil ? "parts" : "folds") that are given", advice: "leave it out")
    }
    if options.testFold != nil, folds == nil {
      throw EventsError(file: "--test-fold", problem: "needs folds", advice: "give --folds FILE or --fold-column COLUMN")
    }
  }

  /// Leaves the rows where `keeps` is true.
  mutating func keep(_ keeps: [Bool]) {
    (times, labelsKnown) = (times?.keeping(keeps), labelsKnown?.keeping(keeps))
    (sessions, folds, given) = (sessions?.keeping(keeps), folds?.keeping(keeps), given?.keeping(keeps))
  }

  private static func times(_ table: Table, _ column: Int, _ unit: TimeUnit) throws(EventsError) -> [Int64] {
    var (reader, times) = (TimeColumn(unit), [Int64]())
    times.reserveCapacity(table.rows)
    try table.forEach(column) { row, cell throws(EventsError) in
      do throws(Timestamp.Failure) { times.append(try reader.milliseconds(cell)) } catch {
        let (_, problem, advice) = error.explanation(cell)
        throw table.failure(row, column, problem, advice)
      }
    }
    return times
  }

  private static func sessions(_ table: Table, _ column: Int) -> [Int32] {
    var (values, sessions) = (Vocabulary(), [Int32]())
    sessions.reserveCapacity(table.rows)
    table.forEach(column) { row, cell in
      // Rows without a session stand alone.
      sessions.append(cell.isEmpty ? -1 - Int32(truncatingIfNeeded: row) : values.index(adding: cell).index)
    }
    return sessions
  }

  private static func folds(_ table: Table, _ column: Int) throws(EventsError) -> [UInt8] {
    var folds: [UInt8] = []
    try table.forEach(column) { row, cell throws(EventsError) in
      if let fault = foldFault(cell) { throw table.failure(row, column, fault.detail, fault.advice) }
      folds.append(UInt8(cellNumber(cell) ?? 0))
    }
    return folds
  }
}

extension Array {
  /// The elements where `keeps` is true; one entry of it an element.
  func keeping(_ keeps: [Bool]) -> [Element] { zip(self, keeps).compactMap { $1 ? $0 : nil } }
}
