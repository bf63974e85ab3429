// From the text of a block to its table of fields, for each text format.
import CKernels

/// How rows are cut into fields.
enum RowIndexer {
  /// `slots[field]` is the wanted column of a field, -1 for none.
  case delimited(delimiter: UInt8, slots: [Int32])
  /// An object a line; the wanted keys in the order of the table's columns.
  case jsonLines(keys: [[UInt8]])
  /// Fields with blanks between them and around them; `slots` as for `delimited`.
  case blank(slots: [Int32])
  /// Users and items, a row of the table for each item.
  case lines(LineShape)

  func index(_ block: Block) {
    switch self {
    case .delimited(let delimiter, let slots): indexDelimited(block, delimiter, slots)
    case .jsonLines(let keys):
      let memory = UnsafeMutableRawBufferPointer(start: block.memory, count: 2 * Block.room + 4096)
      block.newlines = indexJSONLines(memory, text: block.text, spare: Block.room + 128, keys: keys, into: &block.table)
    case .blank(let slots): indexBlank(block, slots)
    case .lines(let shape): indexLines(block, shape)
    }
  }

  private func indexDelimited(_ block: Block, _ delimiter: UInt8, _ slots: [Int32]) {
    var rows = ck_delimited()
    rows.text = block.memory.assumingMemoryBound(to: UInt8.self)
    (rows.begin, rows.end, rows.spare) = (block.text.lowerBound, block.text.upperBound, Block.room + 128)
    (rows.fields, rows.columns, rows.delimiter) = (slots.count, block.table.columns, delimiter)
    rows.last = slots.lastIndex { $0 >= 0 } ?? 0
    slots.withUnsafeBufferPointer { slots in
      rows.slots = slots.baseAddress
      repeat {
        block.table.fill { starts, ends, rowStarts, capacity, _ in
          (rows.starts, rows.ends, rows.row_starts, rows.capacity) = (starts, ends, rowStarts, capacity)
          ck_delimited_rows(&rows)
          if rows.quoted != 0 { block.isQuoted = true }
          rows.begin = rows.at
          return (rows.rows, Int(rows.problem) != CK_ROW_NONE || rows.at >= rows.end)
        }
        switch Int(rows.problem) {
        case CK_ROW_FIELDS: block.table.reject(rows.bad..<rows.at, .fieldCount, found: rows.found)
        case CK_ROW_QUOTES: block.table.reject(rows.bad..<rows.at, .malformedQuotes)
        case CK_ROW_OPEN: block.openRow = rows.bad
        default: break
        }
      } while rows.begin < rows.end
    }
    block.newlines = rows.lines
  }

  private func indexLines(_ block: Block, _ shape: LineShape) {
    var (user, item) = (0..<0, 0..<0)
    Self.eachLine(of: block) { line, place, field in
      if place == 0, shape != .sessions {
        user = field
      } else if shape == .pairs {
        item = field
      } else {
        block.table.append(rowStart: line, [user, field])
      }
    } end: { line, count in
      if shape == .pairs ? count != 2 : shape == .sequences && count == 1 {
        block.table.reject(line, .fieldCount, found: count)
      } else if shape == .pairs {
        block.table.append(rowStart: line.lowerBound, [user, item])
      }
      user = 0..<0
    }
  }

  private func indexBlank(_ block: Block, _ slots: [Int32]) {
    var fields = [Range<Int>](repeating: 0..<0, count: block.table.columns)
    Self.eachLine(of: block) { _, place, field in
      if place < slots.count, slots[place] >= 0 { fields[Int(slots[place])] = field }
    } end: { line, count in
      if count == slots.count {
        block.table.append(rowStart: line.lowerBound, fields)
      } else {
        block.table.reject(line, .fieldCount, found: count)
      }
    }
  }

  /// Calls `field` with where its line begins, its place in the line and its range, and `end` for each line that has fields.
  @inline(__always)
  private static func eachLine(
    of block: Block, field: (_ line: Int, _ place: Int, _ range: Range<Int>) -> Void, end: (_ line: Range<Int>, _ fields: Int) -> Void
  ) {
    var (at, line, fields) = (block.text.lowerBound, block.text.lowerBound, 0)
    let text = block.bytes(0..<block.text.upperBound)
    while at < text.count {
      let byte = text[at]
      if byte == DelimitedReader.newline {
        at += 1
        block.newlines += 1
        if fields > 0 { end(line..<at, fields) }
        (fields, line) = (0, at)
      } else if isBlank(byte) {
        at += 1
      } else {
        let first = at
        while at < text.count, text[at] > 0x20 || !(isBlank(text[at]) || text[at] == DelimitedReader.newline) { at += 1 }
        field(line, fields, first..<at)
        fields += 1
      }
    }
    if fields > 0 { end(line..<at, fields) }
  }

  static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0d }
}

/// Logs of lines without a header.
enum LineShape {
  /// `user item`, `user item item ...`, `item item ...`.
  case pairs, sequences, sessions

  /// nil for a log with a header.
  init?(_ format: LogFormat) {
    switch format {
    case .events: return nil
    case .pairs: self = .pairs
    case .sequences: self = .sequences
    case .sessions: self = .sessions
    }
  }

  var expectation: String {
    switch self {
    case .pairs: "expected 2 fields (user item)"
    case .sequences: "expected a user and at least one item"
    case .sessions: "expected items"
    }
  }
}
