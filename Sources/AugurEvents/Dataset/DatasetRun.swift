// A data set as a run: how a new day is merged into what is there. Columns are read front to back through small buffers and checked
// against their checksums on the way.
import AugurTensors
import Glibc

final class DatasetRun: UserStream {
  private let width: Int
  private let hasTimes: Bool
  private let offsets: ColumnReader, idOffsets: ColumnReader, ids: ColumnReader, times: ColumnReader?
  /// W, as `EventChunk.words`, and what their indices are in the dictionaries.
  private let words: [(reader: ColumnReader, map: [UInt32]?)]
  private var usersLeft: Int
  private var (offset, idOffset): (Int64, Int64) = (0, 0)
  private var place: Int64 = 0
  private let id = UnsafeMutableRawPointer.allocate(byteCount: Vocabulary.longestID, alignment: 16)
  private var idBytes = 0
  private var count = 0
  private(set) var prefix: UInt64 = 0
  private(set) var isAtEnd = false

  /// Names the data set's items and labels in `dictionaries`; throws where its columns are not those of `layout`.
  init(path: String, dictionaries: inout EventDictionaries, names: inout ItemNames, memory: Int) throws(EventsError) {
    let layout = dictionaries.layout
    let description = try DatasetDescription.read(from: path)
    guard description.hasTimestamps == layout.hasTimes, description.attributes == layout.attributes else {
      throw EventsError(file: path, problem: "its columns are not those of the new log", advice: "append logs with the same columns")
    }
    (width, hasTimes, usersLeft) = (layout.width, layout.hasTimes, description.users)
    do throws(SafetensorsError) {
      let file = try SafetensorsFile(path: "\(path)/\(DatasetDescription.sequencesName)", verify: .skipped)
      let bytes = max(64 << 10, memory / (4 + layout.width))
      func reader(_ name: String) throws(SafetensorsError) -> ColumnReader { try ColumnReader(file, name, bytes: bytes) }
      (offsets, idOffsets, ids) = (try reader("offsets"), try reader("user_id_offsets"), try reader("user_id_bytes"))
      times = layout.hasTimes ? try reader("timestamps") : nil
      var words: [(ColumnReader, [UInt32]?)] = []
      let items = try Self.strings(file, "item_id") { dictionaries.item($0) }
      words.append((try reader("items"), items))
      for (label, attribute) in layout.attributes.enumerated() {
        let map = attribute.isNumber ? nil : try Self.strings(file, "\(attribute)_id") { dictionaries.label(label, $0) }
        words.append((try reader(DatasetDescription.tensorName(attribute)), map))
      }
      self.words = words
      if description.hasItemNames {
        var item = 0
        _ = try Self.strings(file, "item_name") { name in
          if !name.isEmpty { names.add(name, item: Int(items[item])) }
          item += 1
          return 0
        }
      }
    } catch { throw EventsError(error, advice: "make the data set again with augur prepare") }
    _ = try offsets.next(as: Int64.self)
    _ = try idOffsets.next(as: Int64.self)
    try readHead()
  }

  private static func strings(_ file: SafetensorsFile, _ name: String, _ index: (UnsafeRawBufferPointer) -> UInt32)
    throws(SafetensorsError) -> [UInt32]
  {
    let (offsets, bytes) = (try file.array("\(name)_offsets", as: Int64.self), try file.bytes("\(name)_bytes"))
    guard offsets.first == 0, offsets.last == Int64(bytes.count), zip(offsets, offsets.dropFirst()).allSatisfy({ $0 <= $1 }) else {
      throw SafetensorsError(path: file.path, kind: .damaged, problem: "'\(name)_offsets' do not rise from 0 to the end")
    }
    return zip(offsets, offsets.dropFirst()).map { index(UnsafeRawBufferPointer(rebasing: bytes[Int($0)..<Int($1)])) }
  }

  deinit { id.deallocate() }

