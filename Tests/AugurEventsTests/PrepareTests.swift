// One log, many ways: threads, memory, pieces, order of rows, formats and cuts of blocks never change a byte of the data set.
import AugurEvents
import AugurTensors
import Foundation
import Testing

@Suite struct PrepareTests {
  let folder = TestFolder()

  private static let header = "user_id,item_id,timestamp,event,price,quantity,title\n"

  /// Rows with ties, duplicates, text and digit ids, quoted names and missing prices.
  private func rows(_ count: Int, seed: UInt64, textUsers: Bool = true) -> [String] {
    var random = RandomStream(seed: seed, stream: 3)
    return (0..<count).map { _ in
      let user = random.below(40)
      let item = random.below(30)
      let name = item % 3 == 0 ? "\"name, \"\"\(item)\"\"\(item % 2 == 0 ? "\n" : " ")x\"" : "name \(item)"
      let price = random.below(5) == 0 ? "" : "\(random.below(900)).\(random.below(10))"
      return
        "\(textUsers && user % 4 == 0 ? "user \(user)" : "\(user)"),\(item % 5 == 0 ? "sku-\(item)" : "\(item)"),"
        + "\(1_700_000_000 + random.below(50)),\(["view", "cart", "buy"][random.below(3)]),\(price),\(1 + random.below(3)),\(name)"
    }
  }

  /// Killed between the two renames of a replacement, the earlier data set lies aside: the next run takes it back, or replaces it.
  @Test func aDataSetThatSteppedAsideIsKept() throws {
    let first = folder.write("1.csv", Self.header + rows(50, seed: 1).joined(separator: "\n"))
    let second = folder.write("2.csv", Self.header + rows(50, seed: 2).joined(separator: "\n"))
    let whole = try bytes([first]) { $0.append = false }
    try FileManager.default.moveItem(atPath: "\(folder.path)/data", toPath: "\(folder.path)/data.old-2147483646")
    let appended = try bytes([second]) { $0.append = true }
    let isBoth = try appended != whole && appended == bytes([first, second])
    #expect(isBoth)
    #expect(folder.entries == ["1.csv", "2.csv", "data"])
    try FileManager.default.copyItem(atPath: "\(folder.path)/data", toPath: "\(folder.path)/data.old-2147483646")
    #expect(try bytes([first]) == whole && folder.entries == ["1.csv", "2.csv", "data"])
  }

  private func bytes(_ inputs: [String], _ change: (inout PrepareOptions) -> Void = { _ in }) throws -> [UInt8] {
    var options = PrepareOptions()
    change(&options)
    try prepareDataset(inputs: inputs, output: "\(folder.path)/data", options: options)
    _ = try Dataset(path: "\(folder.path)/data")
    return folder.dataBytes
  }

