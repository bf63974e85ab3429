// A prepared data set, memory-mapped and checked on opening.
import AugurTensors
import Synchronization

/// Histories of B users over V items, T events.
public final class Dataset: Sendable {
  public let path: String
  public let description: DatasetDescription
  public var userCount: Int { description.users }
  public var itemCount: Int { description.items }
  public var eventCount: Int { description.events }
  /// Names the content; a run refuses a data set with another one.
  public var fingerprint: String { description.fingerprint }

  private let file: SafetensorsFile
  private nonisolated(unsafe) let offsets: UnsafeBufferPointer<Int64>
  private nonisolated(unsafe) let items: UnsafeBufferPointer<Int32>
  private nonisolated(unsafe) let sessionOffsets: UnsafeBufferPointer<Int64>
  private nonisolated(unsafe) let times: UnsafeBufferPointer<Int64>?
  private nonisolated(unsafe) let numbers: [EventAttribute: UnsafeBufferPointer<Float>]
  private nonisolated(unsafe) let labels: [EventAttribute: UnsafeBufferPointer<Int32>]
  private let labelIDs: [EventAttribute: StoredStrings]
  private let userIDs: StoredStrings
  private let itemIDs: StoredStrings
  private let names: StoredStrings?

  /// Opens a folder made by `prepareDataset`; reads it once to verify checksums unless `verify` is false.
  public init(path: String, verify: Bool = true) throws(EventsError) {
    let description = try DatasetDescription.read(from: path)
    let sequences = "\(path)/\(DatasetDescription.sequencesName)"
    func damaged(_ problem: String) -> EventsError {
      EventsError(file: sequences, problem: problem, advice: "make the data set again with augur prepare")
    }
    (self.path, self.description) = (path, description)
    let (users, itemCount, events) = (description.users, description.items, description.events)
    do throws(SafetensorsError) {
      file = try SafetensorsFile(path: sequences, verify: verify ? .required : .skipped)
      offsets = try file.buffer("offsets", as: Int64.self)
      items = try file.buffer("items", as: Int32.self)
      sessionOffsets = try file.buffer("session_offsets", as: Int64.self)
      times = description.hasTimestamps ? try file.buffer("timestamps", as: Int64.self) : nil
      userIDs = try StoredStrings(file, "user_id")
      itemIDs = try StoredStrings(file, "item_id")
      names = description.hasItemNames ? try StoredStrings(file, "item_name") : nil
      var numbers: [EventAttribute: UnsafeBufferPointer<Float>] = [:]
      var (labels, labelIDs) = ([EventAttribute: UnsafeBufferPointer<Int32>](), [EventAttribute: StoredStrings]())
      for attribute in description.attributes {
        let name = DatasetDescription.tensorName(attribute)
        if attribute.isNumber {
          numbers[attribute] = try file.buffer(name, as: Float.self)
        } else {
          labels[attribute] = try file.buffer(name, as: Int32.self)
          labelIDs[attribute] = try StoredStrings(file, "\(attribute)_id")
        }
      }
      (self.numbers, self.labels, self.labelIDs) = (numbers, labels, labelIDs)
    } catch { throw EventsError(error, advice: "make the data set again with augur prepare") }
    let fingerprint = DatasetDescription.fingerprint(
      users: users, items: itemCount, events: events, checksum: file.checksum ?? "", split: description.split)
    guard fingerprint == description.fingerprint else { throw damaged("does not belong to its dataset.json") }
    guard users > 0, itemCount > 0, itemCount <= Int(Int32.max), users <= Int(Int32.max), items.count == events,
      times == nil || times?.count == events, offsets.count - 1 == users, Self.rises(offsets, to: items.count),
      sessionOffsets.count - 1 == description.sessions, Self.rises(sessionOffsets, to: items.count), userIDs.count == users, itemIDs.count == itemCount, names == nil || names?.count == itemCount
    else { throw damaged("tensor sizes do not fit together") }
    guard numbers.values.allSatisfy({ $0.count == events }), labels.values.allSatisfy({ $0.count == events }),
      labels.allSatisfy({ entry in
        let count = labelIDs[entry.key]?.count ?? 0
        return entry.value.allSatisfyReleasing { $0 >= 0 && $0 < count }
      })
    else { throw damaged("the columns of attributes do not fit together") }
    guard items.allSatisfyReleasing({ $0 >= 0 && $0 < itemCount }) else { throw damaged("an item index is out of range") }
  }

  /// The items of a user, oldest first. Precondition: `user` in `0..<userCount`.
  public func history(_ user: Int) -> DatasetSlice<Int32> { DatasetSlice(owner: file, buffer: storedHistory(user)) }

  /// Epoch milliseconds beside `history`; nil for logs without time.
  public func timestamps(_ user: Int) -> DatasetSlice<Int64>? {
    times.map { DatasetSlice(owner: file, buffer: UnsafeBufferPointer(rebasing: $0[range(user)])) }
  }

  /// Prices or quantities beside `history`, NaN where one is missing; nil where the log has none.
  public func numbers(_ user: Int, _ attribute: EventAttribute) -> DatasetSlice<Float>? {
    numbers[attribute].map { DatasetSlice(owner: file, buffer: UnsafeBufferPointer(rebasing: $0[range(user)])) }
  }

