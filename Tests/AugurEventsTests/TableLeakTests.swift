// Planted leaks, each of which must be found, and clean tables, which must pass.
import AugurTensors
import Testing

@testable import AugurEvents

@Suite struct TableLeakTests {
  let folder = TestFolder()

  /// A clean table: the label is a noisy function of `a`, rows a minute apart.
  private struct Row {
    var label: Int
    var a: Double
    var b: String
    var session: String
    var time: Int
    var seen: Int
    var extra = ""
  }

  private func rows(_ count: Int = 1000) -> [Row] {
    var stream = RandomStream(seed: 21)
    return (0..<count).map { row in
      let a = Double(stream.normal())
      let label = Double(stream.normal()) + a > 0 ? 1 : 0
      let time = 1_600_000_000 + row * 60
      return Row(
        label: label, a: a, b: "b\(stream.below(6))", session: "s\(row / 5)", time: time, seen: time - stream.below(5000))
    }
  }

  private func csv(_ rows: [Row]) -> String {
    "y,a,b,session,time,seen,extra\n"
      + rows.map { "\($0.label),\($0.a),\($0.b),\($0.session),\($0.time),\($0.seen),\($0.extra)\n" }.joined()
  }

  private func prepare(_ rows: [Row], test: [Row]? = nil, _ set: (inout TableOptions) -> Void = { _ in }) throws
    -> TableDescription
  {
    var options = TableOptions(label: "y")
    options.session = "session"
    if let test { options.testInputs = [folder.write("test.csv", csv(test))] }
    set(&options)
    return try prepareTable(inputs: [folder.write("table.csv", csv(rows))], output: "\(folder.path)/data", options: options)
  }

  @Test(arguments: [SplitKind.time, .random]) func cleanTablesPass(kind: SplitKind) throws {
    let made = try prepare(rows()) { $0.kind = kind }
    #expect(made.warnings.filter { !$0.contains("constant") && !$0.contains("not before the first held-out row") } == [])
    let all = rows()
    let given = try prepare(Array(all[..<700]), test: Array(all[700...]))
    #expect(given.warnings.filter { !$0.contains("constant") && !$0.contains("values of 'session'") } == [])
  }

  /// The same label under another name, turned round, as a text, and behind a threshold.
  @Test func targetAmongInputs() throws {
    let encodings: [(Row) -> String] = [
      { "\($0.label)" }, { "\(1 - $0.label)" }, { $0.label == 1 ? "paid" : "" },
      { "\(Double($0.label) * 3 + abs($0.a) / (1 + abs($0.a)))" },
    ]
    for (place, encoding) in encodings.enumerated() {
      var leaking = rows()
      for row in leaking.indices { leaking[row].extra = encoding(leaking[row]) }
      let words =
        place == 3 ? "feature 'extra' separates the classes of 'y'" : "feature 'extra' stands one to one with the label 'y'"
      expectLine(words, "--allow-leaks") { _ = try prepare(leaking) }
      #expect(try prepare(leaking) { $0.allowsLeaks = true }.warnings.contains { $0.hasPrefix("leak: \(words)") })
    }
    var almost = rows()
    for row in almost.indices { almost[row].extra = "\(row == 400 ? 1 - almost[row].label : almost[row].label)" }
    #expect(try prepare(almost) { $0.kind = .time }.rows == 1000, "a strong feature is not a leak")
    let list = folder.write(
      "list.json",
      "{\"format\": \"augur-features\", \"version\": 1, \"label\": {\"column\": \"y\"}, \"features\": [{\"column\": \"y\", \"kind\": \"numeric\"}]}"
    )
    expectLine("feature 'y' is the label") { _ = try prepare(rows()) { $0.features = list } }
  }

  @Test func targetsThatAreNumbers() throws {
    var text = "y,a,id,copy\n"
    var clean = "y,a,id\n"
    for row in 0..<500 {
      text += "\(row * 7919 % 5003).5,\(row * 31 % 97),\(row),\(row * 7919 % 5003).50\n"
      clean += "\(row * 7919 % 5003).5,\(row * 31 % 97),\(row)\n"
    }
    var options = TableOptions(label: "y")
    expectLine("feature 'copy' stands one to one with the label") {
      try prepareTable(inputs: [folder.write("numbers.csv", text)], output: "\(folder.path)/data", options: options)
    }
    // A number of the row tells every label, and is none.
    _ = try prepareTable(inputs: [folder.write("clean.csv", clean)], output: "\(folder.path)/data", options: options)
    options.label = "r"
    var ratings = "r,a,stars\n"
    for row in 0..<500 {
      ratings += "\(row * row % 5),\(row * 31 % 97),\(["one", "two", "three", "four", "five"][row * row % 5])\n"
    }
    expectLine("feature 'stars' stands one to one with the label") {
      try prepareTable(inputs: [folder.write("ratings.csv", ratings)], output: "\(folder.path)/data", options: options)
    }
  }

