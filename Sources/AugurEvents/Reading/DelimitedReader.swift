// CSV and TSV with a header, byte by byte: RFC 4180 quotes (commas, newlines and doubled quotes inside), LF or CRLF.

/// A field of a row; `start..<end` is inside the quotes when there are any.
struct DelimitedField {
  var start = 0
  var end = 0
  var hasDoubledQuotes = false
}

struct DelimitedReader {
  enum Stop { case delimiter, row }

  let bytes: UnsafeRawBufferPointer
  let file: String
  let delimiter: UInt8
  private(set) var at: Int
  private(set) var line = 1
  private(set) var field = DelimitedField()

  static let quote = UInt8(ascii: "\"")
  static let newline = UInt8(ascii: "\n")

  init(bytes: UnsafeRawBufferPointer, from start: Int, file: String) {
    (self.bytes, at, self.file) = (bytes, start, file)
    delimiter = Self.delimiter(of: bytes, from: start)
  }

  var isAtEnd: Bool { at >= bytes.count }

  /// Reads one field into `field` and steps over the delimiter or line end behind it.
  @inline(__always)
  mutating func next() throws(EventsError) -> Stop {
    if at < bytes.count, bytes[at] == Self.quote { return try nextQuoted() }
    field = DelimitedField(start: at, end: at)
    while at < bytes.count {
      let byte = bytes[at]
      if byte == delimiter {
        field.end = at
        at += 1
        return .delimiter
      }
      if byte == Self.newline { break }
      at += 1
    }
    field.end = at
    if at < bytes.count {
      at += 1
      line += 1
    }
    if field.end > field.start, bytes[field.end - 1] == UInt8(ascii: "\r") { field.end -= 1 }
    return .row
  }

  private mutating func nextQuoted() throws(EventsError) -> Stop {
    let openLine = line
    at += 1
    field = DelimitedField(start: at, end: at)
    while true {
      guard at < bytes.count else {
        throw EventsError(
          file: file, line: openLine, problem: "a quote opens here and never closes",
          advice: "close it, or double the quotes inside the field")
      }
      if bytes[at] == Self.newline { line += 1 }
      if bytes[at] == Self.quote {
        guard at + 1 < bytes.count, bytes[at + 1] == Self.quote else { break }
        field.hasDoubledQuotes = true
        at += 1
      }
      at += 1
    }
    field.end = at
    at += 1
    if at + 1 < bytes.count, bytes[at] == UInt8(ascii: "\r"), bytes[at + 1] == Self.newline { at += 1 }
    if at + 1 == bytes.count, bytes[at] == UInt8(ascii: "\r") { at += 1 }
    guard at < bytes.count else { return .row }
    let byte = bytes[at]
    at += 1
    if byte == delimiter { return .delimiter }
    guard byte == Self.newline else {
      throw EventsError(
        file: file, line: line, problem: "text behind a closing quote: \(excerpt(bytes[(at - 1)...].prefix(20)))",
        advice: "double the quotes inside the field")
    }
    line += 1
    return .row
  }

  /// Calls `body` with the bytes of a field, doubled quotes made single.
  @inline(__always)
  func with<R>(_ field: DelimitedField, _ body: (UnsafeRawBufferPointer) throws(EventsError) -> R) throws(EventsError)
    -> R
  {
    let raw = UnsafeRawBufferPointer(rebasing: bytes[field.start..<field.end])
    guard field.hasDoubledQuotes else { return try body(raw) }
    return try Self.unquoted(raw).span.bytes.withUnsafeBytes(body)
  }

  private static func unquoted(_ raw: UnsafeRawBufferPointer) -> [UInt8] {
    var (result, skip): ([UInt8], Bool) = ([], false)
    for byte in raw {
      skip = byte == quote && !skip
      if !skip { result.append(byte) }
    }
    return result
  }

  /// Tab, comma or semicolon: the one that occurs most in the header, outside quotes.
  private static func delimiter(of bytes: UnsafeRawBufferPointer, from start: Int) -> UInt8 {
    var (tabs, commas, semicolons, quoted) = (0, 0, 0, false)
    for byte in bytes[start...] {
      switch byte {
      case quote: quoted.toggle()
      case newline where !quoted: return pick()
      case UInt8(ascii: "\t") where !quoted: tabs += 1
      case UInt8(ascii: ",") where !quoted: commas += 1
      case UInt8(ascii: ";") where !quoted: semicolons += 1
      default: break
      }
    }
    func pick() -> UInt8 {
      if tabs > 0, tabs >= commas, tabs >= semicolons { return UInt8(ascii: "\t") }
      return semicolons > commas ? UInt8(ascii: ";") : UInt8(ascii: ",")
    }
    return pick()
  }
}

func readHeader(_ reader: inout DelimitedReader) throws(EventsError) -> [String] {
  var header: [String] = []
  var isRow = false
  while !isRow {
    isRow = try reader.next() == .row
    guard header.count < 4096, reader.field.end - reader.field.start <= 65_536 else {
      throw EventsError(
        file: reader.file, line: 1, problem: "the header is longer than 4096 columns or a name longer than 64 KiB",
        advice: "is this a CSV or TSV file with a header?")
    }
    header.append(try reader.with(reader.field) { String(decoding: $0, as: UTF8.self) })
  }
  return header
}
