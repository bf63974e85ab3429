// Rows of users as of a moment: what comes later changes nothing, and what is no feature of users is refused.
import Foundation
import Testing

@testable import AugurEvents

@Suite struct UserBehaviourTests {
  let folder = TestFolder()
  private let cut: Int64 = 1_600_000_000

  private func table(_ name: String, _ rows: [String], asOf: Int64) throws -> [String] {
    let path = "\(folder.path)/\(name)"
    try (["user_id,item_id,event,timestamp,price"] + rows).joined(separator: "\n").write(toFile: path + ".csv", atomically: true, encoding: .utf8)
    try prepareDataset(input: path + ".csv", output: path)
    let data = try Dataset(path: path)
    var state = try BehaviourState(
      BehaviourDescription(
        groups: ["purchase": ["buy"]],
        features: [
          .count(of: [.user], events: ["any", "purchase"], windows: [BehaviourWindow("1d")!, .ever]), .recency(of: [.user], events: ["any"]),
          .money(of: [.user], statistics: [.sum], windows: [.ever]), .history(of: .item, last: 3),
        ]))
    let report = try writeBehaviourTable(data, state: &state, asOf: 1000 * asOf, output: path + ".out")
    let lines = try String(contentsOfFile: path + ".out", encoding: .utf8).split(separator: "\n").map(String.init)
    #expect(report.rows == lines.count - 1)
    return lines
  }

  @Test func laterEventsChangeNothing() throws {
    let before = [
      "a,x,view,\(cut - 100_000),5", "a,y,buy,\(cut - 10),7.5", "b,x,view,\(cut - 1),5", "a,z,buy,\(cut),100",
    ]
    let lines = try table("short", before, asOf: cut)
    #expect(
      lines[0]
        == "user_id,timestamp,user_any_count_1d,user_any_count_ever,user_purchase_count_1d,user_purchase_count_ever,user_seconds_since_any,"
        + "user_money_sum_ever,item_history")
    #expect(lines[1] == "a,2020-09-13T12:26:40Z,1,2,1,1,10,7.5,x|y")
    #expect(lines[2] == "b,2020-09-13T12:26:40Z,1,1,0,0,1,0,x")
    #expect(lines.count == 3)
    let after = ["a,x,buy,\(cut + 5),900", "c,x,view,\(cut + 7),1", "b,q,buy,\(cut + 86_400),2"]
    #expect(try table("long", before + after, asOf: cut) == lines)
    #expect(try table("later", before + after, asOf: cut + 6)[1].hasPrefix("a,2020-09-13T12:26:46Z,3,4"))
  }

  @Test func whatIsNotOfUsersIsNamed() throws {
    let standard = BehaviourDescription.standard()
    try standard.ofUsers.checkOfUsers(place: "f.json")
    #expect(standard.ofUsers.features.count < standard.features.count)
    let error = #expect(throws: EventsError.self) { try standard.checkOfUsers(place: "f.json") }
    #expect(error?.description.contains("features[0]") == true)
    let none = #expect(throws: EventsError.self) { try table("none", ["a,x,view,\(cut),5"], asOf: cut) }
    #expect(none?.description.contains("no event lies before 2020-09-13T12:26:40Z") == true)
    #expect(!FileManager.default.fileExists(atPath: folder.path + "/none.out"))
    #expect(try moment("2020-09-13T12:26:40Z", option: "--as-of") == 1000 * cut)
    #expect(try moment("\(cut)", option: "--as-of") == 1000 * cut)
    #expect(throws: EventsError.self) { try moment("soon", option: "--as-of") }
  }
}
