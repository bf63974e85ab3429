// Files that are written for long and made durable at the end.
import CKernels

/// A hint that `bytes` bytes of a file may begin their way to the disk while more are written.
package func startWriteback(_ descriptor: Int32, from first: Int, bytes: Int) { ck_start_writeback(descriptor, first, bytes) }
