// A column on its way to a data set: written front to back, then read once; in memory while it is small, else in a temporary file.
import AugurTensors
import Glibc

final class Spool {
  private(set) var count = 0  // bytes
  private var isKept = false
  private let path: String
  private let limit: Int
  private let buffer = ByteBuffer()
  private var descriptor: Int32 = -1
  private static let chunk = 1 << 20

  /// At most `memory` bytes (and never less than 1 MiB) stay in memory.
  init(path: String, memory: Int) throws(EventsError) {
    (self.path, limit) = (path, max(memory, Self.chunk))
  }

  deinit { discard() }

  /// Gives the memory and the file back, unless the file stays.
  private func discard() {
    buffer.free()
    guard descriptor >= 0 else { return }
    close(descriptor)
    if !isKept { unlink(path) }
    descriptor = -1
  }

  @inline(__always)
  func append<E: FixedWidthInteger>(_ value: E) throws(EventsError) {
    buffer.reserve(MemoryLayout<E>.size).storeBytes(of: value.littleEndian, as: E.self)
    if buffer.count >= limit { try spill() }
  }

  func append(_ bytes: UnsafeRawBufferPointer) throws(EventsError) {
    if let base = bytes.baseAddress { buffer.reserve(bytes.count).copyMemory(from: base, byteCount: bytes.count) }
    if buffer.count >= limit { try spill() }
  }

  func append(_ words: some RandomAccessCollection<UInt32>) throws(EventsError) {
    words.withContiguousStorageIfAvailable { words in
      if let base = words.baseAddress { buffer.reserve(4 * words.count).copyMemory(from: base, byteCount: 4 * words.count) }
    }
    if buffer.count >= limit { try spill() }
  }

  func append<E>(_ array: [E]) throws(EventsError) {
    array.withUnsafeBytes { bytes in
      if let base = bytes.baseAddress { buffer.reserve(bytes.count).copyMemory(from: base, byteCount: bytes.count) }
    }
    if buffer.count >= limit { try spill() }
  }

  func append<E>(_ part: ArraySlice<E>) throws(EventsError) {
    part.withUnsafeBytes { bytes in
      if let base = bytes.baseAddress { buffer.reserve(bytes.count).copyMemory(from: base, byteCount: bytes.count) }
    }
    if buffer.count >= limit { try spill() }
  }

  /// Word `place` of each of some rows of `width` words.
  func append(_ words: [UInt32], _ rows: Range<Int>, place: Int, width: Int) throws(EventsError) {
    words.withUnsafeBufferPointer { words in
      var to = buffer.reserve(4 * rows.count).assumingMemoryBound(to: UInt32.self)
      for row in rows {
        to.pointee = words[row * width + place]
        to += 1
      }
    }
    if buffer.count >= limit { try spill() }
  }

  private func spill() throws(EventsError) {
    if descriptor < 0 {
      descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
      guard descriptor >= 0 else { throw failure("cannot make a temporary file", errno) }
    }
    try write(buffer.bytes, at: count)
    count += buffer.count
    buffer.removeAll()
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
      buffer.free()
    } else {
      count = buffer.count
    }
  }

  /// Calls `body` with all bytes, piece by piece, each a multiple of 8 bytes long but the last; what it changes does not last on disk.
  private func readPieces(_ body: (UnsafeMutableRawBufferPointer) throws(EventsError) -> Void) throws(EventsError) {
    guard descriptor >= 0 else { return try body(buffer.mutableBytes) }
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: min(count, Self.chunk), alignment: 16)
    defer { piece.deallocate() }
    var place = 0
    while place < count {
      let part = UnsafeMutableRawBufferPointer(rebasing: piece[..<min(piece.count, count - place)])
      try fill(part, at: place)
      try body(part)
      place += part.count
    }
  }

  /// Calls `body` with all bytes, piece by piece, each a multiple of 8 bytes long but the last.
  func read(_ body: (UnsafeRawBufferPointer) throws(EventsError) -> Void) throws(EventsError) {
    try readPieces { bytes throws(EventsError) in try body(UnsafeRawBufferPointer(bytes)) }
  }

  /// Reads `count` elements from element `start` on into the front of `elements`.
  func read<E: BitwiseCopyable>(_ elements: inout [E], _ count: Int, from start: Int) throws(EventsError) {
    let (size, place) = (count * MemoryLayout<E>.stride, start * MemoryLayout<E>.stride)
    guard descriptor >= 0 else {
      elements.withUnsafeMutableBytes { bytes in
        bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer.bytes[place..<place + size]))
      }
      return
    }
    try elements.withUnsafeMutableBytes { bytes in
      Result { () throws(EventsError) in try fill(UnsafeMutableRawBufferPointer(rebasing: bytes[..<size]), at: place) }
    }.get()
  }

  private func fill(_ piece: UnsafeMutableRawBufferPointer, at place: Int) throws(EventsError) {
    var have = 0
    while have < piece.count {
      let got = pread(descriptor, piece.baseAddress.map { $0 + have }, piece.count - have, off_t(place + have))
      if got < 0, errno == EINTR { continue }
      guard got > 0 else { throw failure("cannot read back", got == 0 ? EIO : errno) }
      have += got
    }
  }

  /// The column as a tensor of a file, into which it moves: it can be written once. `change` is applied to every word on the way.
  func tensor(_ name: String, _ dtype: SafetensorsDType, change: ((Int32) -> Int32)? = nil) -> SafetensorsTensor {
    SafetensorsTensor(name, dtype: dtype, shape: [count / dtype.bytes], count: count) { body throws(SafetensorsError) in
      var failure: SafetensorsError?
      do throws(EventsError) {
        try self.readPieces { bytes throws(EventsError) in
          if let change {
            bytes.withMemoryRebound(to: Int32.self) { words in for place in words.indices { words[place] = change(words[place]) } }
          }
          do throws(SafetensorsError) { try body(UnsafeRawBufferPointer(bytes)) } catch {
            failure = error
            throw EventsError(error)
          }
        }
      } catch { throw failure ?? SafetensorsError(path: self.path, kind: .unreadable, problem: error.problem) }
      // What did not reach the disk yet need not.
      self.discard()
    }
  }

  private func failure(_ what: String, _ code: Int32) -> EventsError {
    let advice = code == ENOSPC || code == EDQUOT || code == EFBIG ? "free space and try again" : "check the folder and its rights"
    return EventsError(file: path, problem: "\(what): \(errorText(code))", advice: advice)
  }
}

/// Bytes that grow at the end; plain memory, because an array in a class is counted and checked at every touch.
private final class ByteBuffer {
  private var memory = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 16)
  private var capacity = 64
  private(set) var count = 0

  deinit { memory.deallocate() }

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: memory, count: count) }
  var mutableBytes: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(start: memory, count: count) }

  /// Adds `size` bytes that the caller writes, at any alignment.
  @inline(__always) func reserve(_ size: Int) -> UnsafeMutableRawPointer {
    if count + size > capacity { grow(to: count + size) }
    count += size
    return memory + (count - size)
  }

  func removeAll() { count = 0 }

  /// Gives the memory back.
  func free() {
    memory.deallocate()
    (memory, capacity, count) = (.allocate(byteCount: 64, alignment: 16), 64, 0)
  }

  private func grow(to size: Int) {
    capacity = max(2 * capacity, size)
    let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
    larger.copyMemory(from: memory, byteCount: count)
    memory.deallocate()
    memory = larger
  }
}
