// One input of a log under way: its format, and its bytes cut into blocks of whole rows.
import AugurCompute
import AugurTensors
import Glibc

/// Which columns of a log are read, and how its rows are cut.
enum ColumnChoice {
  /// The columns of events: CSV, TSV or JSON lines, by name.
  case events(LogColumns, EventAttributes)
  /// Lines without a header.
  case lines(LineShape)
  /// Every column that the header names, in its order, or in that of `like`, which must have the same names.
  case table(like: [String]?)

  init(_ format: LogFormat, _ columns: LogColumns, _ keep: EventAttributes) {
    if let shape = LineShape(format) { self = .lines(shape) } else { self = .events(columns, keep) }
  }
}

final class LogInput {
  let name: String
  /// Names of the columns of the field table where all are read, else empty.
  let header: [String]
  let layout: EventLayout
  /// Columns of the field table.
  let columns: Int
  let indexer: RowIndexer
  /// Line on which the next block begins.
  var line: Int
  private let source: any ByteSource
  /// Where the next block of a plain file begins, nominally.
  private var offset = 0
  private let first: Int
  /// Bytes of a stream that are read and not in a block yet.
  private var carry: [UInt8]
  private(set) var isAtEnd = false
  /// What the rows of the log should look like, for messages.
  let expectation: String

  /// Reads the head of the input: byte-order mark and header.
  init(_ path: String, columns choice: ColumnChoice) throws(EventsError) {
    source = try openSource(path)
    name = source.name
    var head = [UInt8](repeating: 0, count: source.file == nil ? Block.nominal : min(source.file?.bytes ?? 0, Block.nominal))
    head.removeLast(head.count - (try Self.read(source, into: &head)))
    guard !head.isEmpty else {
      throw EventsError(file: name, problem: "the file is empty", advice: "give a log with at least one event")
    }
    if head.starts(with: [0xff, 0xfe]) || head.starts(with: [0xfe, 0xff]) {
      throw EventsError(file: name, line: 1, problem: "the file is UTF-16", advice: "convert it: iconv -f utf-16 -t utf8")
    }
    let start = head.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0
    switch choice {
    case .events, .table:
      let head = try LogHead(head, from: start, file: name, columns: choice)
      (first, line, layout, indexer, header, columns) = (head.end, head.line, head.layout, head.indexer, head.header, head.columns)
      expectation = "expected \(head.fields) fields as in the header"
    case .lines(let shape):
      (first, line, header) = (start, 1, [])
      layout = EventLayout(hasTimes: false, attributes: [], hasNames: false, hasUsers: shape != .sessions)
      columns = layout.columns
      indexer = .lines(shape)
      expectation = shape.expectation
    }
    offset = first
    carry = source.file == nil ? Array(head[first...]) : []
  }