  /// Indices of kinds or categories beside `history`, in 0..<labelCount; nil where the log has none.
  public func labels(_ user: Int, _ attribute: EventAttribute) -> DatasetSlice<Int32>? {
    labels[attribute].map { DatasetSlice(owner: file, buffer: UnsafeBufferPointer(rebasing: $0[range(user)])) }
  }

  public func labelCount(_ attribute: EventAttribute) -> Int { labelIDs[attribute]?.count ?? 0 }
  /// The text of a kind or category. Precondition: `index` in `0..<labelCount(attribute)`.
  public func label(_ attribute: EventAttribute, _ index: Int) -> String { labelIDs[attribute]?[index] ?? "" }

  /// `history` for callers that hold the data set while they read.
  func storedHistory(_ user: Int) -> UnsafeBufferPointer<Int32> { UnsafeBufferPointer(rebasing: items[range(user)]) }

  /// The first `count` items of a user.
  func history(_ user: Int, first count: Int) -> DatasetSlice<Int32> {
    DatasetSlice(owner: file, buffer: UnsafeBufferPointer(rebasing: storedHistory(user)[..<count]))
  }

  /// Events of a user.
  public func eventCount(ofUser user: Int) -> Int { range(user).count }

  /// The raw id of an item. Precondition: `index` in `0..<itemCount`.
  public func itemID(_ index: Int) -> String { itemIDs[index] }
  /// The raw id of a user. Precondition: `index` in `0..<userCount`.
  public func userID(_ index: Int) -> String { userIDs[index] }
  /// The readable name of an item, nil when the log has none.
  public func itemName(_ index: Int) -> String? { names.flatMap { $0[index].isEmpty ? nil : $0[index] } }
  /// The index of a raw item id; the first call builds a table over V ids.
  public func itemIndex(ofRawID id: String) -> Int? { itemIDs.index(of: id) }
  /// The index of a raw user id; the first call builds a table over B ids.
  public func userIndex(ofRawID id: String) -> Int? { userIDs.index(of: id) }

  /// The sessions of a user as ranges of `history`, oldest first.
  public func sessions(_ user: Int) -> [Range<Int>] {
    let events = range(user)
    guard !events.isEmpty else { return [] }
    // The first session that begins at or behind the user's first event, by bisection; sessions never cross users.
    var (low, high) = (0, sessionOffsets.count)
    while low < high {
      let middle = (low + high) / 2
      if sessionOffsets[middle] < events.lowerBound { low = middle + 1 } else { high = middle }
    }
    var sessions: [Range<Int>] = []
    var start = events.lowerBound
    while start < events.upperBound {
      low += 1
      let end = min(low < sessionOffsets.count ? Int(sessionOffsets[low]) : events.upperBound, events.upperBound)
      guard end > start else { continue }
      sessions.append(start - events.lowerBound..<end - events.lowerBound)
      start = end
    }
    return sessions
  }

  private func range(_ user: Int) -> Range<Int> {
    precondition(user >= 0 && user < userCount, "Dataset: expected a user in 0..<\(userCount), got \(user)")
    return Int(offsets[user])..<Int(offsets[user + 1])
  }

  fileprivate static func rises(_ offsets: UnsafeBufferPointer<Int64>, to end: Int) -> Bool {
    guard let first = offsets.first, first == 0, offsets.last == Int64(end) else { return false }
    var last: Int64 = 0
    return offsets.allSatisfyReleasing { offset in
      defer { last = offset }
      return last <= offset
    }
  }
}

/// Strings in a file: `<name>_bytes` U8 and `<name>_offsets` I64 [count + 1].
private final class StoredStrings: Sendable {
  private let file: SafetensorsFile
  private nonisolated(unsafe) let offsets: UnsafeBufferPointer<Int64>
  private nonisolated(unsafe) let bytes: UnsafeBufferPointer<UInt8>
  private let lookup = Mutex<Vocabulary?>(nil)
  let count: Int

  init(_ file: SafetensorsFile, _ name: String) throws(SafetensorsError) {
    self.file = file
    offsets = try file.buffer("\(name)_offsets", as: Int64.self)
    bytes = try file.buffer("\(name)_bytes", as: UInt8.self)
    guard Dataset.rises(offsets, to: bytes.count) else {
      throw SafetensorsError(
        path: file.path, kind: .damaged, problem: "'\(name)_offsets' do not rise from 0 to the end")
    }
    count = offsets.count - 1
  }

  private func slice(_ index: Int) -> UnsafeRawBufferPointer {
    precondition(index >= 0 && index < count, "Dataset: expected an index in 0..<\(count), got \(index)")
    return UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: bytes[Int(offsets[index])..<Int(offsets[index + 1])]))
  }

  subscript(index: Int) -> String { String(decoding: slice(index), as: UTF8.self) }

  func index(of id: String) -> Int? {
    let key = Array(id.utf8)
    return lookup.withLock { table in
      if table == nil {
        var made = Vocabulary()
        for index in 0..<count { _ = made.index(adding: slice(index)) }
        table = made
      }
      return key.withUnsafeBytes { table?.index(of: $0) }.map { Int($0) }
    }
  }
}
