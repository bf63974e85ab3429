// libFuzzer target: the three text formats. The first byte picks the format, the rest is the log.
import AugurEvents
import Glibc

/// The readers take files: one that exists for this process only, in memory where the system has a file system there.
private let logFile: Int32 = {
  for folder in ["/dev/shm", "/tmp"] {
    let path = "\(folder)/augur-fuzz-\(getpid())"
    let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { continue }
    unlink(path)
    return descriptor
  }
  fatalError("FuzzLogReader: no folder for a temporary file")
}()

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzLogReader(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  guard count > 0 else { return 0 }
  let formats = LogFormat.allCases
  let format = formats[Int(start[0]) % formats.count]
  let path = "/proc/self/fd/\(logFile)"
  guard ftruncate(logFile, 0) == 0, pwrite(logFile, start + 1, count - 1, 0) == count - 1 else { return 0 }
  do {
    let options = PrepareOptions(format: format)
    let events = try groupEvents(inputs: [path], options: options)
    precondition(events.users <= events.rows && events.offsets.count == events.users + 1, "impossible counts")
  } catch {
    precondition(!"\(error)".contains("\n"), "an error of several lines")
  }
  return 0
}
