// Orders other than by user, in bounded memory: rows go to buckets of a nameless file, and each bucket is sorted on its own.
import AugurCompute
import AugurTensors
import Glibc
import Synchronization

/// Rows parted by time, or at random. A bucket is a list of segments of one file that has no name, so that nothing stays behind.
final class SyntheticSpill {
  private static let segmentRows = 1024
  /// Rows that a bucket should hold.
  private static let bucketRows = 262_144

  let bucketCount: Int
  private let world: SyntheticWorld
  private let path: String
  private let descriptor: Int32
  /// Rows that are not on disk yet, [bucketCount, segmentRows], and how many of each bucket.
  private let buffers: UnsafeMutablePointer<SyntheticRow>
  private let counts: UnsafeMutablePointer<Int>
  private var segments: [[(place: Int, rows: Int)]]
  private var end = 0
  private var random: RandomStream
  private(set) var failure: SafetensorsError?

  init(_ world: SyntheticWorld, beside path: String) throws(SafetensorsError) {
    (self.world, self.path) = (world, path)
    bucketCount = max(1, min(4096, world.log.events / Self.bucketRows))
    buffers = .allocate(capacity: bucketCount * Self.segmentRows)
    counts = .allocate(capacity: bucketCount)
    counts.initialize(repeating: 0, count: bucketCount)
    segments = [[(place: Int, rows: Int)]](repeating: [], count: bucketCount)
    random = RandomStream(seed: world.log.seed, stream: 3)
    let slash = path.utf8.lastIndex(of: 0x2f)
    let directory = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let base = slash.map { String(path[path.utf8.index(after: $0)...]) } ?? path
    let name = "\(directory)/.\(base).tmp-\(getpid())-spill"
    descriptor = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw SafetensorsError(
        path: name, kind: .writeFailed, problem: "cannot create a file in '\(directory)': \(errorText(errno))")
    }
    unlink(name)
  }

  deinit {
    buffers.deallocate()
    counts.deallocate()
    if descriptor >= 0 { close(descriptor) }
  }

  /// Called in the order of the blocks. At random, a row's key stands in the upper 24 bits of its code until it is sorted.
  func add(_ rows: [SyntheticRow]) {
    let scale = Double(bucketCount) / Double(world.options.days * 86_400)
    let isShuffled = world.options.order == .shuffled
    let (bucketCount, buffers, counts) = (bucketCount, buffers, counts)
    var random = random
    for row in rows {
      var row = row
      var bucket = 0
      if isShuffled {
        bucket = random.below(bucketCount)
        row.code |= UInt32(truncatingIfNeeded: random.next() >> 40) << 8
      } else {
        bucket = min(bucketCount - 1, Int(Double(row.time) * scale))
      }
      (buffers + bucket * Self.segmentRows + counts[bucket]).initialize(to: row)
      counts[bucket] += 1
      if counts[bucket] == Self.segmentRows { flush(bucket) }
    }
    self.random = random
  }

  func finish() throws(SafetensorsError) {
    for bucket in 0..<bucketCount where counts[bucket] > 0 { flush(bucket) }
    if let failure { throw failure }
  }

  func fail(_ failure: SafetensorsError) { if self.failure == nil { self.failure = failure } }

  private func flush(_ bucket: Int) {
    let rows = UnsafeBufferPointer(start: buffers + bucket * Self.segmentRows, count: counts[bucket])
    segments[bucket].append((end, rows.count))
    counts[bucket] = 0
    var rest = UnsafeRawBufferPointer(rows)[...]
    while !rest.isEmpty, failure == nil {
      let count = pwrite(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count, off_t(end))
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        let problem = "cannot spill rows beside it: \(errorText(count == 0 ? EIO : errno)); free space and try again"
        return fail(SafetensorsError(path: path, kind: .writeFailed, problem: problem))
      }
      rest = rest.dropFirst(count)
      end += count
    }
  }

  /// The rows of a bucket in the order of the file; `scratch` is room for as many.
  func load(_ bucket: Int, into rows: SyntheticRows, scratch: SyntheticRows) throws(SafetensorsError) {
    let stride = MemoryLayout<SyntheticRow>.stride
    let total = segments[bucket].reduce(0) { $0 + $1.rows }
    rows.resize(to: total)
    scratch.resize(to: total)
    var at = UnsafeMutableRawPointer(rows.base)
    for segment in segments[bucket] {
      var done = 0
      while done < segment.rows * stride {
        let got = pread(descriptor, at + done, segment.rows * stride - done, off_t(segment.place + done))
        if got < 0, errno == EINTR { continue }
        guard got > 0 else {
          throw SafetensorsError(path: path, kind: .unreadable, problem: "cannot read spilled rows back: \(errorText(got == 0 ? EIO : errno))")
        }
        done += got
      }
      at += done
    }
    if world.options.order == .time { rows.sort(scratch) { $0.time } } else { rows.sort(scratch) { $0.code >> 8 } }
    guard world.options.order == .shuffled else { return }
    let base = rows.base
    for row in 0..<total { base[row].code &= 0xff }
  }
}

