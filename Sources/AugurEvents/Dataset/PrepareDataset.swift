// From a log to a data set folder: `sequences.safetensors` and, last, `dataset.json`.
import AugurTensors
import Glibc

public struct PrepareOptions: Sendable {
  public var format: LogFormat
  public var columns: LogColumns
  public var split: SplitOptions

  public init(format: LogFormat = .events, columns: LogColumns = LogColumns(), split: SplitOptions = SplitOptions()) {
    (self.format, self.columns, self.split) = (format, columns, split)
  }
}

/// Reads a log and writes a data set folder, which appears complete or not at all; an earlier data set there is
/// replaced.
/// Throws on a bad log (file, line, field), and on an output folder that holds anything but a data set.
@discardableResult
public func prepareDataset(input: String, output: String, options: PrepareOptions = PrepareOptions())
  throws(EventsError)
  -> DatasetDescription
{
  let target = try OutputFolder(output)
  let source: MappedFile
  do throws(SafetensorsError) { source = try MappedFile(path: input) } catch { throw EventsError(error) }
  let log = try readLog(source.bytes, file: input, format: options.format, columns: options.columns)
  let grouped = GroupedEvents(log)
  let folder = try target.makeTemporary()
  do throws(EventsError) {
    let description = try writeDataset(log, grouped, source: source, options: options, folder: folder)
    try refuseLeaks(in: folder, of: input)
    try target.publish()
    return description
  } catch {
    OutputFolder.remove(folder)
    throw error
  }
}

