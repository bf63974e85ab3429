// Parquet as CSV: a second `augur` reads the file with DuckDB and writes rows into a pipe. A crafted file may crash DuckDB, so it is never
// loaded into the process that prepares.
import AugurTensors
import Glibc

/// CSV with a header, from a child process that ends with this source.
final class ParquetSource: ByteSource {
  /// The hidden subcommand that the child runs.
  package static let subcommand = "parquet-to-csv"

  let name: String
  var file: (descriptor: Int32, bytes: Int)? { nil }
  private var child: pid_t = -1
  private var rows: Int32 = -1
  private var messages: Int32 = -1
  private var message: [UInt8] = []
  private static let longestMessage = 4096

  /// `executable` is the `augur` to run, in place of this process's own.
  init(_ path: String, executable: String? = nil) throws(EventsError) {
    name = path
    if let executable { try start(executable) } else { try start(try Self.executable(for: path)) }
  }

  deinit {
    if rows >= 0 { close(rows) }
    if messages >= 0 { close(messages) }
    guard child > 0 else { return }
    kill(child, SIGKILL)
    _ = exitStatus()
  }

  /// The `augur` to run: this one, or where a library user has no command line of ours, `AUGUR_EXECUTABLE`.
  private static func executable(for path: String) throws(EventsError) -> String {
    if let text = getenv("AUGUR_EXECUTABLE") { return String(cString: text) }
    let own = "/proc/self/exe"
    var bytes = [CChar](repeating: 0, count: 4096)
    let count = readlink(own, &bytes, bytes.count)
    let target = String(decoding: bytes[..<max(0, count)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    guard target.hasSuffix("/augur") || target.hasSuffix("/augur (deleted)") else {
      throw EventsError(file: path, problem: "Parquet is read by the augur command", advice: "set AUGUR_EXECUTABLE to it")
    }
    return own
  }

  private func start(_ executable: String) throws(EventsError) {
    var (output, errors): ([Int32], [Int32]) = ([-1, -1], [-1, -1])
    defer { for descriptor in [output[1], errors[1]] where descriptor >= 0 { close(descriptor) } }
    guard pipe(&output) == 0, pipe(&errors) == 0 else { throw cannotStart(errno) }
    (rows, messages) = (output[0], errors[0])
    for descriptor in output + errors { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
    _ = fcntl(rows, 1031, 1 << 20)  // F_SETPIPE_SZ: fewer switches between the two
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO)
    posix_spawn_file_actions_adddup2(&actions, errors[1], STDERR_FILENO)
    let keys: [String] = ["AUGUR_LIBDUCKDB", "AUGUR_LIBDUCKDB_PRELOAD", "LD_LIBRARY_PATH", "PATH", "TMPDIR"]
    let passed: [String] = keys.compactMap { key in getenv(key).map { "\(key)=\(String(cString: $0))" } }
    let words: [String] = ["augur", Self.subcommand, "--", name]
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    var environment: [UnsafeMutablePointer<CChar>?] = passed.map { strdup($0) } + [nil]
    defer { for text in arguments + environment { free(text) } }
    let code = posix_spawn(&child, executable, &actions, nil, &arguments, &environment)
    guard code == 0 else {
      child = -1
      throw cannotStart(code)
    }
  }

  private func cannotStart(_ code: Int32) -> EventsError {
    EventsError(file: name, problem: "no process to read Parquet with: \(errorText(code))", advice: "convert the file to CSV")
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(EventsError) -> Int {
    var count = 0
    while count < buffer.count, child > 0 {
      waitForOutput()
      let got = Glibc.read(rows, buffer.baseAddress.map { $0 + count }, buffer.count - count)
      if got < 0, errno == EINTR { continue }
      guard got >= 0 else { throw EventsError(file: name, problem: "cannot be read: \(errorText(errno))", advice: "try again") }
      if got == 0 { try finish() }
      count += got
    }
    return count
  }

  /// Takes what the child says while it waits for rows, so that neither waits for the other.
  private func waitForOutput() {
    while true {
      var waiting = [pollfd(fd: rows, events: Int16(POLLIN), revents: 0), pollfd(fd: messages, events: Int16(POLLIN), revents: 0)]
      guard poll(&waiting, 2, -1) > 0 || errno == EINTR else { return }
      if waiting[0].revents != 0 { return }
      if waiting[1].revents != 0, !takeMessage() { return }
    }
  }

  /// Adds what the child said; false at its end.
  private func takeMessage() -> Bool {
    var part = [UInt8](repeating: 0, count: 1024)
    let got = Glibc.read(messages, &part, part.count)
    if got < 0, errno == EINTR { return true }
    guard got > 0 else { return false }
    message += part[..<min(got, Self.longestMessage - message.count)]
    return true
  }

  private func exitStatus() -> Int32? {
    var status: Int32 = 0
    var code: pid_t
    repeat { code = waitpid(child, &status, 0) } while code < 0 && errno == EINTR
    child = -1
    return code < 0 ? nil : status
  }

  /// The child has closed its output: its last words, if it failed.
  private func finish() throws(EventsError) {
    while takeMessage() {}
    guard let status = exitStatus(), status != 0 else { return }
    let signal = status & 0x7f
    var text = String(decoding: message, as: UTF8.self)
    for prefix in ["augur: ", "\(name): "] where text.hasPrefix(prefix) { text.removeFirst(prefix.count) }
    guard signal == 0, !text.isEmpty else {
      let end = signal == 0 ? "ended with code \(status >> 8 & 0xff)" : "was ended by signal \(signal)"
      throw EventsError(file: name, problem: "the Parquet reader \(end)", advice: "write the file again, or convert it to CSV")
    }
    throw EventsError(file: name, problem: text, advice: "")
  }
}
