// A table as it was read: the text of every cell, in the order of the files, and where each row stands.
import AugurCompute
import AugurTensors

/// Rows of one block. Cells lie one behind the other, row by row.
final class TableChunk: Sendable {
  let columns: Int
  let rows: Int
  let bytes: [UInt8]
  /// [R C + 1], where cells begin and the last one ends.
  private let bounds: [UInt32]
  /// [R], lines from the first line of the block.
  private let lines: [UInt32]

  init(_ block: Block) {
    let table = block.table
    (columns, rows) = (table.columns, table.rows)
    var (bytes, bounds, lines) = ([UInt8](), [UInt32](), [UInt32]())
    bytes.reserveCapacity(block.text.count)
    bounds.reserveCapacity(rows * columns + 1)
    lines.reserveCapacity(rows)
    bounds.append(0)
    var (line, seen) = (UInt32(0), block.text.lowerBound)
    for row in 0..<rows {
      for column in 0..<columns {
        bytes.append(contentsOf: block.bytes(table.range(row, column)))
        bounds.append(UInt32(bytes.count))
      }
      let start = Int(table.rowStarts[row])
      for byte in block.bytes(seen..<max(seen, start)) where byte == DelimitedReader.newline { line += 1 }
      seen = max(seen, start)
      lines.append(line)
    }
    (self.bytes, self.bounds, self.lines) = (bytes, bounds, lines)
  }

  /// Copies the rows of another chunk where `keeps` is true; one entry of it a row.
  init(_ other: TableChunk, where keeps: ArraySlice<Bool>) {
    columns = other.columns
    var (bytes, bounds, lines): ([UInt8], [UInt32], [UInt32]) = ([], [0], [])
    for (row, isKept) in keeps.enumerated() where isKept {
      let first = row * columns
      let begin = other.bounds[first]
      let shift = UInt32(bytes.count)
      bytes += other.bytes[Int(begin)..<Int(other.bounds[first + columns])]
      for cell in first + 1...first + columns { bounds.append(other.bounds[cell] - begin + shift) }
      lines.append(other.lines[row])
    }
    (rows, self.bytes, self.bounds, self.lines) = (lines.count, bytes, bounds, lines)
  }

  /// Calls `body` with the text of the cells, valid during the call.
  @inline(__always)
  func withCells<R, Failure: Error>(_ body: (TableCells) throws(Failure) -> R) throws(Failure) -> R {
    try bytes.withUnsafeBufferPointer { bytes throws(Failure) in
      try bounds.withUnsafeBufferPointer { bounds throws(Failure) in
        try body(TableCells(bytes: UnsafeRawBufferPointer(bytes), bounds: bounds, columns: columns))
      }
    }
  }

  func line(_ row: Int) -> Int { Int(lines[row]) }
  var memory: Int { bytes.count + 4 * (bounds.count + lines.count) }
}

/// The cells of a chunk in place.
struct TableCells {
  let bytes: UnsafeRawBufferPointer
  let bounds: UnsafeBufferPointer<UInt32>
  let columns: Int

  @inline(__always)
  subscript(row: Int, column: Int) -> UnsafeRawBufferPointer {
    let cell = row * columns + column
    return UnsafeRawBufferPointer(rebasing: bytes[Int(bounds[cell])..<Int(bounds[cell + 1])])
  }
}

/// What the suffix of a column's name says of its type, as in `user_id:token`.
enum TypedColumn: String {
  case token, float
  case tokens = "token_seq"
  case floats = "float_seq"
}

/// The columns of a table as its first line names them.
struct TableHead {
  /// Column names, each once; without a type suffix.
  let names: [String]
  let types: [TypedColumn?]
  /// As the files name them.
  let header: [String]
  let file: String

  init(_ header: [String], file: String) throws(EventsError) {
    (self.header, self.file) = (header, file)
    var (names, types, seen): ([String], [TypedColumn?], [String: Int]) = ([], [], [:])
    for (place, text) in header.enumerated() {
      var name = text
      var type: TypedColumn?
      if let colon = text.lastIndex(of: ":"), let known = TypedColumn(rawValue: String(text[text.index(after: colon)...])) {
        (name, type) = (String(text[..<colon]), known)
      }
      while name.hasPrefix(" ") { name.removeFirst() }
      while name.hasSuffix(" ") { name.removeLast() }
      if name.isEmpty || name.utf8.count > Feature.longestName || name.unicodeScalars.contains(where: { $0.value < 0x20 }) {
        name = "column \(place + 1)"
      }
      if let earlier = seen.updateValue(place, forKey: name) {
        throw EventsError(
          file: file, line: 1, field: name, problem: "columns \(earlier + 1) and \(place + 1) have this name",
          advice: "rename one of them")
      }
      names.append(name)
      types.append(type)
    }
    (self.names, self.types) = (names, types)
  }

  /// The place of a column; throws with the names that there are.
  func column(_ name: String, as role: String) throws(EventsError) -> Int {
    if let place = names.firstIndex(of: name) ?? header.firstIndex(of: name) { return place }
    let shown =
      names.prefix(12).map { excerpt($0.utf8) }.joined(separator: ", ") + (names.count > 12 ? ", … (\(names.count))" : "")
    let hint = nearest(to: name, in: names).map { "did you mean '\($0)'?" } ?? "name one of them"
    throw EventsError(
      file: file, line: 1, field: name, problem: "no such column for the \(role); the columns are \(shown)", advice: hint)
  }
}

