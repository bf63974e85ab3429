// A column on its way to a data set: written front to back, then read once; in memory while it is small, else in a temporary file.
import AugurTensors
import Glibc

final class Spool {
  private(set) var count = 0  // bytes
  /// CRC-32C of all bytes, once it is finished.
  private(set) var checksum: UInt32 = 0
  private var isKept = false
  private let path: String
  private let limit: Int
  private var buffer: [UInt8] = []
  private var descriptor: Int32 = -1
  private static let chunk = 1 << 20

  /// At most `memory` bytes (and never less than 1 MiB) stay in memory.
  init(path: String, memory: Int) throws(EventsError) {
    (self.path, limit) = (path, max(memory, Self.chunk))
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    if descriptor >= 0, !isKept { unlink(path) }
  }

  @inline(__always)
  func append<E: FixedWidthInteger>(_ value: E) throws(EventsError) {
    withUnsafeBytes(of: value.littleEndian) { buffer.append(contentsOf: $0) }
    if buffer.count >= limit { try spill() }
  }

  func append(_ bytes: UnsafeRawBufferPointer) throws(EventsError) {
    buffer.append(contentsOf: bytes)
    if buffer.count >= limit { try spill() }
  }

  func append(_ words: some RandomAccessCollection<UInt32>) throws(EventsError) {
    words.withContiguousStorageIfAvailable { buffer.append(contentsOf: UnsafeRawBufferPointer($0)) }
    if buffer.count >= limit { try spill() }
  }

  func append<E>(_ array: [E]) throws(EventsError) {
    array.withUnsafeBytes { buffer.append(contentsOf: $0) }
    if buffer.count >= limit { try spill() }
  }

  private func spill() throws(EventsError) {
    if descriptor < 0 {
      descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
      guard descriptor >= 0 else { throw failure("cannot make a temporary file", errno) }
    }
    var full: [UInt8] = []
    swap(&full, &buffer)
    checksum = full.withUnsafeBytes { crc32c($0, continuing: checksum) }
    try full.span.bytes.withUnsafeBytes { bytes throws(EventsError) in try write(bytes, at: count) }
    count += full.count
    full.removeAll(keepingCapacity: true)
    swap(&full, &buffer)
  }

  private func write(_ bytes: UnsafeRawBufferPointer, at place: Int) throws(EventsError) {
    var done = 0
    while done < bytes.count {
      let put = pwrite(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done, off_t(place + done))
      if put < 0, errno == EINTR { continue }
      guard put > 0 else { throw failure("cannot write", put == 0 ? ENOSPC : errno) }
      done += put
    }
  }

  /// Nothing more is appended; with `onDisk` all of it is in the file, which stays.
  func finish(onDisk: Bool = false) throws(EventsError) {
    isKept = onDisk
    if descriptor >= 0 || onDisk {
      try spill()
      buffer = []
    } else {
      checksum = buffer.withUnsafeBytes { crc32c($0) }
      count = buffer.count
    }
  }

  /// Calls `body` with all bytes, piece by piece, each a multiple of 8 bytes long but the last.
  func read(_ body: (UnsafeRawBufferPointer) throws(EventsError) -> Void) throws(EventsError) {
    guard descriptor >= 0 else {
      let all = buffer
      return try all.span.bytes.withUnsafeBytes(body)
    }
    var piece = [UInt8](repeating: 0, count: min(count, Self.chunk))
    var place = 0
    while place < count {
      let size = min(piece.count, count - place)
      try fill(&piece, size, at: place)
      try piece.span.bytes.withUnsafeBytes { bytes throws(EventsError) in
        try body(UnsafeRawBufferPointer(rebasing: bytes[..<size]))
      }
      place += size
    }
  }

  /// Changes every word in place.
  func map(_ change: (Int32) -> Int32) throws(EventsError) {
    func apply(_ bytes: UnsafeMutableRawBufferPointer) {
      bytes.withMemoryRebound(to: Int32.self) { words in for place in words.indices { words[place] = change(words[place]) } }
    }
    guard descriptor >= 0 else {
      buffer.withUnsafeMutableBytes(apply)
      checksum = buffer.withUnsafeBytes { crc32c($0) }
      return
    }
    var piece = [UInt8](repeating: 0, count: min(count, Self.chunk))
    var place = 0
    checksum = 0
    while place < count {
      let size = min(piece.count, count - place)
      try fill(&piece, size, at: place)
      piece.withUnsafeMutableBytes { apply(UnsafeMutableRawBufferPointer(rebasing: $0[..<size])) }
      try piece.span.bytes.withUnsafeBytes { bytes throws(EventsError) in
        let bytes = UnsafeRawBufferPointer(rebasing: bytes[..<size])
        checksum = crc32c(bytes, continuing: checksum)
        try write(bytes, at: place)
      }
      place += size
    }
  }

  private func fill(_ piece: inout [UInt8], _ size: Int, at place: Int) throws(EventsError) {
    var have = 0
    while have < size {
      let got = piece.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress.map { $0 + have }, size - have, off_t(place + have)) }
      if got < 0, errno == EINTR { continue }
      guard got > 0 else { throw failure("cannot read back", got == 0 ? EIO : errno) }
      have += got
    }
  }

  /// The column as a tensor of a file.
  func tensor(_ name: String, _ dtype: SafetensorsDType) -> SafetensorsTensor {
    SafetensorsTensor(name, dtype: dtype, shape: [count / dtype.bytes], count: count, checksum: checksum) { body throws(SafetensorsError) in
      var failure: SafetensorsError?
      do throws(EventsError) {
        try self.read { bytes throws(EventsError) in
          do throws(SafetensorsError) { try body(bytes) } catch {
            failure = error
            throw EventsError(error)
          }
        }
      } catch { throw failure ?? SafetensorsError(path: self.path, kind: .unreadable, problem: error.problem) }
    }
  }

  private func failure(_ what: String, _ code: Int32) -> EventsError {
    let advice = code == ENOSPC || code == EDQUOT || code == EFBIG ? "free space and try again" : "check the folder and its rights"
    return EventsError(file: path, problem: "\(what): \(errorText(code))", advice: advice)
  }
}
