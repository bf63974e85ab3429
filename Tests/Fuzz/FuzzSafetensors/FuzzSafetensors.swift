// libFuzzer target: the safetensors reader, over a file in memory, with and without checksums.
import AugurTensors
import Glibc

private let path = "/dev/shm/augur-fuzz-\(getpid()).safetensors"

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzSafetensors(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
  guard descriptor >= 0 else { return 0 }
  let written = write(descriptor, start, count)
  close(descriptor)
  defer { unlink(path) }
  guard written == count else { return 0 }
  do throws(SafetensorsError) {
    try readEverything(try SafetensorsFile(path: path, verify: .skipped))
    try readEverything(try SafetensorsFile(path: path, verify: .whenPresent))
    try readEverything(try SafetensorsFile(path: path, verify: .required))
  } catch {
    precondition(!"\(error)".contains("\n"), "an error of several lines")
  }
  return 0
}

private func readEverything(_ file: SafetensorsFile) throws(SafetensorsError) {
  var sum: UInt32 = 0
  for entry in file.entries {
    sum = crc32c(try file.bytes(entry.name), continuing: sum)
    switch entry.dtype {
    case .f32: _ = try file.array(entry.name, as: Float.self)
    case .f64: _ = try file.array(entry.name, as: Double.self)
    case .i32: _ = try file.array(entry.name, as: Int32.self)
    case .i64: _ = try file.array(entry.name, as: Int64.self)
    case .bf16: _ = try file.array(entry.name, as: UInt16.self)
    case .u8: _ = try file.array(entry.name, as: UInt8.self)
    }
  }
  try file.requireFinite()
}
