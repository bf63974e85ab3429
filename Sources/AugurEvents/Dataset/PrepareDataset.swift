// From logs to a data set folder: `sequences.safetensors` and, last, `dataset.json`. Rows are read in blocks, gathered into runs as large as
// memory allows, sorted by user and time, and merged.
import AugurCompute
import AugurTensors

public struct PrepareOptions: Sendable {
  public var format: LogFormat
  public var columns: LogColumns
  public var split: SplitOptions
  /// Threads of reading and sorting; the result does not depend on it.
  public var threads: Int?
  /// Adds the log to the data set that the output folder holds, which becomes what preparing both logs at once gives.
  public var append = false
  /// Bytes of memory to stay within, about; nil takes half of what the machine has free.
  public var memory: Int?

  public init(format: LogFormat = .events, columns: LogColumns = LogColumns(), split: SplitOptions = SplitOptions()) {
    (self.format, self.columns, self.split) = (format, columns, split)
  }
}

/// Reads a log and writes a data set folder, which appears complete or not at all; an earlier data set there is
/// replaced.
/// Throws on a bad log (file, line, field), and on an output folder that holds anything but a data set.
@discardableResult
public func prepareDataset(input: String, output: String, options: PrepareOptions = PrepareOptions()) throws(EventsError)
  -> DatasetDescription
{
  try prepareDataset(inputs: [input], output: output, options: options)
}

/// The same from several files, which are read as one log.
@discardableResult
public func prepareDataset(inputs: [String], output: String, options: PrepareOptions = PrepareOptions()) throws(EventsError)
  -> DatasetDescription
{
  let target = try OutputFolder(output)
  let inputs = try expandInputs(inputs)
  let folder = try target.makeTemporary()
  do throws(EventsError) {
    let description = try writeDataset(inputs, options, folder: folder, onto: options.append ? target.path : nil)
    try refuseLeaks(in: folder, of: inputs[0])
    try target.publish()
    return description
  } catch {
    OutputFolder.remove(folder)
    throw error
  }
}

/// The split of what was written, checked on the files themselves.
private func refuseLeaks(in folder: String, of input: String) throws(EventsError) {
  let leaks = sequenceLeaks(SequenceSplit(try Dataset(path: folder, verify: false)))
  guard leaks.isEmpty else {
    throw EventsError(
      file: input, problem: "the split lets the future into training: \(leaks.joined(separator: "; "))",
      advice: "choose another --split")
  }
}

private func writeDataset(_ inputs: [String], _ options: PrepareOptions, folder: String, onto base: String?) throws(EventsError)
  -> DatasetDescription
{
  var gathering = try RunGathering(inputs, options, folder: folder)
  var streams = try gathering.streams()
  let reader = gathering.reader
  guard reader.rows > 0 else {
    let problem = options.format == .events ? "a header but no rows" : "no events, only blank lines"
    throw EventsError(file: inputs[0], problem: problem, advice: "give a log with at least one event")
  }
  var names = gathering.dictionaries.names(reader.decoders)
  let before = try base.map { path throws(EventsError) in try DatasetDescription.read(from: path) }
  if let base {
    // First, so that its events stay before new ones where a log has no times.
    let run = try DatasetRun(path: base, dictionaries: &gathering.dictionaries, names: &names, memory: gathering.memory / 16)
    streams.insert(run, at: 0)
  }
  var order = CanonicalOrder(gathering.dictionaries)
  var writer = try DatasetWriter(folder: folder, dictionaries: gathering.dictionaries, memory: gathering.memory / 4)
  var duplicates = 0
  try mergeUsers(streams, width: reader.layout.width) { id, history throws(EventsError) in
    if reader.layout.hasTimes { duplicates += order.apply(to: &history) }
    try writer.append(id, history)
  }
  let (checksum, items) = try writer.finish(gathering.dictionaries, names)
  let split = try DatasetSplit(options.split, file: inputs[0], visit: reader.layout.hasTimes ? writer.visitTimes : nil)
  let description = DatasetDescription(
    format: DatasetDescription.formatName, version: DatasetDescription.currentVersion, users: writer.users, items: items,
    events: writer.events, split: split, hasTimestamps: reader.layout.hasTimes, hasItemNames: !names.isEmpty,
    attributes: reader.layout.attributes, rows: reader.rows + (before?.rows ?? 0),
    dropped: ["duplicate": duplicates + (before?.dropped["duplicate"] ?? 0)],
    fingerprint: DatasetDescription.fingerprint(users: writer.users, items: items, events: writer.events, checksum: checksum, split: split))
  try description.write(to: folder)
  return description
}

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

  init(_ inputs: [String], _ options: PrepareOptions, folder: String, keep: EventAttributes = .all) throws(EventsError) {
    threads = options.threads ?? ThreadPool.shared.threads
    memory = options.memory ?? max(256 << 20, systemFreeBytes() / 2)
    self.folder = folder
    reader = try LogReader(inputs, format: options.format, columns: options.columns, keep: keep, threads: threads)
    dictionaries = EventDictionaries(layout: reader.layout, decoders: threads)
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
      if next.isEmpty { return sorted() }
      chunks += next
      rows += next.reduce(0) { $0 + $1.rows }
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

/// The items of every user in the order of time, and who the users are: what `bench ingest` counts.
public struct GroupedEvents: Sendable {
  public let rows: Int
  public let users: Int
  /// [B + 1], [T], [T]
  public let offsets: [UInt32], items: [UInt32], times: [Int64]
}

/// Reads logs into memory and groups them by user in time order, without writing anything.
public func groupEvents(inputs: [String], options: PrepareOptions = PrepareOptions()) throws(EventsError) -> GroupedEvents {
  var options = options
  options.memory = .max
  let inputs = try expandInputs(inputs)
  var gathering = try RunGathering(inputs, options, folder: "", keep: .none)
  let events = try gathering.gather()
  return GroupedEvents(
    rows: events.rows, users: events.starts.count, offsets: events.starts + [UInt32(events.rows)], items: events.payload,
    times: events.times())
}
