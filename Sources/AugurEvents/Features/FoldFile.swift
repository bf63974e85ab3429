// A file of fold numbers: one a row of the table, in its order.
import AugurTensors

/// The numbers, each 0...254; blank lines at the end do not count.
func readFolds(_ path: String, rows: Int) throws(EventsError) -> [UInt8] {
  let file: MappedFile
  do throws(SafetensorsError) { file = try MappedFile(path: path) } catch { throw EventsError(error) }
  var folds: [UInt8] = []
  var (start, line) = (0, 1)
  let bytes = file.bytes
  while start < bytes.count {
    var end = start
    while end < bytes.count, bytes[end] != DelimitedReader.newline { end += 1 }
    var last = end
    if last > start, bytes[last - 1] == UInt8(ascii: "\r") { last -= 1 }
    let text = UnsafeRawBufferPointer(rebasing: bytes[start..<last])
    if text.isEmpty {
      guard bytes[end...].allSatisfy({ $0 == DelimitedReader.newline || $0 == UInt8(ascii: "\r") }) else {
        throw EventsError(
          file: path, line: line, problem: "the fold number is empty", advice: "give one number a row of the table")
      }
      break
    }
    guard text.count <= 3, let number = UInt8(String(decoding: text, as: UTF8.self)), number < 255 else {
      throw EventsError(
        file: path, line: line, problem: "\(excerpt(text)) is no fold number",
        advice: "folds are numbered from 0 to 254, without a header")
    }
    folds.append(number)
    (start, line) = (end + 1, line + 1)
  }
  guard folds.count == rows else {
    throw EventsError(
      file: path, problem: "\(folds.count) fold numbers for \(rows) rows",
      advice: "give one number a row of the table, in its order")
  }
  return folds
}
