// Labelled tables: inference, labels, splits, folders, and what is refused.
import AugurTensors
import Foundation
import Testing

@testable import AugurEvents

@Suite struct TableTests {
  let folder = TestFolder()

  private func prepare(_ text: String, name: String = "table.csv", _ set: (inout TableOptions) -> Void = { _ in }) throws
    -> TableDataset
  {
    var options = TableOptions(label: "y")
    options.threads = 2
    set(&options)
    _ = try prepareTable(inputs: [folder.write(name, text)], output: "\(folder.path)/data", options: options)
    return try TableDataset(path: "\(folder.path)/data")
  }

  /// Columns: y, a (number), b (text), c (code).
  private func plain(_ rows: Int, end: String = "\n") -> String {
    var (stream, text) = (RandomStream(seed: 5), "y,a,b,c" + end)
    for _ in 0..<rows { text += "\(stream.below(2)),\(stream.normal()),t\(stream.below(5)),\(stream.below(4))" + end }
    return text
  }

  @Test func everyFormatGivesTheSameDataSet() throws {
    let csv = plain(400)
    let expected = try prepare(csv).fingerprint
    #expect(try prepare(csv.replacingOccurrences(of: "\n", with: "\r\n")).fingerprint == expected)
    #expect(try prepare("\u{feff}" + csv).fingerprint == expected)
    #expect(try prepare(csv.replacingOccurrences(of: ",", with: "\t")).fingerprint == expected)
    #expect(try prepare(" " + csv.replacingOccurrences(of: ",", with: "   ")).fingerprint == expected)
    let lines = csv.split(separator: "\n").dropFirst().map { line in
      let cells = line.split(separator: ",")
      return "{\"y\":\(cells[0]),\"a\":\(cells[1]),\"b\":\"\(cells[2])\",\"c\":\(cells[3])}\n"
    }
    #expect(try prepare(lines.joined()).fingerprint == expected)
    #expect(try prepare(csv) { $0.threads = 1 }.fingerprint == expected)
    #expect(try prepare(csv) { $0.seed = 2 }.fingerprint != expected)
  }

