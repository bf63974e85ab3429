// Histories: lists that have the ids of another feature, in the order of the cell.
import AugurTensors
import Foundation
import Testing

@testable import AugurEvents

@Suite struct HistoryFeatureTests {
  let folder = TestFolder()

  private static func list(_ features: String) -> String {
    """
    {"format": "augur-features", "version": 1, "label": {"column": "y"}, "features": [\(features)]}
    """
  }
  private static let item = #"{"column": "item", "kind": "categorical", "minimum_count": 1}"#
  private static let seen = #"{"column": "seen", "kind": "categorical", "shares": "item", "longest": 3}"#

  private static let rows = (0..<200).map { "i\($0 % 10),i\(($0 + 1) % 10)|i\(($0 + 2) % 10),\($0 / 10 % 2)" }

  private func prepare(_ text: String, _ options: TableOptions) throws -> TableDataset {
    var options = options
    options.kind = .random
    options.allowsLeaks = true
    _ = try prepareTable(inputs: [folder.write("table.csv", text)], output: "\(folder.path)/data", options: options)
    return try TableDataset(path: "\(folder.path)/data")
  }

  private func prepare(features: String) throws -> TableDataset {
    var options = TableOptions()
    options.features = folder.write("list.json", Self.list(features))
    return try prepare("item,seen,y\n" + Self.rows.map { $0 + "\n" }.joined(), options)
  }

  @Test func aHistoryHasTheIDsOfItsItems() throws {
    let data = try prepare(features: "\(Self.item), \(Self.seen)")
    let serving = try Features(path: "\(folder.path)/data")
    #expect(serving.fields == data.features.fields)
    #expect(serving.fields[1].size == serving.fields[0].size && serving.fields[1].history?.of == 0 && serving.fields[1].history?.longest == 3)
    func item(_ name: String) throws -> Int32 { try serving.encode(["item": name]).ids[0] }
    for place in 0..<data.rowCount {
      let row = Self.rows[Int(data.inputRows[place])].split(separator: ",").map(String.init)
      let encoded = try serving.encode(["item": row[0], "seen": row[1]])
      let offsets = try #require(data.offsets(1))
      #expect(encoded.lists[1] == (offsets[place]..<offsets[place + 1]).map { data.ids(1)[Int($0)] })
      #expect(try encoded.lists[1] == row[1].split(separator: "|").map { try item(String($0)) })
    }
    // In the order of the cell, twice where it stands twice, 0 for what no row shows, and the last three alone.
    #expect(try serving.encode(["seen": "i3|new|i1"]).lists[1] == [item("i3"), 0, item("i1")])
    #expect(try serving.encode(["seen": "i9|i8|i7|i2|i2"]).lists[1] == [item("i7"), item("i2"), item("i2")])
    #expect(try serving.encode(["seen": ""]).lists[1] == [] && serving.encode(["seen": "|i4|"]).lists[1] == [item("i4")])
    // Its vocabulary is stored once.
    let file = try SafetensorsFile(path: "\(folder.path)/data/features.safetensors")
    #expect(file.names.contains("vocabulary.0.bytes") && !file.names.contains("vocabulary.1.bytes"))
  }

