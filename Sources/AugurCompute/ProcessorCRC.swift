// The checksum that some processors have an instruction for.
import CKernels

/// CRC-32C of `bytes`, continuing from an earlier value; nil where the processor cannot.
package func processorCRC32C(_ bytes: UnsafeRawBufferPointer, continuing earlier: UInt32) -> UInt32? {
  var crc = earlier
  return ck_crc32c(&crc, bytes.baseAddress, bytes.count) != 0 ? crc : nil
}
