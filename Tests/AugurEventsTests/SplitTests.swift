// Splits by hand-worked examples, exact cuts against sorting, planted leaks.
import AugurTensors
import Foundation
import Testing

@testable import AugurEvents

@Suite struct SplitTests {
  let folder = TestFolder()

  private static let hour: Int64 = 3_600_000

  /// `a:1,2,9.5` is user a with events at these hours, so that whole hours are sessions of their own; each event has an item of its own,
  /// named by user and hour.
  private func dataset(_ users: [String], _ split: SplitOptions = SplitOptions(), gapMinutes: Double = 30) throws -> Dataset {
    var text = "user_id,item_id,timestamp\n"
    for user in users {
      let parts = user.split(separator: ":")
      for time in parts[1].split(separator: ",") {
        text += "\(parts[0]),\(parts[0])\(time),\(Int((Double(time) ?? .nan) * 3600))\n"
      }
    }
    var options = PrepareOptions(split: split)
    options.rules.sessions.gapMinutes = gapMinutes
    try prepareDataset(input: folder.write("log.txt", text), output: "\(folder.path)/data", options: options)
    return try Dataset(path: "\(folder.path)/data")
  }

  private func ids(_ split: SequenceSplit, _ items: some Sequence<Int32>) -> [String] {
    items.map { split.dataset.itemID(Int($0)) }
  }

  /// Each user as `training | known for validation > target | known for test > target`.
  private func picture(_ split: SequenceSplit) -> [String] {
    (0..<split.dataset.userCount).map { user in
      let parts = HeldOut.allCases.map { part in
        split.example(user, part).map { "\(ids(split, $0.history).joined(separator: " ")) > \(ids(split, [$0.target])[0])" } ?? "-"
      }
      return ([ids(split, split.trainingHistory(user)).joined(separator: " ")] + parts).joined(separator: " | ")
    }
  }

