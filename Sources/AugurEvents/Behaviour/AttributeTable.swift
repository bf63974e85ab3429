// Tables of users or items: a key, a moment from which a row holds, and columns of numbers or texts.
import AugurCompute
import AugurTensors

extension JoinedRows {
  /// Reads CSV, TSV or JSON lines, plain or compressed. A column is of numbers where every cell that is filled is one.
  /// Times that name no zone are those of `zone`.
  init(table join: BehaviourJoin, key: String?, time: String?, columns wanted: [String]?, zone: String) throws(EventsError) {
    let reader = try BlockReader([join.file], columns: .table(like: nil), threads: ThreadPool.shared.threads)
    let header = reader.header
    func place(_ name: String) throws(EventsError) -> Int {
      if let place = header.firstIndex(of: name) { return place }
      let near = nearest(to: name, in: header).map { "did you mean \($0)?" }
      throw EventsError(
        file: join.file, line: 1, problem: "no column \(excerpt(name.utf8))",
        advice: near ?? "the columns are \(header.prefix(12).map { excerpt($0.utf8) }.joined(separator: ", "))")
    }
    let keyPlace = try place(key ?? (join.entity == .user ? "user_id" : "item_id"))
    let timePlace = try time.map(place) ?? header.firstIndex(of: "valid_from")
    let places =
      if let wanted { try wanted.map(place) } else { header.indices.filter { $0 != keyPlace && $0 != timePlace } }
    guard !places.isEmpty else {
      throw EventsError(file: join.file, line: 1, problem: "no column but the key and the time", advice: "give a table with attributes")
    }
    var cells = AttributeCells(
      file: join.file, key: keyPlace, time: timePlace, columns: places, header: header,
      clock: try LocalClock(zone: zone, place: "zone of the features"))
    while true {
      let blocks = try reader.next { _, _ in }
      if blocks.isEmpty { break }
      for block in blocks { try cells.append(block) }
    }
    let (columns, values) = cells.numbers()
    do throws(DoubledRow) {
      try self.init(
        columns: columns, values: values, keys: cells.keys, keyOfRow: cells.keyOfRow, validFrom: cells.validFrom, absent: .nan,
        checksum: cells.checksum)
    } catch {
      let problem = "the key of line \(cells.lines[error.first]) stands there again" + (timePlace == nil ? "" : " with the same time")
      throw EventsError(
        file: join.file, line: cells.lines[error.second], problem: problem,
        advice: timePlace == nil ? "keep one row, or add a column valid_from" : "keep one row")
    }
  }
}

/// The cells of a table as they are read: each column's texts in a vocabulary.
private struct AttributeCells {
  let file: String
  let key: Int
  let time: Int?
  let columns: [Int]
  let header: [String]
  private(set) var keys = Vocabulary()
  private(set) var keyOfRow: [Int32] = []
  private(set) var validFrom: [Int64] = []
  private(set) var lines: [Int] = []
  private(set) var checksum: UInt32 = 0
  private var times: TimeColumn
  private var texts: [Vocabulary]
  private var codes: [[Int32]]

  init(file: String, key: Int, time: Int?, columns: [Int], header: [String], clock: LocalClock?) {
    (self.file, self.key, self.time, self.columns, self.header) = (file, key, time, columns, header)
    times = TimeColumn(clock: clock)
    (texts, codes) = (columns.map { _ in Vocabulary() }, columns.map { _ in [] })
  }

  mutating func append(_ block: Block) throws(EventsError) {
    checksum = crc32c(block.bytes(block.text), continuing: checksum)
    for (row, line) in block.rowLines().enumerated() {
      func refuse(_ column: Int, _ problem: String, _ advice: String) -> EventsError {
        EventsError(file: file, line: line, field: header[column], problem: problem, advice: advice)
      }
      let id = block.bytes(block.table.range(row, key))
      guard !id.isEmpty, id.count <= Vocabulary.longestID else {
        throw refuse(key, id.isEmpty ? "the key is empty" : "a key of \(id.count) bytes", "fill it in or drop the row")
      }
      if let time {
        let text = block.bytes(block.table.range(row, time))
        do throws(Timestamp.Failure) { validFrom.append(try times.milliseconds(text)) } catch {
          let (_, problem, advice) = error.explanation(text)
          throw refuse(time, problem, advice)
        }
      }
      keyOfRow.append(keys.index(adding: id).index)
      lines.append(line)
      for (place, column) in columns.enumerated() {
        let cell = block.bytes(block.table.range(row, column))
        guard cell.count <= Vocabulary.longestID else { throw refuse(column, "a value of \(cell.count) bytes", "shorten it or leave the column out") }
        codes[place].append(cell.isEmpty ? -1 : texts[place].index(adding: cell).index)
      }
    }
  }

  /// [R, C]: numbers where a column has nothing else, else codes of its texts in byte order.
  func numbers() -> ([JoinedRows.Column], [Float]) {
    var values = [Float](repeating: .nan, count: keyOfRow.count * columns.count)
    var made: [JoinedRows.Column] = []
    for (place, column) in columns.enumerated() {
      let table = texts[place]
      let numbers = (0..<table.count).map { table.withID($0, parsedFloat) }
      let isNumber = numbers.allSatisfy { $0 != nil }
      var meaning = numbers.map { $0 ?? .nan }
      if !isNumber { for (rank, code) in table.byteOrder().enumerated() { meaning[Int(code)] = Float(rank) } }
      for (row, code) in codes[place].enumerated() where code >= 0 { values[row * columns.count + place] = meaning[Int(code)] }
      let words = isNumber ? nil : table.byteOrder().map { table.withID(Int($0)) { String(decoding: $0, as: UTF8.self) } }
      made.append(JoinedRows.Column(name: header[column], texts: words))
    }
    return (made, values)
  }
}
