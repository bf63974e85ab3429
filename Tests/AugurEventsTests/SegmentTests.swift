// Data sets of several segments hold what one file would, and a new day leaves the files of older days alone.
@testable import AugurEvents
import AugurTensors
import Foundation
import Testing

@Suite struct SegmentTests {
  let folder = TestFolder()
  private static let header = "user_id,item_id,timestamp,event,category,price,title\n"

  /// Rows of `days` days with copies, sessions over midnight, users and items that come late, and some without a name.
  private func rows(_ count: Int, days: Int, seed: UInt64) -> [(day: Int, text: String)] {
    var random = RandomStream(seed: seed, stream: 3)
    var rows: [(Int, String)] = []
    for _ in 0..<count {
      let day = random.below(days)
      let (user, item) = (random.below(8 + 3 * day), random.below(5 + 2 * day))
      // Every third day ends in a burst that the next one goes on with.
      let second = random.below(3) == 0 ? (random.below(2) == 0 ? 86_390 + random.below(10) : random.below(10)) : random.below(86_400)
      let kind = ["view", "cart", "buy"][random.below(3)]
      let name = day > 1 && item % 2 == 0 ? "name \(item) \(day % 3)" : ""
      let price = random.below(4) == 0 ? "" : "\(random.below(90)).5"
      let text = "\(user % 3 == 0 ? "u\(user)" : "\(user)"),\(item),\(1_699_920_000 + 86_400 * day + second),\(kind),c\(item % (2 + day)),\(price),\(name)"
      rows += Array(repeating: (day, text), count: random.below(12) == 0 ? 2 : 1)
    }
    return rows
  }

  private func log(_ name: String, _ rows: some Sequence<(day: Int, text: String)>) -> String {
    folder.write(name, Self.header + rows.map(\.text).joined(separator: "\n") + "\n")
  }

  private func prepare(_ inputs: [String], _ change: (inout PrepareOptions) throws -> Void = { _ in }) throws -> [UInt8] {
    var options = PrepareOptions()
    options.segments = SegmentRule(smallest: 60, largest: 600)
    try options.rules.set("session-end", "buy", place: "")
    try options.rules.set("session-cap", "5", place: "")
    try change(&options)
    _ = try prepareDataset(inputs: inputs, output: "\(folder.path)/data", options: options)
    return folder.dataBytes
  }

  private var data: Dataset { get throws { try Dataset(path: "\(folder.path)/data") } }

