// zstd (RFC 8878) through libzstd, which is loaded at run time; our own declarations of five of its functions.

final class ZstdDecoder: StreamDecoder {
  static let format = "zstd"
  static let libraryNames = ["libzstd.so.1", "libzstd.so", "libzstd.1.dylib", "libzstd.dylib"]

  /// `ZSTD_inBuffer` and `ZSTD_outBuffer`.
  private struct Window {
    var start: UnsafeRawPointer?
    var count: Int
    var position = 0
  }

  private typealias Make = @convention(c) () -> OpaquePointer?
  private typealias Release = @convention(c) (OpaquePointer?) -> Int
  private typealias Decompress = @convention(c) (OpaquePointer, UnsafeMutableRawPointer, UnsafeMutableRawPointer) -> Int
  private typealias IsError = @convention(c) (Int) -> UInt32
  private typealias ErrorName = @convention(c) (Int) -> UnsafePointer<CChar>?

  private let stream: OpaquePointer
  private let decompress: Decompress
  private let isError: IsError
  private let errorName: ErrorName
  private let free: Release
  private(set) var isBetweenFrames = true
  private var frames = 0

  /// A frame may ask for a window of 128 MiB (the library's default limit), which is what `zstd -19` and `--ultra -22` stay within.
  init(libraries: [String] = libraryNames) throws(DecodingProblem) {
    guard let library = RuntimeLibrary(libraries), let make: Make = library.function("ZSTD_createDStream"),
      let free: Release = library.function("ZSTD_freeDStream"), let decompress: Decompress = library.function("ZSTD_decompressStream"),
      let isError: IsError = library.function("ZSTD_isError"), let errorName: ErrorName = library.function("ZSTD_getErrorName")
    else {
      throw .libraryFails("is zstd, and libzstd is not installed", advice: "apt-get install libzstd1, or unpack the file with unzstd")
    }
    guard let stream = make() else { throw .libraryFails("no memory for libzstd", advice: "free some memory") }
    (self.stream, self.free, self.decompress, self.isError, self.errorName) = (stream, free, decompress, isError, errorName)
  }

  deinit { _ = free(stream) }

  func decode(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) throws(DecodingProblem) -> (taken: Int, given: Int) {
    if isBetweenFrames, let first = input.first {
      guard first == 0x28 || first & 0xf0 == 0x50 else { throw .garbage }
      (frames, isBetweenFrames) = (frames + 1, false)
    }
    var from = Window(start: input.baseAddress, count: input.count)
    var to = Window(start: output.baseAddress, count: output.count)
    let code = decompress(stream, &to, &from)
    if isError(code) != 0 {
      let reason = errorName(code).map { String(cString: $0) } ?? "code \(code)"
      if frames > 1, reason == "Unknown frame descriptor" { throw .garbage }
      if reason.contains("too much memory") {
        throw .libraryFails("a zstd frame asks for a window above 128 MiB", advice: "compress it again with --long=27 or less")
      }
      throw .damaged(reason, at: from.position)
    }
    if code == 0 { isBetweenFrames = true }
    return (from.position, to.position)
  }
}
