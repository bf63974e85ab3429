// Columns of a mapped file that are larger than the memory to stay within: read in pieces, whose pages do not stay in the process.
import Glibc

/// Takes the pages that hold nothing but `bytes` out of the process; reading brings them back.
func releasePages(_ bytes: UnsafeRawBufferPointer) {
  guard let start = bytes.baseAddress else { return }
  let page = sysconf(Int32(_SC_PAGESIZE))
  let begin = (Int(bitPattern: start) + page - 1) / page * page
  let length = (Int(bitPattern: start) + bytes.count) / page * page - begin
  if length > 0 { madvise(UnsafeMutableRawPointer(bitPattern: begin), length, MADV_DONTNEED) }
}

extension UnsafeBufferPointer {
  /// Shows a column of a mapped file piece by piece.
  func forEachPieceReleasing(_ body: (UnsafeBufferPointer) -> Void) {
    let piece = 1 << 20
    for start in stride(from: 0, to: count, by: piece) {
      let part = UnsafeBufferPointer(rebasing: self[start..<Swift.min(count, start + piece)])
      body(part)
      releasePages(UnsafeRawBufferPointer(part))
    }
  }

  /// `allSatisfy` of a column of a mapped file.
  func allSatisfyReleasing(_ condition: (Element) -> Bool) -> Bool {
    let piece = 1 << 20
    for start in stride(from: 0, to: count, by: piece) {
      let part = UnsafeBufferPointer(rebasing: self[start..<Swift.min(count, start + piece)])
      guard part.allSatisfy(condition) else { return false }
      releasePages(UnsafeRawBufferPointer(part))
    }
    return true
  }
}