  func withID<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R { body(UnsafeRawBufferPointer(start: id, count: idBytes)) }

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
    guard usersLeft > 0 else {
      isAtEnd = true
      for reader in [offsets, idOffsets, ids] + words.map(\.reader) + [times].compactMap({ $0 }) { try reader.verify() }
      return
    }
    usersLeft -= 1
    let (end, idEnd) = (try offsets.next(as: Int64.self), try idOffsets.next(as: Int64.self))
    guard end >= offset, idEnd >= idOffset, idEnd - idOffset <= Vocabulary.longestID, end - offset <= Int64(UInt32.max) else {
      throw offsets.damaged("offsets do not rise")
    }
    count = Int(end - offset)
    idBytes = 0
    while idBytes < Int(idEnd - idOffset) {
      let part = UnsafeRawBufferPointer(try ids.take(Int(idEnd - idOffset) - idBytes, as: UInt8.self))
      if let base = part.baseAddress { (id + idBytes).copyMemory(from: base, byteCount: part.count) }
      idBytes += part.count
    }
    prefix = withID(bytePrefix)
    (offset, idOffset) = (end, idEnd)
  }
}

/// A tensor of a file, front to back.
private final class ColumnReader {
  private let path: String
  private let name: String
  private let descriptor: Int32
  private let buffer: UnsafeMutableRawBufferPointer
  private var (at, end) = (0, 0)
  private var next: Int  // place in the file
  private let last: Int
  private let expected: String?
  private var checksum: UInt32 = 0

  init(_ file: SafetensorsFile, _ name: String, bytes: Int) throws(SafetensorsError) {
    let range = try file.range(name)
    (path, self.name, next, last) = (file.path, name, range.lowerBound, range.upperBound)
    expected = file.checksum(of: name)
    buffer = .allocate(byteCount: max(16, min(bytes, range.count)), alignment: 16)
    descriptor = open(file.path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw SafetensorsError(path: path, kind: .unreadable, problem: "cannot open: \(errorText(errno))")
    }
  }

  deinit {
    buffer.deallocate()
    close(descriptor)
  }

  func damaged(_ problem: String) -> EventsError {
    EventsError(file: path, problem: "tensor '\(name)': \(problem)", advice: "make the data set again with augur prepare")
  }

  func next<E: FixedWidthInteger>(as type: E.Type) throws(EventsError) -> E {
    if end - at < MemoryLayout<E>.size { try refill() }
    defer { at += MemoryLayout<E>.size }
    return buffer.loadUnaligned(fromByteOffset: at, as: E.self)
  }

  /// The next elements, at least one and at most `most`, which is not 0; they hold until the next call.
  func take<E: FixedWidthInteger>(_ most: Int, as type: E.Type) throws(EventsError) -> UnsafeBufferPointer<E> {
    let size = MemoryLayout<E>.size
    if end - at < size { try refill() }
    let count = min(most, (end - at) / size)
    defer { at += count * size }
    // Whole elements are taken from the front, so that each lies at a multiple of its size.
    return UnsafeBufferPointer(start: buffer.baseAddress.map { ($0 + at).assumingMemoryBound(to: E.self) }, count: count)
  }

  private func refill() throws(EventsError) {
    let rest = end - at
    buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[at..<end]))
    (at, end) = (0, rest)
    var got = 0
    repeat {
      got = pread(descriptor, buffer.baseAddress.map { $0 + end }, min(buffer.count - end, last - next), off_t(next))
    } while got < 0 && errno == EINTR
    guard got > 0 else { throw damaged(got == 0 ? "it ends too early" : errorText(errno)) }
    checksum = crc32c(UnsafeRawBufferPointer(rebasing: buffer[end..<end + got]), continuing: checksum)
    (end, next) = (end + got, next + got)
    guard end >= 8 || next == last else { return try refill() }
  }

  /// Throws unless all bytes were read and were those that were written.
  func verify() throws(EventsError) {
    guard at == end, next == last else { throw damaged("it is longer than the data set says") }
    let digits = String(checksum, radix: 16)
    guard expected == String(repeating: "0", count: 8 - digits.count) + digits else {
      throw damaged("it is damaged: its checksum differs")
    }
  }
}
