// Features: one function for training and serving, statistics of the training rows alone, and a list that people edit.
import AugurTensors
import Foundation
import Testing

@testable import AugurEvents

@Suite struct FeatureTests {
  let folder = TestFolder()

  static let list = """
    {"format": "augur-features", "version": 1, "label": {"column": "y"}, "fold": "part", "features": [
      {"column": "city", "kind": "categorical", "minimum_count": 2},
      {"name": "hashed", "column": "city", "kind": "categorical", "buckets": 7},
      {"name": "known", "column": "city", "kind": "categorical", "values": ["c1", "c3"]},
      {"column": "tags", "kind": "categorical", "minimum_count": 3, "separator": "|"},
      {"column": "age", "kind": "numeric"},
      {"name": "raw", "column": "age", "kind": "numeric", "transform": "none", "missing": "mean"},
      {"name": "unit", "column": "age", "kind": "numeric", "transform": "min-max", "missing": "mean"},
      {"name": "log", "column": "age", "kind": "numeric", "transform": "log", "missing": "mean"},
      {"name": "bucket", "column": "age", "kind": "numeric", "transform": "quantile-buckets", "buckets": 4},
      {"column": "at", "kind": "time", "unit": "s", "parts": ["hour", "weekday", "cyclic", "days"], "zone": "+02:00"}
    ]}
    """

  /// Rows of every kind of cell: missing, rare, quoted, exponents.
  static func rows(_ count: Int) -> [[String: String]] {
    var stream = RandomStream(seed: 11)
    return (0..<count).map { row in
      let city = row % 17 == 0 ? "rare \(row)" : row % 29 == 0 ? "" : "c\(stream.below(6))"
      let tags = (0..<stream.below(4)).map { _ in "t\(stream.below(9))" }.joined(separator: "|")
      let age = row % 13 == 0 ? "" : row % 31 == 0 ? "1.25e-3" : String(stream.normal() * 1000)
      return [
        "city": city, "tags": tags, "age": age, "at": row % 19 == 0 ? "" : "\(1_700_000_000 + stream.below(90_000_000))",
        "y": "\(stream.below(2))", "part": "\(row % 5)",
      ]
    }
  }

  static let columns = ["city", "tags", "age", "at", "y", "part"]
  static func csv(_ rows: [[String: String]], end: String = "\n") -> String {
    columns.joined(separator: ",") + end
      + rows.map { row in columns.map { "\"\(row[$0] ?? "")\"" }.joined(separator: ",") + end }.joined()
  }

  private func prepare(_ rows: [[String: String]], list: String = list, threads: Int = 2) throws -> TableDataset {
    var options = TableOptions()
    options.features = folder.write("list.json", list)
    options.threads = threads
    _ = try prepareTable(inputs: [folder.write("table.csv", Self.csv(rows))], output: "\(folder.path)/data", options: options)
    return try TableDataset(path: "\(folder.path)/data")
  }

  /// What preparing stored is what serving computes, bit by bit.
  @Test(arguments: [1, 2]) func trainingAndServingAgree(threads: Int) throws {
    let rows = Self.rows(20_000)
    let data = try prepare(rows, threads: threads)
    let serving = try Features(path: "\(folder.path)/data")
    #expect(serving.fields == data.features.fields && serving.numberNames == data.features.numberNames)
    let width = serving.numberNames.count
    #expect(width == 2 + 3 + 5 && serving.fields.count == 7)
    for place in 0..<data.rowCount {
      let row = try serving.encode(rows[Int(data.inputRows[place])])
      for (field, description) in serving.fields.enumerated() {
        if let offsets = data.offsets(field) {
          let range = Int(offsets[place])..<Int(offsets[place + 1])
          guard description.isMultiValued, row.lists[field] == range.map({ data.ids(field)[$0] }) else {
            Issue.record("row \(place), \(description.name)")
            return
          }
        } else if row.ids[field] != data.ids(field)[place] {
          Issue.record("row \(place), \(description.name)")
          return
        }
      }
      for number in 0..<width where row.numbers[number].bitPattern != data.numbers[place * width + number].bitPattern {
        Issue.record(
          "row \(place), \(serving.numberNames[number]): \(row.numbers[number]), \(data.numbers[place * width + number])")
        return
      }
    }
  }

