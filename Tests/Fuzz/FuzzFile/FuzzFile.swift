// The readers take files: one that exists for the fuzzing process only, in memory where the system has a file system there.
import Glibc

private let descriptor: Int32 = {
  for folder in ["/dev/shm", "/tmp"] {
    let path = "\(folder)/augur-fuzz-\(getpid())"
    let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { continue }
    unlink(path)
    return descriptor
  }
  // Not a trap: the fuzzer would take it for a finding.
  let line = Array("FuzzFile: no folder for a temporary file\n".utf8)
  _ = write(STDERR_FILENO, line, line.count)
  exit(2)
}()

/// The path of a file that holds these bytes until the next call; nil where it cannot be written.
public func fuzzFile(_ start: UnsafePointer<UInt8>, _ count: Int) -> String? {
  guard ftruncate(descriptor, 0) == 0, pwrite(descriptor, start, count, 0) == count else { return nil }
  return "/proc/self/fd/\(descriptor)"
}
