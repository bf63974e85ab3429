// Tensors of a data set read front to back through small buffers and checked against their checksums on the way, so that memory does not
// grow with the data set.
import AugurTensors
import Glibc

/// The strings `<name>_offsets` and `<name>_bytes`, one after another.
final class StoredIDs {
  private let offsets: ColumnReader, bytes: ColumnReader
  private var left: Int
  private var offset: Int64 = 0
  private let id = UnsafeMutableRawPointer.allocate(byteCount: Vocabulary.longestID, alignment: 16)
  private var idBytes = 0
  /// `bytePrefix` of the current one.
  private(set) var prefix: UInt64 = 0
  private(set) var isAtEnd = false

  /// Stands at the first of `count` strings.
  init(_ file: SafetensorsFile, _ name: String, count: Int, memory: Int) throws(EventsError) {
    do throws(SafetensorsError) {
      offsets = try ColumnReader(file, "\(name)_offsets", bytes: memory)
      bytes = try ColumnReader(file, "\(name)_bytes", bytes: memory)
    } catch { throw EventsError(error, advice: "make the data set again with augur prepare") }
    left = count
    _ = try offsets.next(as: Int64.self)
    try step()
  }

  deinit { id.deallocate() }

  func withID<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R { body(UnsafeRawBufferPointer(start: id, count: idBytes)) }

  func step() throws(EventsError) {
    guard left > 0 else {
      isAtEnd = true
      try offsets.verify()
      try bytes.verify()
      return
    }
    left -= 1
    let end = try offsets.next(as: Int64.self)
    guard end >= offset, end - offset <= Vocabulary.longestID else { throw offsets.damaged("offsets do not rise") }
    idBytes = 0
    while idBytes < Int(end - offset) {
      let part = UnsafeRawBufferPointer(try bytes.take(Int(end - offset) - idBytes, as: UInt8.self))
      if let base = part.baseAddress { (id + idBytes).copyMemory(from: base, byteCount: part.count) }
      idBytes += part.count
    }
    prefix = withID(bytePrefix)
    offset = end
  }
}

/// A tensor of a file, front to back.
final class ColumnReader {
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
    guard expected == checksumText(checksum) else { throw damaged("it is damaged: its checksum differs") }
  }
}