  private static func read(_ source: any ByteSource, into bytes: inout [UInt8]) throws(EventsError) -> Int {
    do {
      return try bytes.withUnsafeMutableBytes { buffer in
        var count = 0
        while count < buffer.count {
          let got = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[count...]))
          if got == 0 { break }
          count += got
        }
        return count
      }
    } catch { throw error as? EventsError ?? EventsError(file: source.name, problem: "\(error)", advice: "") }
  }

  /// Cuts the next blocks out of the input and indexes them with `work`, on all threads where the input is a plain file. Returns how many of
  /// `blocks` were filled, in order. Each thread reads into the memory of its block of `hot`, where there are
  /// any, and keeps it where the text is not needed again.
  func fill(_ blocks: [Block], hot: [Block], threads: Int, _ work: (Block, Int) -> Void) throws(EventsError) -> Int {
    let failure = FirstFailure()
    if let file = source.file {
      let count = min(blocks.count, max(0, (file.bytes - offset + Block.nominal - 1) / Block.nominal))
      let start = offset
      parallel(count, threads: threads) { task, thread in
        do throws(EventsError) {
          let block = blocks[task]
          if !hot.isEmpty { block.borrowMemory(of: hot[thread]) }
          try cut(file, from: start + task * Block.nominal, into: block)
          work(block, thread)
          if !hot.isEmpty { block.returnMemory(to: hot[thread]) }
        } catch { failure.note(error, place: task) }
      }
      offset = start + count * Block.nominal
      isAtEnd = offset >= file.bytes
      if let error = failure.error { throw error }
      return count
    }
    var count = 0
    while count < blocks.count, !isAtEnd {
      try cutStream(into: blocks[count])
      count += 1
    }
    parallel(count, threads: threads) { task, thread in work(blocks[task], thread) }
    return count
  }

  /// Reads the text of a block again.
  func restoreText(of block: Block) throws(EventsError) {
    guard block.lostRows != nil, let file = source.file else { return }
    try cut(file, from: block.fileStart, into: block)
  }

  /// The rows of a plain file that begin at or behind `start`, up to the first that begins behind the nominal size.
  private func cut(_ file: (descriptor: Int32, bytes: Int), from start: Int, into block: Block) throws(EventsError) {
    // One byte before: a row that begins exactly here is ours when a newline lies before it.
    let begin = start == first ? start : start - 1
    block.fileStart = start
    var want = min(file.bytes - begin, Block.nominal + 4096)
    var have = 0
    func more() throws(EventsError) {
      while have < want {
        let got = pread(file.descriptor, block.memory + have, want - have, off_t(begin + have))
        if got < 0, errno == EINTR { continue }
        guard got > 0 else {
          let problem = got == 0 ? "the file became shorter while it was read" : "cannot read: \(errorText(errno))"
          throw EventsError(file: name, problem: problem, advice: "prepare a file that nobody writes to")
        }
        have += got
      }
    }
    try more()
    let nominalEnd = min(start + Block.nominal, file.bytes) - begin
    var lower = 0
    if begin < start {
      // Without a newline, or with the first one behind the end, no row begins here.
      guard let newline = newline(block, 0, have), newline + 1 < nominalEnd else { return }
      lower = newline + 1
    }
    if begin + nominalEnd == file.bytes {
      block.text = lower..<nominalEnd
      return
    }
    // The row that crosses the nominal end belongs to this block.
    while true {
      if let newline = newline(block, nominalEnd - 1, have) {
        block.text = lower..<newline + 1
        return
      }
      block.text = lower..<have
      if begin + have == file.bytes { return }
      block.isCutOff = have - nominalEnd >= Block.longestRow
      if block.isCutOff { return }
      want = min(file.bytes - begin, have + (64 << 10))
      try more()
    }
  }

  private func newline(_ block: Block, _ from: Int, _ end: Int) -> Int? {
    memchr(block.memory + from, 10, end - from).map { UnsafeMutableRawPointer($0) - block.memory }
  }

  /// The next rows of a stream.
  private func cutStream(into block: Block) throws(EventsError) {
    carry.withUnsafeBytes { block.memory.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(block.memory), byteCount: $0.count) }
    var have = carry.count
    carry.removeAll(keepingCapacity: true)
    while have < Block.nominal + Block.longestRow {
      let space = UnsafeMutableRawBufferPointer(start: block.memory + have, count: max(Block.nominal - have, 64 << 10))
      let got = try source.read(into: space)
      if got == 0 {
        isAtEnd = true
        block.text = 0..<have
        return
      }
      have += got
      guard have >= Block.nominal else { continue }
      if let newline = block.bytes(0..<have).lastIndex(of: DelimitedReader.newline) {
        block.text = 0..<newline + 1
        carry.append(contentsOf: UnsafeRawBufferPointer(start: block.memory + newline + 1, count: have - newline - 1))
        return
      }
    }
    block.text = 0..<have
    block.isCutOff = true
    try skipLine()
  }

  /// Leaves out the rest of a row that is too long.
  private func skipLine() throws(EventsError) {
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let got = try Self.read(source, into: &chunk)
      if got == 0 {
        isAtEnd = true
        return
      }
      if let newline = chunk[..<got].firstIndex(of: DelimitedReader.newline) {
        carry = Array(chunk[(newline + 1)..<got])
        return
      }
    }
  }
}

/// The error of the first place at which a loop over places failed.
final class FirstFailure: @unchecked Sendable {
  private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private(set) var error: EventsError?
  private var place = Int.max

  init() { pthread_mutex_init(lock, nil) }
  deinit { lock.deallocate() }

  func note(_ error: EventsError, place: Int) {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    if place < self.place { (self.error, self.place) = (error, place) }
  }
}
