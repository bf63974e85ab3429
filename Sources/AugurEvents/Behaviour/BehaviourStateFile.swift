// A state on disk, so that serving continues where a log ended: one safetensors file with checksums, the description as JSON in its metadata.
package import AugurTensors

extension BehaviourState {
  private static let formatKey = "augur.behaviour"
  private static let version = "1"
  /// More events than a state will ever see.
  private static let latestPlace = 1 << 60
  private static let tableNames = ["user", "item", "category", "kind"]

  /// Writes the state; the path holds the complete old or the complete new file at any moment.
  public func save(to path: String) throws(EventsError) {
    var tensors: [SafetensorsTensor] = []
    for (name, table) in zip(Self.tableNames, ids) {
      tensors.append(SafetensorsTensor("\(name)_id_offsets", shape: [table.offsets.count], values: table.offsets.map { Int64($0) }))
      tensors.append(SafetensorsTensor("\(name)_id_bytes", shape: [table.bytes.count], values: table.bytes))
    }
    for (name, counters) in counterTables {
      let counts = counters.counts.map { Int32(bitPattern: $0) }
      tensors.append(SafetensorsTensor("\(name).counts", shape: [counters.count, counters.plan.countCells], values: counts))
      tensors.append(SafetensorsTensor("\(name).words", shape: [counters.count, counters.plan.words], values: counters.words))
    }
    for (own, made) in zip(plan.histories, histories) {
      let entries = made.lists.flatMap { $0 }
      let offsets = made.lists.reduce(into: [Int64(0)]) { $0.append(($0.last ?? 0) + Int64($1.count)) }
      let name = "\(own.subject.rawValue)_history"
      tensors.append(SafetensorsTensor("\(name).offsets", shape: [offsets.count], values: offsets))
      tensors.append(SafetensorsTensor("\(name).times", shape: [entries.count], values: entries.map(\.time)))
      tensors.append(SafetensorsTensor("\(name).indices", shape: [entries.count], values: entries.map(\.index)))
    }
    let kept = (ring.head..<ring.tail).map { ring[$0] }
    tensors += [
      SafetensorsTensor("events.times", shape: [kept.count], values: kept.map(\.time)),
      SafetensorsTensor("events.indices", shape: [kept.count, 4], values: kept.flatMap { [$0.user, $0.item, $0.category, $0.kind] }),
      SafetensorsTensor("events.numbers", shape: [kept.count, 2], values: kept.flatMap { [$0.price, $0.quantity] }),
      SafetensorsTensor("window_starts", shape: [windowStarts.count], values: windowStarts.map { Int64($0) }),
    ]
    let metadata = [
      Self.formatKey: Self.version, "description": description.json(), "clock": String(clock), "applied": String(applied),
      "head": String(ring.head), "joined": Self.fingerprint(joins),
    ]
    do throws(SafetensorsError) { try writeSafetensors(path: path, metadata: metadata, tensors: tensors) } catch { throw EventsError(error) }
  }

  /// Stands for the content of the joined files.
  private static func fingerprint(_ joins: [JoinState]) -> String { joins.map { String($0.rows.checksum, radix: 16) }.joined(separator: " ") }

  private var counterTables: [(String, BehaviourCounters)] {
    [("users", users), ("items", items), ("categories", categories), ("log", log)]
  }

  /// Reads a state that `save` wrote; every checksum, size and index is checked.
  public init(path: String) throws(EventsError) { try self.init(path: path, verify: .required) }

  /// The same where checksums may be wrong or missing: what is read is still checked.
  package init(path: String, verify: SafetensorsFile.Verification) throws(EventsError) {
    func damaged(_ problem: String) -> EventsError {
      EventsError(file: path, problem: problem, advice: "save the state again with augur features --save-state")
    }
    do throws(SafetensorsError) {
      let file = try SafetensorsFile(path: path, verify: verify)
      guard let version = file.metadata[Self.formatKey], let text = file.metadata["description"] else {
        throw SafetensorsError(path: path, kind: .damaged, problem: "not a state of behaviour features")
      }
      guard version == Self.version else {
        throw SafetensorsError(path: path, kind: .damaged, problem: "state version \(excerpt(version.utf8)), this program reads \(Self.version)")
      }
      let description: BehaviourDescription
      do throws(EventsError) {
        description = try BehaviourDescription(json: text, place: path)
        try self.init(description)
      } catch { throw SafetensorsError(path: path, kind: .damaged, problem: "its description: \(error)") }
      guard file.metadata["joined"] == Self.fingerprint(joins) else {
        throw SafetensorsError(path: path, kind: .damaged, problem: "a table or vectors that it joins changed since it was saved")
      }
      guard try read(file) else { throw SafetensorsError(path: path, kind: .damaged, problem: "its parts do not fit together") }
    } catch { throw damaged(error.problem) }
  }

