// A piece of a log that holds whole rows: its text, where its fields lie, and the columns decoded from it.
import CKernels

/// Events as columns, in file order. Indices are those of the decoder that made them.
struct EventChunk {
  var decoder = 0
  /// Whether `users` are digit codes, not indices.
  var usersAreCodes = true
  var users: [UInt64] = []  // [R]
  var times: [Int64] = []  // [R], epoch milliseconds, or the place in the log where it has no times
  /// [W, R]: item index, then event kind index, category index, price bits and quantity bits where the log has them.
  var words: [[UInt32]] = []
  /// Bounds of users and times, as they were last measured.
  private(set) var span = EventChunk.emptySpan
  /// Lines that are sessions without a user.
  var sessions = 0
  /// Local times that were taken for the first of two instants.
  var ambiguousTimes = 0
  var rows: Int { users.count }

  static var emptySpan: ck_event_span {
    ck_event_span(least_code: .max, largest_code: 0, code_bits: 0, first_time: .max, last_time: .min, sub_seconds: 0)
  }

  /// Measures the bounds; after every change of users or times.
  mutating func measure() {
    span = Self.emptySpan
    ck_event_range(&span, users, times, rows)
  }

  /// Gives the rows of each line its place in the block, for `nameSessions`.
  mutating func numberSessions(_ block: Block) {
    for row in 0..<block.table.rows {
      if row == 0 || block.table.rowStarts[row] != block.table.rowStarts[row - 1] { sessions += 1 }
      users.append(UInt64(sessions))
    }
  }

  /// Makes users of the places: the digit codes of their numbers behind the `count` sessions before the block.
  mutating func nameSessions(after count: Int) {
    var (place, code): (UInt64, UInt64) = (0, 0)
    for row in users.indices {
      if users[row] != place {
        place = users[row]
        code = Array(String(count + Int(place)).utf8).withUnsafeBytes { digitCode($0) }
      }
      users[row] = code
    }
    measure()
  }
}

/// A row that is not taken: where it lies in the text of its block, and why.
struct RejectedRow {
  var range: Range<Int>
  var problem: RowProblem
  /// The column as messages name it, and the line's error text; nil where the whole row is malformed.
  var field: String?
  var detail: String
  var advice: String
}

final class Block {
  /// Bytes of a block as files are cut, small enough for a core's cache beside its fields.
  static let nominal = 512 << 10
  static let longestRow = 512 << 10
  /// The largest text: a row carried over, and a block whose last row is as long as rows may be.
  static let room = 2 * longestRow + nominal

  /// [2 room + padding]: the text, and behind it what quotes and escapes unpack to.
  private(set) var memory = UnsafeMutableRawPointer.allocate(byteCount: 2 * room + 4096, alignment: 64)
  var text = 0..<0
  /// Where it was cut out of a plain file, nominally.
  var fileStart = 0
  /// Place of the block in the log.
  var number = 0
  /// The line of its file on which it begins; known when the reader gives it.
  var firstLine = 1
  var newlines = 0
  /// Where the row begins whose quote is still open at the end of the text.
  var openRow: Int?
  var isQuoted = false
  /// Rows that the text holds, where the memory holds another text by now.
  private(set) var lostRows: Int?
  /// Rows that were cut into fields.
  var rows: Int { lostRows ?? table.rows }
  /// The text ends within a row that is too long to read.
  var isCutOff = false
  var table: FieldTable
  var chunk = EventChunk()
  var rejected: [RejectedRow] = []

  init(columns: Int) { table = FieldTable(columns: columns) }

  deinit { memory.deallocate() }

  /// Reads into the memory of `other`, which the core's cache holds, and gives it its own.
  func borrowMemory(of other: Block) {
    exchangeMemory(with: other)
    table.removeAll()
  }

  /// Gives the memory back, unless the text may be looked at once more when the blocks before it are known.
  func returnMemory(to other: Block) {
    guard !isQuoted, !isCutOff, openRow == nil, rejected.isEmpty, table.rejected.isEmpty else { return }
    lostRows = table.rows
    exchangeMemory(with: other)
  }

  private func exchangeMemory(with other: Block) {
    swap(&memory, &other.memory)
    swap(&table, &other.table)
  }

  func bytes(_ range: Range<Int>) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: memory + range.lowerBound, count: range.count) }

  func reset(columns: Int) {
    if table.columns != columns { table = FieldTable(columns: columns) }
    table.removeAll()
    rejected.removeAll()
    (text, newlines, openRow, isQuoted, lostRows, isCutOff, chunk) = (0..<0, 0, nil, false, nil, false, EventChunk())
  }

  /// The line of every row, in one pass.
  func rowLines() -> [Int] {
    var (line, seen) = (firstLine, text.lowerBound)
    return table.rowStarts.prefix(table.rows).map { start in
      let start = max(seen, Int(start))
      line += bytes(seen..<start).reduce(0) { $0 + ($1 == DelimitedReader.newline ? 1 : 0) }
      seen = start
      return line
    }
  }

  /// The line of a place in the text; reads all before it.
  func line(of place: Int) -> Int {
    firstLine + bytes(text.lowerBound..<place).reduce(0) { $0 + ($1 == DelimitedReader.newline ? 1 : 0) }
  }
}
