// libFuzzer target: descriptions of behaviour features, and saved states. The first byte picks which, the rest is its text or its file.
import AugurEvents
import AugurTensors
import FuzzFile
import Glibc

private let saved = "/dev/shm/augur-fuzz-behaviour-\(getpid())"

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzBehaviour(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  guard count > 1 else { return 0 }
  defer { unlink(saved) }
  do {
    if start[0] == UInt8(ascii: "s") {
      guard let path = fuzzFile(start + 1, count - 1) else { return 0 }
      try go(on: try BehaviourState(path: path, verify: .skipped))
    } else {
      let text = String(decoding: UnsafeBufferPointer(start: start + 1, count: count - 1), as: UTF8.self)
      let description = try BehaviourDescription(json: text, place: "description")
      let again = try BehaviourDescription(json: description.json(), place: "again")
      precondition(again == description, "reads back differently")
      // Joined files are read by fuzzers of their own formats.
      let joins = description.features.contains { if case .join = $0 { true } else { false } }
      if !joins { try go(on: try BehaviourState(description)) }
    }
  } catch {
    precondition(!"\(error)".contains("\n"), "an error of several lines")
  }
  return 0
}

/// A state that was read takes events, and gives the same features after it was saved and read again.
private func go(on state: BehaviourState) throws {
  var state = state
  let kinds = ["view", "purchase", "", "cart"]
  let prices: [Float] = [9.5, .nan, .greatestFiniteMagnitude, -1, .infinity, 0]
  for place in 0..<12 {
    let time = state.clock + Int64(place * place) * 1_800_000
    let event = state.event(
      user: "u\(place % 3)", item: "i\(place % 2)", time: time, kind: kinds[place % 4], category: place % 5 == 0 ? "" : "c",
      price: prices[place % 6], quantity: prices[(place + 1) % 6])
    _ = try state.features(of: event)
    try state.observe(event)
  }
  try state.save(to: saved)
  var again = try BehaviourState(path: saved)
  let time = state.clock + 86_400_000
  let (old, new) = (state.event(user: "u1", item: "new", time: time), again.event(user: "u1", item: "new", time: time))
  let (before, after) = (try state.features(of: old), try again.features(of: new))
  precondition(before.map(\.bitPattern) == after.map(\.bitPattern), "a saved state goes on differently")
}