  /// Statistics of all rows in place of those of training.
  @Test func statisticsFittedOnHeldOutRows() throws {
    let file = folder.write("table.csv", csv(rows()))
    let table = try Table([file], threads: 2)
    let labels = try TableLabels(table, 0, positive: nil)
    var options = TableOptions(label: "y")
    options.kind = .random
    var list = FeatureList(label: LabelColumn("y"), features: [])
    list.time = RowTime("time", unit: .seconds)
    let groups = try RowGroups(table, list, options, given: nil)
    let division = try TableDivision(options, groups, labels, file: file)
    let isTraining = division.parts.map { $0 == TablePart.training.rawValue }
    var inference = FeatureInference(table, training: isTraining, options)
    list = try inference.complete(list)
    func leaks(fittedOn rows: [Bool]) throws -> [TableLeak] {
      let features = try Features(fitting: list, on: table, training: rows, threads: 2)
      return try findLeaks(
        TableEvidence(
          table: table, features: features, labels: labels, furtherLabels: [], parts: division.parts, groups: groups,
          split: division.split))
    }
    #expect(try leaks(fittedOn: isTraining).filter(\.isFatal).isEmpty)
    for wrong in [isTraining.map { _ in true }, isTraining.map { !$0 }] {
      let found = try leaks(fittedOn: wrong).filter(\.isFatal)
      #expect(found.map(\.kind) == [.fittedOnHeldOut])
    }
    // One held-out row is enough.
    var one = isTraining
    if let row = one.firstIndex(of: false) { one[row] = true }
    #expect(try leaks(fittedOn: one).contains { $0.kind == .fittedOnHeldOut })
  }

  /// A time that was not known yet, and a training part from after the test part.
  @Test func laterThanKnown() throws {
    let list = folder.write(
      "list.json",
      """
      {"format": "augur-features", "version": 1, "label": {"column": "y"}, "time": {"column": "time", "unit": "s"}, "session": "session",
       "features": [{"column": "a", "kind": "numeric"}, {"column": "seen", "kind": "time", "unit": "s", "parts": ["hour", "days"]}]}
      """)
    #expect(try prepare(rows()) { $0.features = list }.warnings == [])
    var leaking = rows()
    leaking[321].seen = leaking[321].time + 1
    expectLine("feature 'seen' is later than 'time' in 1 rows, first at \(folder.path)/table.csv:323") {
      _ = try prepare(leaking) { $0.features = list }
    }
    let all = rows()
    expectLine("5 training rows are not before the first held-out row (2020-09-14T") {
      _ = try prepare(Array(all[..<700] + all[995...]), test: Array(all[700..<995]))
    }
  }

  @Test func sessionsOnBothSides() throws {
    var all = rows()
    all[800].session = all[10].session
    expectLine("1 values of 'session' are in training and in 1 held-out rows") {
      _ = try prepare(Array(all[..<700]), test: Array(all[700...])) { $0.ratio = SplitRatio(parsing: "1:0:1") ?? .standard }
    }
    #expect(try prepare(all) { $0.kind = .random }.rows == 1000)
  }

  @Test func rowsOnBothSides() throws {
    let all = rows()
    func given(copies: Int, changingLabel: Bool = false) throws -> [String] {
      var test = Array(all[700...])
      for copy in 0..<copies {
        test[copy] = all[copy]
        test[copy].session = "t\(copy)"
        test[copy].time = all[999].time
        if changingLabel { test[copy].label = 1 - test[copy].label }
      }
      return try prepare(Array(all[..<700]), test: test) {
        ($0.ratio, $0.features) = (SplitRatio(parsing: "1:0:1") ?? .standard, folder.write("list.json", Self.list))
      }.warnings
    }
    expectLine(
      "20 of 300 held-out rows have the features of a training row, 20 its label too; first \(folder.path)/test.csv:2",
      "remove the copies"
    ) {
      _ = try given(copies: 20)
    }
    #expect(
      try given(copies: 15) == [
        "15 of 300 held-out rows have the features of a training row, 15 its label too; first \(folder.path)/test.csv:2"
      ])
    #expect(try given(copies: 20, changingLabel: true).count == 1)
    #expect(try given(copies: 0) == [])
  }

  static let list = """
    {"format": "augur-features", "version": 1, "label": {"column": "y"},
     "features": [{"column": "a", "kind": "numeric"}, {"column": "b", "kind": "categorical"}]}
    """

  /// A table of a few codes repeats itself.
  @Test func tablesOfCodesRepeatThemselves() throws {
    var (stream, text) = (RandomStream(seed: 4), "y,a,b\n")
    for _ in 0..<1000 { text += "\(stream.below(2)),\(stream.below(4)),c\(stream.below(4))\n" }
    let made = try prepareTable(
      inputs: [folder.write("codes.csv", text)], output: "\(folder.path)/data", options: TableOptions(label: "y"))
    #expect(made.warnings.count == 1 && made.warnings[0].contains("held-out rows have the features of a training row"))
  }
}
