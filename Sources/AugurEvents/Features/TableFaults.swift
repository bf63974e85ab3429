// Rows of a table that hold what their columns cannot: found before anything is fitted, and set aside where the user allows it.

/// What is wrong with a cell, and what to do.
typealias BadCell = (problem: RowProblem, detail: String, advice: String)

func weightFault(_ cell: UnsafeRawBufferPointer) -> BadCell? {
  if let value = cellNumber(cell), value >= 0, value <= PreparedTable.largestWeight { return nil }
  return (.impossibleValue, "\(excerpt(cell)) is no weight", "weights are numbers in 0...1e30")
}

func foldFault(_ cell: UnsafeRawBufferPointer) -> BadCell? {
  if let number = cellNumber(cell), number >= 0, number < 255, number.rounded() == number { return nil }
  return (.impossibleValue, "\(excerpt(cell)) is no fold number", "folds are numbered from 0 to 254")
}

func labelFault(_ cell: UnsafeRawBufferPointer, _ number: Double?) -> BadCell? {
  guard cell.isEmpty || number?.isNaN == true else { return nil }
  return (.missingLabel, "the label is \(cell.isEmpty ? "empty" : "\(excerpt(cell)), no number")", "fill it in or drop the row")
}

/// What the cells of a row must hold, column by column.
struct TableFaults {
  private let table: Table
  private var checks: [(column: Int, fault: (UnsafeRawBufferPointer) -> BadCell?)] = []

  private init(in table: Table) { self.table = table }

  /// Labels, weights, times and folds that are none.
  init(ofRoles list: FeatureList, in table: Table) throws(EventsError) {
    self.init(in: table)
    for label in [list.label] + list.furtherLabels { try check(label) }
    if let weight = list.weight { check(try table.column(weight, as: "weight"), weightFault) }
    for time in [list.time, list.labelKnown].compactMap({ $0 }) {
      checkTimes(try table.column(time.column, as: "time"), time.unit, mayBeEmpty: false)
    }
    if let fold = list.fold { check(try table.column(fold, as: "fold"), foldFault) }
  }

  /// Numbers and times that are none.
  init(ofFeatures list: FeatureList, in table: Table) throws(EventsError) {
    self.init(in: table)
    for feature in list.features {
      let column = try table.column(feature.column, as: "feature '\(feature.name)'")
      switch feature.kind {
      case .categorical: break
      case .numeric:
        check(column) { cell in
          cellNumber(cell) != nil
            ? nil : (.malformedNumber, "\(excerpt(cell)) is not a number", "correct it, or make the column a category with --categorical")
        }
      case .time(let unit, _, _): checkTimes(column, unit, mayBeEmpty: true)
      }
    }
  }

  /// As `TableLabels` judges them: empty ones, and texts where most are numbers.
  private mutating func check(_ label: LabelColumn) throws(EventsError) {
    let column = try table.column(label.column, as: "label")
    var texts = 0
    table.forEach(column) { _, cell in texts += cellNumber(cell) == nil ? 1 : 0 }
    let areNumbers = label.positive == nil && texts * 2 < table.rows
    check(column) { cell in
      let number = cellNumber(cell)
      if let fault = labelFault(cell, number) { return fault }
      guard areNumbers, number == nil else { return nil }
      return (.malformedNumber, "the label \(excerpt(cell)) is no number, as most others are", "correct the row, or name another --label")
    }
  }

  private mutating func checkTimes(_ column: Int, _ unit: TimeUnit, mayBeEmpty: Bool) {
    var reader = TimeColumn(unit)
    check(column) { cell in
      if cell.isEmpty, mayBeEmpty { return nil }
      do throws(Timestamp.Failure) { _ = try reader.milliseconds(cell) } catch {
        let (problem, detail, advice) = error.explanation(cell)
        return (problem, detail, advice)
      }
      return nil
    }
  }

  private mutating func check(_ column: Int, _ fault: @escaping (UnsafeRawBufferPointer) -> BadCell?) { checks.append((column, fault)) }

  /// Calls `body` with the first fault of each bad row, in the order of the table; `row` is the row of the piece.
  func forEach(_ body: (_ piece: Table.Piece, _ row: Int, _ fault: RejectedRow) throws(EventsError) -> Void) throws(EventsError) {
    for piece in table.pieces {
      try piece.chunk.withCells { cells throws(EventsError) in
        for row in 0..<piece.chunk.rows {
          for (column, check) in checks {
            guard let (problem, detail, advice) = check(cells[row, column]) else { continue }
            try body(
              piece, row, RejectedRow(range: 0..<0, problem: problem, field: table.names[column], detail: detail, advice: advice))
            break
          }
        }
      }
    }
  }
}

/// Counts bad rows and writes them to the quarantine, as far as the user allows it.
struct TableBadRows {
  let rejection: BadRows
  var report: CleaningReport { rejection.policy.report }

  /// Nil where the first bad row is to stop the run as it is found.
  init?(_ options: TableOptions) throws(EventsError) {
    guard options.setsBadRowsAside else { return nil }
    guard options.folds == nil else {
      throw EventsError(
        file: "--folds", problem: "stands beside bad rows that are set aside, and a fold number a row would be another row's",
        advice: "give the folds as a column of the table: --fold-column")
    }
    let quarantine = try options.quarantine.map { path throws(EventsError) in try Quarantine(path: path) }
    rejection = BadRows(BadRowPolicy(limit: options.badRows, quarantine: quarantine))
  }

  /// Takes the bad rows out of the table, and of the parts that were given; false where there are none.
  @discardableResult
  func setAside(_ faults: TableFaults, _ table: inout Table, _ given: inout [UInt8]?) throws(EventsError) -> Bool {
    var keeps = [Bool](repeating: true, count: table.rows)
    var isGood = true
    try faults.forEach { piece, row, fault throws(EventsError) in
      let text = table.text(piece, row)
      try text.span.bytes.withUnsafeBytes { text throws(EventsError) in
        try rejection.take(file: piece.file, line: piece.firstLine + piece.chunk.line(row), fault, text: text)
      }
      (keeps[piece.first + row], isGood) = (false, false)
    }
    if isGood { return false }
    table.keep(where: keeps)
    given = given?.keeping(keeps)
    guard table.rows > 0 else {
      throw EventsError(file: table.file, problem: "all rows are bad", advice: "correct the table, or name other columns")
    }
    return true
  }

  func finish() throws(EventsError) { try rejection.finish() }
}

extension Table {
  /// The cells of a piece's row between commas, in quotes where they need them.
  func text(_ piece: Piece, _ row: Int) -> [UInt8] {
    piece.chunk.withCells { cells in
      var text: [UInt8] = []
      for column in names.indices {
        if column > 0 { text.append(UInt8(ascii: ",")) }
        forEachByte(ofField: cells[row, column]) { text.append($0) }
      }
      return text
    }
  }
}
