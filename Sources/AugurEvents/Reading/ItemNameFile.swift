// Readable names of items from a file of their own: the item table of a shop, or lines such as those of MovieLens' movies.dat.
import AugurCompute
import AugurTensors

/// Encodings that a file of names is declared to have; none is guessed.
public enum NameEncoding: String, Sendable, CaseIterable { case utf8, latin1 }

/// The file that names the items of a log, and how it is read.
public struct ItemNameFile: Sendable, Equatable {
  public var path: String
  /// Between the fields of lines without a header, of which the first is the id and the second the name. Nil: CSV, TSV or JSON lines, whose
  /// columns are found by the usual names.
  public var delimiter: String?
  public var encoding = NameEncoding.utf8
  /// A file of lines `id other-id`, where the log has the first and the names belong to the second.
  public var ids: String?

  public init(path: String) { self.path = path }

  /// Names the items of the log that the file knows; what the log itself calls them is forgotten. Throws with the line of an id or a name
  /// that is none, and where the file knows no item of the log.
  func apply(to names: inout ItemNames, items: IDTable) throws(EventsError) {
    let other = try ids.map { path throws(EventsError) in try NameIDs(path, items) }
    var taker = NameTaker(self, names, items, other)
    if let delimiter { try taker.readLines(Array(delimiter.utf8)) } else { try taker.readTable() }
    guard taker.named > 0 else {
      throw EventsError(
        file: path, problem: "names none of the log's \(items.count) items",
        advice: ids.map { "compare its ids with the second ones of \($0)" } ?? "are its ids others? --name-ids FILE says which is which")
    }
    names = taker.names
  }
}

/// Which items of the log another id stands for.
private struct NameIDs {
  private var others = Vocabulary()
  private var items: [[Int32]] = []

  init(_ path: String, _ table: IDTable) throws(EventsError) {
    try forEachLine(of: path) { line, number throws(EventsError) in
      let ids = line.split(omittingEmptySubsequences: true) { RowIndexer.isBlank($0) || $0 == UInt8(ascii: ",") }
      guard ids.count == 2 else {
        throw EventsError(
          file: path, line: number, problem: "expected two ids, got \(excerpt(line))", advice: "write `id other-id`, without a header")
      }
      let (other, isNew) = others.index(adding: UnsafeRawBufferPointer(rebasing: ids[1]))
      if isNew { items.append([]) }
      if let item = table.index(of: UnsafeRawBufferPointer(rebasing: ids[0])) { items[Int(other)].append(item) }
    }
  }

  func items(of id: UnsafeRawBufferPointer) -> [Int32] { others.index(of: id).map { items[Int($0)] } ?? [] }
}

private struct NameTaker {
  let file: ItemNameFile
  private(set) var names: ItemNames
  private(set) var named = 0
  private let items: IDTable
  private let ids: NameIDs?
  /// Ids of the file, each once.
  private var seen = Vocabulary()

  init(_ file: ItemNameFile, _ names: ItemNames, _ items: IDTable, _ ids: NameIDs?) {
    (self.file, self.names, self.items, self.ids) = (file, names, items, ids)
  }

  mutating func readLines(_ delimiter: [UInt8]) throws(EventsError) {
    guard !delimiter.isEmpty, !delimiter.contains(DelimitedReader.newline) else {
      throw EventsError(file: "--name-delimiter", problem: "is empty or holds a newline", advice: "give the text between the fields")
    }
    try forEachLine(of: file.path) { line, number throws(EventsError) in
      if line.allSatisfy(RowIndexer.isBlank) { return }
      guard let end = line.firstRange(of: delimiter) else {
        throw failure(number, nil, "no \(excerpt(delimiter)) in \(excerpt(line))", "give the text between the fields with --name-delimiter")
      }
      let rest = line[end.upperBound...]
      let name = rest[..<(rest.firstRange(of: delimiter)?.lowerBound ?? rest.endIndex)]
      try take(UnsafeRawBufferPointer(rebasing: line[..<end.lowerBound]), UnsafeRawBufferPointer(rebasing: name), number)
    }
  }

