// gzip (RFC 1952) through zlib, which is loaded at run time; our own declarations of four of its functions.

/// `z_stream` of zlib on 64-bit systems: 112 bytes.
private struct ZStream {
  var nextIn: UnsafePointer<UInt8>?
  var availIn: UInt32 = 0
  var totalIn: UInt = 0
  var nextOut: UnsafeMutablePointer<UInt8>?
  var availOut: UInt32 = 0
  var totalOut: UInt = 0
  var message: UnsafePointer<CChar>?
  var state: UnsafeMutableRawPointer?
  var allocate: UnsafeMutableRawPointer?
  var free: UnsafeMutableRawPointer?
  var opaque: UnsafeMutableRawPointer?
  var dataType: Int32 = 0
  var adler: UInt = 0
  var reserved: UInt = 0
}

final class GzipDecoder: StreamDecoder {
  static let format = "gzip"
  static let libraryNames = ["libz.so.1", "libz.so", "libz.dylib"]

  private typealias Init = @convention(c) (UnsafeMutableRawPointer, Int32, UnsafePointer<CChar>, Int32) -> Int32
  private typealias Inflate = @convention(c) (UnsafeMutableRawPointer, Int32) -> Int32
  private typealias Release = @convention(c) (UnsafeMutableRawPointer) -> Int32

  private let stream = UnsafeMutablePointer<ZStream>.allocate(capacity: 1)
  private let inflate: Inflate
  private let reset: Release
  private let end: Release
  private(set) var isBetweenFrames = true
  private var members = 0

  init(libraries: [String] = libraryNames) throws(DecodingProblem) {
    precondition(MemoryLayout<ZStream>.size == 112, "GzipDecoder: z_stream has another layout")
    stream.initialize(to: ZStream())
    guard let library = RuntimeLibrary(libraries), let start: Init = library.function("inflateInit2_"),
      let inflate: Inflate = library.function("inflate"), let reset: Release = library.function("inflateReset"),
      let end: Release = library.function("inflateEnd")
    else {
      stream.deallocate()
      throw .libraryFails("is gzip, and zlib is not installed", advice: "apt-get install zlib1g, or unpack the file with gunzip")
    }
    (self.inflate, self.reset, self.end) = (inflate, reset, end)
    // 15 bits of window, + 16: gzip and nothing else. zlib compares the first figure of the version only.
    guard start(stream, 15 + 16, "1.2.11", 112) == 0 else {
      stream.deallocate()
      throw .libraryFails("is gzip, and zlib does not start", advice: "unpack the file with gunzip")
    }
  }

  deinit {
    _ = end(stream)
    stream.deallocate()
  }

  func decode(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) throws(DecodingProblem) -> (taken: Int, given: Int) {
    if isBetweenFrames, let first = input.first {
      guard first == 0x1f else { throw .garbage }
      if members > 0 { _ = reset(stream) }
      (members, isBetweenFrames) = (members + 1, false)
    }
    stream.pointee.nextIn = input.baseAddress?.assumingMemoryBound(to: UInt8.self)
    stream.pointee.availIn = UInt32(clamping: input.count)
    stream.pointee.nextOut = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
    stream.pointee.availOut = UInt32(clamping: output.count)
    let code = inflate(stream, 0)
    let taken = min(input.count, Int(UInt32.max)) - Int(stream.pointee.availIn)
    let given = min(output.count, Int(UInt32.max)) - Int(stream.pointee.availOut)
    switch code {
    case 0, -5: break  // -5: nothing to do without more input or room
    case 1: isBetweenFrames = true
    case -4: throw .libraryFails("no memory for zlib", advice: "free some memory")
    default:
      let reason = stream.pointee.message.map { String(cString: $0) } ?? "code \(code)"
      if members > 1, reason == "incorrect header check" { throw .garbage }
      throw .damaged(reason, at: taken)
    }
    return (taken, given)
  }
}
