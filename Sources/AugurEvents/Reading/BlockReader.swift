// Logs as blocks of rows, in order, on all threads. Blocks are cut at newlines on the assumption that no quoted field crosses the
// cut; where one does, its block ends in an open row, which is put before the next block and read again.
import AugurCompute
import AugurTensors

/// Takes the rows that a log holds but that cannot be read; throws when there are too many.
protocol RowRejection: AnyObject {
  /// `text` is the row as it stands in the log.
  func take(file: String, line: Int, _ row: RejectedRow, text: UnsafeRawBufferPointer) throws(EventsError)
  /// Counts rows that were read, those it was given among them.
  func read(_ rows: Int) throws(EventsError)
}

extension RowRejection {
  func read(_ rows: Int) throws(EventsError) {}
}

/// Stops at the first row that cannot be read.
final class StopAtBadRow: RowRejection {
  func take(file: String, line: Int, _ row: RejectedRow, text: UnsafeRawBufferPointer) throws(EventsError) {
    throw EventsError(file: file, line: line, field: row.field, problem: row.detail, advice: row.advice)
  }
}

/// What a reader of events and a reader of tables share: it cuts, indexes and counts rows, and gives those that are malformed away.
final class BlockReader {
  /// Names of the columns where all are read, else empty.
  let header: [String]
  let layout: EventLayout
  /// Columns of the field tables.
  let columns: Int
  private(set) var rejectedRows = 0
  /// Rows that were cut into fields.
  private(set) var rows = 0
  /// Bytes of text in the blocks so far.
  private(set) var textBytes = 0
  /// The input of the blocks last given, as messages name it.
  private(set) var file: String
  private let threads: Int
  private let rejection: any RowRejection
  private var choice: ColumnChoice
  private let isEarly: Bool
  private var inputs: [String]  // not opened yet, the next one last
  private var input: LogInput?
  private var blocks: [Block] = []
  /// A block's memory for each thread, where texts are of no use once they are decoded.
  private let hot: [Block]
  private var blockCount = 0
  /// A row with an open quote at the end of the last block.
  private var open: [UInt8] = []

  /// Blocks that are in memory at once.
  static let batch = 32
  /// Memory of the blocks, about.
  static var bytes: Int { batch * (Block.nominal * 3 / 2) }

  /// `keepsText`: decoding waits until all rows of the blocks at hand are known, and their text stays until the next call. Always so for tables.
  init(
    _ inputs: [String], columns choice: ColumnChoice, threads: Int, rejection: any RowRejection = StopAtBadRow(), keepsText: Bool = false
  ) throws(EventsError) {
    guard let first = inputs.first else { throw EventsError(file: "--input", problem: "no file", advice: "name a log") }
    let input = try LogInput(first, columns: choice)
    (self.threads, self.rejection, self.input, self.inputs) = (threads, rejection, input, inputs.dropFirst().reversed())
    (header, layout, columns, file) = (input.header, input.layout, input.columns, input.name)
    if case .table = choice { (self.choice, isEarly) = (.table(like: input.header), false) } else { (self.choice, isEarly) = (choice, !keepsText) }
    blocks = (0..<Self.batch).map { _ in Block(columns: input.columns) }
    hot = isEarly ? (0..<threads).map { _ in Block(columns: input.columns) } : []
  }

  /// The next blocks in the order of the log, all of one file, each gone through `decode` with the number of its thread; empty at the end.
  /// They hold until the next call. Throws on rows that the rejection does not take. Events are decoded while their text is in the cache,
  /// again where a quote of an earlier block turns out to reach into it; tables once, when all rows of the blocks are known.
  func next(atMost limit: Int? = nil, _ decode: (Block, Int) -> Void) throws(EventsError) -> ArraySlice<Block> {
    while let input {
      if input.isAtEnd, open.isEmpty {
        self.input = nil
        if let path = inputs.popLast() {
          let next = try LogInput(path, columns: choice)
          guard next.layout == layout, next.columns == columns else {
            throw EventsError(file: path, problem: "has other columns than the first file", advice: "prepare logs of one kind together")
          }
          self.input = next
        }
        continue
      }
      file = input.name
      let filled = try nextBatch(input, blocks[..<min(limit ?? blocks.count, blocks.count)], decode)
      if !filled.isEmpty { return filled }
    }
    return []
  }

