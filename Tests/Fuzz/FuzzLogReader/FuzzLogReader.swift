// libFuzzer target: the text formats. The first byte picks the format, the rest is the log.
import AugurEvents
import FuzzFile

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzLogReader(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  guard count > 0 else { return 0 }
  let formats = LogFormat.allCases
  let format = formats[Int(start[0]) % formats.count]
  guard let path = fuzzFile(start + 1, count - 1) else { return 0 }
  do {
    let options = PrepareOptions(format: format)
    let events = try groupEvents(inputs: [path], options: options)
    precondition(events.users <= events.rows && events.offsets.count == events.users + 1, "impossible counts")
  } catch {
    precondition(!"\(error)".contains("\n"), "an error of several lines")
  }
  return 0
}
