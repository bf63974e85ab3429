// Rows of a table that cannot be taken, set aside: what is left is the table without them.
import AugurTensors
import Foundation
import Testing

@testable import AugurEvents

@Suite struct TableBadRowTests {
  let folder = TestFolder()

  private func lines() -> [String] {
    var stream = RandomStream(seed: 8)
    return (0..<600).map { row in
      "\(stream.below(2)),\(stream.normal()),b\(stream.below(5)),\(1_600_000_000 + 60 * row),\(1 + stream.below(3))"
    }
  }

  /// Places and bad rows that stand there.
  private let bad = [
    (3, ",0.5,b1,1600000000,1"), (10, "nan,0.5,b1,1600000000,1"), (50, "1,0.5,\"b,1\",1600000000,1,7"), (100, "1,half,b1,1600006000,1"),
    (200, "0,0.25,b1,soon,1"), (300, "yes,0.25,b1,1600000000,1"), (599, "1,0.25,\"b,\"\"1\",1600000000,-1"),
  ]

  private func dirty() -> [String] {
    var all = lines()
    for (place, line) in bad.reversed() { all.insert(line, at: place) }
    return all
  }

  private func prepare(
    _ lines: [String], into output: String = "data", report: inout CleaningReport, _ set: (inout TableOptions) -> Void = { _ in }
  ) throws -> TableDescription {
    var options = TableOptions(label: "y")
    options.weight = "w"
    set(&options)
    let text = "y,a,b,time,w\n" + lines.joined(separator: "\n") + "\n"
    return try prepareTable(inputs: [folder.write("table.csv", text)], output: "\(folder.path)/\(output)", options: options, report: &report)
  }

  @Test(arguments: [1, 2]) func whatIsLeftIsTheCleanTable(threads: Int) throws {
    var (clean, report) = (CleaningReport(), CleaningReport())
    let expected = try prepare(lines(), report: &clean)
    #expect(clean.rowsIn == 600 && !clean.isWorthTelling)
    let made = try prepare(dirty(), into: "rest", report: &report) {
      ($0.quarantine, $0.badRows, $0.threads) = ("\(folder.path)/bad.tsv", .rows(7), threads)
    }
    #expect(made.fingerprint == expected.fingerprint && made.rows == 600)
    #expect(
      report.rejected == [
        "missing label": 2, "wrong number of fields": 1, "malformed number": 2, "malformed time": 1, "impossible value": 1,
      ])
    #expect(report.rowsIn == 607 && report.rowsOut == 600)
    #expect(made.warnings.contains { $0.hasPrefix("7 bad rows were set aside: 1 impossible value, 2 malformed number") })
    let file = String(decoding: folder.read("bad.tsv"), as: UTF8.self).split(separator: "\n").map(String.init)
    #expect(file.count == 7 && file.contains("\(folder.path)/table.csv:5\tmissing label\t,0.5,b1,1600000000,1"))
    #expect(file.contains("\(folder.path)/table.csv:607\timpossible value\t\(bad[6].1)"))
  }

  /// A bad time in the first row is not taken for the nature of its column.
  @Test func aBadTimeInFront() throws {
    var (clean, report) = (CleaningReport(), CleaningReport())
    let expected = try prepare(lines(), report: &clean)
    let made = try prepare(["1,0.5,b1,soon,1"] + lines(), into: "rest", report: &report) { $0.badRows = .rows(1) }
    #expect(made.fingerprint == expected.fingerprint && report.rejected == ["malformed time": 1])
  }

  @Test func limits() throws {
    var report = CleaningReport()
    expectLine("table.csv:2: expected 5 fields") { _ = try prepare([bad[2].1], report: &report) }
    expectLine("table.csv:5: y: the label is empty") { _ = try prepare(dirty().filter { $0 != bad[2].1 }, report: &report) }
    expectLine("first of 7 bad rows, more than --max-bad-rows 6") { _ = try prepare(dirty(), report: &report) { $0.badRows = .rows(6) } }
    expectLine("more than --max-bad-rows 1%") { _ = try prepare(dirty(), report: &report) { $0.badRows = .share(0.01) } }
    let made = try prepare(dirty(), report: &report) { $0.badRows = .share(0.02) }
    #expect(made.rows == 600)
    expectLine("one class only") {
      _ = try prepare(lines().map { "," + $0.dropFirst(2) } + lines().prefix(1), report: &report) { $0.badRows = .share(1) }
    }
    expectLine("all rows are bad") { _ = try prepare(lines().map { "," + $0.dropFirst(2) }, report: &report) { $0.badRows = .share(1) } }
  }

  @Test func partsThatWereGiven() throws {
    let all = lines()
    let test = folder.write("test.csv", "y,a,b,time,w\n" + ([",1,b1,1600000000,1"] + all[500...]).joined(separator: "\n") + "\n")
    var report = CleaningReport()
    let made = try prepare(Array(all[..<500]), report: &report) {
      ($0.testInputs, $0.badRows, $0.ratio) = ([test], .rows(3), SplitRatio(parsing: "1:0:1") ?? .standard)
    }
    #expect(made.parts == [500, 0, 100] && report.rowsRejected == 1)
  }

  @Test func foldsOfAFileWouldShift() throws {
    let folds = folder.write("folds.txt", String(repeating: "0\n1\n", count: 300))
    var report = CleaningReport()
    expectLine("--folds", "--fold-column") {
      _ = try prepare(lines(), report: &report) { ($0.folds, $0.badRows) = (folds, .rows(1)) }
    }
  }
}
