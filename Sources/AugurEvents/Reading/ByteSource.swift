// Where the bytes of a log come from: a file, standard input, or a decompressor over either.

/// Bytes front to back. One thread at a time.
package protocol ByteSource: AnyObject {
  /// As messages show it: the path as given, or `standard input`.
  var name: String { get }
  /// Set for plain regular files only: readers may then read ranges of it on several threads (`pread`).
  var file: (descriptor: Int32, bytes: Int)? { get }
  /// Fills `buffer` from its start as far as the source goes; the count, 0 at the end. Throws on damage, with the place and what to do.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws(EventsError) -> Int
}
