// Labels that look ahead: rows whose outcome came to be known behind the cut are in no part before it.
import AugurTensors
import Foundation
import Testing

@testable import AugurEvents

@Suite struct LabelKnownTests {
  let folder = TestFolder()

  /// Rows a minute apart, each label known `minutes` later.
  private func csv(_ rows: Range<Int>, minutes: Int = 30, name: String = "label_known") -> String {
    var (stream, text) = (RandomStream(seed: 3), "y,a,time,\(name)\n")
    for row in 0..<rows.upperBound {
      let time = 1_600_000_000 + 60 * row
      let line = "\(stream.below(2)),\(stream.normal()),\(time),\(time + 60 * minutes)\n"
      if rows.contains(row) { text += line }
    }
    return text
  }

  private func prepare(_ text: String, _ set: (inout TableOptions) -> Void = { _ in }) throws -> TableDescription {
    var options = TableOptions(label: "y")
    set(&options)
    return try prepareTable(inputs: [folder.write("table.csv", text)], output: "\(folder.path)/data", options: options)
  }

  @Test func rowsBeforeTheCutsAreLeftOut() throws {
    // The label of row 669 is known with the last event of training, that of row 670 a minute later; so at the second cut.
    let made = try prepare(csv(0..<1000))
    #expect(made.parts == [670, 120, 150] && made.split.leftOut == 60)
    #expect(made.split.words.hasSuffix(", 60 rows left out whose label was known later than that"))
    let data = try TableDataset(path: "\(folder.path)/data")
    #expect(data.features.columns.sorted() == ["a", "time"] && data.features.list.labelKnown == RowTime("label_known", unit: .seconds))
    // Rows keep the places that they were read at.
    #expect(data.inputRows[669] == 669 && data.inputRows[670] == 700 && data.inputRows[790] == 850)
    // The written list gives the same again, and another name is told.
    let list = folder.write("list.json", folder.read("data/features.json"))
    #expect(try prepare(csv(0..<1000)) { $0.features = list }.fingerprint == made.fingerprint)
    #expect(try prepare(csv(0..<1000, name: "until")) { $0.labelKnown = "until" }.parts == made.parts)
    #expect(try prepare(csv(0..<1000, minutes: 0)).parts == [700, 150, 150])
    #expect(try prepare(csv(0..<1000)) { $0.kind = .random }.split.leftOut == nil)
    expectLine("no row is left for training") { _ = try prepare(csv(0..<1000, minutes: 700)) }
  }

  /// Sessions lie where their last row does, so held-out rows begin before the cut: no leak.
  @Test func wholeSessionsAreNoLeak() throws {
    let lines = csv(0..<1000).split(separator: "\n").enumerated().map { place, line in line + (place == 0 ? ",s" : ",s\(place / 7)") }
    let made = try prepare(lines.joined(separator: "\n")) { $0.session = "s" }
    #expect(made.split.kind == .time && made.split.leftOut ?? 0 > 0 && made.rows < 1000)
  }

  /// Given parts are looked at, not changed.
  @Test func lateLabelsOfGivenPartsAreFound() throws {
    let test = folder.write("test.csv", csv(700..<1000))
    expectLine("the labels of 30 training rows were known only after the first held-out row", "--allow-leaks") {
      _ = try prepare(csv(0..<700)) { ($0.testInputs, $0.ratio) = ([test], SplitRatio(parsing: "1:0:1") ?? .standard) }
    }
    #expect(try prepare(csv(0..<670)) { $0.testInputs = [test] }.rows == 970)
    expectLine("until") { _ = try prepare(csv(0..<1000)) { $0.labelKnown = "until" } }
  }

  /// From a log over features of behaviour to a table that knows nothing from behind its cut.
  @Test func featuresOfBehaviour() throws {
    let data = try folder.dataset(LoggedEvent.log(LoggedEvent.random(3000, seed: 4)))
    var state = try BehaviourState(.standard(for: data))
    let task = OutcomeTask(outcome: "purchase", impressions: ["view"], horizon: try #require(BehaviourWindow("2d")))
    let path = "\(folder.path)/features.csv"
    let written = try writeBehaviourTable(data, state: &state, task: task, output: path)
    let text = String(decoding: folder.read("features.csv"), as: UTF8.self)
    let lines = text.split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
    let places = try ["timestamp", "label", "label_known"].map { name in try #require(lines[0].firstIndex(of: Substring(name))) }
    #expect(places == [2, 3, 4] && lines.count == written.rows + 1)
    func time(_ text: Substring) throws -> Double {
      try #require(ISO8601DateFormatter().date(from: String(text))).timeIntervalSince1970
    }
    for line in lines.dropFirst() { #expect(try time(line[4]) - time(line[2]) == 2 * 86_400) }
    var options = TableOptions(label: "label")
    options.categorical = ["user_id", "item_id"]
    let made = try prepareTable(inputs: [path], output: "\(folder.path)/table", options: options)
    let cuts = try #require(made.split.cuts)
    let cut = Double(cuts[0]) / 1000
    let known = try lines.dropFirst().count { try time($0[4]) < cut }
    let leftOut = try #require(made.split.leftOut)
    #expect(made.parts[0] == known && made.rows == written.rows - leftOut)
  }
}