/// Rows of one bucket, in memory that is kept.
final class SyntheticRows {
  private(set) var base = UnsafeMutablePointer<SyntheticRow>.allocate(capacity: 1)
  private(set) var count = 0
  private var capacity = 1

  deinit { base.deallocate() }

  func resize(to count: Int) {
    self.count = count
    guard count > capacity else { return }
    base.deallocate()
    capacity = count + count / 8
    base = .allocate(capacity: capacity)
  }

  /// Stable, 12 bits at a time; equal keys keep the order of users. The memory of `scratch` may become that of the rows.
  @inline(__always)
  func sort(_ scratch: SyntheticRows, by key: (SyntheticRow) -> UInt32) {
    let count = count
    var (from, to) = (base, scratch.base)
    var (low, high) = (UInt32.max, UInt32(0))
    for row in 0..<count {
      let key = key(from[row])
      (low, high) = (min(low, key), max(high, key))
    }
    var (shift, isSwapped, places) = (UInt32(0), false, [Int](repeating: 0, count: 4097))
    while shift < 32, count > 0, (high &- low) >> shift > 0 {
      places.withUnsafeMutableBufferPointer { places in
        places.update(repeating: 0)
        for row in 0..<count { places[Int((key(from[row]) &- low) >> shift & 4095) + 1] += 1 }
        for digit in 1...4096 { places[digit] += places[digit - 1] }
        for row in 0..<count {
          let digit = Int((key(from[row]) &- low) >> shift & 4095)
          to[places[digit]] = from[row]
          places[digit] += 1
        }
      }
      swap(&from, &to)
      isSwapped.toggle()
      shift += 12
    }
    guard isSwapped else { return }
    swap(&base, &scratch.base)
    swap(&capacity, &scratch.capacity)
  }
}

/// Formats the buckets one after another and writes them in order. A bucket is formatted in pieces that stay in the cache until they are
/// written, while one thread brings the next bucket.
final class SyntheticBuckets {
  private static let pieceRows = 4096
  private let spill: SyntheticSpill
  private let sink: SyntheticSink
  private let catalogue: SyntheticCatalogue
  private var texts: [SyntheticText] = []
  private var (current, next, scratch) = (SyntheticRows(), SyntheticRows(), SyntheticRows())
  private let order = Mutex(Order())
  private let claimed = Atomic<Int>(0)

  /// Which pieces are ready, and how far they are written.
  private struct Order {
    var isReady: [Bool] = []
    var next = 0
    var isWriting = false

    /// The pieces that the caller is to write now; none where another thread is at it, or nothing is ready.
    mutating func take() -> Range<Int> {
      let first = next
      while next < isReady.count, isReady[next] { next += 1 }
      isWriting = next > first
      return first..<next
    }
  }

  init(_ spill: SyntheticSpill, to sink: SyntheticSink, _ catalogue: SyntheticCatalogue) {
    (self.spill, self.sink, self.catalogue) = (spill, sink, catalogue)
  }

  func writeAll() throws(SafetensorsError) {
    try spill.load(0, into: current, scratch: scratch)
    for bucket in 0..<spill.bucketCount {
      let pieces = (current.count + Self.pieceRows - 1) / Self.pieceRows
      while texts.count < pieces { texts.append(SyntheticText(catalogue)) }
      order.withLock { $0 = Order(isReady: [Bool](repeating: false, count: pieces)) }
      claimed.store(0, ordering: .relaxed)
      // In this order, so that pieces come to be written one after another.
      parallel(ThreadPool.shared.threads) { _ in
        while true {
          let task = claimed.add(1, ordering: .relaxed).oldValue
          guard task <= pieces else { break }
          if task == 0 { bring(bucket + 1) } else { format(task - 1) }
        }
      }
      if let failure = spill.failure ?? sink.failure { throw failure }
      swap(&current, &next)
    }
  }

  private func bring(_ bucket: Int) {
    guard bucket < spill.bucketCount else { return }
    do throws(SafetensorsError) { try spill.load(bucket, into: next, scratch: scratch) } catch { spill.fail(error) }
  }

  private func format(_ piece: Int) {
    let first = piece * Self.pieceRows
    let count = min(Self.pieceRows, current.count - first)
    texts[piece].format(UnsafeBufferPointer(start: current.base + first, count: count))
    var run = order.withLock { order in
      order.isReady[piece] = true
      return order.isWriting ? 0..<0 : order.take()
    }
    while !run.isEmpty {
      for place in run { sink.write(texts[place].bytes) }
      run = order.withLock { $0.take() }
    }
  }
}
