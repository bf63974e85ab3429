// The three text formats: what is read, and every bad input with the line its user sees.
import AugurTensors
import Foundation
import Testing

@testable import AugurEvents

private let header = "user_id,item_id,timestamp\n"

@Suite struct LogReaderTests {
  let folder = TestFolder()

  private func items(_ dataset: Dataset, _ user: String) -> [String] {
    guard let index = dataset.userIndex(ofRawID: user) else { return [] }
    return dataset.history(index).map { dataset.itemID(Int($0)) }
  }

  /// The error of preparing `bytes`; also checks that nothing is left behind.
  private func failure(_ bytes: [UInt8], _ format: LogFormat = .events, columns: LogColumns = LogColumns())
    -> EventsError?
  {
    let log = folder.write("log.csv", bytes)
    let error = #expect(throws: EventsError.self) {
      try prepareDataset(
        input: log, output: "\(folder.path)/data", options: PrepareOptions(format: format, columns: columns))
    }
    #expect(folder.entries == ["log.csv"])
    #expect(error?.description.contains("\n") == false)
    return error
  }

  private func failure(_ text: String, _ format: LogFormat = .events) -> EventsError? {
    failure(Array(text.utf8), format)
  }

  @Test func readsEventsSortedByTime() throws {
    let data = try folder.dataset(header + "u1,b,20\nu2,a,5\nu1,a,10\n")
    #expect(items(data, "u1") == ["a", "b"])
    #expect((data.userCount, data.itemCount, data.eventCount) == (2, 2, 3))
    #expect(data.timestamps(0).map { Array($0) } == [10_000, 20_000])
    #expect(data.itemIndex(ofRawID: "a") == 0)  // most frequent first
    #expect(data.itemIndex(ofRawID: "zzz") == nil && data.userIndex(ofRawID: "") == nil)
  }

  @Test(arguments: ["\n", "\r\n"], ["", "\u{feff}"]) func lineEndsAndByteOrderMark(end: String, mark: String) throws {
    let lines = ["user_id,item_id,timestamp", "u1,a,1", "\"u1\",\"b\",\"2\"", "", "u2,\"a\",3"]
    for last in ["", end] {
      let data = try folder.dataset(mark + lines.joined(separator: end) + last)
      #expect(items(data, "u1") == ["a", "b"])
      #expect(items(data, "u2") == ["a"])
    }
  }

  @Test func quotedFieldsHoldCommasNewlinesAndQuotes() throws {
    let data = try folder.dataset(
      "title,user_id,item_id,timestamp\n\"A, \"\"B\"\"\nC\",\"u,\"\"1\",\"i\n1\",1\n,u2,x,2\n")
    #expect(items(data, "u,\"1") == ["i\n1"])
    #expect(data.itemIndex(ofRawID: "i\n1").map(data.itemName) == "A, \"B\"\nC")
    #expect(data.itemIndex(ofRawID: "x").flatMap(data.itemName) == nil)
  }

  /// The second part of the row begins a block that has no field in quotes of its own, or ends behind it.
  @Test(arguments: [1, 2], [1, 250]) func quotedFieldsReachIntoTheNextBlock(threads: Int, lines: Int) throws {
    let rows = (0..<140_000).map { "t,u1,i\($0 % 7),\(100 + $0)" }
    let name = Array(repeating: "first, second", count: lines + 1).joined(separator: "\n")
    var options = PrepareOptions()
    options.threads = threads
    for place in stride(from: 0, to: 40, by: 5) {
      // The header and rows up to the cut, which falls at `place` of the row in quotes.
      var head = "title,user_id,item_id,timestamp\n"
      let end = head.utf8.count + Block.nominal - place
      for row in rows where head.utf8.count + row.utf8.count + 1 < end - 20 { head += row + "\n" }
      head += "t,u2," + String(repeating: "y", count: end - head.utf8.count - 8) + ",1\n"
      let text = head + "\"\(name)\",u3,x,5\n" + rows.joined(separator: "\n")
      let log = folder.write("log.csv", Array(text.utf8))
      let made = try prepareDataset(input: log, output: "\(folder.path)/data", options: options)
      let data = try Dataset(path: "\(folder.path)/data", verify: true)
      #expect(made.rows == text.utf8.reduce(0) { $0 + ($1 == 10 ? 1 : 0) } - lines)
      #expect(data.itemIndex(ofRawID: "x").map(data.itemName) == name)
    }
  }

  /// Rows are decoded eight at a time where all eight are plain: every length, and texts between them, in every place of the eight.
  @Test(arguments: [1, 1000]) func idsAndTimesOfEveryLength(unit: Int64) throws {
    var random = RandomStream(seed: UInt64(unit))
    let digits = (1...20).map { length in String((0..<length).map { _ in "0123456789".randomElement(using: &random) ?? "0" }) }
    let ids = digits + ["0", "00", "7a", "a7", "12345678x", "1234567/", "123456789:", "é1", "1.5", "-3"]
    var wanted: Set<String> = []
    var text = header
    for row in 0..<4000 {
      // Long stretches of plain rows, and stretches of anything.
      let isPlain = row / 100 % 2 == 0
      let pool = isPlain ? digits[..<(row / 200 % 2 == 0 ? 8 : 16)] : ids[...]
      let (user, item) = (pool.randomElement(using: &random) ?? "", pool.randomElement(using: &random) ?? "")
      let time = Int64.random(in: 100_000_000...7_000_000_000, using: &random) * unit + (unit == 1 ? 0 : Int64(row % 1000))
      text += "\(user),\(item),\(time)\n"
      wanted.insert("\(user) \(item) \(unit == 1 ? time * 1000 : time)")
    }
    let data = try folder.dataset(text)
    var found: Set<String> = []
    for user in 0..<data.userCount {
      for (item, time) in zip(data.history(user), try #require(data.timestamps(user))) {
        found.insert("\(data.userID(user)) \(data.itemID(Int(item))) \(time)")
      }
    }
    #expect(found == wanted)
  }

  @Test func tabsSemicolonsAliasesAndNamedColumns() throws {
    #expect(try items(folder.dataset("UserID\tMovieID\tTS\textra\nu\ti\t1\tnan\n"), "u") == ["i"])
    #expect(try items(folder.dataset("user_id:token;item_id:token;timestamp:float\nu;i;1.5\n"), "u") == ["i"])
    let columns = try LogColumns(parsing: "user=who,item=what,time=when")
    #expect(try items(folder.dataset("when,junk,what,who\n1,,i,u\n", columns: columns), "u") == ["i"])
    #expect(throws: EventsError.self) { try LogColumns(parsing: "user") }
    #expect(throws: EventsError.self) { try LogColumns(parsing: "who=user") }
  }

  @Test(arguments: [
    ("0", 0), ("1700000000", 1_700_000_000_000), ("1700000000123", 1_700_000_000_123),
    ("1700000000.25", 1_700_000_000_250),
    ("2024-02-29", 1_709_164_800_000), ("2024-02-29 12:30", 1_709_209_800_000),
    ("2024-02-29T12:30:15Z", 1_709_209_815_000),
    ("2024-02-29T12:30:15.5+02:00", 1_709_202_615_500), ("2024-02-29T12:30:15-0130", 1_709_215_215_000),
  ]) func times(text: String, milliseconds: Int64) throws {
    #expect(try folder.dataset(header + "u,i,\(text)\n").timestamps(0).map { Array($0) } == [milliseconds])
  }

  @Test(arguments: [
    ("-5", "negative"), ("7258118401", "after the year 2200"), ("99999999999999999999", "after the year 2200"),
    ("", "empty"),
    ("nan", "not a time"), ("1e9", "not a time"), ("2023-02-29", "not a time"), ("2024-13-01", "not a time"),
    ("1969-12-31", "negative"), ("2201-01-01", "after the year 2200"), ("2024-01-01T", "not a time"),
    ("-", "not a time"),
    ("2024-01-01T25:00", "not a time"), ("2024-01-01 1", "not a time"), ("2024-", "not a time"),
    ("1.5.5", "not a time"),
  ]) func badTimes(text: String, problem: String) throws {
    let error = try #require(failure(header + "u,i,1\nu,j,\(text)\n"))
    #expect(error.line == 3 && error.field == "timestamp" && error.problem.contains(problem), "\(error)")
  }

  @Test(arguments: [
    ("", LogFormat.events, "empty"), ("\u{feff}", .events, "no column"), (header, .events, "no rows"),
    ("\n\n", .pairs, "no events"),
    ("user_idd,item,timestamp\nu,i,1\n", .events, "the columns are 'user_idd', 'item', 'timestamp'"),
    (header + "u,i,1\nu,i\n", .events, "expected 3 fields as in the header, got 2"),
    (header + "u,i,1,9\n", .events, "got 4"), (header + "u,\"i,1\nu,j,2\n", .events, "never closes"),
    (header + "u,\"i\"x,1\n", .events, "text behind a closing quote"), (header + ",i,1\n", .events, "id is empty"),
    ("u i\nu i j\n", .pairs, "expected 2 fields (user item), got 3"), ("u\n", .sequences, "at least one item, got 1"),
    ("1,2\n", .pairs, "got 1"),
  ]) func badFiles(text: String, format: LogFormat, problem: String) throws {
    let error = try #require(failure(text, format))
    #expect(error.problem.contains(problem) && !error.advice.isEmpty, "\(error)")
  }

  @Test func errorsNameTheLineAndSuggest() throws {
    #expect(failure("u i\n\nu\n", .pairs)?.line == 3)
    #expect(failure(header + "\"u\n1\",i,1\nu,i\n")?.line == 4)
    #expect(failure("user_idd,item_id,ts\nu,i,1\n")?.advice == "did you mean --columns user=user_idd?")
  }

  @Test func bytesThatAreNotUTF8() throws {
    let bytes = Array((header + "u,i,1\nu,caf").utf8) + [0xe9] + Array(",2\n".utf8)
    let error = try #require(failure(bytes))
    #expect(error.line == 3 && error.field == "item" && error.problem.contains("not UTF-8"), "\(error)")
    #expect(failure([0xff, 0xfe, 0x75, 0])?.problem.contains("UTF-16") == true)
    // Unused columns may hold anything.
    let log = folder.write("log.csv", Array("junk,user_id,item_id,timestamp\n".utf8) + [0xe9] + Array(",u,i,1\n".utf8))
    #expect(try prepareDataset(input: log, output: "\(folder.path)/ok").events == 1)
  }

  @Test func longIDs() throws {
    let long = String(repeating: "x", count: 4096)
    let data = try folder.dataset(header + "\(long),\(long)y,1\n".replacingOccurrences(of: "xy", with: "y"))
    #expect(data.userID(0) == long && data.itemID(0).utf8.count == 4096)
    let other = TestFolder()
    let log = other.write("log.csv", header + "\(long)x,i,1\n")
    let error = #expect(throws: EventsError.self) { try prepareDataset(input: log, output: "\(other.path)/data") }
    #expect(error?.problem.hasPrefix("4097 bytes long") == true)
  }

  @Test func missingFileAndFolder() throws {
    let output = "\(folder.path)/data"
    let missing = #expect(throws: EventsError.self) {
      try prepareDataset(input: "\(folder.path)/none.csv", output: output)
    }
    #expect(missing?.problem.contains("no such file") == true)
    let directory = #expect(throws: EventsError.self) { try prepareDataset(input: folder.path, output: output) }
    #expect(directory?.problem.contains("is a directory") == true)
    #expect(folder.entries.isEmpty)
  }

  @Test func duplicatesAreDroppedOnlyWithTimes() throws {
    let log = folder.write("log.csv", header + "u,i,1\nu,i,1\nu,i,2\nu,j,1\n")
    let events = try prepareDataset(input: log, output: "\(folder.path)/events")
    #expect(events.events == 3 && events.dropped == ["duplicate": 1])
    let pairs = folder.write("pairs.txt", "u i\nu i\nu j\n")
    let kept = try prepareDataset(input: pairs, output: "\(folder.path)/pairs", options: PrepareOptions(format: .pairs))
    #expect(kept.events == 3 && kept.dropped.isEmpty && !kept.hasTimestamps)
  }

  @Test func spacedFormatsKeepFileOrder() throws {
    #expect(try items(folder.dataset("u\tc\r\nv a\r\nu  a\nu b", .pairs), "u") == ["c", "a", "b"])
    #expect(try items(folder.dataset("u c a\nv a\nu b c\n", .sequences), "u") == ["c", "a", "b", "c"])
  }

  /// Lines of items: each a user of its own, numbered through the files, whatever the threads.
  @Test(arguments: [1, 2]) func sessionsWithoutUsers(threads: Int) throws {
    let lines = (0..<120_000).map { "\($0 % 50) x\($0 % 30) \($0)" }
    let files = [folder.write("a.txt", lines[..<100_000].joined(separator: "\n")), folder.write("b.txt", "\n\r\n" + lines[100_000...].joined(separator: "\r\n") + "\n")]
    var options = PrepareOptions(format: .sessions)
    options.threads = threads
    let made = try prepareDataset(inputs: files, output: "\(folder.path)/data", options: options).description
    #expect((made.users, made.events, made.items) == (120_000, 360_000, 120_030) && !made.hasTimestamps)
    let data = try Dataset(path: "\(folder.path)/data")
    for session in [1, 2, 77_777, 100_000, 100_001, 120_000] {
      #expect(items(data, "\(session)") == lines[session - 1].split(separator: " ").map(String.init))
    }
    options.append = true
    expectLine("--append", "no users") { _ = try prepareDataset(inputs: files, output: "\(folder.path)/data", options: options) }
    #expect(try items(folder.dataset("5\n7 5\n", .sessions), "2") == ["7", "5"])
  }

  @Test func columnsBetweenBlanks() throws {
    let data = try folder.dataset(" user_id   item_id\ttimestamp\n".replacingOccurrences(of: "\t", with: " ") + "  u1  a   1\n u1 b  2 \n")
    #expect(items(data, "u1") == ["a", "b"])
    expectLine("log.txt:3", "expected 3 fields as in the header, got 2") { _ = try folder.dataset("user_id item_id timestamp\nu i 1\nu i\n") }
    // The second line decides: as many fields as the header.
    #expect(try profileLog(inputs: [folder.write("one.csv", "full name\nAda L\nBob\n")]).columns.map(\.name) == ["full", "name"])
    #expect(try profileLog(inputs: [folder.write("two.csv", "full name\nAda\nBob M\n")]).columns.map(\.name) == ["full name"])
  }

  @Test func oneUserOneItem() throws {
    let data = try folder.dataset("u i\n", .pairs)
    let split = SequenceSplit(data)
    #expect(split.evaluatedUsers(.test).isEmpty && split.example(0, .test) == nil)
    #expect(SequenceBatches(split, BatchRules(size: 2, length: 4), seed: 1).batchesPerEpoch == 0)
  }
}