  mutating func readTable() throws(EventsError) {
    let reader = try BlockReader([file.path], columns: .table(like: nil), threads: ThreadPool.shared.threads)
    let plain = reader.header.map(ColumnPositions.normalised)
    func place(_ names: [String], _ what: String) throws(EventsError) -> Int {
      if let place = ColumnPositions.position(names, plain) { return place }
      throw EventsError(
        file: file.path, line: 1,
        problem: "no column for the \(what); the columns are \(reader.header.prefix(12).map { excerpt($0.utf8) }.joined(separator: ", "))",
        advice: "call it \(names[0]), or give --name-delimiter for lines without a header")
    }
    let (id, name) = (try place(LogColumns.itemNames, "item"), try place(LogColumns.nameNames + ["name"], "name"))
    while true {
      let blocks = try reader.next { _, _ in }
      if blocks.isEmpty { return }
      for block in blocks {
        for row in 0..<block.table.rows {
          let text = block.bytes(block.table.range(row, name))
          // An item table may have items without a name.
          guard !text.isEmpty else { continue }
          try take(block.bytes(block.table.range(row, id)), text, block.line(of: Int(block.table.rowStarts[row])))
        }
      }
    }
  }

  private mutating func take(
    _ id: UnsafeRawBufferPointer, _ name: UnsafeRawBufferPointer, _ line: @autoclosure () -> Int
  ) throws(EventsError) {
    guard !id.isEmpty, id.count <= Vocabulary.longestID else { throw failure(line(), "item", "\(excerpt(id)) is no id", "correct the line") }
    guard seen.index(adding: id).isNew else { throw failure(line(), "item", "\(excerpt(id)) has a name already", "keep one line an item") }
    let text = try decoded(name, line())
    text.span.bytes.withUnsafeBytes { text in
      for item in ids?.items(of: id) ?? items.index(of: id).map({ [$0] }) ?? [] {
        names.set(text, item: Int(item))
        named += 1
      }
    }
  }

  /// The name as UTF-8.
  private func decoded(_ name: UnsafeRawBufferPointer, _ line: @autoclosure () -> Int) throws(EventsError) -> [UInt8] {
    guard !name.isEmpty, name.count <= Vocabulary.longestID / 2 else {
      throw failure(line(), "name", name.isEmpty ? "is empty" : "is \(name.count) bytes long", "correct the line")
    }
    guard file.encoding == .latin1 else {
      guard String(validating: name, as: UTF8.self) != nil else {
        throw failure(line(), "name", "\(excerpt(name)) is not UTF-8", "say what it is, as in --name-encoding latin1")
      }
      return Array(name)
    }
    var text: [UInt8] = []
    for byte in name {
      guard byte < 0x80 || byte >= 0xa0 else {
        throw failure(line(), "name", "\(excerpt(name)) has a byte that no letter of Latin-1 has", "convert the file, for example with iconv")
      }
      // Latin-1 has the first 256 scalars of Unicode.
      if byte < 0x80 { text.append(byte) } else { text += [0xc0 | byte >> 6, 0x80 | byte & 0x3f] }
    }
    return text
  }

  private func failure(_ line: Int, _ field: String?, _ problem: String, _ advice: String) -> EventsError {
    EventsError(file: file.path, line: line, field: field, problem: problem, advice: advice)
  }
}

extension IDTable {
  /// The index of an id of any form; nil for one that the table does not have.
  fileprivate func index(of id: UnsafeRawBufferPointer) -> Int32? {
    let code = digitCode(id)
    guard code != 0 else { return index(ofText: id) }
    var found: [Int32] = [-1]
    _ = found.withUnsafeMutableBufferPointer { found in [code].withUnsafeBufferPointer { lookUp($0, found) } }
    return found[0] < 0 ? nil : found[0]
  }
}

extension UnsafeRawBufferPointer.SubSequence {
  fileprivate func firstRange(of text: [UInt8]) -> Range<Int>? {
    var start = startIndex
    while start + text.count <= endIndex {
      if self[start..<start + text.count].elementsEqual(text) { return start..<start + text.count }
      start += 1
    }
    return nil
  }
}

extension UnsafeRawBufferPointer {
  fileprivate func firstRange(of text: [UInt8]) -> Range<Int>? { self[...].firstRange(of: text) }
}
