// The columns of a log in memory, as the readers fill them.

/// Events in file order; `user` and `item` index the vocabularies.
struct EventLog {
  let file: String
  var users = Vocabulary()
  var items = Vocabulary()
  var userColumn: [Int32] = []
  var itemColumn: [Int32] = []
  /// Epoch milliseconds, empty for formats without time.
  var times: [Int64] = []
  private var timeColumn = TimeColumn()
  private(set) var names = Vocabulary()
  /// Name of each item, -1 without one.
  private(set) var nameOfItem: [Int32] = []

  init(file: String) { self.file = file }

  mutating func addUser(_ id: UnsafeRawBufferPointer, line: Int) throws(EventsError) {
    userColumn.append(try Self.add(id, to: &users, "user", file, line))
  }

  mutating func addItem(_ id: UnsafeRawBufferPointer, line: Int) throws(EventsError) {
    itemColumn.append(try Self.add(id, to: &items, "item", file, line))
  }

  /// Names the item added last. Of several names the first in byte order wins, so that the order of rows does not
  /// matter.
  mutating func addName(_ name: UnsafeRawBufferPointer, line: Int) throws(EventsError) {
    guard !name.isEmpty, let item = itemColumn.last.map(Int.init) else { return }
    while nameOfItem.count <= item { nameOfItem.append(-1) }
    let current = nameOfItem[item]
    if current >= 0 {
      let keeps = names.withID(Int(current)) { old in
        sameBytes(old, name) || old.lexicographicallyPrecedes(name)
      }
      if keeps { return }
    }
    nameOfItem[item] = try Self.add(name, to: &names, "item name", file, line)
  }

  mutating func addTime(_ text: UnsafeRawBufferPointer, line: Int) throws(EventsError) {
    do throws(Timestamp.Failure) {
      times.append(try timeColumn.milliseconds(text))
    } catch {
      let (_, problem, advice) = error.explanation(text)
      throw EventsError(file: file, line: line, field: "timestamp", problem: problem, advice: advice)
    }
  }

  private static func add(
    _ id: UnsafeRawBufferPointer, to vocabulary: inout Vocabulary, _ role: String, _ file: String, _ line: Int
  ) throws(EventsError) -> Int32 {
    func failure(_ problem: String, _ advice: String) -> EventsError {
      EventsError(file: file, line: line, field: role, problem: problem, advice: advice)
    }
    guard !id.isEmpty else { throw failure("the id is empty", "fill it in or drop the row") }
    guard id.count <= Vocabulary.longestID else {
      throw failure(
        "\(id.count) bytes long, \(excerpt(id))", "the limit is \(Vocabulary.longestID) bytes; is a quote missing?")
    }
    let (index, isNew) = vocabulary.index(adding: id)
    if isNew {
      guard String(validating: id, as: UTF8.self) != nil else {
        throw failure("\(excerpt(id)) is not UTF-8", "convert the file, for example with iconv -f latin1 -t utf8")
      }
      guard vocabulary.count < Int(Int32.max) else { throw failure("more than 2^31 different ids", "split the log") }
    }
    return index
  }
}

/// Reads a whole log. Errors name the file, the line and the value.
func readLog(_ bytes: UnsafeRawBufferPointer, file: String, format: LogFormat, columns: LogColumns) throws(EventsError)
  -> EventLog
{
  guard !bytes.isEmpty else {
    throw EventsError(file: file, problem: "the file is empty", advice: "give a log with at least one event")
  }
  let start = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0
  if bytes.starts(with: [0xff, 0xfe]) || bytes.starts(with: [0xfe, 0xff]) {
    throw EventsError(file: file, line: 1, problem: "the file is UTF-16", advice: "convert it: iconv -f utf-16 -t utf8")
  }
  let log =
    switch format {
    case .events: try readEvents(bytes, from: start, file: file, columns: columns)
    case .pairs, .sequences: try readSpaced(bytes, from: start, file: file, format: format)
    }
  guard !log.itemColumn.isEmpty else {
    let problem = format == .events ? "a header but no rows" : "no events, only blank lines"
    throw EventsError(file: file, problem: problem, advice: "give a log with at least one event")
  }
  return log
}
