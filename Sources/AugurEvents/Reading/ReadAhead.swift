// A source that is read on a thread of its own, ahead of its reader, so that decompressing and parsing overlap.
import AugurTensors
import Glibc

final class ReadAhead: ByteSource {
  let name: String
  var file: (descriptor: Int32, bytes: Int)? { nil }
  private let ring: Ring

  /// Takes `source` over. Memory: `buffers` times `bytes`.
  init(_ source: any ByteSource, buffers: Int = 4, bytes: Int = 512 << 10) throws(EventsError) {
    name = source.name
    ring = Ring(source, buffers: buffers, bytes: bytes)
    var thread = pthread_t()
    let argument = Unmanaged.passRetained(ring)
    let code = pthread_create(&thread, nil, { pointer in
      guard let pointer else { return nil }
      Unmanaged<Ring>.fromOpaque(pointer).takeRetainedValue().fill()
      return nil
    }, argument.toOpaque())
    guard code == 0 else {
      argument.release()
      throw EventsError(file: name, problem: "no thread to read it with: \(errorText(code))", advice: "raise the limit of threads: ulimit -u")
    }
    // Never joined: it may be waiting for a pipe that nobody writes to. It owns all it touches.
    pthread_detach(thread)
  }

  deinit { ring.stop() }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(EventsError) -> Int { try ring.take(into: buffer) }
}

/// Filled buffers in order, between one thread that fills and one that takes.
private final class Ring: @unchecked Sendable {
  private let source: any ByteSource
  private let buffers: [UnsafeMutableRawBufferPointer]
  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  // Under the lock.
  private var counts: [Int]  // bytes in each buffer
  private var filled = 0  // buffers filled and emptied since the start
  private var emptied = 0
  private var isAtEnd = false
  private var isStopped = false
  private var error: EventsError?
  /// How much of the first filled buffer is taken; the taking thread's own.
  private var position = 0

  init(_ source: any ByteSource, buffers count: Int, bytes: Int) {
    self.source = source
    buffers = (0..<count).map { _ in .allocate(byteCount: bytes, alignment: 64) }
    counts = Array(repeating: 0, count: count)
    pthread_mutex_init(lock, nil)
    pthread_cond_init(changed, nil)
  }

  deinit {
    for buffer in buffers { buffer.deallocate() }
    pthread_cond_destroy(changed)
    pthread_mutex_destroy(lock)
    changed.deallocate()
    lock.deallocate()
  }

  /// The filling thread: until the source ends or fails, or nobody reads any more.
  func fill() {
    while let slot = emptySlot() {
      var count = 0
      var problem: EventsError?
      do throws(EventsError) { count = try source.read(into: buffers[slot]) } catch { problem = error }
      pthread_mutex_lock(lock)
      if let problem {
        error = problem
      } else if count == 0 {
        isAtEnd = true
      } else {
        counts[slot] = count
        filled += 1
      }
      let isDone = problem != nil || isAtEnd
      pthread_cond_signal(changed)
      pthread_mutex_unlock(lock)
      if isDone { return }
    }
  }

  /// Waits for a buffer to fill; nil when nobody reads any more.
  private func emptySlot() -> Int? {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    while filled - emptied == buffers.count, !isStopped { pthread_cond_wait(changed, lock) }
    return isStopped ? nil : filled % buffers.count
  }

  func stop() {
    pthread_mutex_lock(lock)
    isStopped = true
    pthread_cond_signal(changed)
    pthread_mutex_unlock(lock)
  }

  func take(into buffer: UnsafeMutableRawBufferPointer) throws(EventsError) -> Int {
    var count = 0
    while count < buffer.count, let (slot, size) = try filledSlot() {
      let part = min(size - position, buffer.count - count)
      buffer[count...].copyBytes(from: buffers[slot][position..<position + part])
      count += part
      position += part
      guard position == size else { continue }
      position = 0
      pthread_mutex_lock(lock)
      emptied += 1
      pthread_cond_signal(changed)
      pthread_mutex_unlock(lock)
    }
    return count
  }

  /// Waits for bytes; nil at the end. What was read before damage is given first.
  private func filledSlot() throws(EventsError) -> (slot: Int, bytes: Int)? {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    while filled == emptied, !isAtEnd, error == nil { pthread_cond_wait(changed, lock) }
    if filled > emptied { return (emptied % buffers.count, counts[emptied % buffers.count]) }
    if let error { throw error }
    return nil
  }
}