  @Test func inference() throws {
    var text = "y,number,holes,city,code,when,day,same,id:token,words:token_seq,price:float\n"
    for row in 0..<300 {
      text +=
        "\(row * 7 % 3 == 0 ? 1 : 0),\(row * 31 % 100).5,\(row % 4 == 0 ? "" : "\(row * 13 % 7)"),c\(row * row % 5),\(row * row % 6),"
      text +=
        "\(1_600_000_000 + row * 1000),2020-01-\(row % 28 < 9 ? "0" : "")\(row % 28 + 1),x,\(row % 9),w\(row % 3) w\(row % 4),\(row % 10).5\n"
    }
    let data = try prepare(text) {
      $0.categorical = ["code"]
      $0.time = "when"
    }
    let list = data.features.list
    #expect(list.ignored == ["same"] && list.time == RowTime("when", unit: .seconds))
    let kinds = Dictionary(uniqueKeysWithValues: list.features.map { ($0.name, $0.kind) })
    let vocabulary = Feature.Kind.categorical(.vocabulary(minimumCount: 2), separator: nil)
    #expect(
      kinds["number"] == .numeric(.standardise, missing: .mean) && kinds["holes"] == .numeric(.standardise, missing: .indicator))
    #expect(kinds["city"] == vocabulary && kinds["code"] == vocabulary && kinds["id"] == vocabulary)
    #expect(
      kinds["words"] == .categorical(.vocabulary(minimumCount: 2), separator: " ")
        && kinds["price"] == .numeric(.standardise, missing: .mean))
    #expect(kinds["when"] == .time(unit: .seconds, parts: [.hour, .weekday], zone: "UTC"))
    #expect(kinds["day"] == .time(unit: .iso8601, parts: [.weekday, .days], zone: "UTC"))
    #expect(data.description.warnings.contains { $0.hasPrefix("'same' is constant") })
    #expect(data.description.split.kind == .time && data.description.parts == [210, 45, 45])
    #expect(
      data.rows(.training).allSatisfy { data.inputRows[$0] < 210 } && data.rows(.test).allSatisfy { data.inputRows[$0] >= 255 })
  }

  @Test func labels() throws {
    func table(_ labels: [String]) -> String {
      "y,a\n" + (0..<120).map { "\(labels[$0 * 7 % labels.count]),\($0 * 37 % 101)\n" }.joined()
    }
    let words = try prepare(table(["Yes", "no", "no"]))
    #expect(words.description.task == .binary && words.description.label.positive == "Yes")
    #expect(words.description.positives.reduce(0, +) == 40)
    #expect(try prepare(table(["good", "bad"])) { $0.positive = "bad" }.description.positives.reduce(0, +) == 60)
    #expect(try prepare(table(["1", "2", "2"])).description.positives.reduce(0, +) == 80)
    #expect(try prepare(table(["-1", "+1"])).description.task == .binary)
    let numbers = try prepare(table(["1.5", "2", "7"]))
    #expect(numbers.description.task == .regression && numbers.description.positives.isEmpty)
    #expect(Set(numbers.labels) == [1.5, 2, 7])
    expectLine("table.csv: y: the label has one class only") { _ = try prepare(table(["1"])) }
    expectLine("every label is 'yes'") { _ = try prepare(table(["yes"])) }
    expectLine("no label is 'q'") { _ = try prepare(table(["yes", "no"])) { $0.positive = "q" } }
    expectLine("table.csv:2: y: which of 'good', 'bad' is class 1?", "--positive") { _ = try prepare(table(["good", "bad"])) }
    expectLine("table.csv:4: y: labels are numbers or two classes") { _ = try prepare(table(["a", "b", "c"])) }
    expectLine("table.csv:3: y: the label is 'nan', no number") { _ = try prepare("y,a\n1,2\nnan,3\n") }
    expectLine("table.csv:3: y: the label is empty") { _ = try prepare("y,a\n1,2\n,3\n") }
    expectLine("table.csv:5: y: the label is no number, as most others are") {
      _ = try prepare("y,a\n1,2\n2,3\n3,4\nfour,5\n5,6\n")
    }
  }

  @Test func drawnPartsHaveEqualSharesOfTheClasses() throws {
    var text = "y,a\n"
    for row in 0..<4000 { text += "\(row % 40 == 0 ? 1 : 0),\(row * 7919 % 4001)\n" }
    let data = try prepare(text)
    #expect(data.description.parts == [2800, 600, 600] && data.description.positives == [70, 15, 15])
    #expect(Set(data.inputRows) == Set(0..<4000))
    // Rows of a part keep their order.
    for part in TablePart.allCases {
      #expect(zip(data.rows(part), data.rows(part).dropFirst()).allSatisfy { data.inputRows[$0] < data.inputRows[$1] })
    }
  }

  @Test func sessionsStayTogether() throws {
    var text = "y,a,s,t\n"
    for row in 0..<2000 {
      text += "\(row * row % 7 % 2),\(row * 7919 % 4001),s\(row / 4 * 31 % 500),\(1_600_000_000 + row * 600)\n"
    }
    for kind in [SplitKind.random, .time] {
      let data = try prepare(text) {
        ($0.session, $0.kind, $0.time) = ("s", kind, "t")
      }
      var partOf: [Int64: TablePart] = [:]
      for part in TablePart.allCases {
        for place in data.rows(part) {
          let session = data.inputRows[place] / 4 * 31 % 500
          #expect(partOf.updateValue(part, forKey: session) ?? part == part)
        }
      }
      #expect(data.description.parts.allSatisfy { $0 > 200 })
      #expect(!data.features.columns.contains("s"))
    }
  }

  @Test func folds() throws {
    let text = plain(500)
    let folds = (0..<500).map { "\($0 * 3 % 5)\n" }.joined()
    var tested: Set<Int64> = []
    for fold in 0..<5 {
      let data = try prepare(text) {
        $0.folds = folder.write("folds.txt", fold == 3 ? folds + "\r\n\n" : folds)
        $0.testFold = fold
      }
      #expect(data.rows(.test).allSatisfy { data.inputRows[$0] * 3 % 5 == fold && data.folds?[$0] == UInt8(fold) })
      tested.formUnion(data.rows(.test).map { data.inputRows[$0] })
      #expect(data.description.parts[2] == 100 && data.description.split.testFold == fold && data.description.parts[1] > 60)
    }
    #expect(tested.count == 500)
    for (text, words) in [
      ("0\n1\n", "folds.txt: 2 fold numbers for 500 rows"), ("fold\n" + folds, "folds.txt:1: 'fold' is no fold number"),
      ("0\n\n1\n", "folds.txt:2: the fold number is empty"),
      (folds.replacingOccurrences(of: "4", with: "255"), "'255' is no fold number"),
      (String(repeating: "1\n", count: 500), "all rows are in one fold"),
    ] {
      expectLine(words) { _ = try prepare(plain(500)) { $0.folds = folder.write("folds.txt", text) } }
    }
    expectLine("no row is in fold 9") {
      _ = try prepare(text) {
        ($0.folds, $0.testFold) = (folder.write("folds.txt", folds), 9)
      }
    }
  }

  @Test func givenParts() throws {
    let valid = folder.write("valid.csv", "b,c,a,y\nt1,3,0.25,1\nt9,1,-4,0\n")
    let test = folder.write("test.csv", "y,a,b,c\n0,5,t1,2\n")
    let data = try prepare(plain(200)) { ($0.validationInputs, $0.testInputs) = ([valid], [test]) }
    #expect(data.description.parts == [200, 2, 1] && data.description.positives[1] == 1 && data.description.split.kind == .given)
    let field = data.features.fields.firstIndex { $0.name == "b" } ?? 0
    #expect(data.ids(field)[201] == 0, "a value that training does not have")
    let drawn = try prepare(plain(200)) { $0.testInputs = [test] }
    #expect(drawn.description.parts[2] == 1 && drawn.description.parts[1] > 20 && drawn.description.split.drawsValidation)
    expectLine("other.csv:1", "other columns than the first file") {
      _ = try prepare(plain(50)) { $0.testInputs = [folder.write("other.csv", "y,a,b\n1,2,3\n")] }
    }
    expectLine("is named twice") { _ = try prepare(plain(50)) { $0.testInputs = ["\(folder.path)/table.csv"] } }
    let ones = plain(200).replacingOccurrences(of: "\n0,", with: "\n1,")
    expectLine("table.csv: the training rows have labels of one class only (parts as given") {
      _ = try prepare(ones) { $0.testInputs = [test] }
    }
    expectLine("empty.csv: a header but no rows") {
      _ = try prepare(plain(50)) { $0.testInputs = [folder.write("empty.csv", "y,a,b,c\n")] }
    }
  }

  @Test(arguments: [
    ("", "table.csv: the file is empty"), ("y,a\n", "a header but no rows"),
    ("y,a\n1,2\n1,2,3\n", "table.csv:3: expected 2 fields"),
    ("y,a,a\n1,2,3\n", "table.csv:1: a: columns 2 and 3 have this name"), ("y\n1\n0\n1\n0\n1\n0\n1\n0\n", "no column is left to learn from"),
    ("z,a\n1,2\n", "table.csv:1: y: no such column for the label; the columns are 'z', 'a'"),
    ("y,a\n1,\"2\n", "a quote opens here and never closes"), ("y,a\n0,1\n1,1\n0,1\n1,1\n", "no column is left to learn from"),
  ])
  func refused(text: String, words: String) {
    expectLine(words) { _ = try prepare(text) { $0.ratio = SplitRatio(parsing: "1:0:1") ?? .standard } }
    #expect(folder.entries == ["table.csv"])
  }

  /// A column of numbers that holds a text late, in training or behind it.
  @Test func aColumnChangesType() throws {
    var text = "y,a,t\n"
    for row in 0..<60_000 { text += "\(row * row % 7 % 2),\(row == 41_000 ? "abc" : "\(row % 977)"),\(1_600_000_000 + row)\n" }
    expectLine("table.csv:41002: a: 'abc' in a column of numbers (1 such in", "--categorical a") { _ = try prepare(text) }
    expectLine("table.csv:41002: a: 'abc' is not a number") {
      _ = try prepare(text) { ($0.ratio, $0.time) = (SplitRatio(parsing: "5:1:4") ?? .standard, "t") }
    }
    let codes = try prepare(text) { $0.categorical = ["a"] }
    #expect(codes.features.fields[0].size == 978)
    expectLine("table.csv:7: t: 'soon' is not a time") {
      _ = try prepare("y,a,t\n1,1,1600000000\n0,2,1600000001\n\n1,3,1600000002\n0,4,1600000003\n1,3,soon\n") { $0.time = "t" }
    }
  }

  @Test func longValuesAndQuotes() throws {
    let long = String(repeating: "v", count: 4096)
    var text = "y,a,b\n"
    for row in 0..<100 { text += "\(row * 7 % 5 % 2),\"\(long)\n\(row % 3)\",\"\"\"\(row % 4)\"\"\"\n" }
    let data = try prepare(text)
    #expect(data.features.fields.map(\.size) == [4, 5])
    #expect(try data.features.encode(["a": "\(long)\n1", "b": "\"2\""]).ids.allSatisfy { $0 > 0 })
  }

  @Test func weightsAndMissingRoles() throws {
    let data = try prepare(plain(100).replacingOccurrences(of: "y,a", with: "y,w").replacingOccurrences(of: "-", with: "")) {
      $0.weight = "w"
    }
    #expect(data.weights?.count == 100 && !data.features.columns.contains("w"))
    expectLine("is no weight") { _ = try prepare(plain(100)) { $0.weight = "a" } }
    expectLine("a: is both the weight and the session") { _ = try prepare(plain(100)) { ($0.weight, $0.session) = ("a", "a") } }
    expectLine("no times to split at") { _ = try prepare(plain(100)) { $0.kind = .time } }
    expectLine("b: the column holds no times") { _ = try prepare(plain(100)) { $0.time = "b" } }
    expectLine("--test-fold: needs folds") { _ = try prepare(plain(100)) { $0.testFold = 1 } }
    expectLine("cod: no such column", "did you mean 'code'") {
      _ = try prepare(plain(100).replacingOccurrences(of: ",c", with: ",code")) { $0.categorical = ["cod"] }
    }
  }

  @Test func foldersAreToldApart() throws {
    _ = try prepare(plain(100))
    expectLine("holds a labelled table, not histories of events") { _ = try Dataset(path: "\(folder.path)/data") }
    #expect(folder.entries == ["data", "table.csv"])
    // Either kind replaces the other, whole.
    _ = try folder.dataset("a x\na y\nb x\n", .pairs)
    expectLine("holds histories of events, not a labelled table") { _ = try TableDataset(path: "\(folder.path)/data") }
    _ = try prepare(plain(100))
    #expect(try TableDataset(path: "\(folder.path)/data").rowCount == 100 && folder.read("data/sequences.safetensors").isEmpty)
    let bytes = folder.read("data/table.safetensors")
    for position in stride(from: 0, to: bytes.count, by: 61) {
      var changed = bytes
      changed[position] ^= 1
      _ = folder.write("data/table.safetensors", changed)
      #expect(throws: EventsError.self) { _ = try TableDataset(path: "\(folder.path)/data") }
    }
  }
}
