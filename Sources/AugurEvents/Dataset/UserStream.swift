// Events user by user, users in byte order: what the merge reads, be it a run in memory, a run on disk or a data set.
import AugurTensors
import Glibc

/// One user's events as the merge gathers them.
struct UserHistory {
  let width: Int
  var times: [Int64] = []  // [n]
  var words: [UInt32] = []  // [n, W], as `EventChunk.words`
  var count: Int { times.count }

  init(width: Int) { self.width = width }

  mutating func removeAll() {
    times.removeAll(keepingCapacity: true)
    words.removeAll(keepingCapacity: true)
  }
}

protocol UserStream: AnyObject {
  var isAtEnd: Bool { get }
  /// `bytePrefix` of the current user's id.
  var prefix: UInt64 { get }
  func withID<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R
  /// Appends the current user's events and steps to the next user.
  func take(into history: inout UserHistory) throws(EventsError)
}

/// A run in memory.
final class MemoryRun: UserStream {
  private let events: SortedEvents
  private var user = 0
  private(set) var prefix: UInt64 = 0

  init(_ events: SortedEvents) {
    self.events = events
    if !isAtEnd { prefix = events.withUserID(0, bytePrefix) }
  }

  var isAtEnd: Bool { user >= events.starts.count }

  func withID<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R { events.withUserID(user, body) }

  func take(into history: inout UserHistory) {
    let range = events.events(ofUser: user)
    for row in range { history.times.append(events.time(row)) }
    history.words.append(contentsOf: events.payload[range.lowerBound * events.width..<range.upperBound * events.width])
    user += 1
    if !isAtEnd { prefix = events.withUserID(user, bytePrefix) }
  }
}

/// Runs on disk: for each user the bytes of the id, the count of events, the id, the times, and the words.
final class RunFile {
  private let file: Spool

  init(path: String) throws(EventsError) { file = try Spool(path: path, memory: 0) }

  static func write(_ events: SortedEvents, to path: String) throws(EventsError) {
    let run = try RunFile(path: path)
    for user in events.starts.indices {
      let range = events.events(ofUser: user)
      // `rethrows` knows no typed errors.
      try events.withUserID(user) { id in Result { () throws(EventsError) in try run.begin(id, range.count) } }.get()
      for row in range { try run.file.append(events.time(row)) }
      try run.file.append(events.payload[range.lowerBound * events.width..<range.upperBound * events.width])
    }
    try run.finish()
  }

  func append(_ id: UnsafeRawBufferPointer, _ history: UserHistory) throws(EventsError) {
    guard history.count > 0 else { return }
    try begin(id, history.count)
    try file.append(history.times)
    try file.append(history.words)
  }

  private func begin(_ id: UnsafeRawBufferPointer, _ count: Int) throws(EventsError) {
    try file.append(UInt32(id.count))
    try file.append(UInt32(count))
    try file.append(id)
  }

  func finish() throws(EventsError) { try file.finish(onDisk: true) }
}

final class DiskRun: UserStream {
  private let path: String
  private let width: Int
  private let keepsFile: Bool
  private let descriptor: Int32
  private var buffer: [UInt8]
  private var (at, end) = (0, 0)
  private var id: [UInt8] = []
  private var count = 0
  private(set) var prefix: UInt64 = 0
  private(set) var isAtEnd = false

  /// `bytes` of memory for reading ahead. The file goes with the run, unless it is to be read again.
  init(path: String, width: Int, bytes: Int, keepsFile: Bool = false) throws(EventsError) {
    (self.path, self.width, self.keepsFile) = (path, width, keepsFile)
    buffer = [UInt8](repeating: 0, count: max(64 << 10, bytes))
    descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Self.failure(path, errorText(errno)) }
    try readHead()
  }

  deinit {
    close(descriptor)
    if !keepsFile { unlink(path) }
  }

  func withID<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R { id.withUnsafeBytes(body) }

  func take(into history: inout UserHistory) throws(EventsError) {
    try append(count, to: &history.times)
    try append(count * width, to: &history.words)
    try readHead()
  }

  private func readHead() throws(EventsError) {
    if end - at < 8, try !refill() {
      isAtEnd = true
      return
    }
    let (idBytes, events) = (load(at), load(at + 4))
    at += 8
    count = events
    id.removeAll(keepingCapacity: true)
    try append(idBytes, to: &id)
    prefix = id.withUnsafeBytes(bytePrefix)
  }

  private func load(_ place: Int) -> Int {
    buffer.withUnsafeBytes { Int($0.loadUnaligned(fromByteOffset: place, as: UInt32.self)) }
  }

  /// Appends `count` elements of the file.
  private func append<E: FixedWidthInteger>(_ count: Int, to array: inout [E]) throws(EventsError) {
    var rest = count
    while rest > 0 {
      if (end - at) / MemoryLayout<E>.size == 0, try !refill() { throw Self.failure(path, "it ends too early") }
      let ready = min(rest, (end - at) / MemoryLayout<E>.size)
      guard ready > 0 else { throw Self.failure(path, "it ends too early") }
      buffer.withUnsafeBytes { bytes in
        for place in 0..<ready { array.append(bytes.loadUnaligned(fromByteOffset: at + place * MemoryLayout<E>.size, as: E.self)) }
      }
      at += ready * MemoryLayout<E>.size
      rest -= ready
    }
  }

  /// False where nothing is left of the file.
  private func refill() throws(EventsError) -> Bool {
    let rest = end - at
    buffer.withUnsafeMutableBytes { $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[at..<end])) }
    (at, end) = (0, rest)
    var got = 0
    repeat {
      got = buffer.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress.map { $0 + end }, $0.count - end) }
    } while got < 0 && errno == EINTR
    guard got >= 0 else { throw Self.failure(path, errorText(errno)) }
    end += got
    return got > 0
  }

  private static func failure(_ path: String, _ problem: String) -> EventsError {
    EventsError(file: path, problem: "cannot read a temporary file: \(problem)", advice: "prepare again")
  }
}
