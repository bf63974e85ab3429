// Data set folders: independence of row order, refusal of damage and of foreign folders, and the real sets' counts.
import AugurEvents
import Foundation
import Testing

@Suite struct DatasetTests {
  let folder = TestFolder()

  @Test func shufflingRowsChangesNoByte() throws {
    var rows: [String] = []
    for event in 0..<600 {
      rows.append("u\(event * 7 % 23),i\(event * event % 41),\(1_600_000_000 + event % 5),name \(event * event % 41)")
    }
    var expected: [UInt8] = []
    var generator = SystemRandomNumberGenerator()
    for round in 0..<5 {
      let log = folder.write("log.csv", "user_id,item_id,timestamp,title\n" + rows.joined(separator: "\n"))
      let description = try prepareDataset(input: log, output: "\(folder.path)/data")
      #expect(description.dropped["duplicate", default: 0] > 0)
      let bytes = folder.dataBytes
      if round == 0 { expected = bytes }
      #expect(bytes == expected && !bytes.isEmpty)
      rows.shuffle(using: &generator)
    }
  }

  @Test func canonicalOrder() throws {
    let data = try folder.dataset("b y\na z\nb x\na x\n", .pairs)
    #expect((0..<2).map(data.userID) == ["a", "b"])
    #expect((0..<3).map(data.itemID) == ["x", "y", "z"])
    #expect(Array(data.history(0)) == [2, 0] && Array(data.history(1)) == [1, 0])
  }

  @Test func damagedFolders() throws {
    _ = try folder.dataset("a x\na y\nb x\n", .pairs)
    let json = folder.read("data/dataset.json")
    func reopen() -> EventsError? { #expect(throws: EventsError.self) { try Dataset(path: "\(folder.path)/data") } }
    for name in ["data/sequences.safetensors", "data/index.safetensors"] {
      let tensors = folder.read(name)
      for position in stride(from: 0, to: tensors.count, by: 7) {
        var changed = tensors
        changed[position] ^= 1
        _ = folder.write(name, changed)
        _ = reopen()
      }
      _ = folder.write(name, tensors)
    }
    for length in 0..<json.count - 2 {
      _ = folder.write("data/dataset.json", Array(json[..<length]))
      _ = reopen()
    }
    _ = folder.write(
      "data/dataset.json", String(decoding: json, as: UTF8.self).replacingOccurrences(of: "u2-", with: "u3-"))
    #expect(reopen()?.problem.contains("fingerprint") == true)
    let text = String(decoding: json, as: UTF8.self).replacingOccurrences(
      of: "\"version\" : 4", with: "\"version\" : 9")
    _ = folder.write("data/dataset.json", text)
    #expect(reopen()?.problem.contains("format version 9") == true)
    _ = folder.write("data/dataset.json", json)
    #expect(try Dataset(path: "\(folder.path)/data").eventCount == 3)
    let none = #expect(throws: EventsError.self) { try Dataset(path: "\(folder.path)/none") }
    #expect(none?.description.contains("augur prepare") == true)
  }

  @Test func outputFolders() throws {
    let log = folder.write("log.txt", "a x\n")
    let options = PrepareOptions(format: .pairs)
    let before = try prepareDataset(input: log, output: "\(folder.path)/data/", options: options)
    let second = folder.write("second.txt", "a x\nb y\n")
    let after = try prepareDataset(input: second, output: "\(folder.path)/data", options: options)
    #expect(before.fingerprint != after.fingerprint && folder.entries == ["data", "log.txt", "second.txt"])
    #expect(try Dataset(path: "\(folder.path)/data").userCount == 2)
    let old = String(decoding: folder.read("data/dataset.json"), as: UTF8.self)
    _ = folder.write("data/dataset.json", old.replacingOccurrences(of: "\"version\" : 4", with: "\"version\" : 3"))
    #expect(try prepareDataset(input: second, output: "\(folder.path)/data", options: options) == after)
    _ = folder.write("data/notes.txt", "mine")
    for output in [folder.path, "\(folder.path)/data", log, "\(folder.path)/no/such/parent"] {
      #expect(throws: EventsError.self) { try prepareDataset(input: log, output: output, options: options) }
    }
    #expect(folder.read("data/notes.txt") == Array("mine".utf8))
    #expect(folder.entries == ["data", "log.txt", "second.txt"])
  }

  static let root = ProcessInfo.processInfo.environment["AUGUR_DATA"] ?? ""

  @Test(
    .enabled(if: !root.isEmpty, "set AUGUR_DATA to the folder of the public data sets"),
    arguments: [
      ("ml-1m/ml-1m.txt", LogFormat.pairs, 6040, 3416, 999_611),
      ("amazon-beauty-5core/Beauty.txt", .sequences, 22_363, 12_101, 198_502),
      ("amazon-toys-5core/Toys_and_Games.txt", .sequences, 19_412, 11_924, 167_597),
    ])
  func realCounts(file: String, format: LogFormat, users: Int, items: Int, events: Int) throws {
    let input = "\(Self.root)/\(file)"
    try #require(FileManager.default.fileExists(atPath: input), "AUGUR_DATA is set but lacks \(file)")
    let made = try prepareDataset(input: input, output: "\(folder.path)/data", options: PrepareOptions(format: format))
    #expect((made.users, made.items, made.events) == (users, items, events))
    #expect(SequenceSplit(try Dataset(path: "\(folder.path)/data")).evaluatedUsers(.test).count == users)
  }
}