/// Reads a log and groups it by user in time order, as `prepareDataset` does, without writing; returns the number of its rows.
public func countGroupedRows(input: String, options: PrepareOptions = PrepareOptions()) throws(EventsError) -> Int {
  let source: MappedFile
  do throws(SafetensorsError) { source = try MappedFile(path: input) } catch { throw EventsError(error) }
  let grouped = GroupedEvents(try readLog(source.bytes, file: input, format: options.format, columns: options.columns))
  return grouped.items.count + grouped.duplicates
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

private func writeDataset(
  _ log: EventLog, _ grouped: GroupedEvents, source: MappedFile, options: PrepareOptions, folder: String
) throws(EventsError) -> DatasetDescription {
  let (userBytes, userOffsets) = log.users.reordered(grouped.userOrder)
  let (itemBytes, itemOffsets) = log.items.reordered(grouped.itemOrder)
  let hasNames = log.names.count > 0
  var tensors = [
    SafetensorsTensor("offsets", shape: [grouped.offsets.count], values: grouped.offsets),
    SafetensorsTensor("items", shape: [grouped.items.count], values: grouped.items),
    SafetensorsTensor("user_id_offsets", shape: [userOffsets.count], values: userOffsets),
    SafetensorsTensor("user_id_bytes", shape: [userBytes.count], values: userBytes),
    SafetensorsTensor("item_id_offsets", shape: [itemOffsets.count], values: itemOffsets),
    SafetensorsTensor("item_id_bytes", shape: [itemBytes.count], values: itemBytes),
  ]
  if !grouped.times.isEmpty {
    tensors.append(SafetensorsTensor("timestamps", shape: [grouped.times.count], values: grouped.times))
  }
  if hasNames {
    let (bytes, offsets) = itemNames(log, grouped.itemOrder)
    tensors.append(SafetensorsTensor("item_name_offsets", shape: [offsets.count], values: offsets))
    tensors.append(SafetensorsTensor("item_name_bytes", shape: [bytes.count], values: bytes))
  }
  let path = "\(folder)/\(DatasetDescription.sequencesName)"
  let checksum: String
  do throws(SafetensorsError) {
    let metadata = ["format": DatasetDescription.formatName, "timestamp_unit": "ms"]
    try writeSafetensors(path: path, metadata: metadata, tensors: tensors)
    checksum = try SafetensorsFile(path: path, verify: .skipped).checksum ?? ""
  } catch { throw EventsError(error) }
  let visit: TimeVisit = { (show) throws(EventsError) in grouped.times.withUnsafeBufferPointer(show) }
  let split = try DatasetSplit(options.split, file: log.file, visit: grouped.times.isEmpty ? nil : visit)
  let (users, items, events) = (grouped.userOrder.count, grouped.itemOrder.count, grouped.items.count)
  let description = DatasetDescription(
    format: DatasetDescription.formatName, version: DatasetDescription.currentVersion, users: users, items: items,
    events: events, split: split, hasTimestamps: !grouped.times.isEmpty, hasItemNames: hasNames,
    source: DatasetDescription.Source(
      file: String(log.file.split(separator: "/").last ?? ""), bytes: source.bytes.count,
      crc32c: String(crc32c(source.bytes), radix: 16)),
    dropped: ["duplicate": grouped.duplicates],
    fingerprint: DatasetDescription.fingerprint(users: users, items: items, events: events, checksum: checksum, split: split))
  try description.write(to: folder)
  return description
}

/// Names in item order, empty where a log has none.
private func itemNames(_ log: EventLog, _ order: [Int32]) -> (bytes: [UInt8], offsets: [Int64]) {
  var (bytes, offsets): ([UInt8], [Int64]) = ([], [0])
  for item in order {
    let name = Int(item) < log.nameOfItem.count ? log.nameOfItem[Int(item)] : -1
    if name >= 0 { log.names.withID(Int(name)) { bytes.append(contentsOf: $0) } }
    offsets.append(Int64(bytes.count))
  }
  return (bytes, offsets)
}

/// The folder of a data set, replaced as a whole.
private struct OutputFolder {
  let path: String
  private let temporary: String
  private var parent: String {
    path.utf8.lastIndex(of: 0x2f).map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
  }

  /// Throws unless the path is free, an empty folder or a data set.
  init(_ output: String) throws(EventsError) {
    var trimmed = Substring(output)
    while trimmed.count > 1, trimmed.hasSuffix("/") { trimmed.removeLast() }
    path = String(trimmed)
    temporary = "\(path).tmp-\(getpid())"
    var status = stat()
    guard !path.isEmpty, lstat(path, &status) == 0 else { return }
    func refuse(_ problem: String) -> EventsError {
      EventsError(file: output, problem: problem, advice: "choose another output folder")
    }
    guard status.st_mode & S_IFMT == S_IFDIR else { throw refuse("exists and is not a folder") }
    let entries = Self.entries(path)
    let known: Set = [DatasetDescription.fileName, DatasetDescription.sequencesName]
    if let stranger = entries.first(where: { !known.contains($0) }) {
      throw refuse("exists and holds '\(stranger)', not only a data set")
    }
    if !entries.isEmpty, !entries.contains(DatasetDescription.fileName) { throw refuse("exists and is not a data set") }
    if !entries.isEmpty { _ = try DatasetDescription.read(from: path) }
  }

  func makeTemporary() throws(EventsError) -> String {
    sweep()
    Self.remove(temporary)
    guard mkdir(temporary, 0o755) == 0 else {
      throw EventsError(
        file: path, problem: "cannot make a folder there: \(errorText(errno))",
        advice: "check the parent folder and its rights")
    }
    return temporary
  }

  /// Moves the temporary folder to its name. An earlier data set steps aside first (Swift cannot call `renameat2`): the
  /// name is
  /// free for a moment, but never half a data set.
  func publish() throws(EventsError) {
    let old = "\(path).old-\(getpid())"
    if rename(temporary, path) != 0 {
      let steppedAside = (errno == ENOTEMPTY || errno == EEXIST) && rename(path, old) == 0
      guard steppedAside, rename(temporary, path) == 0 else {
        let code = errno
        if steppedAside { rename(old, path) }
        throw EventsError(
          file: path, problem: "cannot rename into place: \(errorText(code))", advice: "check its rights")
      }
      Self.remove(old)
    }
    guard syncDirectory(parent) else {
      throw EventsError(file: path, problem: "written, but its folder cannot be made durable", advice: "check the disk")
    }
  }

  /// Removes what runs that were killed left beside the output.
  private func sweep() {
    let prefix = "\(path.split(separator: "/").last ?? "").tmp-"
    for name in Self.entries(parent) where name.hasPrefix(prefix) {
      guard let owner = pid_t(name.dropFirst(prefix.count)), owner > 0, kill(owner, 0) != 0, errno == ESRCH else { continue }
      Self.remove("\(parent)/\(name)")
    }
  }

  private static func entries(_ folder: String) -> [String] {
    guard let listing = opendir(folder) else { return [] }
    defer { closedir(listing) }
    var names: [String] = []
    while let entry = readdir(listing) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// Removes the files of a data set, whole or half-written, and then the folder, nothing else.
  static func remove(_ folder: String) {
    let own = [DatasetDescription.fileName, DatasetDescription.sequencesName]
    for name in entries(folder) where own.contains(where: name.drop { $0 == "." }.hasPrefix) { unlink("\(folder)/\(name)") }
    rmdir(folder)
  }
}