  /// False where something does not fit.
  private mutating func read(_ file: SafetensorsFile) throws(SafetensorsError) -> Bool {
    var tables: [Vocabulary] = []
    for name in Self.tableNames {
      let (offsets, bytes) = (try file.array("\(name)_id_offsets", as: Int64.self), try file.array("\(name)_id_bytes", as: UInt8.self))
      guard let table = Vocabulary(bytes: bytes, offsets: offsets) else { return false }
      tables.append(table)
    }
    ids = tables
    let kinds = (0..<ids[Self.kindIDs].count).map { index in ids[Self.kindIDs].withID(index) { String(decoding: $0, as: UTF8.self) } }
    kindCodes = kinds.map { Int32(plan.kinds.firstIndex(of: $0) ?? plan.kinds.count) }
    func counters(_ name: String, _ empty: BehaviourCounters, _ count: Int) throws(SafetensorsError) -> BehaviourCounters? {
      let counts = try file.array("\(name).counts", as: Int32.self).map { UInt32(bitPattern: $0) }
      return BehaviourCounters(empty.plan, count: count, counts: counts, words: try file.array("\(name).words", as: Int64.self))
    }
    guard let users = try counters("users", users, ids[Self.userIDs].count), let items = try counters("items", items, ids[Self.itemIDs].count),
      let categories = try counters("categories", categories, ids[Self.categoryIDs].count), let log = try counters("log", log, 1)
    else { return false }
    (self.users, self.items, self.categories, self.log) = (users, items, categories, log)
    joinAgain()
    return try readEvents(file)
  }

  private mutating func readEvents(_ file: SafetensorsFile) throws(SafetensorsError) -> Bool {
    let times = try file.array("events.times", as: Int64.self)
    let (indices, numbers) = (try file.array("events.indices", as: Int32.self), try file.array("events.numbers", as: Float.self))
    let starts = try file.array("window_starts", as: Int64.self).map { Int($0) }
    guard indices.count == 4 * times.count, numbers.count == 2 * times.count, starts.count == windowStarts.count,
      let clock = file.metadata["clock"].flatMap({ Int64($0) }), clock >= 0, clock <= 1000 * Timestamp.latestSecond,
      let applied = file.metadata["applied"].flatMap({ Int($0) }), let head = file.metadata["head"].flatMap({ Int($0) }),
      head >= 0, head <= Self.latestPlace, head <= applied, applied - head <= times.count, starts.allSatisfy({ head <= $0 && $0 <= applied }),
      zip(times, times.dropFirst()).allSatisfy({ $0 <= $1 }), times.first ?? 0 >= 0, times.last ?? 0 <= clock,
      counterTables.allSatisfy({ $0.1.hasTimes(until: clock) })
    else { return false }
    let events = times.indices.map { place in
      BehaviourEvent(
        user: indices[4 * place], item: indices[4 * place + 1], time: times[place], kind: indices[4 * place + 3],
        category: indices[4 * place + 2], price: numbers[2 * place], quantity: numbers[2 * place + 1])
    }
    guard events.allSatisfy(isKnown) else { return false }
    ring = EventRing(events, head: head)
    (windowStarts, self.clock, self.applied) = (starts, clock, applied)
    return try readHistories(file)
  }

  private mutating func readHistories(_ file: SafetensorsFile) throws(SafetensorsError) -> Bool {
    for (place, own) in plan.histories.enumerated() {
      let name = "\(own.subject.rawValue)_history"
      guard
        let made = BehaviourHistories(
          last: own.last, users: users.count, offsets: try file.array("\(name).offsets", as: Int64.self),
          times: try file.array("\(name).times", as: Int64.self), indices: try file.array("\(name).indices", as: Int32.self),
          count: table(own.subject).count, latest: clock)
      else { return false }
      histories[place] = made
    }
    return true
  }
}

extension Vocabulary {
  /// The ids of a file, in order; nil where offsets do not fit or an id stands there twice.
  init?(bytes: [UInt8], offsets: [Int64]) {
    self.init()
    guard offsets.first == 0, offsets.last == Int64(bytes.count), zip(offsets, offsets.dropFirst()).allSatisfy({ $0 <= $1 }),
      offsets.count <= Int(Int32.max)
    else { return nil }
    for (begin, end) in zip(offsets, offsets.dropFirst()) {
      let isNew = bytes.withUnsafeBytes { index(adding: UnsafeRawBufferPointer(rebasing: $0[Int(begin)..<Int(end)])).isNew }
      guard isNew else { return nil }
    }
  }
}
