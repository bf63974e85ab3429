// The lines of a small file that is mapped as a whole.
import AugurTensors

/// Calls `body` with each line and its number, without line ends and the mark of byte order.
func forEachLine(of path: String, _ body: (UnsafeRawBufferPointer, Int) throws(EventsError) -> Void) throws(EventsError) {
  let file: MappedFile
  do throws(SafetensorsError) { file = try MappedFile(path: path) } catch { throw EventsError(error) }
  let bytes = file.bytes
  var (start, number) = (bytes.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0, 1)
  while start < bytes.count {
    let newline = bytes[start...].firstIndex(of: DelimitedReader.newline) ?? bytes.count
    let end = newline > start && bytes[newline - 1] == UInt8(ascii: "\r") ? newline - 1 : newline
    try body(UnsafeRawBufferPointer(rebasing: bytes[start..<end]), number)
    (start, number) = (newline + 1, number + 1)
  }
}
