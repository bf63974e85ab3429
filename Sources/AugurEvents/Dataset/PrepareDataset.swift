// From logs to a data set folder: segments of days, `index.safetensors` and, last, `dataset.json`. Rows are read in blocks, gathered into
// runs as large as memory allows, sorted by user and time, and merged.
import AugurCompute
import AugurTensors

public struct PrepareOptions: Sendable {
  public var format: LogFormat
  public var columns: LogColumns
  public var split: SplitOptions
  public var rules = CleaningRules()
  /// Unit of the time column; nil tells seconds, milliseconds and ISO 8601 apart by the first row.
  public var timeUnit: TimeUnit?
  /// Bad rows that are set aside before the run stops; by default none.
  public var badRows = BadRowLimit.rows(0)
  /// File of the bad rows.
  public var quarantine: String?
  /// Names of items that the log does not tell.
  public var itemNames: ItemNameFile?
  /// Threads of reading and sorting; the result does not depend on it.
  public var threads: Int?
  /// Adds the log to the data set that the output folder holds, which becomes what preparing both logs at once gives.
  public var append = false
  /// How the data set is cut into files.
  var segments = SegmentRule()
  /// Bytes of memory to stay within, about; nil takes half of what the machine has free.
  public var memory: Int?

  public init(format: LogFormat = .events, columns: LogColumns = LogColumns(), split: SplitOptions = SplitOptions()) {
    (self.format, self.columns, self.split) = (format, columns, split)
  }
}

/// A data set that was just made, and what cleaning did to the rows of this run.
public struct PreparedDataset: Sendable {
  public let description: DatasetDescription
  public let report: CleaningReport
}

/// Reads a log and writes a data set folder, which appears complete or not at all; an earlier data set there is
/// replaced.
/// Throws on a bad log (file, line, field), and on an output folder that holds anything but a data set.
@discardableResult
public func prepareDataset(input: String, output: String, options: PrepareOptions = PrepareOptions()) throws(EventsError)
  -> DatasetDescription
{
  try prepareDataset(inputs: [input], output: output, options: options).description
}

/// The same from several files, which are read as one log.
@discardableResult
public func prepareDataset(inputs: [String], output: String, options: PrepareOptions = PrepareOptions()) throws(EventsError)
  -> PreparedDataset
{
  guard !(options.append && options.format == .sessions) else {
    throw EventsError(file: "--append", problem: "sessions have no users to append to", advice: "prepare all sessions at once")
  }
  let target = try OutputFolder(output)
  let inputs = try expandInputs(inputs)
  let folder = try target.makeTemporary()
  do throws(EventsError) {
    var preparation = try Preparation(inputs, options, folder: folder, onto: options.append ? target.path : nil)
    let (description, kept) = try preparation.run()
    try refuseLeaks(in: folder, description, from: kept, of: inputs[0])
    try target.publish()
    return PreparedDataset(description: description, report: preparation.report)
  } catch {
    OutputFolder.remove(folder)
    throw error
  }
}

/// The split of what was written, checked on the files themselves; segments that an earlier run wrote were checked by it.
private func refuseLeaks(in folder: String, _ description: DatasetDescription, from first: Int, of input: String) throws(EventsError) {
  let written = try Dataset(folder, description, segments: first..<description.segments.count, verify: false, checks: true)
  // A session may have begun in a segment that is not looked at.
  let leaks = try sequenceLeaks(SequenceSplit(written), checksSessions: first == 0)
  guard leaks.isEmpty else {
    throw EventsError(
      file: input, problem: "the split lets the future into training: \(leaks.joined(separator: "; "))",
      advice: "choose another --split")
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
