// CRC-32C (Castagnoli), the checksum of tensors and headers.
import AugurCompute

/// CRC-32C (Castagnoli) of `bytes`, continuing from an earlier value.
public func crc32c(_ bytes: UnsafeRawBufferPointer, continuing earlier: UInt32 = 0) -> UInt32 {
  processorCRC32C(bytes, continuing: earlier) ?? tableCRC32C(bytes, continuing: earlier)
}

/// The same without the processor's instruction; slicing by 16.
func tableCRC32C(_ bytes: UnsafeRawBufferPointer, continuing earlier: UInt32 = 0) -> UInt32 {
  var crc = ~earlier
  crcTable.withUnsafeBufferPointer { table in
    func slices(_ word: UInt64, _ first: Int) -> UInt32 {
      let low = table[first + Int(word & 255)] ^ table[first - 256 + Int(word >> 8 & 255)]
      let middle = table[first - 512 + Int(word >> 16 & 255)] ^ table[first - 768 + Int(word >> 24 & 255)]
      let upper = table[first - 1024 + Int(word >> 32 & 255)] ^ table[first - 1280 + Int(word >> 40 & 255)]
      let top = table[first - 1536 + Int(word >> 48 & 255)] ^ table[first - 1792 + Int(word >> 56)]
      return (low ^ middle) ^ (upper ^ top)
    }
    var at = 0
    while at + 16 <= bytes.count {
      let first = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)) ^ UInt64(crc)
      let second = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at + 8, as: UInt64.self))
      crc = slices(first, 15 * 256) ^ slices(second, 7 * 256)
      at += 16
    }
    while at < bytes.count {
      crc = table[Int((crc ^ UInt32(bytes[at])) & 255)] ^ crc >> 8
      at += 1
    }
  }
  return ~crc
}

private let crcTable: [UInt32] = {
  var table = [UInt32](repeating: 0, count: 16 * 256)
  for byte in 0..<256 {
    table[byte] = (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0x82f6_3b78 : value >> 1 }
  }
  for slot in 256..<16 * 256 { table[slot] = table[slot - 256] >> 8 ^ table[Int(table[slot - 256] & 255)] }
  return table
}()

/// A checksum as eight hexadecimal digits.
package func checksumText(_ checksum: UInt32) -> String {
  let text = String(checksum, radix: 16)
  return String(repeating: "0", count: 8 - text.utf8.count) + text
}
