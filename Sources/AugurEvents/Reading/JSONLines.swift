// JSON lines: one object a line, its top-level values as fields.
import CKernels

enum JSONLines {
  /// Bytes of spare room that `indexJSONLines` asks for beyond the length of the text.
  static let padding = 64

  /// Whether a log begins like JSON lines: with an object, after blank lines.
  static func begins(_ head: UnsafeRawBufferPointer) -> Bool {
    head.first { !isBlank($0) } == UInt8(ascii: "{")
  }

  fileprivate static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0a).contains(byte) || byte == 0x0d }
}

/// Cuts lines into the wanted top-level values: strings without quotes, numbers and booleans as they are written, an array of such as its raw
/// text. A missing value, null, an object or an array of containers is an empty range. A malformed line is rejected and the next one goes on.
///
/// - Parameters:
///   - bytes: text and spare room. Strings with escapes are decoded to `spare` and what follows, at most as many bytes as the text has; that
///     and `JSONLines.padding` bytes behind both must be inside.
///   - text: whole lines behind any byte-order mark. Where the last one has no newline, the byte behind it is written for the call.
///   - keys: one for each column of the table, each once.
/// - Returns: how many newlines the text has.
@discardableResult
func indexJSONLines(
  _ bytes: UnsafeMutableRawBufferPointer, text: Range<Int>, spare: Int, keys: [[UInt8]], into table: inout FieldTable
) -> Int {
  precondition(keys.count == table.columns, "indexJSONLines: expected \(table.columns) keys, got \(keys.count)")
  precondition(
    text.lowerBound >= 0 && spare >= text.upperBound + JSONLines.padding && bytes.count - spare >= text.count + JSONLines.padding
      && bytes.count <= UInt32.max, "indexJSONLines: no room for decoded strings")
  return withJSONLines(bytes, text, spare, keys) { lines in
    var newlines = 0
    repeat {
      table.fill { starts, ends, rowStarts, capacity, _ in
        (lines.starts, lines.ends, lines.row_starts, lines.capacity) = (starts, ends, rowStarts, capacity)
        ck_json_rows(&lines)
        newlines += lines.lines
        lines.begin = lines.at
        return (lines.rows, lines.bad >= 0 || lines.at >= lines.end)
      }
      if lines.bad >= 0 { table.reject(lines.bad..<lines.at, .malformedJSON) }
    } while lines.begin < lines.end
    return newlines
  }
}

/// The keys of the first line that is not blank, in their order: the header of a log of JSON lines. `head` is the beginning of the log behind
/// any byte-order mark.
func jsonKeys(of head: UnsafeRawBufferPointer, file: String) throws(EventsError) -> [String] {
  let start = head.firstIndex { !JSONLines.isBlank($0) } ?? head.count
  let line = head[..<start].reduce(1) { $0 + ($1 == 0x0a ? 1 : 0) }
  let end = head[start...].firstIndex(of: 0x0a) ?? head.count
  func failure(_ problem: String, _ advice: String) -> EventsError { EventsError(file: file, line: line, problem: problem, advice: advice) }
  guard start < end else { throw failure("no JSON object", "give a log with at least one event") }
  guard head[start] != UInt8(ascii: "[") else {
    throw failure("a JSON array, not one object a line", "convert it: jq -c '.[]' \(file) > log.jsonl")
  }
  var bytes = [UInt8](head[start..<end]) + [0x0a]
  let (length, spare) = (bytes.count, bytes.count + JSONLines.padding)
  bytes.append(contentsOf: repeatElement(0, count: length + 2 * JSONLines.padding))
  var keys: [String] = []
  var isWhole = false
  bytes.withUnsafeMutableBytes { bytes in
    withJSONLines(bytes, 0..<length, spare, []) { lines in
      var rowStart: UInt32 = 0
      lines.capacity = 1
      withUnsafeMutablePointer(to: &rowStart) { rowStart in
        (lines.starts, lines.ends, lines.row_starts) = (rowStart, rowStart, rowStart)  // no column: only row_starts is written
        ck_json_rows(&lines)
      }
      isWhole = lines.rows == 1
      guard isWhole else { return }
      for key in UnsafeBufferPointer(start: lines.shape, count: lines.shape_count) {
        keys.append(String(decoding: bytes[Int(key.name)..<Int(key.name_end)], as: UTF8.self))
      }
    }
  }
  guard isWhole else {
    throw failure("\(excerpt(head[start..<end])) is not a JSON object on one line", "write one object a line: jq -c . \(file) > log.jsonl")
  }
  guard !keys.isEmpty else { throw failure("an object without keys", "give each event its user, item and time") }
  return keys
}

/// The kernel's arguments for a text, with their scratch.
private func withJSONLines<Result>(
  _ bytes: UnsafeMutableRawBufferPointer, _ text: Range<Int>, _ spare: Int, _ keys: [[UInt8]], _ body: (inout ck_json_lines) -> Result
) -> Result {
  let names: [UInt8] = keys.joined() + [0]
  var nameEnds: [UInt32] = []
  for key in keys { nameEnds.append((nameEnds.last ?? 0) + UInt32(key.count)) }
  let keyCount = Int(CK_JSON_KEYS)
  return withUnsafeTemporaryAllocation(of: ck_json_key.self, capacity: 2 * keyCount) { scratch in
    withUnsafeTemporaryAllocation(of: UInt16.self, capacity: keyCount) { taken in
      names.withUnsafeBufferPointer { names in
        nameEnds.withUnsafeBufferPointer { nameEnds in
          var lines = ck_json_lines()
          lines.text = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
          (lines.begin, lines.end, lines.spare, lines.columns) = (text.lowerBound, text.upperBound, spare, keys.count)
          (lines.names, lines.name_ends) = (names.baseAddress, nameEnds.baseAddress)
          (lines.shape, lines.keys, lines.taken) = (scratch.baseAddress, scratch.baseAddress.map { $0 + keyCount }, taken.baseAddress)
          return body(&lines)
        }
      }
    }
  }
}
