// Labels of a table: two classes as 0 and 1, or numbers.

/// What models of a table predict.
public enum TableTask: String, Codable, Sendable {
  /// The probability of class 1.
  case binary
  /// A number.
  case regression
}

struct TableLabels {
  let task: TableTask
  /// [R]
  let values: [Float]
  /// The text of class 1, where labels are texts.
  let positive: String?

  private static let usualPositives: Set = ["yes", "true", "y", "t"]
  private static let usualNegatives: Set = ["no", "false", "n", "f"]

  /// Reads the label of every row; throws with the place of one that is missing or does not fit the others, and where only one class
  /// occurs unless it `mayBeConstant`.
  init(_ table: Table, _ column: Int, positive: String?, mayBeConstant: Bool = false) throws(EventsError) {
    var (numbers, texts): ([Double], Int) = ([], 0)
    numbers.reserveCapacity(table.rows)
    var firstText: Int?
    try table.forEach(column) { row, cell throws(EventsError) in
      let number = cellNumber(cell)
      if let fault = labelFault(cell, number) { throw table.failure(row, column, fault.detail, fault.advice) }
      if number == nil {
        texts += 1
        if firstText == nil { firstText = row }
      }
      numbers.append(number ?? 0)
    }
    guard table.rows > 0 else {
      throw EventsError(file: table.file, problem: "a header but no rows", advice: "give a table with at least one row")
    }
    if let firstText, positive == nil, texts * 2 < table.rows {
      throw table.failure(
        firstText, column, "the label is no number, as most others are", "correct the row, or name another --label")
    }
    if positive != nil || firstText != nil {
      let text = if let positive { positive } else { try Self.positive(table, column, firstText ?? 0) }
      var isPositive: [Float] = []
      isPositive.reserveCapacity(table.rows)
      let wanted = Array(text.utf8)
      table.forEach(column) { _, cell in isPositive.append(cell.elementsEqual(wanted) ? 1 : 0) }
      (task, values, self.positive) = (.binary, isPositive, text)
    } else {
      self.positive = nil
      let least = numbers.min() ?? 0, largest = numbers.max() ?? 0
      if least == largest ? least == 0 || least == 1 : numbers.allSatisfy({ $0 == least || $0 == largest }) {
        (task, values) = (.binary, numbers.map { $0 == largest && (largest > least || largest == 1) ? 1 : 0 })
      } else {
        (task, values) = (.regression, numbers.map { Float($0) })
        if let row = values.firstIndex(where: { !$0.isFinite }) {
          throw table.failure(row, column, "the label is too large for a number", "scale the labels")
        }
      }
    }
    let isConstant = values.allSatisfy { $0 == values[0] }
    if isConstant, !mayBeConstant {
      let what = self.positive.map {
        values.contains(1) ? "every label is \(excerpt($0.utf8))" : "no label is \(excerpt($0.utf8))"
      }
      throw EventsError(
        file: table.file, field: table.names[column], problem: "\(what ?? "the label has one class only"), nothing can be learnt",
        advice: "give rows of both classes, or name another --label")
    }
  }

  /// Those of the label column and of each further one.
  static func all(_ table: Table, _ list: FeatureList) throws(EventsError) -> [TableLabels] {
    var all: [TableLabels] = []
    for label in [list.label] + list.furtherLabels {
      let column = try table.column(label.column, as: "label")
      all.append(try TableLabels(table, column, positive: label.positive, mayBeConstant: !all.isEmpty))
    }
    return all
  }

  private init(_ task: TableTask, _ values: [Float], _ positive: String?) {
    (self.task, self.values, self.positive) = (task, values, positive)
  }

  /// The labels of the rows where `keeps` is true.
  func keeping(_ keeps: [Bool]) -> TableLabels { TableLabels(task, values.keeping(keeps), positive) }

  /// The text of class 1 among two usual ones; throws where texts are others, or more.
  private static func positive(_ table: Table, _ column: Int, _ firstText: Int) throws(EventsError) -> String {
    var counter = ValueCounter()
    var third: Int?
    table.forEach(column) { row, cell in
      guard third == nil else { return }
      counter.count(cell)
      if counter.counts.count == 3 { third = row }
    }
    let texts = counter.counts.indices.map { counter.values.withID($0) { String(decoding: $0, as: UTF8.self) } }
    let shown = texts.map { excerpt($0.utf8) }.joined(separator: ", ")
    if let third {
      throw table.failure(
        third, column, "labels are numbers or two classes, here are \(shown)",
        "name the text of class 1: --positive TEXT, or another --label")
    }
    let positive = texts.filter { usualPositives.contains($0.lowercased()) }
    let negative = texts.filter { usualNegatives.contains($0.lowercased()) }
    guard positive.count == 1, negative.count == texts.count - 1 else {
      throw table.failure(firstText, column, "which of \(shown) is class 1?", "name it: --positive TEXT")
    }
    return positive[0]
  }
}
