// Event logs as columns, block by block, in order.

/// Sets bad rows aside as far as the user allows it.
final class BadRows: RowRejection {
  private(set) var policy: BadRowPolicy

  init(_ policy: BadRowPolicy) { self.policy = policy }

  func take(file: String, line: Int, _ row: RejectedRow, text: UnsafeRawBufferPointer) throws(EventsError) {
    let bad = BadRow(file: file, line: line, problem: row.problem, field: row.field, detail: row.detail, advice: row.advice)
    let end = text.lastIndex { $0 != DelimitedReader.newline && $0 != UInt8(ascii: "\r") }.map { $0 + 1 } ?? 0
    try policy.take(bad, row: UnsafeRawBufferPointer(rebasing: text[..<end]))
  }

  func read(_ rows: Int) throws(EventsError) { try policy.read(rows) }

  /// Counts local times that are taken for the first of two instants.
  func noteAmbiguous(_ times: Int) { policy.noteAmbiguous(times) }

  /// Judges the share of bad rows and completes their file; once all is read.
  func finish() throws(EventsError) { try policy.finish() }
}

final class LogReader {
  let decoders: [EventDecoder]
  private(set) var rows = 0
  private let reader: BlockReader
  let badRows: BadRows
  private var sessions = 0
  var layout: EventLayout { reader.layout }
  /// Memory of the blocks, about.
  static var bytes: Int { BlockReader.bytes }

  /// Throws where the rules need columns that the log does not have.
  init(
    _ inputs: [String], _ options: PrepareOptions, keep: EventAttributes = .all, threads: Int, badRows: BadRows
  ) throws(EventsError) {
    let reader = try BlockReader(
      inputs, columns: ColumnChoice(options.format, options.columns, keep), threads: threads, rejection: badRows)
    (self.reader, self.badRows) = (reader, badRows)
    let clock = try LocalClock(zone: options.columns.timeZone ?? options.rules.sessions.zoneName)
    let times = TimeColumn(options.timeUnit ?? options.columns.timeUnit, clock: clock)
    decoders = (0..<threads).map { EventDecoder(layout: reader.layout, number: $0, rules: options.rules, times: times) }
    let columns = reader.layout.attributes
    try options.rules.check(
      hasTimes: reader.layout.hasTimes, hasPrices: columns.contains(.price), hasKinds: columns.contains(.kind))
  }

  /// The next chunks in the order of the log; empty at its end. Throws on more bad rows than are allowed.
  func next() throws(EventsError) -> [EventChunk] {
    while true {
      // One block at a time until a row has told the unit of times, which all decoders then share.
      let blocks = try reader.next(atMost: knowsTimeUnit ? nil : 1) { block, thread in decoders[thread].decode(block) }
      if blocks.isEmpty { return [] }
      shareTimeUnit()
      if !layout.hasUsers {
        for block in blocks {
          block.chunk.nameSessions(after: sessions)
          sessions += block.chunk.sessions
        }
      }
      badRows.noteAmbiguous(blocks.reduce(0) { $0 + $1.chunk.ambiguousTimes })
      let chunks = blocks.map(\.chunk).filter { $0.rows > 0 }
      rows += chunks.reduce(0) { $0 + $1.rows }
      if !chunks.isEmpty { return chunks }
    }
  }

  private var knowsTimeUnit: Bool { !layout.hasTimes || decoders[0].times.unit != nil }

  private func shareTimeUnit() {
    guard !knowsTimeUnit, let times = decoders.first(where: { $0.times.unit != nil })?.times else { return }
    for decoder in decoders { decoder.times = times }
  }
}
