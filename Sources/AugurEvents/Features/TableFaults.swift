// Rows of a table that hold what their columns cannot: found before anything is fitted, and set aside where the user allows it.

/// The first fault of each bad row.
struct TableFaults {
  private let table: Table
  private(set) var rows: [Int: RejectedRow] = [:]

  private init(in table: Table) { self.table = table }

  /// Labels, weights, times and folds that are none.
  init(ofRoles list: FeatureList, in table: Table) throws(EventsError) {
    self.init(in: table)
    try checkLabels(list)
    if let weight = list.weight {
      check(try table.column(weight, as: "weight")) { cell in
        if let value = cellNumber(cell), value >= 0, value <= PreparedTable.largestWeight { return nil }
        return (.impossibleValue, "\(excerpt(cell)) is no weight", "weights are numbers in 0...1e30")
      }
    }
    for time in [list.time, list.labelKnown].compactMap({ $0 }) {
      checkTimes(try table.column(time.column, as: "time"), time.unit, mayBeEmpty: false)
    }
    if let fold = list.fold {
      check(try table.column(fold, as: "fold")) { cell in
        if let number = cellNumber(cell), number >= 0, number < 255, number.rounded() == number { return nil }
        return (.impossibleValue, "\(excerpt(cell)) is no fold number", "folds are numbered from 0 to 254")
      }
    }
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
  private mutating func checkLabels(_ list: FeatureList) throws(EventsError) {
    let column = try table.column(list.label.column, as: "label")
    var texts = 0
    table.forEach(column) { _, cell in texts += cellNumber(cell) == nil ? 1 : 0 }
    let areNumbers = list.label.positive == nil && texts * 2 < table.rows
    check(column) { cell in
      let number = cellNumber(cell)
      if cell.isEmpty || number?.isNaN == true {
        return (.missingLabel, "the label is \(cell.isEmpty ? "empty" : "\(excerpt(cell)), no number")", "fill it in or drop the row")
      }
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

  private mutating func check(
    _ column: Int, _ fault: (UnsafeRawBufferPointer) -> (problem: RowProblem, detail: String, advice: String)?
  ) {
    var found: [(Int, RejectedRow)] = []
    table.forEach(column) { row, cell in
      guard let (problem, detail, advice) = fault(cell) else { return }
      found.append((row, RejectedRow(range: 0..<0, problem: problem, field: table.names[column], detail: detail, advice: advice)))
    }
    for (row, fault) in found where rows[row] == nil { rows[row] = fault }
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
    guard !faults.rows.isEmpty else { return false }
    var keeps = [Bool](repeating: true, count: table.rows)
    for (row, fault) in faults.rows.sorted(by: { $0.key < $1.key }) {
      let (file, line) = table.place(row)
      let text = table.text(row)
      try text.span.bytes.withUnsafeBytes { text throws(EventsError) in
        try rejection.take(file: file, line: line, fault, text: text)
      }
      keeps[row] = false
    }
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
  /// The cells of a row between commas, quoted where they hold one.
  func text(_ row: Int) -> [UInt8] {
    guard let piece = pieces.last(where: { $0.first <= row }) else { return [] }
    return piece.chunk.withCells { cells in
      var text: [UInt8] = []
      for column in names.indices {
        if column > 0 { text.append(UInt8(ascii: ",")) }
        let cell = cells[row - piece.first, column]
        if cell.contains(where: { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "\"") || $0 == DelimitedReader.newline }) {
          text.append(UInt8(ascii: "\""))
          for byte in cell { text += byte == UInt8(ascii: "\"") ? [byte, byte] : [byte] }
          text.append(UInt8(ascii: "\""))
        } else {
          text += cell
        }
      }
      return text
    }
  }
}
