// libFuzzer target: the three text formats. The first byte picks the format, the rest is the log.
import AugurEvents

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzLogReader(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  guard count > 0 else { return 0 }
  let formats = LogFormat.allCases
  let format = formats[Int(start[0]) % formats.count]
  // A copy of exactly this size: AddressSanitizer then sees every read behind the end.
  let log = [UInt8](UnsafeBufferPointer(start: start + 1, count: count - 1))
  do {
    let counts = try log.withUnsafeBytes { try countLog($0, file: "fuzz", format: format) }
    precondition(
      counts.events > 0 && counts.users <= counts.events && counts.items <= counts.events, "impossible counts")
  } catch {
    precondition(!"\(error)".contains("\n"), "an error of several lines")
  }
  return 0
}