/// All rows of one or more files with the same columns.
struct Table {
  struct Piece {
    let chunk: TableChunk
    /// Row of the table at which it begins.
    let first: Int
    let file: String
    let firstLine: Int
  }

  let head: TableHead
  private(set) var pieces: [Piece] = []
  private(set) var rows = 0
  /// [rows], of those that are kept, the places among all that count as read; nil where all are.
  private var keptRows: [Int]?
  /// The place of a row among all that count as read, from 0.
  func inputRow(_ row: Int) -> Int { keptRows?[row] ?? row }
  /// Text and bounds in memory, bytes.
  private(set) var memory = 0
  var names: [String] { head.names }
  var types: [TypedColumn?] { head.types }
  var header: [String] { head.header }
  var file: String { head.file }

  /// Opens the first of `inputs` for its columns and reads them all; `rejection` takes the rows that have no such columns.
  init(
    _ inputs: [String], threads: Int, memory limit: Int = .max, rejection: any RowRejection = StopAtBadRow()
  ) throws(EventsError) {
    let reader = try BlockReader(inputs, columns: .table(like: nil), threads: threads, rejection: rejection)
    head = try TableHead(reader.header, file: reader.file)
    try append(reader, threads: threads, limit: limit)
  }

  /// Adds the rows of other files with the same columns.
  mutating func append(
    _ inputs: [String], threads: Int, memory limit: Int = .max, rejection: any RowRejection = StopAtBadRow()
  ) throws(EventsError) {
    let reader = try BlockReader(inputs, columns: .table(like: header), threads: threads, rejection: rejection)
    try append(reader, threads: threads, limit: limit)
  }

  /// Keeps the rows where `keeps` is true, in their order and with their lines.
  ///
  /// - Parameter renumbers: whether the others count as never read.
  mutating func keep(where keeps: [Bool], renumbers: Bool = true) {
    keptRows = renumbers ? nil : (keptRows ?? Array(0..<rows)).keeping(keeps)
    let old = pieces
    (pieces, rows, memory) = ([], 0, 0)
    for piece in old {
      let kept = keeps[piece.first..<piece.first + piece.chunk.rows]
      let chunk = kept.contains(false) ? TableChunk(piece.chunk, where: kept) : piece.chunk
      guard chunk.rows > 0 else { continue }
      pieces.append(Piece(chunk: chunk, first: rows, file: piece.file, firstLine: piece.firstLine))
      rows += chunk.rows
      memory += chunk.memory
    }
  }

  private mutating func append(_ reader: BlockReader, threads: Int, limit: Int) throws(EventsError) {
    final class Made { var chunks: [(block: Int, chunk: TableChunk)] = [] }
    let made = (0..<threads).map { _ in Made() }
    while true {
      for thread in made { thread.chunks = [] }
      let blocks = try reader.next { block, thread in made[thread].chunks.append((block.number, TableChunk(block))) }
      if blocks.isEmpty { return }
      let chunks = made.flatMap(\.chunks).sorted { $0.block < $1.block }
      for (block, (_, chunk)) in zip(blocks, chunks) where chunk.rows > 0 {
        pieces.append(Piece(chunk: chunk, first: rows, file: reader.file, firstLine: block.firstLine))
        rows += chunk.rows
        memory += chunk.memory
      }
      guard memory <= limit else {
        throw EventsError(
          file: reader.file, problem: "the table takes more memory than --memory allows (\(limit >> 20) MiB) after \(rows) rows",
          advice: "raise --memory, or leave out columns or rows")
      }
      guard rows <= Int(Int32.max) else {
        throw EventsError(file: reader.file, problem: "more than 2^31 rows", advice: "sample the table")
      }
    }
  }

  /// The place of a column; throws with the names that there are.
  func column(_ name: String, as role: String) throws(EventsError) -> Int { try head.column(name, as: role) }

  /// File and line of a row.
  func place(_ row: Int) -> (file: String, line: Int) {
    var (low, high) = (0, pieces.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if pieces[middle].first <= row { low = middle } else { high = middle }
    }
    return (pieces[low].file, pieces[low].firstLine + pieces[low].chunk.line(row - pieces[low].first))
  }

  func failure(_ row: Int, _ column: Int, _ problem: String, _ advice: String) -> EventsError {
    let place = place(row)
    return EventsError(file: place.file, line: place.line, field: names[column], problem: problem, advice: advice)
  }

  /// Calls `body` with each row's cell of one column, in order.
  func forEach<Failure: Error>(_ column: Int, _ body: (_ row: Int, _ cell: UnsafeRawBufferPointer) throws(Failure) -> Void)
    throws(Failure)
  {
    for piece in pieces {
      try piece.chunk.withCells { cells throws(Failure) in
        for row in 0..<piece.chunk.rows { try body(piece.first + row, cells[row, column]) }
      }
    }
  }
}
