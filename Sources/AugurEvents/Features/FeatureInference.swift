// A feature list from the columns of a table, by what stands in the training rows.

/// What stands in a column.
private struct ColumnSurvey {
  var rows = 0, missing = 0, numbers = 0, texts = 0, times = 0
  /// The first row that holds neither a number nor a missing one.
  var firstText: Int?
  var isConstant = true

  init(_ table: Table, _ column: Int, _ isTraining: [Bool]) {
    var first: [UInt8]?
    table.forEach(column) { row, cell in
      guard isTraining[row] else { return }
      rows += 1
      if let first { isConstant = isConstant && cell.elementsEqual(first) } else { first = Array(cell) }
      switch cellNumber(cell) {
      case .some(let number): if number.isNaN { missing += 1 } else { numbers += 1 }
      case nil:
        texts += 1
        if firstText == nil { firstText = row }
        if cell.count >= 10, cell[4] == UInt8(ascii: "-"), (try? Timestamp.iso8601(cell)) != nil { times += 1 }
      }
    }
  }
}

struct FeatureInference {
  let table: Table
  let isTraining: [Bool]
  let options: TableOptions
  private(set) var warnings: [String] = []
  /// Columns whose values histories list.
  private var itemColumns: Set<String> = []

  init(_ table: Table, training isTraining: [Bool], _ options: TableOptions) {
    (self.table, self.isTraining, self.options) = (table, isTraining, options)
  }

  /// Completes a list that has only roles.
  mutating func complete(_ list: FeatureList) throws(EventsError) -> FeatureList {
    var list = list
    let taken = Set(list.roles.map(\.column))
    for name in options.categorical where name != "*" { _ = try table.column(name, as: "--categorical") }
    let histories = try histories(list)
    itemColumns = Set(histories.map(\.of))
    let lists = Set(histories.map(\.column))
    for (column, name) in table.names.enumerated() where !lists.contains(name) && (!taken.contains(name) || name == list.time?.column) {
      if let feature = try feature(column, name, list) { list.features.append(feature) } else { list.ignored.append(name) }
    }
    for history in histories { try append(history, to: &list) }
    guard !list.features.isEmpty else {
      throw EventsError(
        file: table.file, line: 1, problem: "no column is left to learn from",
        advice: "give a table with at least one column besides the label that varies")
    }
    return list
  }

  /// The histories that were asked for, by the names of their columns.
  private func histories(_ list: FeatureList) throws(EventsError) -> [TableHistory] {
    var found: [TableHistory] = []
    for asked in options.histories {
      let column = table.names[try table.column(asked.column, as: "--history")]
      let item = table.names[try table.column(asked.of, as: "--history")]
      func failure(_ problem: String, _ advice: String) -> EventsError {
        EventsError(file: "--history", field: "\(column)=\(item)", problem: problem, advice: advice)
      }
      for (role, taken) in list.roles where taken == column || taken == item {
        throw failure("'\(taken)' is the \(role)", "name another column")
      }
      if found.contains(where: { $0.column == column }) { throw failure("'\(column)' is given twice", "give each history once") }
      if column == item || options.histories.contains(where: { $0.column == item }) {
        throw failure("'\(item)' is a history itself", "name the column whose values it lists")
      }
      found.append(TableHistory(column, of: item))
    }
    return found
  }

  private mutating func append(_ history: TableHistory, to list: inout FeatureList) throws(EventsError) {
    guard list.features.contains(where: { $0.name == history.of }) else {
      throw EventsError(
        file: "--history", field: "\(history.column)=\(history.of)", problem: "'\(history.of)' is left out",
        advice: "name a column that varies, or leave out --history")
    }
    let column = try table.column(history.column, as: "--history")
    if ColumnSurvey(table, column, isTraining).isConstant {
      warnings.append("'\(history.column)' is constant in the training rows and is left out")
      list.ignored.append(history.column)
      return
    }
    let separator = table.types[column] == .tokens ? " " : Feature.usualSeparator
    list.features.append(
      Feature(
        name: history.column, column: history.column,
        kind: .categorical(.shared(with: history.of, longest: Feature.usualHistory), separator: separator)))
  }

