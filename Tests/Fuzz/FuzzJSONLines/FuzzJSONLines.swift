// libFuzzer target: JSON lines, as events and as a table of all columns.
import AugurEvents
import FuzzFile

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzJSONLines(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  guard count > 0, let path = fuzzFile(start, count) else { return 0 }
  do {
    let events = try groupEvents(inputs: [path])
    precondition(events.users <= events.rows && events.offsets.count == events.users + 1, "impossible counts")
  } catch {
    precondition(!"\(error)".contains("\n"), "an error of several lines")
  }
  do {
    let profile = try profileLog(inputs: [path], threads: 1)
    let lines = UnsafeBufferPointer(start: start, count: count).reduce(1) { $0 + ($1 == 0x0a ? 1 : 0) }
    precondition(profile.rows + profile.badRows <= lines, "more rows than lines")
    for column in profile.columns {
      precondition(column.missing <= profile.rows && column.distinct <= profile.rows - column.missing, "impossible counts")
    }
    precondition(!profile.json.contains("\n"), "a JSON text of several lines")
  } catch {
    precondition(!"\(error)".contains("\n"), "an error of several lines")
  }
  return 0
}