  /// Against plain computations over the training rows.
  @Test func statisticsAreThoseOfTraining() throws {
    let rows = Self.rows(3000)
    let data = try prepare(rows)
    let training = data.rows(.training).map { rows[Int(data.inputRows[$0])] }
    #expect(training.count < rows.count - 500)
    let features = data.features
    let ages = training.compactMap { Double($0["age"] ?? "") }
    let mean = ages.reduce(0, +) / Double(ages.count)
    let deviation = (ages.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(ages.count)).squareRoot()
    func numbers(_ age: String) throws -> [String: Float] {
      let row = try features.encode(["age": age])
      return Dictionary(uniqueKeysWithValues: zip(features.numberNames, row.numbers))
    }
    let found = try numbers("250")
    #expect(abs((found["age"] ?? 0) - Float((250 - mean) / deviation)) < 1e-5)
    #expect(found["raw"] == 250 && found["age:missing"] == 0)
    #expect(abs((found["unit"] ?? 0) - Float((250 - (ages.min() ?? 0)) / ((ages.max() ?? 0) - (ages.min() ?? 0)))) < 1e-6)
    let missing = try numbers("")
    #expect(missing["age"] == 0 && missing["age:missing"] == 1 && abs((missing["raw"] ?? 0) - Float(mean)) < 1e-2)
    #expect(try numbers("1e30")["unit"] == 1 && numbers("-1e30")["unit"] == 0)
    // Quarters of the training numbers.
    let buckets = try ages.map { try features.encode(["age": "\($0)"]).ids[4] }
    for bucket in 1...4 { #expect(abs(buckets.count { $0 == bucket } - ages.count / 4) <= 1) }
    #expect(try features.encode([:]).ids[4] == 0 && features.fields[4].size == 5)

    var counts: [String: Int] = [:]
    for row in training { counts[row["city"] ?? "", default: 0] += 1 }
    let kept = counts.filter { $0.value >= 2 }.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key)
    #expect(features.fields[0].size == kept.count + 1)
    for (place, value) in kept.enumerated() { #expect(try features.encode(["city": value]).ids[0] == Int32(place + 1)) }
  }

  @Test func rareAndNewValuesShareATrainedRow() throws {
    let rows = Self.rows(3000)
    let data = try prepare(rows)
    let ids = data.ids(0)
    #expect(data.rows(.training).contains { ids[$0] == 0 }, "row 0 of a vocabulary is trained")
    let row = try data.features.encode(["city": "never seen", "tags": "new|t1|new", "age": "1", "at": "1700000000"])
    #expect(row.ids[0] == 0 && row.ids[2] == 0 && (1...7).contains(row.ids[1]))
    #expect(row.lists[3].count == 3 && row.lists[3][0] == 0 && row.lists[3][1] > 0)
    #expect(try data.features.encode(["city": "c3"]).ids[2] == 2 && data.features.fields[2].size == 3)
    #expect(try data.features.encode([:]).ids[1] == 0, "the empty cell is row 0 of a hash")
  }

  /// 1700000000 is Tuesday, 2023-11-14 22:13:20 UTC, and Wednesday 00:13:20 two hours east.
  @Test func times() throws {
    let features = try prepare(Self.rows(1000)).features
    let row = try features.encode(["at": "1700000000"])
    let (hour, weekday) = (
      features.fields.firstIndex { $0.name == "at:hour" } ?? 0, features.fields.firstIndex { $0.name == "at:weekday" } ?? 0
    )
    #expect(row.ids[hour] == 1 && row.ids[weekday] == 3)
    let first = features.numberNames.firstIndex(of: "at:day-sin") ?? 0
    let turn = 800.0 / 86_400
    #expect(row.numbers[first] == Float(sin(2 * Double.pi * turn)) && row.numbers[first + 1] == Float(cos(2 * Double.pi * turn)))
    let week = (2 * 86_400 + 800) / 604_800.0
    #expect(row.numbers[first + 2] == Float(sin(2 * Double.pi * week)))
    let none = try features.encode([:])
    #expect(none.ids[hour] == 0 && none.ids[weekday] == 0 && none.numbers[first...].allSatisfy { $0 == 0 })
  }

  @Test func badCellsAtServing() throws {
    let features = try prepare(Self.rows(1000)).features
    expectLine("row: age", "'ten' is not a number") { _ = try features.encode(["age": "ten"]) }
    expectLine("row: at", "not a time") { _ = try features.encode(["at": "yesterday"]) }
    expectLine("row: at", "milliseconds in a column of seconds") { _ = try features.encode(["at": "1700000000000"]) }
    #expect(
      try features.encode(["age": "inf", "city": String(repeating: "x", count: 4096)].filter { $0.key == "city" }).ids[0] == 0)
    for word in ["inf", "1e999", "0x", "--1", "1.2.3", "1 2"] {
      expectLine("row: age") { _ = try features.encode(["age": word]) }
    }
    for word in ["NaN", "null", "N/A", " "] { #expect(try features.encode(["age": word]).numbers[1] == 1) }
  }

  @Test func numbersAreRoundedOnce() {
    var stream = RandomStream(seed: 3)
    for round in 0..<20_000 {
      let digits = String(stream.next() >> UInt64(stream.below(60)))
      let point = stream.below(digits.utf8.count + 1)
      let text = (round % 3 == 0 ? "-" : "") + digits.prefix(point) + "." + digits.dropFirst(point)
      let value = Array(text.utf8).withUnsafeBytes { cellNumber($0) }
      #expect(value == Double(text) || Double(text) == nil, "\(text)")
    }
  }

  @Test func listsAreWrittenAndReadAgain() throws {
    let list = try FeatureList(json: Data(Self.list.utf8), file: "list.json")
    let again = try FeatureList(json: Data(try list.json().utf8), file: "again.json")
    #expect(again == list && list.features.count == 10 && list.fold == "part")
    // What prepare writes can be passed back, and gives the same data set.
    let rows = Self.rows(2000)
    let first = try prepare(rows)
    let second = try prepare(rows, list: String(decoding: folder.read("data/features.json"), as: UTF8.self))
    #expect(first.fingerprint == second.fingerprint)
  }

  @Test(arguments: [
    ("\"kind\": \"numeric\"}", "\"kind\": \"numbre\"}", "features[4].kind: 'numbre' is unknown"),
    (
      "\"minimum_count\": 2", "\"minimum_cuont\": 2",
      "features[0].minimum_cuont: there is no such key; did you mean minimum_count?"
    ),
    ("\"minimum_count\": 2", "\"minimum_count\": 0", "features[0].minimum_count: is 0; numbers from 1"),
    ("\"minimum_count\": 2", "\"minimum_count\": 2, \"buckets\": 3", "features[0].minimum_count: stands beside buckets"),
    ("\"minimum_count\": 2", "\"transform\": \"log\"", "features[0].transform: does not go with this kind"),
    ("\"separator\": \"|\"", "\"separator\": \"||\"", "features[3].separator: '||' is not one byte"),
    ("\"name\": \"raw\"", "\"name\": \"unit\"", "features[6].name: 'unit' occurs twice"),
    ("\"name\": \"raw\"", "\"name\": 7", "features[5].name: is not a text"),
    ("+02:00", "Mars", "features[9].zone"),
    ("\"hour\", ", "\"minute\", ", "features[9].parts: 'minute' is unknown; it can be hour, weekday"),
    ("\"unit\": \"s\", ", "", "features[9].unit: is missing"),
    ("\"version\": 1", "\"version\": 2", "version: is 2; this program reads 1"),
    ("\"augur-features\"", "\"other\"", "format: is not augur-features"),
    ("\"label\": {\"column\": \"y\"}, ", "", "label: is missing"),
    ("\"column\": \"tags\"", "\"column\": \"tag\"", "tag: no such column for the feature 'tag'"),
    ("]}", "]", "is not JSON"),
  ])
  func mistakesInLists(old: String, new: String, words: String) {
    let list = Self.list.replacingOccurrences(of: old, with: new)
    expectLine(words) { _ = try prepare(Self.rows(50), list: list) }
    #expect(folder.entries == ["list.json", "table.csv"] || folder.entries == ["list.json"])
  }

  /// Every byte of the learnt file is guarded, and no damage traps.
  @Test func damagedFeatureFiles() throws {
    _ = try prepare(Self.rows(200))
    let bytes = folder.read("data/features.safetensors")
    for position in stride(from: 0, to: bytes.count, by: 37) {
      var changed = bytes
      changed[position] ^= 1
      _ = folder.write("data/features.safetensors", changed)
      #expect(throws: EventsError.self) { _ = try TableDataset(path: "\(folder.path)/data") }
      _ = try? Features(path: "\(folder.path)/data")
    }
  }
}