  /// Nil for a column that says nothing.
  private mutating func feature(_ column: Int, _ name: String, _ list: FeatureList) throws(EventsError) -> Feature? {
    let survey = ColumnSurvey(table, column, isTraining)
    if survey.isConstant {
      warnings.append("'\(name)' is constant in the training rows and is left out")
      return nil
    }
    if name == list.time?.column, let unit = list.time?.unit {
      let parts: [TimePart] = unit == .calendarDate ? [.weekday] : [.hour, .weekday]
      return Feature(name: name, column: name, kind: .time(unit: unit, parts: parts, zone: "UTC"))
    }
    let isTold =
      options.categorical.contains("*") || options.categorical.contains(name)
      || options.categorical.contains(table.header[column]) || itemColumns.contains(name)
    let coding = CategoryCoding.vocabulary(minimumCount: options.minimumCount)
    switch table.types[column] {
    case .tokens: return Feature(name: name, column: name, kind: .categorical(coding, separator: " "))
    case .token: return Feature(name: name, column: name, kind: .categorical(coding, separator: nil))
    case .floats where !isTold:
      warnings.append("'\(name)' holds lists of numbers (float_seq) and is left out")
      return nil
    case .float, .floats, nil: break
    }
    // Numbers that name a user or an item are codes.
    let isCode = (LogColumns.userNames + LogColumns.itemNames).contains(name.lowercased())
    if isTold || isCode { return Feature(name: name, column: name, kind: .categorical(coding, separator: nil)) }
    if survey.texts == 0 || table.types[column] == .float { return try number(column, name, survey) }
    if survey.times == survey.texts, survey.numbers == 0 {
      return Feature(name: name, column: name, kind: .time(unit: .iso8601, parts: [.weekday, .days], zone: "UTC"))
    }
    if survey.texts * 20 <= survey.numbers { return try number(column, name, survey) }
    return Feature(name: name, column: name, kind: .categorical(coding, separator: nil))
  }

  /// Throws where a few texts stand among numbers: a column of codes, or a mistake, and nobody should guess.
  private func number(_ column: Int, _ name: String, _ survey: ColumnSurvey) throws(EventsError) -> Feature {
    // Where bad rows are set aside, those with a text will be.
    if let row = survey.firstText, !options.setsBadRowsAside {
      var text = ""
      table.forEach(column) { place, cell in if place == row { text = excerpt(cell) } }
      throw table.failure(
        row, column, "\(text) in a column of numbers (\(survey.texts) such in \(survey.rows) training rows)",
        "correct it or leave it empty, or make the column a category: --categorical \(name)")
    }
    return Feature(name: name, column: name, kind: .numeric(.standardise, missing: survey.missing > 0 ? .indicator : .mean))
  }
}

extension Table {
  /// The unit of a column of times by the first of its first cells that is one, since bad rows may stand before it; nil where none is.
  func timeUnit(_ column: Int, asked: TimeUnit?) -> TimeUnit? {
    var (found, tries): (TimeUnit?, Int) = (nil, 0)
    forEach(column) { _, cell in
      guard found == nil, tries < 100, !cell.isEmpty else { return }
      tries += 1
      if let asked, cell.count < 5 || cell[4] != UInt8(ascii: "-") {
        found = asked
        return
      }
      var times = TimeColumn()
      do throws(Timestamp.Failure) {
        // Counts of seconds before 1973 are more likely other numbers.
        if try times.milliseconds(cell) >= 100_000_000_000 || times.unit == .iso8601 { found = times.unit } else { tries = 100 }
      } catch {
        if case .unaskedUnit(let unit) = error { found = unit } else if error != .malformed { tries = 100 }
      }
    }
    return found
  }

  /// The first column that is named as times are and holds some.
  func timeColumn(asked: TimeUnit?) -> RowTime? {
    for alias in LogColumns.timeNames {
      for (column, name) in names.enumerated() where name.lowercased() == alias && types[column] != .token {
        if let unit = timeUnit(column, asked: asked) { return RowTime(name, unit: unit) }
      }
    }
    return nil
  }
}
