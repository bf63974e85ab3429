// From the reader to sorted runs.
import AugurCompute

/// Chunks on their way to runs: sorted and set down on disk whenever memory is full.
struct RunGathering {
  let reader: LogReader
  let memory: Int
  var dictionaries: EventDictionaries
  private let folder: String
  private let threads: Int
  private var chunks: [EventChunk] = []
  private var rows = 0
  private var runs: [String] = []
  /// Rows of each day, where the log has times and more than its items are kept.
  private(set) var days = DayCounts()
  private let countsDays: Bool

  init(_ inputs: [String], _ options: PrepareOptions, folder: String, keep: EventAttributes = .all) throws(EventsError) {
    threads = options.threads ?? ThreadPool.shared.threads
    memory = options.memory ?? max(256 << 20, systemFreeBytes() / 2)
    self.folder = folder
    let quarantine = try options.quarantine.map { path throws(EventsError) in try Quarantine(path: path) }
    let badRows = BadRows(BadRowPolicy(limit: options.badRows, quarantine: quarantine))
    reader = try LogReader(inputs, options, keep: keep, threads: threads, badRows: badRows)
    dictionaries = EventDictionaries(layout: reader.layout, decoders: threads)
    countsDays = reader.layout.hasTimes && !folder.isEmpty
  }

  /// Reads everything; the runs, the last one in memory.
  mutating func streams() throws(EventsError) -> [any UserStream] {
    let width = reader.layout.width
    var last = try gather()
    // The readers' blocks and the chunks of the last run are not needed any more.
    guard !runs.isEmpty else { return [MemoryRun(last)] }
    try setDown(last)
    last = SortedEvents([], width: width, decoders: [], dictionaries: dictionaries, threads: 1)
    var streams: [any UserStream] = []
    for run in runs { streams.append(try DiskRun(path: run, width: width, bytes: min(2 << 20, memory / 4 / runs.count))) }
    return streams
  }

  /// The events of the last run, sorted; earlier ones are on disk.
  mutating func gather() throws(EventsError) -> SortedEvents {
    while true {
      let next = try reader.next()
      if next.isEmpty {
        try reader.badRows.finish()
        return sorted()
      }
      chunks += next
      rows += next.reduce(0) { $0 + $1.rows }
      if countsDays { for chunk in next { days.add(chunk.times) } }
      guard reader.decoders.allSatisfy({ $0.items.count < 1 << 30 && $0.users.count < 1 << 30 }) else {
        throw EventsError(file: "--input", problem: "more than 2^30 different ids", advice: "split the log")
      }
      // Places within a run are 32 bits wide.
      guard bytesInUse > memory || rows >= 1 << 31 else { continue }
      guard !folder.isEmpty else { throw EventsError(file: "--input", problem: "more than 2^31 rows in memory", advice: "use augur prepare") }
      try setDown(sorted())
    }
  }

  /// What sorting the chunks at hand would take, and what the ids take.
  private var bytesInUse: Int {
    let ids = reader.decoders.reduce(0) { $0 + $1.users.bytes + $1.items.bytes + $1.names.bytes }
    return SortedEvents.bytes(rows: rows, width: reader.layout.width) + ids + dictionaries.bytes + LogReader.bytes
  }

  private mutating func sorted() -> SortedEvents {
    dictionaries.extend(with: reader.decoders)
    let events = SortedEvents(
      chunks, width: reader.layout.width, decoders: reader.decoders, dictionaries: dictionaries, threads: threads)
    (chunks, rows) = ([], 0)
    for decoder in reader.decoders { decoder.users = IDTable() }
    return events
  }

  private mutating func setDown(_ events: SortedEvents) throws(EventsError) {
    let path = "\(folder)/run-\(runs.count).part"
    try RunFile.write(events, to: path)
    runs.append(path)
  }
}
