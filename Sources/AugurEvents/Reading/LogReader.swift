// Event logs as columns, block by block, in order.

final class LogReader {
  let decoders: [EventDecoder]
  private(set) var rows = 0
  private let reader: BlockReader
  var layout: EventLayout { reader.layout }
  var rejectedRows: Int { reader.rejectedRows }
  /// Memory of the blocks, about.
  static var bytes: Int { BlockReader.bytes }

  init(
    _ inputs: [String], format: LogFormat, columns: LogColumns, keep: EventAttributes = .all, threads: Int,
    rejection: any RowRejection = StopAtBadRow()
  ) throws(EventsError) {
    let reader = try BlockReader(inputs, columns: ColumnChoice(format, columns, keep), threads: threads, rejection: rejection)
    self.reader = reader
    decoders = (0..<threads).map { EventDecoder(layout: reader.layout, number: $0) }
  }

  /// The next chunks in the order of the log; empty at its end. Throws on rows that the rejection does not take.
  func next() throws(EventsError) -> [EventChunk] {
    while true {
      let blocks = try reader.next { block, thread in decoders[thread].decode(block) }
      if blocks.isEmpty { return [] }
      let chunks = blocks.map(\.chunk).filter { $0.rows > 0 }
      rows += chunks.reduce(0) { $0 + $1.rows }
      if !chunks.isEmpty { return chunks }
    }
  }
}
