// The head of a log with named columns: where its rows begin, which columns are read, and how rows are cut.

struct LogHead {
  /// Where the rows begin, and on which line.
  private(set) var end: Int
  private(set) var line = 1
  let layout: EventLayout
  let indexer: RowIndexer
  /// Names of the columns of the field table where all are read, else empty.
  private(set) var header: [String] = []
  /// Columns of the field table, and fields of a row.
  let columns: Int, fields: Int

  /// `head` is the beginning of the log, `start` behind any byte-order mark.
  init(_ head: [UInt8], from start: Int, file: String, columns choice: ColumnChoice) throws(EventsError) {
    end = start
    var found: (end: Int, line: Int, names: [String], delimiter: UInt8?, isBlank: Bool) = (start, 1, [], nil, false)
    try head.span.bytes.withUnsafeBytes { bytes throws(EventsError) in
      let text = UnsafeRawBufferPointer(rebasing: bytes[start...])
      if JSONLines.begins(text) {
        found.names = try jsonKeys(of: text, file: file)
        return
      }
      if let (names, end) = Self.blankHeader(text) {
        found = (start + end, 2, names, nil, true)
        return
      }
      var reader = DelimitedReader(bytes: bytes, from: start, file: file)
      let header = try readHeader(&reader)
      found = (reader.at, reader.line, header, reader.delimiter, false)
    }
    (end, line, fields) = (found.end, found.line, found.names.count)
    let wanted: [Int]
    switch choice {
    case .events(let columns, let keep): (layout, wanted) = try Self.events(found.names, columns, keep, file)
    case .table(let like):
      layout = EventLayout(hasTimes: false, attributes: [], hasNames: false)
      wanted = try Self.places(of: like ?? found.names, in: found.names, file: file)
      header = like ?? found.names
    case .lines: preconditionFailure("LogHead: a log without a header")
    }
    columns = wanted.count
    var slots = [Int32](repeating: -1, count: found.names.count)
    for (slot, field) in wanted.enumerated() { slots[field] = Int32(slot) }
    if let delimiter = found.delimiter {
      indexer = .delimited(delimiter: delimiter, slots: slots)
    } else {
      indexer = found.isBlank ? .blank(slots: slots) : .jsonLines(keys: wanted.map { Array(found.names[$0].utf8) })
    }
  }

  /// Names of columns between blanks, where the header and the line behind it have nothing else between their fields, and equally many; and
  /// where the header ends.
  private static func blankHeader(_ text: UnsafeRawBufferPointer) -> (names: [String], end: Int)? {
    guard let end = text.firstIndex(of: DelimitedReader.newline) else { return nil }
    let rest = text[(end + 1)...]
    let lines = [text[..<end], rest[..<(rest.firstIndex(of: DelimitedReader.newline) ?? rest.endIndex)]]
    let fields = lines.map { line in line.split { RowIndexer.isBlank($0) } }
    guard (2...4096).contains(fields[0].count), fields[1].count == fields[0].count,
      lines.allSatisfy({ line in !line.contains { "\t,;\"".utf8.contains($0) } })
    else { return nil }
    return (fields[0].map { String(decoding: $0, as: UTF8.self) }, end + 1)
  }

  private static func events(_ header: [String], _ columns: LogColumns, _ keep: EventAttributes, _ file: String) throws(EventsError)
    -> (EventLayout, [Int])
  {
    let positions = try ColumnPositions(header: header, columns: columns, file: file)
    let layout = EventLayout(
      hasTimes: true, attributes: keep.attributes.filter { positions.attributes[$0] != nil }, hasNames: keep.names && positions.name != nil)
    let wanted = [positions.user, positions.item, positions.time] + layout.attributes.compactMap { positions.attributes[$0] }
    let fields = wanted + (layout.hasNames ? [positions.name].compactMap { $0 } : [])
    for (slot, field) in fields.enumerated() where fields[..<slot].contains(field) {
      throw EventsError(
        file: file, line: 1, field: header[field], problem: "one column stands for two things", advice: "name another one with --columns")
    }
    return (layout, fields)
  }

  /// Where the columns of one header are in another, each once.
  private static func places(of names: [String], in header: [String], file: String) throws(EventsError) -> [Int] {
    if names == header { return Array(names.indices) }
    let places = names.compactMap { header.firstIndex(of: $0) }
    guard Set(places).count == header.count, names.count == header.count else {
      let stranger = header.first { !names.contains($0) }
      throw EventsError(
        file: file, line: 1, field: stranger, problem: "has other columns than the first file",
        advice: "read logs of one kind together; the first has \(names.prefix(12).map { excerpt($0.utf8) }.joined(separator: ", "))")
    }
    return places
  }
}