  @Test func hashedAndListedItemsAreSharedToo() throws {
    for coding in [#""buckets": 64"#, #""values": ["i1", "i2", "i3"]"#] {
      _ = try prepare(features: #"{"column": "item", "kind": "categorical", \#(coding)}, \#(Self.seen)"#)
      let features = try Features(path: "\(folder.path)/data")
      let row = try features.encode(["item": "i2", "seen": "i1|i2"])
      #expect(row.lists[1].count == 2 && row.lists[1][1] == row.ids[0] && row.lists[1][0] != row.ids[0])
    }
  }

  @Test(arguments: [
    (#"\#(seen), \#(item)"#, "features[0].shares: 'item' stands behind 'seen'"),
    (#"\#(item), {"column": "seen", "kind": "categorical", "shares": "seen"}"#, "features[1].shares: 'seen' is the feature itself"),
    (#"\#(item), {"column": "seen", "kind": "categorical", "shares": "itme"}"#, "there is no feature 'itme'"),
    (#"\#(item), \#(seen), {"name": "b", "column": "seen", "kind": "categorical", "shares": "seen"}"#, "'seen' is a list"),
    (#"{"column": "item", "kind": "categorical", "separator": " "}, \#(seen)"#, "'item' is a list"),
    (#"{"column": "item", "kind": "numeric"}, \#(seen)"#, "'item' is no category"),
    (#"\#(item), {"column": "seen", "kind": "categorical", "shares": "item", "longest": 0}"#, "longest"),
    (#"\#(item), {"column": "seen", "kind": "categorical", "separator": "|", "longest": 4}"#, "give shares"),
    (#"\#(item), {"column": "seen", "kind": "categorical", "shares": "item", "buckets": 4}"#, "stands beside buckets"),
    (#"\#(item), {"column": "seen", "kind": "numeric", "shares": "item"}"#, "does not go with this kind"),
  ])
  func whatCannotBeSharedIsNamed(_ features: String, _ words: String) throws {
    let error = #expect(throws: EventsError.self) { _ = try FeatureList(json: Data(Self.list(features).utf8), file: "list.json") }
    #expect("\(try #require(error))".contains(words), "\(error.map { "\($0)" } ?? "")")
  }

  private static let logText: String = {
    var random = RandomStream(seed: 4)
    return "seen,item,note,y\n"
      + (0..<400).map { _ in
        let seen = (0..<random.below(5)).map { _ in String(random.below(9)) }.joined(separator: "|")
        return "\(seen),\(random.below(9)),n\(random.below(3)),\(random.below(2))\n"
      }.joined()
  }()

  /// Numbers that histories list are codes, and no JSON has to be written.
  @Test func theCommandLineNamesHistories() throws {
    var options = TableOptions(label: "y")
    options.histories = [TableHistory("seen", of: "item")]
    let data = try prepare(Self.logText, options)
    #expect(data.features.list.features.map(\.name) == ["item", "note", "seen"])
    #expect(data.features.list.features[2].kind == .categorical(.shared(with: "item", longest: 50), separator: "|"))
    #expect(data.features.fields[2].history?.of == 0 && data.features.fields[0].size == 10)
    #expect(!data.description.warnings.contains { $0.contains("separator") })
    // The list that was written makes the same data set.
    options = TableOptions()
    options.features = folder.write("list.json", try String(contentsOfFile: "\(folder.path)/data/features.json", encoding: .utf8))
    #expect(try prepare(Self.logText, options).fingerprint == data.fingerprint)
  }

  @Test(arguments: [
    (["seen=item", "seen=item"], "'seen' is given twice"), (["y=item"], "'y' is the label"), (["seen=y"], "'y' is the label"),
    (["seen=seen"], "'seen' is a history itself"), (["sene=item"], "sene"), (["seen=fixed"], "'fixed' is left out"),
  ])
  func whatIsNoHistoryIsNamed(_ histories: [String], _ words: String) throws {
    var options = TableOptions(label: "y")
    options.histories = histories.map { text in
      let names = text.split(separator: "=").map(String.init)
      return TableHistory(names[0], of: names[1])
    }
    let text = Self.logText.replacingOccurrences(of: "note", with: "fixed").replacingOccurrences(of: "n[0-9]", with: "n", options: .regularExpression)
    let error = #expect(throws: EventsError.self) { _ = try prepare(text, options) }
    #expect("\(try #require(error))".contains(words), "\(error.map { "\($0)" } ?? "")")
  }

  @Test func aHistoryThatIsCutAtTheWrongByteIsToldApart() throws {
    var options = TableOptions(label: "y")
    options.histories = [TableHistory("seen", of: "item")]
    let data = try prepare(Self.logText.replacingOccurrences(of: "|", with: "0; 0"), options)
    #expect(data.description.warnings.contains { $0.contains("'seen' are none of 'item': is its separator right?") })
  }
}
