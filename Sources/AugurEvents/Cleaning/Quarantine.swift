// The file of rejected rows: one line each, whatever they hold.
import AugurTensors

/// `file:line<TAB>reason<TAB>row` for every rejected row, in the order in which they are given. Bytes that would break a line
/// or are no UTF-8 are escaped (`\t`, `\n`, `\r`, `\xHH`, and `\\` for the backslash). A row longer than `longestRow` is cut,
/// with its length noted. Above the size limit the rows are only counted, and the last line says so.
///
/// The name holds a complete file or none: rows gather in a temporary file beside it. `finish` puts it in place; so does
/// letting go of the quarantine, so that a run that fails leaves it: it says why. An empty file means that no row was rejected.
/// Only a kill leaves nothing.
package final class Quarantine {
  package static let standardLimit = 1 << 30
  static let longestRow = 4096

  package let path: String
  /// Rows given, and those left out for the limit.
  package private(set) var rows = 0
  package private(set) var rowsBeyondLimit = 0
  private let limit: Int
  private var file: DurableFile?
  private var buffer: [UInt8] = []
  private var bytes = 0

  /// `limitBytes` bounds the file, the note at its end aside. Throws when no file can be made there.
  package init(path: String, limitBytes: Int = standardLimit) throws(EventsError) {
    (self.path, limit) = (path, limitBytes)
    do throws(SafetensorsError) { file = try DurableFile(path: path) } catch { throw Self.failure(error) }
    buffer.reserveCapacity(1 << 16)
  }

  /// Adds a row, its line end aside. Throws when the disk takes no more: the run should end, and nothing stays.
  package func take(file: String, line: Int, problem: RowProblem, row: UnsafeRawBufferPointer) throws(EventsError) {
    rows += 1
    guard rowsBeyondLimit == 0 else {
      rowsBeyondLimit += 1
      return
    }
    let start = buffer.count
    file.utf8.span.bytes.withUnsafeBytes { appendEscaped($0) }
    buffer += ":\(line)\t\(problem.rawValue)\t".utf8
    appendEscaped(UnsafeRawBufferPointer(rebasing: row.prefix(Self.longestRow)))
    if row.count > Self.longestRow { buffer += " [cut: the row has \(row.count) bytes]".utf8 }
    buffer.append(DelimitedReader.newline)
    if bytes + buffer.count > limit {
      buffer.removeLast(buffer.count - start)
      rowsBeyondLimit += 1
    } else if buffer.count >= 1 << 16 {
      try flush()
    }
  }

  /// Writes what is left and puts the file in place; later calls do nothing.
  package func finish() throws(EventsError) {
    guard file != nil else { return }
    if rowsBeyondLimit > 0 {
      buffer += "# \(rowsBeyondLimit) more rows are not shown: the file has reached its limit of \(limit) bytes\n".utf8
    }
    try flush()
    do throws(SafetensorsError) { try file?.commit() } catch {
      file = nil
      throw Self.failure(error)
    }
    file = nil
  }

  deinit { do throws(EventsError) { try finish() } catch {} }

  private func flush() throws(EventsError) {
    do throws(SafetensorsError) { try file?.write(buffer) } catch {
      file = nil  // removes the temporary file
      throw Self.failure(error)
    }
    bytes += buffer.count
    buffer.removeAll(keepingCapacity: true)
  }

  private static func failure(_ cause: SafetensorsError) -> EventsError {
    EventsError(cause, advice: "name another place with --quarantine, or leave it out")
  }

  private func appendEscaped(_ text: UnsafeRawBufferPointer) {
    var at = 0
    while at < text.count {
      let byte = text[at]
      switch byte {
      case 0x09: buffer += "\\t".utf8
      case 0x0a: buffer += "\\n".utf8
      case 0x0d: buffer += "\\r".utf8
      case 0x5c: buffer += "\\\\".utf8
      case 0x20..<0x7f: buffer.append(byte)
      default:
        let length = Self.scalarLength(text, at)
        if length == 0 {
          appendHex(byte)
        } else {
          buffer.append(contentsOf: text[at..<at + length])
          at += length - 1
        }
      }
      at += 1
    }
  }

  private func appendHex(_ byte: UInt8) {
    let digits = Array("0123456789abcdef".utf8)
    buffer += [0x5c, 0x78, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
  }

  /// Bytes of the scalar that begins here; 0 where there is none that may stand in a line.
  private static func scalarLength(_ text: UnsafeRawBufferPointer, _ at: Int) -> Int {
    let length = text[at] < 0xc2 ? 0 : text[at] < 0xe0 ? 2 : text[at] < 0xf0 ? 3 : text[at] < 0xf5 ? 4 : 0
    guard length > 0, at + length <= text.count,
      let scalar = String(validating: text[at..<at + length], as: UTF8.self)?.unicodeScalars.first
    else { return 0 }
    // Other programs end a line at these too.
    let endsLine = scalar.value < 0xa0 || scalar.value == 0x2028 || scalar.value == 0x2029
    return endsLine ? 0 : length
  }
}
