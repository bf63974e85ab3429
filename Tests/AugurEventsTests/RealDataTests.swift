// The public data sets load as they are, with the counts that are known of them.
import Foundation
import Testing

@testable import AugurEvents

@Suite(.enabled(if: DatasetTests.root != "", "set AUGUR_DATA to the folder of the public data sets"))
struct RealDataTests {
  private let folder = TestFolder()

  private func input(_ file: String) throws -> String {
    let path = "\(DatasetTests.root)/\(file)"
    try #require(FileManager.default.fileExists(atPath: path), "AUGUR_DATA is set but lacks \(file)")
    return path
  }

  @Test(arguments: [
    ("diginetica/train_sessions.txt", 186_670, 43_097, 906_140),
    // A prefix and its target are a session here: 60,858 rows of a prefix each.
    ("diginetica/test_prefix_target.txt", 60_858, -1, -1),
  ]) func sessions(file: String, sessions: Int, items: Int, clicks: Int) throws {
    let made = try prepareDataset(input: try input(file), output: "\(folder.path)/data", options: PrepareOptions(format: .sessions))
    #expect(made.users == sessions)
    if items >= 0 { #expect(made.items == items && made.events == clicks) }
  }

  /// MovieLens-1M with the titles of its movies: other ids, `::` between the fields, Latin-1.
  @Test func titles() throws {
    var options = PrepareOptions(format: .pairs)
    var file = ItemNameFile(path: try input("ml-1m/movies.dat"))
    (file.delimiter, file.encoding, file.ids) = ("::", .latin1, try input("ml-1m/sas_to_original_items.txt"))
    options.itemNames = file
    try prepareDataset(input: try input("ml-1m/ml-1m.txt"), output: "\(folder.path)/data", options: options)
    let data = try Dataset(path: "\(folder.path)/data")
    #expect(data.itemCount == 3416 && (0..<data.itemCount).allSatisfy { data.itemName($0) != nil })
    #expect(data.itemIndex(ofRawID: "1").flatMap { data.itemName($0) } == "Raiders of the Lost Ark (1981)")
    #expect((0..<data.itemCount).contains { data.itemName($0) == "Misérables, Les (1995)" })
  }

  /// Every target of the test rows is among the items of the training sessions.
  @Test func targetsAreKnownItems() throws {
    let path = try input("diginetica/train_sessions.txt")
    try prepareDataset(input: path, output: "\(folder.path)/data", options: PrepareOptions(format: .sessions))
    let data = try Dataset(path: "\(folder.path)/data")
    let text = try #require(FileManager.default.contents(atPath: try input("diginetica/test_prefix_target.txt")))
    var (rows, unknown) = (0, 0)
    for line in text.split(separator: 10) {
      guard let target = line.split(separator: 9).last else { continue }
      rows += 1
      if data.itemIndex(ofRawID: String(decoding: target, as: UTF8.self)) == nil { unknown += 1 }
    }
    #expect(rows == 60_858 && unknown == 0)
  }

  @Test func typedHeader() throws {
    let log = try input("ml-100k/ml-100k.inter")
    let made = try prepareDataset(input: log, output: "\(folder.path)/data")
    #expect((made.users, made.items, made.events, made.hasTimestamps) == (943, 1682, 100_000, true))
    let profile = try profileLog(inputs: [log])
    #expect(profile.columns.map(\.role) == [.user, .item, nil, .time] && profile.columns.map(\.distinct).prefix(3) == [943, 1682, 5])
    #expect(profile.columns.map(\.type) == [.category, .category, .integer, .time] && profile.findings.isEmpty)
    let items = try profileLog(inputs: [try input("ml-100k/ml-100k.item")])
    #expect(items.rows == 1682 && items.columns.map(\.type) == [.category, .list, .category, .list])
    let users = try profileLog(inputs: [try input("ml-100k/ml-100k.user")])
    #expect(users.rows == 943 && users.columns[2].distinct == 2)
  }

  /// Columns between blanks, dates as digits, no items: a table, not a log of events.
  @Test func purchasesBetweenBlanks() throws {
    let profile = try profileLog(inputs: [try input("cdnow/CDNOW_master.txt")])
    #expect(profile.rows == 69_659 && profile.badRows == 0)
    #expect(profile.columns.map(\.name) == ["customer_id", "date", "number_of_cds", "dollar_value"])
    #expect(profile.columns.map(\.type) == [.category, .time, .integer, .decimal] && profile.columns[0].distinct == 23_570)
    let date = profile.columns[1]
    #expect(date.unit == .calendarDate && date.least.map { Timestamp.text(Int64($0)) } == "1997-01-01T00:00:00Z")
    #expect(date.largest.map { Timestamp.text(Int64($0)) } == "1998-06-30T00:00:00Z")
  }

  @Test(arguments: [
    ("frappe/train_resampled_neg.csv", 202_027, 11), ("frappe/valid.csv", 57_722, 11), ("frappe/test.csv", 28_860, 11),
    ("online-shoppers/data.csv", 12_330, 18), ("telco-churn/data.csv", 7043, 20), ("insurance-fraud/data.csv", 15_420, 32),
  ]) func tables(file: String, rows: Int, columns: Int) throws {
    let profile = try profileLog(inputs: [try input(file)])
    #expect(profile.rows == rows && profile.badRows == 0 && profile.columns.count == columns)
    #expect(profile.columns[0].name == "label" && profile.columns[0].type == .boolean)
    // Empty cells: eleven total charges of telco-churn, and no others.
    #expect(profile.columns.reduce(0) { $0 + $1.missing } == (file.hasPrefix("telco") ? 11 : 0))
  }

  /// Latin-1 and no header: said, with the lines, and nothing is made of it.
  @Test func namesInLatin1() throws {
    let profile = try profileLog(inputs: [try input("ml-1m/movies.dat")])
    let problems = profile.findings.map(\.description)
    #expect(problems.contains { $0.contains("is not UTF-8: convert it with iconv") }, "\(problems)")
    #expect(profile.rows + profile.badRows == 3882)
  }
}
