// Orders other than by user, in bounded memory: rows go to buckets of a nameless file, and each bucket is sorted on its own.
import AugurTensors
import Glibc

/// Rows parted by time, or at random. A bucket is a list of segments of one file that has no name, so that nothing stays behind.
final class SyntheticSpill {
  private static let segmentRows = 1024
  /// Rows that a bucket should hold.
  private static let bucketRows = 262_144

  let bucketCount: Int
  private let world: SyntheticWorld
  private let path: String
  private let descriptor: Int32
  private var buffers: [[SyntheticRow]]
  private var segments: [[(place: Int, rows: Int)]]
  private var end = 0
  private var random: RandomStream
  private(set) var failure: SafetensorsError?

  init(_ world: SyntheticWorld, beside path: String) throws(SafetensorsError) {
    (self.world, self.path) = (world, path)
    bucketCount = max(1, min(4096, world.log.events / Self.bucketRows))
    buffers = [[SyntheticRow]](repeating: [], count: bucketCount)
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

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Called in the order of the blocks. At random, a row's key stands in the upper 24 bits of its code until it is sorted.
  func add(_ rows: [SyntheticRow]) {
    let scale = Double(bucketCount) / Double(world.options.days * 86_400)
    let isShuffled = world.options.order == .shuffled
    for row in rows {
      var row = row
      var bucket = 0
      if isShuffled {
        bucket = random.below(bucketCount)
        row.code |= UInt32(truncatingIfNeeded: random.next() >> 40) << 8
      } else {
        bucket = min(bucketCount - 1, Int(Double(row.time) * scale))
      }
      buffers[bucket].append(row)
      if buffers[bucket].count == Self.segmentRows { flush(bucket) }
    }
  }

  func finish() throws(SafetensorsError) {
    for bucket in 0..<bucketCount where !buffers[bucket].isEmpty { flush(bucket) }
    buffers = []
    if let failure { throw failure }
  }

  func fail(_ failure: SafetensorsError) { if self.failure == nil { self.failure = failure } }

  private func flush(_ bucket: Int) {
    buffers[bucket].withUnsafeBytes { raw in
      var rest = raw[...]
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
    segments[bucket].append((end - buffers[bucket].count * MemoryLayout<SyntheticRow>.stride, buffers[bucket].count))
    buffers[bucket].removeAll(keepingCapacity: true)
  }

  /// The rows of a bucket in the order of the file.
  func rows(of bucket: Int) throws(SafetensorsError) -> [SyntheticRow] {
    let stride = MemoryLayout<SyntheticRow>.stride
    let total = segments[bucket].reduce(0) { $0 + $1.rows }
    var isWhole = true
    let rows = [SyntheticRow](unsafeUninitializedCapacity: total) { buffer, count in
      let raw = UnsafeMutableRawBufferPointer(buffer)
      var at = 0
      for segment in segments[bucket] {
        var done = 0
        while done < segment.rows * stride, isWhole {
          let got = pread(
            descriptor, raw.baseAddress.map { $0 + at + done }, segment.rows * stride - done, off_t(segment.place + done))
          if got < 0, errno == EINTR { continue }
          if got > 0 { done += got } else { isWhole = false }
        }
        at += segment.rows * stride
      }
      count = isWhole ? total : 0
    }
    guard isWhole else {
      throw SafetensorsError(path: path, kind: .unreadable, problem: "cannot read spilled rows back: \(errorText(errno))")
    }
    return Self.sorted(rows, byTime: world.options.order == .time)
  }

  /// Stable, 12 bits at a time; equal keys keep the order of users.
  private static func sorted(_ rows: [SyntheticRow], byTime: Bool) -> [SyntheticRow] {
    func key(_ row: SyntheticRow) -> UInt32 { byTime ? row.time : row.code >> 8 }
    var (from, to) = (rows, rows)
    let low = rows.reduce(UInt32.max) { min($0, key($1)) }
    let high = rows.reduce(low) { max($0, key($1)) }
    var shift: UInt32 = 0
    while shift < 32, (high &- low) >> shift > 0 {
      var places = [Int](repeating: 0, count: 4097)
      for row in from { places[Int((key(row) - low) >> shift & 4095) + 1] += 1 }
      for digit in 1...4096 { places[digit] += places[digit - 1] }
      for row in from {
        let digit = Int((key(row) - low) >> shift & 4095)
        to[places[digit]] = row
        places[digit] += 1
      }
      swap(&from, &to)
      shift += 12
    }
    if !byTime { for index in from.indices { from[index].code &= 0xff } }
    return from
  }
}

/// One bucket, sorted and formatted.
final class SyntheticBucket {
  let text: SyntheticText
  private(set) var failure: SafetensorsError?

  init(_ catalogue: SyntheticCatalogue) { text = SyntheticText(catalogue) }

  func load(_ bucket: Int, of spill: SyntheticSpill) {
    do throws(SafetensorsError) {
      try spill.rows(of: bucket).withUnsafeBufferPointer { text.format($0) }
    } catch { failure = error }
  }
}
