// Histories as features of behaviour: as of the event, the same online, from a saved state and in a table, whatever the order of a log.
import AugurTensors
import Foundation
import Testing

@testable import AugurEvents

@Suite struct BehaviourHistoryTests {
  let folder = TestFolder()

  private static let json = """
    {"format": "augur-behaviour", "version": 1, "groups": {}, "features": [
      {"feature": "history", "of": "item", "last": 4}, {"feature": "count", "of": ["user"], "events": ["any"], "windows": ["7d"]},
      {"feature": "history", "of": "category", "last": 2}]}
    """
  private static func description(_ json: String = json) throws -> BehaviourDescription { try BehaviourDescription(json: json, place: "test") }

  private func event(_ logged: LoggedEvent, in state: inout BehaviourState) -> BehaviourEvent {
    state.event(user: logged.user, item: logged.item, time: logged.time * 1000, kind: logged.kind, category: logged.category)
  }

  /// By definition: every earlier event of the user is looked at again.
  private func expected(_ event: LoggedEvent, _ events: [LoggedEvent]) -> [String] {
    let past = events.filter { $0.user == event.user && $0.time < event.time }
    func last(_ count: Int, _ id: (LoggedEvent) -> String) -> String {
      past.filter { !id($0).isEmpty }.sorted { ($0.time, id($0)) < ($1.time, id($1)) }.suffix(count).map(id).joined(separator: "|")
    }
    return [last(4, \.item), last(2, \.category)]
  }

  @Test func aHistoryIsWhatCameStrictlyBefore() throws {
    let events = LoggedEvent.random(900, seed: 3).sorted { ($0.time, $1.line) < ($1.time, $0.line) }
    var state = try BehaviourState(Self.description())
    #expect(state.columns.map(\.name) == ["item_history", "user_any_count_7d", "category_history"])
    var isFull = false
    for (place, logged) in events.enumerated() {
      if place % 250 == 100 {
        try state.save(to: "\(folder.path)/state.safetensors")
        state = try BehaviourState(path: "\(folder.path)/state.safetensors")
      }
      let event = event(logged, in: &state)
      let made = try state.histories(of: event)
      #expect(made == expected(logged, events), "\(logged.line)")
      let row = try state.features(of: event)
      #expect(row[0].isNaN && !row[1].isNaN)
      try state.observe(event)
      isFull = isFull || made[0].split(separator: "|").count == 4
    }
    #expect(isFull)
  }

  @Test func theTableHasTheTextsOfServing() throws {
    let events = LoggedEvent.random(1200, seed: 5)
    func table(_ events: [LoggedEvent]) throws -> String {
      let data = try folder.dataset(LoggedEvent.log(events))
      var state = try BehaviourState(Self.description())
      _ = try writeBehaviourTable(data, state: &state, output: "\(folder.path)/table.csv")
      return String(decoding: folder.read("table.csv"), as: UTF8.self)
    }
    let text = try table(events)
    var random = RandomStream(seed: 5, stream: 1)
    #expect(try table(events.shuffled(using: &random)) == text)
    let lines = text.split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }
    #expect(lines[0] == ["user_id", "item_id", "timestamp", "item_history", "user_any_count_7d", "category_history"] && lines.count == events.count + 1)
    for line in lines.dropFirst() {
      var bytes = Array(line[2].utf8)
      let seconds = try bytes.withUnsafeMutableBytes { try Timestamp.milliseconds(UnsafeRawBufferPointer($0)) } / 1000
      let event = try #require(events.first { $0.user == line[0] && $0.time == seconds })
      #expect([line[3], line[5]] == expected(event, events))
    }
  }

  @Test func anIDThatHoldsTheSeparatorIsNamed() throws {
    var state = try BehaviourState(Self.description())
    try state.observe(state.event(user: "u", item: "a|b", time: 1000))
    let later = state.event(user: "u", item: "c", time: 2000)
    let error = #expect(throws: EventsError.self) { _ = try state.histories(of: later) }
    #expect(error?.description.contains("item_history: the id 'a|b' holds '|'") == true, "\(error.map { "\($0)" } ?? "")")
  }

  @Test(arguments: [
    (#"{"feature": "history", "of": "user"}"#, "of"), (#"{"feature": "history"}"#, "of"),
    (#"{"feature": "history", "of": "item", "last": 0}"#, "last"), (#"{"feature": "history", "of": "item", "last": 2.5}"#, "whole number"),
    (#"{"feature": "history", "of": "item", "first": 2}"#, "first"),
  ])
  func whatIsNoHistoryIsNamed(_ feature: String, _ words: String) throws {
    let json = #"{"format": "augur-behaviour", "version": 1, "features": [\#(feature)]}"#
    let error = #expect(throws: EventsError.self) { _ = try Self.description(json) }
    #expect(error?.description.contains(words) == true, "\(error.map { "\($0)" } ?? "")")
    #expect(try Self.description(try Self.description().json()) == Self.description())
  }
}