  private func nextBatch(_ input: LogInput, _ blocks: ArraySlice<Block>, _ decode: (Block, Int) -> Void) throws(EventsError)
    -> ArraySlice<Block>
  {
    for (place, block) in blocks.enumerated() {
      block.reset(columns: columns)
      block.number = blockCount + place
    }
    let filled = input.isAtEnd ? 0 : try input.fill(Array(blocks), hot: hot, threads: threads) { block, thread in
      index(block, input)
      // A block with quotes may have begun inside a field: it waits until those before it are known.
      if isEarly, !block.isQuoted { decode(block, thread) }
    }
    blockCount += filled
    var waiting = blocks[..<filled].filter { $0.isQuoted || !isEarly }
    for block in blocks[..<filled] where !open.isEmpty || block.openRow != nil {
      if !open.isEmpty {
        if isEarly, !block.isQuoted { waiting.append(block) }
        try input.restoreText(of: block)
        prependOpenRow(to: block, input)
      }
      takeOpenRow(of: block)
    }
    if filled == 0, !open.isEmpty {
      // The end of the input: the row stays open for good.
      let block = blocks[0]
      prependOpenRow(to: block, input, asRow: false)
      try commit(block, input)
      return []
    }
    parallel(waiting.count, threads: threads) { task, thread in decode(waiting[task], thread) }
    for block in blocks[..<filled] { try commit(block, input) }
    return blocks[..<filled]
  }

  private func index(_ block: Block, _ input: LogInput) {
    guard block.isCutOff else { return input.indexer.index(block) }
    let bytes = block.bytes(0..<block.text.upperBound)
    let end = block.text.upperBound
    let row = bytes[block.text].lastIndex(of: DelimitedReader.newline).map { $0 + 1 } ?? block.text.lowerBound
    block.text = block.text.lowerBound..<row
    input.indexer.index(block)
    block.table.reject(row..<end, .tooLong)
  }

  /// Puts the open row before the text of a block and reads the block again; with `asRow` false it is rejected as it is.
  private func prependOpenRow(to block: Block, _ input: LogInput, asRow: Bool = true) {
    let old = block.text
    let text = block.memory
    text.advanced(by: open.count).copyMemory(from: text + old.lowerBound, byteCount: old.count)
    open.withUnsafeBytes { text.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(text), byteCount: $0.count) }
    let (number, isCutOff) = (block.number, block.isCutOff)
    block.reset(columns: columns)
    (block.number, block.isCutOff) = (number, isCutOff)
    if asRow {
      block.text = 0..<open.count + old.count
      index(block, input)
    } else {
      rejectOpenRow(block, open.count)
    }
    open = []
  }

  private func rejectOpenRow(_ block: Block, _ count: Int) {
    block.table.reject(0..<count, .malformedQuotes, found: -1)
    block.newlines += block.bytes(0..<count).reduce(0) { $0 + ($1 == DelimitedReader.newline ? 1 : 0) }
  }

  private func takeOpenRow(of block: Block) {
    guard let row = block.openRow else { return }
    let range = row..<block.text.upperBound
    if range.count > Block.longestRow {
      block.table.reject(range, .malformedQuotes, found: -1)
      block.newlines += block.bytes(range).reduce(0) { $0 + ($1 == DelimitedReader.newline ? 1 : 0) }
    } else {
      open = Array(block.bytes(range))
    }
    (block.text, block.openRow) = (block.text.lowerBound..<row, nil)
  }

  /// Counts the rows of a block and reports those that were rejected, in order.
  private func commit(_ block: Block, _ input: LogInput) throws(EventsError) {
    rows += block.rows
    textBytes += block.text.count
    block.firstLine = input.line
    let malformed = block.table.rejected.map { rejected in
      let range = Int(rejected.start)..<Int(rejected.end)
      let (detail, advice) = Self.text(rejected, input, block.bytes(range))
      return RejectedRow(range: range, problem: rejected.problem, field: nil, detail: detail, advice: advice)
    }
    for row in (malformed + block.rejected).sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) {
      rejectedRows += 1
      try rejection.take(
        file: input.name, line: block.line(of: row.range.lowerBound), row, text: block.bytes(row.range))
    }
    try rejection.read(block.rows + malformed.count)
    input.line += block.newlines + (block.isCutOff ? 1 : 0)
  }

  private static func text(_ rejected: FieldTable.Rejected, _ input: LogInput, _ text: UnsafeRawBufferPointer) -> (String, String) {
    switch rejected.problem {
    case .fieldCount:
      let advice =
        if case .lines = input.indexer {
          "correct the line, or choose another --format (events, pairs, sequences, sessions)"
        } else { "quote fields that hold the delimiter" }
      return ("\(input.expectation), got \(rejected.found)", advice)
    case .malformedQuotes where rejected.found < 0:
      return ("a quote opens here and never closes", "close it, or double the quotes inside the field")
    case .malformedQuotes: return ("text behind a closing quote: \(excerpt(text))", "double the quotes inside the field")
    case .tooLong:
      return ("a row of more than \(Block.longestRow) bytes, \(excerpt(text))", "is this a CSV, TSV or JSON lines log?")
    case .malformedJSON: return ("\(excerpt(text)) is not a JSON object on one line", "write one object a line, each key once")
    default: return (rejected.problem.rawValue, "correct the row")
    }
  }
}