  @Test func spansFollowFromTheDaysAlone() {
    var random = RandomStream(seed: 9, stream: 1)
    for rule in [SegmentRule(), SegmentRule(smallest: 50, largest: 2000), SegmentRule(smallest: 0, largest: 0)] {
      var days = DayCounts()
      var last: [SegmentSpan] = []
      for day in 0..<200 where random.below(4) > 0 {
        let count = 1 + random.below(100)
        days.add([Int64](repeating: DayCounts.start(of: 19_000 + day), count: count))
        let spans = rule.spans(days)
        #expect(spans.reduce(0) { $0 + $1.rows } == days.total && spans.last?.lastDay == 19_000 + day)
        #expect(zip(spans, spans.dropFirst()).allSatisfy { $0.lastDay < $1.firstDay && $0.firstDay <= $0.lastDay })
        // A later day only ever joins segments at the end: what differs is one segment, the last.
        let same = zip(spans, last).prefix { $0 == $1 }.count
        #expect(same == spans.count - 1)
        last = spans
      }
      if rule.smallest > 0 { #expect(last.count < 24) }
    }
  }

  @Test(arguments: [1, 2]) func oneFileOrManyHoldTheSame(threads: Int) throws {
    let log = log("log.csv", rows(3000, days: 30, seed: 4))
    _ = try prepare([log]) { ($0.segments, $0.threads) = (SegmentRule(), threads) }
    let whole = try data
    try FileManager.default.moveItem(atPath: "\(folder.path)/data", toPath: "\(folder.path)/whole")
    _ = try prepare([log]) { $0.threads = threads }
    let parts = try data
    #expect(whole.segments.count == 1 && parts.segments.count > 4)
    #expect(whole.description.split == parts.description.split && whole.description.sessions == parts.description.sessions)
    #expect(whole.userCount == parts.userCount && whole.itemCount == parts.itemCount && whole.eventCount == parts.eventCount)
    for item in 0..<whole.itemCount {
      #expect(whole.itemID(item) == parts.itemID(item) && whole.itemName(item) == parts.itemName(item))
    }
    for attribute in [EventAttribute.kind, .category] {
      #expect((0..<whole.labelCount(attribute)).map { whole.label(attribute, $0) } == (0..<parts.labelCount(attribute)).map { parts.label(attribute, $0) })
    }
    let (one, many) = (SequenceSplit(whole), SequenceSplit(parts))
    for user in 0..<whole.userCount {
      #expect(whole.userID(user) == parts.userID(user) && whole.eventCount(ofUser: user) == parts.eventCount(ofUser: user))
      #expect(Array(whole.history(user)) == Array(parts.history(user)) && whole.sessions(user) == parts.sessions(user))
      #expect(whole.timestamps(user).map { Array($0) } == parts.timestamps(user).map { Array($0) })
      #expect(whole.labels(user, .category).map { Array($0) } == parts.labels(user, .category).map { Array($0) })
      #expect(whole.labels(user, .kind).map { Array($0) } == parts.labels(user, .kind).map { Array($0) })
      #expect(whole.numbers(user, .price)?.map(\.bitPattern) == parts.numbers(user, .price)?.map(\.bitPattern))
      #expect(one.trainingCount(user) == many.trainingCount(user))
      for part in HeldOut.allCases { #expect(one.targetPlace(user, part) == many.targetPlace(user, part)) }
      let count = whole.eventCount(ofUser: user)
      #expect(Array(whole.history(user, count / 3..<count)) == Array(parts.history(user, count / 3..<count)))
    }
    for shuffle in UserShuffle.allCases {
      let rules = BatchRules(size: 7, length: 9, window: .random, shuffle: shuffle)
      let batches = (SequenceBatches(one, rules, seed: 5), SequenceBatches(many, rules, seed: 5))
      for index in 0..<batches.0.batchesPerEpoch { #expect(batches.0.batch(epoch: 1, index: index) == batches.1.batch(epoch: 1, index: index)) }
    }
    #expect(try sequenceLeaks(many).isEmpty)
  }

  @Test func appendedDaysGiveTheBytesOfTheWhole() throws {
    let all = rows(2500, days: 24, seed: 11)
    let expected = try prepare([log("log.csv", all)])
    var random = RandomStream(seed: 1, stream: 1)
    let shuffled = log("shuffled.csv", all.shuffled(using: &random))
    let again = try prepare([shuffled]) { ($0.memory, $0.threads) = (1, 2) } == expected
    #expect(again)
    for day in 0..<24 {
      let made = try prepare([log("day.csv", all.filter { $0.day == day })]) {
        ($0.append, $0.memory) = (day > 0, day % 2 == 0 ? 1 : 1 << 30)
      }
      _ = try data
      let isEqual = made == expected
      #expect(isEqual == (day == 23))
    }
    // Pieces in any order of time: old segments are written anew where rows of their days come.
    for piece in 0..<5 {
      let made = try prepare([log("piece.csv", all.enumerated().filter { $0.offset % 5 == piece }.map(\.element))]) { $0.append = piece > 0 }
      let isEqual = made == expected
      #expect(isEqual == (piece == 4))
    }
    #expect(!folder.entries.contains { $0.contains("tmp") || $0.contains("old") })
  }

  /// Rules may leave nothing of some days: their segments are empty.
  @Test func daysOfWhichNothingIsLeft() throws {
    let all: [(day: Int, text: String)] = rows(900, days: 9, seed: 6).map { $0.day % 3 == 1 ? ($0.day, $0.text.replacingOccurrences(of: ".5,", with: "000.5,")) : $0 }
    func made(_ rows: [(day: Int, text: String)], append: Bool = false) throws -> [UInt8] {
      try prepare([log("log.csv", rows)]) {
        ($0.append, $0.segments, $0.badRows) = (append, SegmentRule(smallest: 0, largest: 0), .share(0.9))
        try $0.rules.set("missing", "price=drop", place: "")
        try $0.rules.set("price-range", "0.6:100", place: "")
        try $0.rules.set("impossible", "drop", place: "")
      }
    }
    let whole = try made(all)
    #expect(try data.segments.count == 9 && data.segments.contains { $0.eventCount == 0 } && data.segments[0].eventCount > 0)
    _ = try made(all.filter { $0.day < 5 })
    let isEqual = try made(all.filter { $0.day >= 5 }, append: true) == whole
    #expect(isEqual)
  }

  @Test func aNewDayLeavesOldFilesAlone() throws {
    func identities() throws -> [String: UInt64] {
      var found: [String: UInt64] = [:]
      for number in try data.segments.indices {
        let name = DatasetDescription.segmentName(number)
        let attributes = try FileManager.default.attributesOfItem(atPath: "\(folder.path)/data/\(name)")
        found[name] = attributes[.systemFileNumber] as? UInt64
      }
      return found
    }
    let all = rows(2500, days: 25, seed: 12)
    _ = try prepare([log("log.csv", all.filter { $0.day < 24 })])
    let before = try identities()
    _ = try prepare([log("day.csv", all.filter { $0.day == 24 })]) { $0.append = true }
    let after = try identities()
    let kept = before.filter { after[$0.key] == $0.value }.count
    #expect(before.count > 4 && kept == after.count - 1 && kept >= 3)
  }

  /// Whatever is damaged below a new day: the append answers, and opening what it made finds the damage.
  @Test func damagedSegmentsNeverTrap() throws {
    let all = rows(400, days: 12, seed: 13)
    _ = try prepare([log("log.csv", all.filter { $0.day < 11 })]) { $0.segments = SegmentRule(smallest: 60, largest: 120) }
    let day = log("day.csv", all.filter { $0.day == 11 })
    try FileManager.default.moveItem(atPath: "\(folder.path)/data", toPath: "\(folder.path)/good")
    let names = try FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/good").sorted()
    #expect(names.count > 4)
    for name in names {
      let bytes = folder.read("good/\(name)")
      for position in stride(from: 3, to: bytes.count, by: bytes.count / 40) {
        try? FileManager.default.removeItem(atPath: "\(folder.path)/data")
        try FileManager.default.copyItem(atPath: "\(folder.path)/good", toPath: "\(folder.path)/data")
        var changed = bytes
        changed[position] ^= 0x55
        _ = folder.write("data/\(name)", changed)
        if name != "dataset.json" { #expect(throws: EventsError.self) { try data } }
        _ = try? prepare([day]) { ($0.append, $0.segments) = (true, SegmentRule(smallest: 60, largest: 120)) }
        _ = try? data
      }
    }
  }

  /// Files whose checksums are right and whose content is not, as no program of ours writes them.
  @Test func contentsThatDoNotFitNeverTrap() throws {
    let all = rows(400, days: 12, seed: 14)
    let rule = SegmentRule(smallest: 60, largest: 120)
    _ = try prepare([log("log.csv", all.filter { $0.day < 11 })]) { $0.segments = rule }
    let day = log("day.csv", all.filter { $0.day == 11 })
    try FileManager.default.moveItem(atPath: "\(folder.path)/data", toPath: "\(folder.path)/good")
    func expectRefusal(
      _ what: String, opens: Bool = false, _ change: (String, [UInt8]) -> [UInt8] = { $1 }, json: (String) -> String = { $0 }
    ) throws {
      try? FileManager.default.removeItem(atPath: "\(folder.path)/data")
      try FileManager.default.copyItem(atPath: "\(folder.path)/good", toPath: "\(folder.path)/data")
      try resign(json, change)
      if !opens { #expect(throws: EventsError.self, "\(what)") { try data } }
      #expect(throws: EventsError.self, "\(what)") { try prepare([day]) { ($0.append, $0.segments) = (true, rule) } }
    }
    try expectRefusal("an item twice", opens: true) { name, bytes in name == "item_id_bytes" ? [UInt8](repeating: 0x30, count: bytes.count) : bytes }
    try expectRefusal("a kind twice", opens: true) { name, bytes in name == "kind_id_bytes" ? [UInt8](repeating: 0x30, count: bytes.count) : bytes }
    for map in ["users", "items", "kinds", "categories"] {
      try expectRefusal("a short map of \(map)") { name, bytes in name == "segment_0_\(map)" ? Array(bytes.dropLast(4)) : bytes }
      try expectRefusal("a map of \(map) that leads nowhere") { name, bytes in
        name == "segment_0_\(map)" ? bytes.dropLast(4) + [255, 255, 255, 127] : bytes
      }
    }
    for key in ["rows", "users", "items", "sessions", "lastDay"] {
      try expectRefusal("\(key) beyond counting", json: { text in
        text.replacing(try! Regex("\"\(key)\" : [0-9]+"), with: "\"\(key)\" : 9223372036854775807")
      })
    }
  }

  /// Writes the index of the data set again with changed tensors, and a description that vouches for it.
  private func resign(_ json: (String) -> String, _ change: (String, [UInt8]) -> [UInt8]) throws {
    let (index, description) = ("\(folder.path)/data/index.safetensors", try DatasetDescription.read(from: "\(folder.path)/data"))
    let file = try SafetensorsFile(path: index)
    let tensors = try file.entries.map { entry in
      let bytes = change(entry.name, Array(try file.bytes(entry.name)))
      return SafetensorsTensor(entry.name, dtype: entry.dtype, shape: [bytes.count / entry.dtype.bytes], count: bytes.count) { body throws(SafetensorsError) in
        try bytes.span.bytes.withUnsafeBytes(body)
      }
    }
    try writeSafetensors(path: index, tensors: tensors)
    let checksum = try #require(try SafetensorsFile(path: index).checksum)
    let fingerprint = DatasetDescription.fingerprint(
      users: description.users, items: description.items, events: description.events, segments: description.segments,
      indexChecksum: checksum, split: description.split)
    let text = String(decoding: folder.read("data/dataset.json"), as: UTF8.self)
      .replacingOccurrences(of: description.indexChecksum, with: checksum)
      .replacingOccurrences(of: description.fingerprint, with: fingerprint)
    _ = folder.write("data/dataset.json", json(text))
  }
}
