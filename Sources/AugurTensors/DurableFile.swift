// Files that are read by mapping them, and written so that their name always holds a complete one.
import AugurCompute
import Glibc

/// A regular file mapped read-only. Replace such files by rename, never in place: a shrinking map is a bus error.
package final class MappedFile: @unchecked Sendable {
  package let bytes: UnsafeRawBufferPointer

  package init(path: String) throws(SafetensorsError) {
    // O_NONBLOCK: opening a pipe must not hang.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      if errno == ENOENT {
        throw SafetensorsError(path: path, kind: .notFound, problem: "no such file; check the path")
      }
      throw SafetensorsError(path: path, kind: .unreadable, problem: "cannot open: \(errorText(errno))")
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, let size = Int(exactly: status.st_size) else {
      throw SafetensorsError(path: path, kind: .unreadable, problem: "cannot read its size: \(errorText(errno))")
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      let what = status.st_mode & S_IFMT == S_IFDIR ? "is a directory, not a file" : "is not a regular file"
      throw SafetensorsError(path: path, kind: .notAFile, problem: "\(what); give the path of a file")
    }
    guard size > 0 else {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    guard let base = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED else {
      throw SafetensorsError(path: path, kind: .unreadable, problem: "cannot map \(size) bytes: \(errorText(errno))")
    }
    bytes = UnsafeRawBufferPointer(start: base, count: size)
  }

  deinit {
    if let base = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: base), bytes.count) }
  }
}

/// A file in the making: temporary beside the target, fsync, rename, fsync of the directory. Dropped without `commit`,
/// it is removed.
package struct DurableFile: ~Copyable {
  private let path: String
  private let directory: String
  private var temporary = ""
  private var descriptor: Int32 = -1
  private var written = 0
  /// Bytes that are on their way to the disk.
  private var started = 0
  private static let piece = 8 << 20

  package init(path: String) throws(SafetensorsError) {
    self.path = path
    let slash = path.utf8.lastIndex(of: 0x2f)
    directory = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let base = slash.map { String(path[path.utf8.index(after: $0)...]) } ?? path
    sweepTemporaries(directory: directory, prefix: ".\(base).tmp-")
    for attempt in 0..<64 where descriptor < 0 {
      temporary = "\(directory)/.\(base).tmp-\(getpid())-\(attempt)"
      descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
      if descriptor < 0, errno != EEXIST { break }
    }
    guard descriptor >= 0 else { throw failure("cannot create a file in '\(directory)'", errno) }
  }

  package mutating func write(_ bytes: UnsafeRawBufferPointer) throws(SafetensorsError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0, count <= rest.count else { throw failure("cannot write", count == 0 ? EIO : errno) }
      rest = rest.dropFirst(count)
      written += count
    }
    guard written - started >= Self.piece else { return }
    startWriteback(descriptor, from: started, bytes: written - started)
    started = written
  }

  package mutating func write(_ bytes: [UInt8]) throws(SafetensorsError) {
    try bytes.span.bytes.withUnsafeBytes { raw throws(SafetensorsError) in try write(raw) }
  }

  /// Writes over the first bytes, which were written before.
  package func rewriteStart(_ bytes: [UInt8]) throws(SafetensorsError) {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress.map { $0 + done }, bytes.count - done, off_t(done)) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw failure("cannot write", count == 0 ? EIO : errno) }
      done += count
    }
  }

  package mutating func commit() throws(SafetensorsError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_size == written else {
      throw failure("cannot write all bytes", EIO)
    }
    guard fsync(descriptor) == 0 else { throw failure("cannot make it durable", errno) }
    let closed = close(descriptor)
    descriptor = -1
    guard closed == 0 else { throw failure("cannot close", errno) }
    guard rename(temporary, path) == 0 else { throw failure("cannot rename into place", errno) }
    temporary = ""
    guard syncDirectory(directory) else { throw failure("written, but its directory cannot be made durable", errno) }
  }

  private func failure(_ what: String, _ code: Int32) -> SafetensorsError {
    let advice = code == ENOSPC || code == EDQUOT || code == EFBIG ? "; free space and try again" : ""
    return SafetensorsError(path: path, kind: .writeFailed, problem: "\(what): \(errorText(code))\(advice)")
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    if !temporary.isEmpty { unlink(temporary) }
  }
}

package func syncDirectory(_ directory: String) -> Bool {
  let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  guard descriptor >= 0 else { return false }
  let synced = fsync(descriptor) == 0
  let code = errno
  close(descriptor)
  errno = code
  return synced
}

/// Removes `prefix<pid>-...` files whose process is gone: what a killed writer left behind.
private func sweepTemporaries(directory: String, prefix: String) {
  guard let listing = opendir(directory) else { return }
  defer { closedir(listing) }
  while let entry = readdir(listing) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) {
      String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
    }
    guard name.hasPrefix(prefix), let pid = Int32(name.dropFirst(prefix.count).prefix { $0 != "-" }) else { continue }
    if pid > 0, kill(pid, 0) != 0, errno == ESRCH { unlink("\(directory)/\(name)") }
  }
}

package func errorText(_ code: Int32) -> String { String(cString: strerror(code)) }
