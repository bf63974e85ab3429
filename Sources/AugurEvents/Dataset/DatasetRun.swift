// A segment of a data set as a run: how new events are merged into the days that are there.
import AugurTensors

final class DatasetRun: UserStream {
  private let width: Int
  private let hasTimes: Bool
  private let ids: StoredIDs
  private let offsets: ColumnReader, times: ColumnReader?
  /// W, as `EventChunk.words`, and what their indices are in the dictionaries.
  private let words: [(reader: ColumnReader, map: [UInt32]?)]
  private var offset: Int64 = 0
  private var place: Int64 = 0
  private var count = 0

  /// Names the segment's items and labels in `dictionaries`.
  init(_ segment: Segment, dictionaries: inout EventDictionaries, memory: Int) throws(EventsError) {
    let layout = dictionaries.layout
    (width, hasTimes) = (layout.width, layout.hasTimes)
    let bytes = max(64 << 10, memory / (4 + layout.width))
    do throws(SafetensorsError) {
      func reader(_ name: String) throws(SafetensorsError) -> ColumnReader { try ColumnReader(segment.file, name, bytes: bytes) }
      offsets = try reader("offsets")
      times = layout.hasTimes ? try reader("timestamps") : nil
      var words = [(try reader("items"), Optional(segment.itemIDs.map { dictionaries.item($0) }))]
      for (label, attribute) in layout.attributes.enumerated() {
        let map = segment.labelIDs[attribute].map { $0.map { dictionaries.label(label, $0) } }
        words.append((try reader(DatasetDescription.tensorName(attribute)), map))
      }
      self.words = words
    } catch { throw EventsError(error, advice: "make the data set again with augur prepare") }
    ids = try StoredIDs(segment.file, "user_id", count: segment.userCount, memory: bytes)
    _ = try offsets.next(as: Int64.self)
    try readHead()
  }

  var isAtEnd: Bool { ids.isAtEnd }
  var prefix: UInt64 { ids.prefix }
  func withID<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R { ids.withID(body) }

  func take(into history: inout UserHistory) throws(EventsError) {
    if let times {
      var rest = count
      while rest > 0 {
        let part = try times.take(rest, as: Int64.self)
        history.times.append(contentsOf: part)
        rest -= part.count
      }
    } else {
      // Before all new events, whose places begin at 0.
      for event in 0..<count { history.times.append(Int64.min + place + Int64(event)) }
    }
    let first = history.words.count
    history.words.append(contentsOf: repeatElement(0, count: count * width))
    for (slot, word) in words.enumerated() {
      var done = 0
      while done < count {
        let part = try word.reader.take(count - done, as: UInt32.self)
        let isKnown = history.words.withUnsafeMutableBufferPointer { words in
          Self.scatter(part, into: words, from: first + done * width + slot, every: width, through: word.map)
        }
        guard isKnown else { throw word.reader.damaged("an index is out of range") }
        done += part.count
      }
    }
    place += Int64(count)
    try ids.step()
    try readHead()
  }

  /// Writes a column to every `step`-th place from `first` on, its indices changed by `map`; false where one is out of range.
  private static func scatter(
    _ column: UnsafeBufferPointer<UInt32>, into words: UnsafeMutableBufferPointer<UInt32>, from first: Int, every step: Int,
    through map: [UInt32]?
  ) -> Bool {
    var place = first
    guard let map else {
      for word in column {
        words[place] = word
        place += step
      }
      return true
    }
    return map.withUnsafeBufferPointer { map in
      for word in column {
        guard word < map.count else { return false }
        words[place] = map[Int(word)]
        place += step
      }
      return true
    }
  }

  private func readHead() throws(EventsError) {
    guard !isAtEnd else {
      for reader in [offsets] + words.map(\.reader) + [times].compactMap({ $0 }) { try reader.verify() }
      return
    }
    let end = try offsets.next(as: Int64.self)
    guard end >= offset, end - offset <= Int64(UInt32.max) else { throw offsets.damaged("offsets do not rise") }
    count = Int(end - offset)
    offset = end
  }
}
