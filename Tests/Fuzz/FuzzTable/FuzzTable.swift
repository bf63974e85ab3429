// libFuzzer target: tables in every text format. The first byte picks what is asked for, the rest is the table; its first column
// is the label.
import AugurEvents
import Glibc

/// Tables are files, and data sets are folders: both exist for this process only.
private let folder: String = {
  for parent in ["/dev/shm", "/tmp"] {
    let path = "\(parent)/augur-fuzz-table-\(getpid())"
    if mkdir(path, 0o700) == 0 {
      atexit { removeFolder() }
      return path
    }
  }
  // Not a trap: the fuzzer would take it for a finding.
  let line = Array("FuzzTable: no folder for temporary files\n".utf8)
  _ = write(STDERR_FILENO, line, line.count)
  exit(2)
}()

private func removeFolder() {
  for name in ["dataset.json", "table.safetensors", "features.json", "features.safetensors"] { unlink("\(folder)/data/\(name)") }
  rmdir("\(folder)/data")
  unlink("\(folder)/table")
  rmdir(folder)
}

private func write(_ start: UnsafePointer<UInt8>, _ count: Int) -> Bool {
  let descriptor = open("\(folder)/table", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
  guard descriptor >= 0 else { return false }
  defer { close(descriptor) }
  return Glibc.write(descriptor, start, count) == count
}

/// The first name of the header, as a user would copy it.
private func firstName(_ text: UnsafeBufferPointer<UInt8>) -> String {
  let stops: [UInt8] = [0x2c, 0x09, 0x3b, 0x0a, 0x3a]  // , tab ; newline :
  let words = text.prefix { !stops.contains($0) }.drop { $0 == 0x20 || $0 == 0x22 || $0 == 0x7b }
  return String(decoding: words.prefix { $0 != 0x20 && $0 != 0x22 && $0 != 0x0d }, as: UTF8.self)
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzTable(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  guard count > 1, write(start + 1, count - 1) else { return 0 }
  let asks = start[0]
  var options = TableOptions(label: firstName(UnsafeBufferPointer(start: start + 1, count: count - 1)))
  if asks & 1 != 0 { options.categorical = ["*"] }
  if asks & 2 != 0 { options.positive = "1" }
  if asks & 4 != 0 { options.kind = .random }
  options.minimumCount = asks & 8 != 0 ? 1 : 2
  options.allowsLeaks = asks & 16 == 0
  (options.threads, options.memory) = (1, 64 << 20)
  do {
    let made = try prepareTable(inputs: ["\(folder)/table"], output: "\(folder)/data", options: options)
    let data = try TableDataset(path: "\(folder)/data")
    precondition(made.parts.reduce(0, +) == made.rows && data.rowCount == made.rows, "impossible counts")
    precondition(data.labels.allSatisfy(\.isFinite) && data.numbers.allSatisfy(\.isFinite), "a number that is none")
  } catch {
    precondition(!"\(error)".contains("\n"), "an error of several lines")
  }
  return 0
}
