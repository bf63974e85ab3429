// From the text of a block to its table of fields, for each text format.
import CKernels

/// How rows are cut into fields.
enum RowIndexer {
  /// `slots[field]` is the wanted column of a field, -1 for none.
  case delimited(delimiter: UInt8, slots: [Int32])
  /// An object a line; the wanted keys in the order of the table's columns.
  case jsonLines(keys: [[UInt8]])
  /// `user item` a line, or with `many` `user item item ...`: a row of the table for each item.
  case spaced(many: Bool)

  func index(_ block: Block) {
    switch self {
    case .delimited(let delimiter, let slots): indexDelimited(block, delimiter, slots)
    case .jsonLines(let keys):
      let memory = UnsafeMutableRawBufferPointer(start: block.memory, count: 2 * Block.room + 4096)
      block.newlines = indexJSONLines(memory, text: block.text, spare: Block.room + 128, keys: keys, into: &block.table)
    case .spaced(let many): indexSpaced(block, many)
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

  private func indexSpaced(_ block: Block, _ many: Bool) {
    var (at, lineStart, fields) = (block.text.lowerBound, block.text.lowerBound, 0)
    var (user, item) = (0..<0, 0..<0)
    let text = block.bytes(0..<block.text.upperBound)
    func endLine(_ end: Int) {
      if many ? fields == 1 : fields != 0 && fields != 2 {
        block.table.reject(lineStart..<end, .fieldCount, found: fields)
      } else if !many, fields == 2 {
        block.table.append(rowStart: lineStart, [user, item])
      }
      (fields, lineStart) = (0, end)
    }
    while at < text.count {
      let byte = text[at]
      if byte == DelimitedReader.newline {
        at += 1
        block.newlines += 1
        endLine(at)
      } else if Self.isBlank(byte) {
        at += 1
      } else {
        let first = at
        while at < text.count, text[at] > 0x20 || !(Self.isBlank(text[at]) || text[at] == DelimitedReader.newline) { at += 1 }
        if fields == 0 {
          user = first..<at
        } else {
          item = first..<at
          if many { block.table.append(rowStart: lineStart, [user, item]) }
        }
        fields += 1
      }
    }
    endLine(at)
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0d }
}