  @Test func globalTime() throws {
    // Sorted: 1 2 2 3 4 5 | 6 is the seventh, 7 the eighth of ten.
    let split = SequenceSplit(try dataset(["a:1,2,3,9", "b:2,4,7,10", "c:5,6"]))
    #expect(split.rule == .time(.standard, first: 6 * Self.hour + 1, second: 7 * Self.hour + 1))
    #expect(
      picture(split) == ["a1 a2 a3 | - | a1 a2 a3 > a9", "b2 b4 | b2 b4 > b7 | b2 b4 b7 > b10", "c5 c6 | - | -"])
    #expect(split.evaluatedUsers(.validation) == [1] && split.evaluatedUsers(.test) == [0, 1])
    #expect(try sequenceLeaks(split).isEmpty)
    let counts = split.trainingCounts()
    let unseen = counts.indices.filter { counts[$0] == 0 }.map { split.dataset.itemID($0) }
    #expect(unseen == ["a9", "b10", "b7"] && counts.reduce(0, +) == 7)
  }

  @Test func tiesAtTheCutTrain() throws {
    let split = SequenceSplit(try dataset(["a:1,5,8", "b:2,5", "c:3,5,9", "d:5", "e:5"]))
    #expect(split.rule == .time(.standard, first: 5 * Self.hour + 1, second: 5 * Self.hour + 1))
    #expect(picture(split) == ["a1 a5 | - | a1 a5 > a8", "b2 b5 | - | -", "c3 c5 | - | c3 c5 > c9", "d5 | - | -", "e5 | - | -"])
    let same = SequenceSplit(try dataset(["a:5", "b:5", "c:5"]))
    #expect(picture(same) == ["a5 | - | -", "b5 | - | -", "c5 | - | -"])
  }

  @Test func usersOnOneSide() throws {
    // Of 17 events the eleventh in time is the last of `early`, the fourteenth the first of `late`.
    let early = "early:" + (1...11).map(String.init).joined(separator: ",")
    let split = SequenceSplit(try dataset([early, "late:30,31,32", "middle:20,21", "one:40"]))
    #expect(split.rule == .time(.standard, first: 11 * Self.hour + 1, second: 30 * Self.hour + 1))
    let seen = picture(split)
    #expect(seen[0].hasSuffix("early11 | - | -") && split.trainingCount(0) == 11)
    // Known only from between the cuts: a test target, no training. Wholly between or after them: nothing.
    #expect(seen[1] == " | - | late30 > late31" && seen[2] == " | - | -" && seen[3] == " | - | -")
    #expect(split.evaluatedUsers(.test) == [1] && split.evaluatedUsers(.validation).isEmpty)
  }

  @Test func sessionsStayInOnePart() throws {
    // A user's events within half an hour are one session. Sorted: 1 2 3 4 5 6 6.2 | 6.3 | 9 10.
    let users = ["a:1,6.2,6.3,9", "b:2,3,4,5", "c:6,10"]
    let split = SequenceSplit(try dataset(users))
    #expect(split.rule.kind == .time && split.dataset.sessions(0) == [0..<1, 1..<3, 3..<4])
    // 6.2 is before the cut, but its session is not over then: it is known, not learnt from.
    #expect(picture(split) == ["a1 | a1 a6.2 > a6.3 | a1 a6.2 a6.3 > a9", "b2 b3 b4 b5 | - | -", "c6 | - | c6 > c10"])
    #expect(try sequenceLeaks(split).isEmpty)
    // With pauses that end sessions sooner, nothing crosses.
    let short = SequenceSplit(try dataset(users, gapMinutes: 5))
    #expect(picture(short)[0] == "a1 a6.2 | a1 a6.2 > a6.3 | a1 a6.2 a6.3 > a9")
    #expect(short.rule == split.rule && short.dataset.fingerprint != split.dataset.fingerprint)
  }

  @Test func aSessionAcrossBothCuts() throws {
    // Sorted: 1 2 3 4 6 6.1 6.2 | 6.3 | 6.4 9. One session of b crosses both cuts: its later target is the only one.
    let split = SequenceSplit(try dataset(["a:1,2,6,6.2,9", "b:3,6.1,6.3,6.4", "c:4"]))
    #expect(picture(split) == ["a1 a2 a6 a6.2 | - | a1 a2 a6 a6.2 > a9", "b3 | - | b3 b6.1 b6.3 > b6.4", "c4 | - | -"])
    #expect(try sequenceLeaks(split).isEmpty)
    // A user all of whose training events are in the session that crosses has none.
    let alone = SequenceSplit(try dataset(["a:1,2,6,6.2,9", "b:6.1,6.3,6.4", "c:3,4"]))
    #expect(picture(alone)[1] == " | - | b6.1 b6.3 > b6.4" && alone.trainingCount(1) == 0)
  }

  @Test func byUser() throws {
    let split = SequenceSplit(
      try dataset(["a:1,2,3,4,5,6,7,8,9,10", "b:1,2,3", "c:1,2", "d:1", "e:1,2,3,4,5,6,7"], SplitOptions(.user)))
    let known = "a1 a2 a3 a4 a5 a6 a7"
    #expect(picture(split)[0] == "\(known) | \(known) > a8 | \(known) a8 > a9")
    #expect(picture(split)[1] == "b1 b2 | - | b1 b2 > b3")
    #expect(picture(split)[2] == "c1 | - | c1 > c2" && picture(split)[3] == " | - | -")
    #expect(picture(split)[4] == "e1 e2 e3 e4 | e1 e2 e3 e4 > e5 | e1 e2 e3 e4 e5 > e6")
    let halves = SequenceSplit(try dataset(["a:1,2,3,4"], SplitOptions(.user, ratio: #require(SplitRatio(parsing: "2:0:2")))))
    #expect(picture(halves) == ["a1 a2 | - | a1 a2 > a3"])
  }

  @Test func leaveOneOut() throws {
    let split = SequenceSplit(try dataset(["a:1,2,3", "b:1,2"], SplitOptions(.leaveOneOut)))
    #expect(picture(split) == ["a1 | a1 > a2 | a1 a2 > a3", "b1 b2 | - | -"])
    #expect(try sequenceLeaks(split).isEmpty)
  }

  @Test func randomUsers() throws {
    func parts(_ users: Range<Int>, seed: UInt64) throws -> [String: Int] {
      let split = SequenceSplit(try dataset(users.map { "u\($0):1,2,3" }, SplitOptions(.random, seed: seed)))
      #expect(try sequenceLeaks(split).isEmpty)
      return Dictionary(
        uniqueKeysWithValues: (0..<split.dataset.userCount).map { user in
          let held = [split.trainingCount(user) == 3, split.example(user, .validation) != nil, split.example(user, .test) != nil]
          #expect(held.count { $0 } == 1 && (held[0] || split.trainingCount(user) == 0))
          for part in HeldOut.allCases {
            if let found = split.example(user, part) { #expect(found.history.count == 2 && ids(split, [found.target])[0].hasSuffix("3")) }
          }
          return (split.dataset.userID(user), held.firstIndex(of: true) ?? -1)
        })
    }
    let some = try parts(0..<2000, seed: 1)
    let shares = (0..<3).map { part in Double(some.values.count { $0 == part }) / 2000 }
    #expect(abs(shares[0] - 0.7) < 0.04 && abs(shares[1] - 0.15) < 0.03 && abs(shares[2] - 0.15) < 0.03)
    let more = try parts(0..<2300, seed: 1)
    #expect(some.allSatisfy { more[$0.key] == $0.value }, "users that come later move nobody")
    #expect(try parts(0..<2000, seed: 2) != some)
    let short = SequenceSplit(try dataset((0..<50).map { "u\($0):1" }, SplitOptions(.random)))
    #expect(short.evaluatedUsers(.test).isEmpty && short.evaluatedUsers(.validation).isEmpty)
  }

  @Test func defaultsAndRefusals() throws {
    #expect(try dataset(["a:1,2,3"]).description.split.kind == .time)
    #expect(try folder.dataset("a x\na y\n", .pairs).description.split == .leaveOneOut)
    let error = #expect(throws: EventsError.self) { try folder.dataset("a x\n", .pairs, split: SplitOptions(.time)) }
    #expect(error?.description.contains("no times") == true)
    for text in ["", "70:15", "70:15:15:1", "0:50:50", "70:0:0", "a:b:c", "-1:2:3", "70:15:15 ", "1000001:1:1", "99999999999999999999:1:1"] {
      #expect(SplitRatio(parsing: text) == nil, "\(text)")
    }
  }

  @Test(arguments: [SplitKind.time, .user, .leaveOneOut, .random])
  func isKeptWithTheData(_ kind: SplitKind) throws {
    let options = SplitOptions(kind, ratio: try #require(SplitRatio(parsing: "8:1:1")), seed: .max)
    let data = try dataset(["a:1,2,3", "b:4,5"], options)
    let coded = try JSONDecoder().decode(DatasetSplit.self, from: JSONEncoder().encode(data.description.split))
    #expect(coded == data.description.split && coded.kind == kind)
    let other = SplitOptions(kind == .user ? .leaveOneOut : .user)
    #expect(try dataset(["a:1,2,3", "b:4,5"], other).fingerprint != data.fingerprint)
  }

  @Test func damagedDescriptions() throws {
    for json in [
      #"{"kind":"time","ratio":"7:1:2","cuts":[2,1]}"#, #"{"kind":"time","ratio":"7:1:2","cuts":[2]}"#, #"{"kind":"time","ratio":"7:1:2"}"#,
      #"{"kind":"user","ratio":"0:1:2"}"#, #"{"kind":"user"}"#, #"{"kind":"random","ratio":"7:1:2"}"#, #"{"kind":"fold"}"#, "{}", #""leave-one-out""#,
    ] {
      #expect(throws: DecodingError.self, "\(json)") { try JSONDecoder().decode(DatasetSplit.self, from: Data(json.utf8)) }
    }
    _ = try folder.dataset("a x\na y\n", .pairs)
    let text = String(decoding: folder.read("data/dataset.json"), as: UTF8.self)
    let changed = text.replacingOccurrences(of: "\"kind\" : \"leave-one-out\"", with: #""kind":"time","ratio":"7:1:2","cuts":[1,2]"#)
    #expect(changed != text)
    _ = folder.write("data/dataset.json", changed)
    let error = #expect(throws: EventsError.self) { try Dataset(path: "\(folder.path)/data") }
    #expect(error?.problem.contains("without times") == true)
  }

  /// Cuts are those of sorting, whatever the range, the pieces and the ties.
  @Test func cutsAreExact() throws {
    var random = RandomStream(seed: 8)
    let ranges: [(Int64, Int)] = [(0, 1), (5, 3), (1_700_000_000_000, 1000), (0, 1 << 50), (.min, .max), (.max - 4, 5), (.min, 9)]
    for (base, spread) in ranges {
      for count in [1, 2, 7, 100, 3001] {
        let times = (0..<count).map { _ in base &+ Int64(random.below(spread)) }
        let sorted = times.sorted()
        for text in ["70:15:15", "1:0:99", "999999:1:0"] {
          let ratio = try #require(SplitRatio(parsing: text))
          let found = try timeCuts(ratio) { show in
            times.withUnsafeBufferPointer { all in
              for start in stride(from: 0, to: count, by: 13) { show(UnsafeBufferPointer(rebasing: all[start..<min(count, start + 13)])) }
            }
          }
          func after(_ share: Int) -> Int64 {
            let time = sorted[max(1, count * share / ratio.sum) - 1]
            return time == .max ? time : time + 1
          }
          #expect(found == (after(ratio.training), after(ratio.training + ratio.validation)))
        }
      }
    }
    #expect(try timeCuts(.standard) { _ in } == (0, 0))
  }

  @Test func moments() {
    let known: [(Int64, String)] = [
      (0, "1970-01-01T00:00:00Z"), (951_782_400_000, "2000-02-29T00:00:00Z"), (-1, "1969-12-31T23:59:59.999Z"),
      (1_717_158_615_250, "2024-05-31T12:30:15.250Z"), (4_107_542_399_000, "2100-02-28T23:59:59Z"), (4_107_542_400_000, "2100-03-01T00:00:00Z"),
    ]
    for (time, text) in known { #expect(Timestamp.text(time) == text) }
    for time in [Int64.min, .max] { #expect(Timestamp.text(time).hasSuffix("Z")) }
  }

  /// The data set again with other times or items, written as `prepare` would never write it.
  private func replant(times: [Int64]? = nil, items: [Int32]? = nil, sessions: [Int64]? = nil) throws -> Dataset {
    let path = "\(folder.path)/data"
    let old = try Dataset(path: path)
    let name = "\(path)/sequences.safetensors"
    let file = try SafetensorsFile(path: name)
    var tensors: [SafetensorsTensor] = []
    for entry in file.entries {
      if entry.name == "timestamps", let times {
        tensors.append(SafetensorsTensor(entry.name, shape: entry.shape, values: times))
      } else if entry.name == "session_offsets", let sessions {
        tensors.append(SafetensorsTensor(entry.name, shape: [sessions.count], values: sessions))
      } else if entry.name == "items", let items {
        tensors.append(SafetensorsTensor(entry.name, shape: entry.shape, values: items))
      } else {
        tensors.append(SafetensorsTensor(entry.name, dtype: entry.dtype, shape: entry.shape, bytes: try file.bytes(entry.name)))
      }
    }
    try writeSafetensors(path: name, tensors: tensors)
    let checksum = try #require(try SafetensorsFile(path: name).checksum)
    let (split, stated) = (old.description.split, old.description.segments[0])
    let segments = [
      DatasetSegment(
        users: stated.users, items: stated.items, events: stated.events, sessions: sessions.map { $0.count - 1 } ?? stated.sessions, firstDay: stated.firstDay,
        lastDay: stated.lastDay, rows: stated.rows, checksum: checksum)
    ]
    try DatasetDescription(
      format: old.description.format, version: old.description.version, users: old.userCount, items: old.itemCount, events: old.eventCount,
      sessions: segments[0].sessions, split: split, hasTimestamps: true, hasItemNames: false, segments: segments,
      indexChecksum: old.description.indexChecksum, attributes: [], rows: 0,
      rejected: [:], dropped: [:], rules: CleaningRules(), fingerprint: DatasetDescription.fingerprint(
        users: old.userCount, items: old.itemCount, events: old.eventCount, segments: segments,
        indexChecksum: old.description.indexChecksum, split: split)
    ).write(to: path)
    return try Dataset(path: path)
  }

  @Test func plantedLeaksAreFound() throws {
    let users = ["a:1,2,3,9", "b:2,4,7,10", "c:5,6"]
    let good = try dataset(users)
    let times = (0..<3).flatMap { user in good.timestamps(user).map { Array($0) } ?? [] }
    // The last event of b moves to the front of b: training from the future, unordered.
    var late = times
    late[4] = 20 * Self.hour
    let future = try sequenceLeaks(SequenceSplit(try replant(times: late)))
    #expect(future.contains { $0.contains("training events from the first cut on") || $0.contains("known to a prediction") })
    #expect(future.contains { $0.contains("before an earlier one") && $0.contains("event 2 of user 'b'") })
    // The same event on both sides of a leave-one-out target.
    let plain = try dataset(users, SplitOptions(.leaveOneOut))
    var items = (0..<3).flatMap { Array(plain.history($0)) }
    var ties = times
    (items[3], ties[3]) = (items[2], ties[2])
    let twice = try sequenceLeaks(SequenceSplit(try replant(times: ties, items: items)))
    #expect(twice.count == 1 && twice[0].hasPrefix("1 targets that are a known event again") && twice[0].contains("user 'a'"))
  }

  /// Sessions that the file has too short, so that the split cuts what is one session by the rules.
  @Test func plantedSessionsAreFound() throws {
    let apart: [Int64] = Array(0...10)
    _ = try dataset(["a:1,6.2,6.3,9", "b:2,3,4,5", "c:6,10"])
    let trained = try sequenceLeaks(SequenceSplit(try replant(sessions: apart)))
    #expect(trained.count == 1 && trained[0].hasPrefix("1 sessions with training events and events from the first cut on"))
    #expect(trained[0].contains("event 2 of user 'a'"))
    _ = try dataset(["a:1,2,6,6.2,9", "b:3,6.1,6.3,6.4", "c:4"])
    let both = try sequenceLeaks(SequenceSplit(try replant(sessions: apart)))
    #expect(both.count == 2 && both[1].hasPrefix("1 sessions with the targets of validation and of test"), "\(both)")
  }

  /// Nothing from the cut on reaches a batch: neither as input nor as target, in no epoch and for no window.
  @Test(arguments: HistoryWindow.allCases) func batchesEndAtTheCut(_ window: HistoryWindow) throws {
    let path = "\(folder.path)/log.csv"
    try SyntheticLog(events: 6000, users: 300, items: 200, seed: 5).write(to: path)
    try prepareDataset(input: path, output: "\(folder.path)/data")
    let split = SequenceSplit(try Dataset(path: "\(folder.path)/data"))
    guard case .time(_, let first, _) = split.rule else { return #expect(split.rule.kind == .time) }
    #expect(!split.evaluatedUsers(.test).isEmpty && !split.evaluatedUsers(.validation).isEmpty)
    let batches = SequenceBatches(split, BatchRules(size: 16, length: 7, window: window), seed: 2)
    for epoch in 0..<3 {
      for index in 0..<batches.batchesPerEpoch {
        let batch = batches.batch(epoch: epoch, index: index)
        for (row, user) in batch.users.enumerated() {
          let times = try #require(split.dataset.timestamps(Int(user)))
          let known = zip(split.dataset.history(Int(user)), times).filter { $0.1 < first }.map(\.0)
          let rows = Int(batch.offsets[row])..<Int(batch.offsets[row + 1])
          // A run of the known events.
          let run = [batch.inputs[rows.lowerBound]] + batch.targets[rows]
          #expect((0...known.count - run.count).contains { Array(known[$0..<$0 + run.count]) == run })
          #expect(batch.inputs[rows].dropFirst().elementsEqual(batch.targets[rows].dropLast()))
        }
      }
    }
  }
}