  @Test(arguments: [true, false]) func everyWayGivesTheSameBytes(textUsers: Bool) throws {
    let all = rows(4000, seed: 5, textUsers: textUsers)
    let whole = folder.write("whole.csv", Self.header + all.joined(separator: "\n") + "\n")
    let expected = try bytes([whole]) { $0.threads = 1 }
    #expect(try bytes([whole]) { $0.threads = 3 } == expected)
    var random = RandomStream(seed: 1, stream: 1)
    let shuffled = folder.write("shuffled.csv", Self.header + all.shuffled(using: &random).joined(separator: "\n"))
    #expect(try bytes([shuffled]) == expected)
    let pieces = stride(from: 0, to: all.count, by: 700).map { first in
      folder.write("piece-\(first).csv", Self.header + all[first..<min(all.count, first + 700)].joined(separator: "\n"))
    }
    // A byte of memory: each piece becomes a run on disk.
    #expect(try bytes(pieces) { ($0.memory, $0.threads) = (1, 2) } == expected)
    #expect(try bytes(["\(folder.path)/piece-*.csv"]) == expected)
    for (place, piece) in pieces.enumerated() {
      let made = try bytes([piece]) { ($0.append, $0.memory) = (place > 0, place % 2 == 0 ? 1 : 1 << 30) }
      if place == pieces.count - 1 { #expect(made == expected) }
    }
    #expect(folder.entries.filter { !$0.hasSuffix(".csv") } == ["data"])
  }

  @Test func jsonLinesGiveTheSameBytes() throws {
    let csv = folder.write("log.csv", "user_id,item_id,timestamp,price\nu1,7,5,1.5\n\"u, 2\",8,6,\nu1,7,6,3\n")
    let json = folder.write(
      "log.jsonl",
      "{\"user_id\":\"u1\",\"item_id\":7,\"timestamp\":5,\"price\":1.5,\"more\":{\"a\":[1]}}\n"
        + "{\"price\":null,\"timestamp\":\"6\",\"item_id\":\"8\",\"user_id\":\"u\\u002c 2\"}\n\n"
        + "{\"user_id\":\"u1\",\"item_id\":7,\"timestamp\":6,\"price\":3}")
    #expect(try bytes([json]) == bytes([csv]))
  }

  @Test func attributesComeBack() throws {
    let log = folder.write(
      "log.csv", "user_id,item_id,timestamp,event,price,qty,category\nu,a,1,view,2.5,,x\nu,b,2,buy,NaN,3,\nu,a,1,cart,-1e2,1,x\n")
    var options = PrepareOptions()
    options.rules.impossible = .keep
    let made = try prepareDataset(inputs: [log], output: "\(folder.path)/data", options: options)
    #expect(made.report[.impossiblePrice].flagged == 1)
    let data = try Dataset(path: "\(folder.path)/data")
    let kinds = try #require(data.labels(0, .kind)).map { data.label(.kind, Int($0)) }
    #expect(kinds == ["cart", "view", "buy"])  // equal times by item, then kind
    let prices = try #require(data.numbers(0, .price)).map { $0 }
    #expect(prices[0] == -100 && prices[1] == 2.5 && prices[2].isNaN)
    #expect(try #require(data.labels(0, .category)).map { data.label(.category, Int($0)) } == ["x", "x", ""])
    #expect(data.labelCount(.kind) == 3 && data.numbers(0, .quantity)?.first == 1)
  }

  /// Blocks are cut every 512 KiB: fields with newlines lie across some of the cuts.
  @Test(arguments: [1, 2]) func quotedFieldsCrossBlocks(threads: Int) throws {
    let note = String(repeating: "line\n", count: 40)
    let plain = (0..<20_000).map { "u\($0 % 97),i\($0 % 53),\(1_600_000_000 + $0)" }
    let quoted = "user_id,item_id,timestamp,note\n" + plain.map { $0 + ",\"\(note)\"\n" }.joined()
    let expected = try bytes([folder.write("plain.csv", "user_id,item_id,timestamp\n" + plain.joined(separator: "\n"))])
    #expect(try bytes([folder.write("quoted.csv", quoted)]) { $0.threads = threads } == expected)
    // Without any newline outside quotes near a cut, and a bad row behind many lines.
    let error = #expect(throws: EventsError.self) {
      try bytes([folder.write("bad.csv", quoted + "u,i\n")]) { $0.threads = threads }
    }
    #expect(error?.line == 20_000 * 41 + 2)
  }

  @Test func rowsThatAreTooLong() throws {
    let long = String(repeating: "x", count: 3 << 20)
    for (text, problem) in [
      ("user_id,item_id,timestamp,note\nu,i,1,\nu,j,2,\(long)\nu,k,3,\n", "more than 524288 bytes"),
      ("user_id,item_id,timestamp,note\nu,i,1,\nu,j,2,\"\(long)\nu,k,3,\n", "more than 524288 bytes"),
      ("user_id,item_id,timestamp,note\nu,i,1,\nu,j,2,\"\(String(repeating: "x\n", count: 1 << 20))", "never closes"),
    ] {
      let error = #expect(throws: EventsError.self) { try bytes([folder.write("log.csv", text)]) }
      #expect(error?.line == 3 && error?.problem.contains(problem) == true, "\(String(describing: error))")
      #expect(folder.entries == ["log.csv"])
    }
  }

  @Test func appendNeedsTheSameColumns() throws {
    _ = try bytes([folder.write("one.csv", "user_id,item_id,timestamp\nu,i,1\n")])
    let other = folder.write("two.csv", "user_id,item_id,timestamp,price\nu,i,2,3\n")
    let error = #expect(throws: EventsError.self) { try bytes([other]) { $0.append = true } }
    #expect(error?.problem.contains("columns") == true)
    #expect(try Dataset(path: "\(folder.path)/data").eventCount == 1)
  }

  /// Keys of user and time that do not fit 64 bits: 16-digit ids, and milliseconds over two centuries.
  @Test func wideKeys() throws {
    let text =
      "user_id,item_id,timestamp\n"
      + (0..<200).map { "\(1_000_000_000_000_000 + $0 % 7 * 123_456_789_012_345),i\($0),\(7_000_000_000_000 - $0 * 34_000_000_001)" }
      .joined(separator: "\n")
    try prepareDataset(input: folder.write("log.csv", text), output: "\(folder.path)/data")
    let data = try Dataset(path: "\(folder.path)/data")
    #expect(data.userCount == 7 && data.eventCount == 200)
    for user in 0..<7 {
      let times = try #require(data.timestamps(user)).map { $0 }
      #expect(times == times.sorted())
    }
    #expect((0..<7).map(data.userID) == (0..<7).map(data.userID).sorted())
  }
}
