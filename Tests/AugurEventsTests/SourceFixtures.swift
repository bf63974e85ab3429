// Compressed bytes made by hand, so that their damage is known to the byte, and what tests read back.
import Foundation
import Testing

@testable import AugurEvents

/// gzip of stored blocks (RFC 1951, 3.2.4).
enum Gzip {
  static func crc32(_ bytes: some Sequence<UInt8>) -> UInt32 {
    ~bytes.reduce(~0) { crc, byte in
      (0..<8).reduce(crc ^ UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xedb8_8320 : value >> 1 }
    }
  }

  static func little(_ value: UInt32, bytes: Int = 4) -> [UInt8] { (0..<bytes).map { UInt8(truncatingIfNeeded: value >> (8 * UInt32($0))) } }

  static let header: [UInt8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]

  /// A member that holds `content` in blocks of at most `block` bytes.
  static func member(_ content: [UInt8], block: Int = 50) -> [UInt8] {
    var bytes = header
    var at = 0
    repeat {
      let part = content[at..<min(content.count, at + block)]
      at += part.count
      let length = UInt32(part.count)
      bytes += [at == content.count ? 1 : 0] + little(length, bytes: 2) + little(~length, bytes: 2) + part
    } while at < content.count
    return bytes + little(crc32(content)) + little(UInt32(content.count))
  }

  /// The beginning of a member that holds `count` times 258 zeros, at a rate of about 1000 to 1: a block of a dynamic code (RFC 1951,
  /// 3.2.7) whose length 258 and distance 1 take one bit each.
  static func bomb(_ count: Int) -> [UInt8] {
    var (bits, filled): ([UInt8], Int) = ([], 8)
    func put(_ value: Int, _ width: Int) {
      for bit in 0..<width {
        if filled == 8 {
          bits.append(0)
          filled = 0
        }
        bits[bits.count - 1] |= UInt8(value >> bit & 1) << UInt8(filled)
        filled += 1
      }
    }
    put(0, 1)  // not the last block
    put(2, 2)  // dynamic codes
    put(286 - 257, 5)  // literal and length codes
    put(0, 5)  // one distance code
    // Lengths of the code lengths, in the order 16 17 18 0 8 7 9 6 10 5 11 4 12 3 13 2 14 1: 18 (zeros) and 2 and 1.
    put(18 - 4, 4)
    for symbol in [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1] { put(symbol == 18 ? 1 : symbol == 1 || symbol == 2 ? 2 : 0, 3) }
    // Codes: 18 is 0; 1 is 10 and 2 is 11, sent from the highest bit.
    func one() { put(1, 1); put(0, 1) }
    func two() { put(1, 1); put(1, 1) }
    func zeros(_ n: Int) { put(0, 1); put(n - 11, 7) }
    two()  // literal 0
    zeros(138); zeros(117)
    two()  // 256, end of block
    zeros(28)
    one()  // 285, length 258
    one()  // distance 1
    // Codes: 285 is 0; literal 0 is 10; 256 is 11; distance 1 is 0.
    put(1, 1); put(0, 1)
    for _ in 0..<count { put(0, 2) }
    return header + bits
  }
}

/// zstd of raw and run-length blocks (RFC 8878, 3.1.1) without a checksum.
enum Zstd {
  static func frame(_ content: [UInt8]) -> [UInt8] {
    // Single segment, content size in 4 bytes.
    [0x28, 0xb5, 0x2f, 0xfd, 0xa0] + Gzip.little(UInt32(content.count)) + Gzip.little(UInt32(content.count) << 3 | 1, bytes: 3) + content
  }

  static func skippable(_ content: [UInt8]) -> [UInt8] { [0x53, 0x2a, 0x4d, 0x18] + Gzip.little(UInt32(content.count)) + content }

  /// The beginning of a frame of `count` blocks of 128 KiB of one byte: 4 bytes each.
  static func bomb(_ count: Int) -> [UInt8] {
    [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58] + Array(repeating: Gzip.little(UInt32(128 << 10) << 3 | 2, bytes: 3) + [0], count: count).joined()
  }
}

/// Bytes in memory, a few at a time.
final class MemorySource: ByteSource {
  let name = "memory"
  var file: (descriptor: Int32, bytes: Int)? { nil }
  private let bytes: [UInt8]
  private let step: Int
  private var at = 0

  init(_ bytes: [UInt8], step: Int = .max) { (self.bytes, self.step) = (bytes, step) }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(EventsError) -> Int {
    let count = min(buffer.count, bytes.count - at, step)
    buffer.copyBytes(from: bytes[at..<at + count])
    at += count
    return count
  }
}

/// All of a source, read `step` bytes at a time.
func contents(_ source: any ByteSource, step: Int = 1 << 16) throws -> [UInt8] {
  var (result, buffer): ([UInt8], [UInt8]) = ([], Array(repeating: 0, count: step))
  while true {
    let got = try buffer.withUnsafeMutableBytes { buffer in try source.read(into: buffer) }
    if got == 0 { return result }
    result += buffer[..<got]
  }
}

func gunzip(_ bytes: [UInt8], step: Int = .max, expansion: Int? = nil) throws -> [UInt8] {
  try contents(DecodedSource(MemorySource(bytes, step: step), expansion: expansion) { () throws(DecodingProblem) in try GzipDecoder() })
}

func unzstd(_ bytes: [UInt8], step: Int = .max, expansion: Int? = nil) throws -> [UInt8] {
  try contents(DecodedSource(MemorySource(bytes, step: step), expansion: expansion) { () throws(DecodingProblem) in try ZstdDecoder() })
}

let hasZlib = RuntimeLibrary(GzipDecoder.libraryNames) != nil
let hasZstd = RuntimeLibrary(ZstdDecoder.libraryNames) != nil

/// Checks that `body` fails with one line that holds all `words`.
func expectLine(_ words: String..., body: () throws -> Void) {
  let error = #expect(throws: EventsError.self) { try body() }
  for word in words { #expect(error?.description.contains(word) == true, "\(word) in \(error?.description ?? "no error")") }
  #expect(error?.description.contains("\n") == false)
}
