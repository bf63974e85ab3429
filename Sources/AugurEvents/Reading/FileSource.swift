// A regular file, a named pipe or standard input as a source of bytes.
import AugurTensors
import Glibc

final class FileSource: ByteSource {
  let name: String
  private let descriptor: Int32
  private let isOwned: Bool
  /// Length of a regular file when it was opened: what is written behind later is not read. nil for a stream.
  private let bytes: Int?
  private var position = 0
  /// Bytes of a stream that were looked at and not yet read.
  private var pending: [UInt8] = []

  var file: (descriptor: Int32, bytes: Int)? { bytes.map { (descriptor, $0) } }

  /// Opens `path`, through symbolic links; `-` is standard input. Opening a named pipe waits for its writer.
  init(_ path: String) throws(EventsError) {
    isOwned = path != "-"
    name = isOwned ? path : "standard input"
    if isOwned { _ = try Self.status(of: path) }  // before opening: a socket does not open, a device may do something
    descriptor = isOwned ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO
    guard descriptor >= 0 else { throw Self.cannotOpen(path, errno) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      let code = errno
      if isOwned { close(descriptor) }
      throw EventsError(file: name, problem: "cannot be read: \(errorText(code))", advice: "is it open?")
    }
    do throws(EventsError) { try Self.check(status, name) } catch {
      if isOwned { close(descriptor) }
      throw error
    }
    // Kernel files such as those of /proc say 0 bytes and have some; standard input may be a file that was read in part.
    let isPlain = status.st_mode & S_IFMT == S_IFREG && status.st_size > 0 && lseek(descriptor, 0, SEEK_CUR) == 0
    bytes = isPlain ? Int(status.st_size) : nil
  }

  deinit { if isOwned { close(descriptor) } }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(EventsError) -> Int {
    guard let base = buffer.baseAddress else { return 0 }
    let early = min(pending.count, buffer.count)
    pending.withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<early])) }
    pending.removeFirst(early)
    let wanted = min(buffer.count, (bytes ?? Int.max) - position)
    var count = early
    while count < wanted {
      let got = bytes == nil
        ? Glibc.read(descriptor, base + count, wanted - count) : pread(descriptor, base + count, wanted - count, off_t(position + count))
      if got < 0, errno == EINTR { continue }
      guard got >= 0 else {
        throw EventsError(file: name, problem: "cannot be read: \(errorText(errno))", advice: "check the disk or the program that writes it")
      }
      if got == 0 { break }
      count += got
    }
    if bytes != nil, count < wanted {
      throw EventsError(
        file: name, problem: "the file became shorter while it was read, at byte \(position + count)",
        advice: "read a file that nobody writes to")
    }
    position += count
    return count
  }

  /// The first `count` bytes, fewer where there are no more; they will be read all the same. Before the first read only.
  func peek(_ count: Int) throws(EventsError) -> [UInt8] {
    precondition(position == 0, "FileSource: peek comes before read")
    var head = [UInt8](repeating: 0, count: count)
    var got = 0
    do {
      got = try head.withUnsafeMutableBytes { buffer in try read(into: buffer) }
    } catch { throw error as? EventsError ?? EventsError(file: name, problem: "\(error)", advice: "") }
    head.removeLast(count - got)
    position = 0
    if bytes == nil { pending = head }
    return head
  }

  /// The status of what `path` names; throws where that cannot be read as a log.
  static func status(of path: String) throws(EventsError) -> stat {
    var status = stat()
    guard stat(path, &status) == 0 else { throw cannotOpen(path, errno) }
    try check(status, path)
    return status
  }

  private static func check(_ status: stat, _ name: String) throws(EventsError) {
    switch status.st_mode & S_IFMT {
    case S_IFREG, S_IFIFO, S_IFCHR: return
    case S_IFDIR:
      throw EventsError(file: name, problem: "is a directory, not a file", advice: "name its files, for example '\(name)/*.csv'")
    case S_IFSOCK: throw EventsError(file: name, problem: "is a socket, not a file", advice: "give a file or a pipe")
    default: throw EventsError(file: name, problem: "is a device, not a file", advice: "give a file or a pipe")
    }
  }

  private static func cannotOpen(_ path: String, _ code: Int32) -> EventsError {
    var link = stat()
    switch code {
    case ENOENT where lstat(path, &link) == 0:
      return EventsError(file: path, problem: "is a symbolic link to nothing", advice: "mend the link or give the file itself")
    case ENOENT: return EventsError(file: path, problem: "no such file", advice: "check the path")
    case EACCES, EPERM: return EventsError(file: path, problem: "no right to read it", advice: "check the rights of the file and its folders")
    case EMFILE, ENFILE: return EventsError(file: path, problem: "too many files are open", advice: "raise the limit: ulimit -n 4096")
    default: return EventsError(file: path, problem: "cannot be opened: \(errorText(code))", advice: "check the path")
    }
  }
}
