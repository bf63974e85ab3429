// Tables of users and items as of an event's time, and vectors from outside.
import AugurTensors
import Foundation
import Testing

@testable import AugurEvents

@Suite struct BehaviourJoinTests {
  let folder = TestFolder()

  private func description(_ features: String) throws -> BehaviourDescription {
    try BehaviourDescription(json: #"{"format": "augur-behaviour", "version": 1, "features": [\#(features)]}"#, place: "test")
  }

  private func table(_ text: String, _ more: String = "") throws -> BehaviourState {
    let file = folder.write("users.csv", text)
    return try BehaviourState(try description(#"{"feature": "table", "of": "user", "file": "\#(file)"\#(more)}"#))
  }

  private func row(_ user: String, _ time: Int64, _ state: inout BehaviourState) throws -> [Float] {
    try state.features(of: state.event(user: user, item: "i", time: time))
  }

  @Test func theVersionOfTheMoment() throws {
    // Versions out of order, a text column, a missing number.
    var state = try table(
      "user_id,age,valid_from,segment\nu,31,2024-03-01,gold\nv,50,2024-01-01,gold\nu,30,2024-01-01,new\nu,,2024-02-01,\"b, c\"\n")
    #expect(state.columns.map(\.name) == ["user_age", "user_segment"])
    let day: Int64 = 86_400_000
    let january: Int64 = 1_704_067_200_000
    #expect(try row("u", january - 1, &state).allSatisfy(\.isNaN))
    #expect(try row("u", january, &state) == [30, 2])  // from the very moment on; b, gold, new in byte order
    #expect(try row("u", january + 31 * day - 1, &state) == [30, 2])
    let february = try row("u", january + 31 * day, &state)
    #expect(february[0].isNaN && february[1] == 0)
    #expect(try row("u", january + 60 * day, &state) == [31, 1] && row("v", january + 60 * day, &state) == [50, 1])
    #expect(try row("nobody", january + 60 * day, &state).allSatisfy(\.isNaN))
  }

  /// Times that name no zone are those of the description's clocks: nothing holds before its day began there.
  @Test func versionsOnLocalClocks() throws {
    let file = folder.write("users.csv", "user_id,age,valid_from\nu,30,2024-01-01\n")
    var local = try description(#"{"feature": "table", "of": "user", "file": "\#(file)"}"#)
    local.zoneName = "-05:00"
    var state = try BehaviourState(local)
    let midnight: Int64 = 1_704_067_200_000 + 5 * 3_600_000
    #expect(try row("u", midnight - 1, &state)[0].isNaN && row("u", midnight, &state) == [30])
  }

  @Test func theTableHasTheTexts() throws {
    let data = try folder.dataset("user_id,item_id,timestamp\nu,a,1704067201\nw,b,1704067202\nu,a,1706745601\n")
    var state = try table("user_id,segment,valid_from\nu,\"b, c\",2024-02-01\nu,new,2024-01-01\n")
    let report = try writeBehaviourTable(data, state: &state, output: "\(folder.path)/t.csv")
    let lines = String(decoding: folder.read("t.csv"), as: UTF8.self).split(separator: "\n")
    #expect(lines == [
      "user_id,item_id,timestamp,user_segment", "u,a,2024-01-01T00:00:01Z,new", "w,b,2024-01-01T00:00:02Z,", "u,a,2024-02-01T00:00:01Z,\"b, c\"",
    ])
    #expect(report.withoutRow.values.map { $0 } == [1] && report.notPointInTime.isEmpty)
    var fixed = try table("user_id,segment\nu,x\n")
    #expect(try writeBehaviourTable(data, state: &fixed, output: "\(folder.path)/t.csv").notPointInTime == ["\(folder.path)/users.csv"])
  }

  @Test(arguments: [
    ("user_id,age\nu,1\nv,2\nu,3\n", "", "users.csv:4: the key of line 2"), ("user_id,age,valid_from\nu,1,2024\nu,1,2024-01-01\n", "", "valid_from"),
    ("user_id,age,valid_from\nu,1,2024-01-01\nu,2,2024-01-01\n", "", "users.csv:3: the key of line 2 stands there again with the same time"),
    ("user,age\nu,1\n", "", "no column 'user_id'; the columns are 'user', 'age'"), ("user_id\nu\n", "", "no column but the key"),
    ("user_id,age\n,1\n", "", "users.csv:2: user_id: the key is empty"), ("user_id,age\nu,1,2\n", "", "users.csv:2"),
    ("user_id,age\nu,1\n", #", "columns": ["agee"]"#, "did you mean age?"), ("user_id,age\nu,1\n", #", "time": "since""#, "no column 'since'"),
  ])
  func tablesThatAreWrong(text: String, more: String, words: String) throws {
    let error = #expect(throws: EventsError.self) { _ = try table(text, more) }
    #expect(error?.description.contains(words) == true, "\(String(describing: error))")
  }

  @Test func statesKeepToTheirTables() throws {
    var state = try table("user_id,age,valid_from\nu,30,2024-01-01\n")
    let time: Int64 = 1_704_067_200_000
    try state.observe(state.event(user: "u", item: "i", time: time))
    let path = "\(folder.path)/state"
    try state.save(to: path)
    var back = try BehaviourState(path: path)
    #expect(try row("u", time, &back) == [30])
    _ = folder.write("users.csv", "user_id,age,valid_from\nu,31,2024-01-01\n")
    let error = #expect(throws: EventsError.self) { _ = try BehaviourState(path: path) }
    #expect(error?.problem.contains("changed since") == true)
  }

  /// Items a and b have vectors, c has none.
  @Test(arguments: ["ids file", "ids tensor", "named", "words", "words with a head"])
  func vectorsOfItems(form: String) throws {
    let path = "\(folder.path)/v"
    var more = ""
    switch form {
    case "ids file", "ids tensor":
      var tensors = [SafetensorsTensor("v", shape: [2, 3], values: [Float](arrayLiteral: 1, 2, 3, 4, 5, 6.5))]
      if form == "ids tensor" {
        tensors.append(SafetensorsTensor("v_id_bytes", shape: [2], values: Array("ab".utf8)))
        tensors.append(SafetensorsTensor("v_id_offsets", shape: [3], values: [Int64](arrayLiteral: 0, 1, 2)))
      }
      try writeSafetensors(path: path, tensors: tensors)
      more = #", "tensor": "v""# + (form == "ids file" ? #", "ids": "\#(folder.write("ids", "a\r\nb\r\n"))""# : "")
    case "named":
      try writeSafetensors(
        path: path,
        tensors: [SafetensorsTensor("a", shape: [3], values: [Double](arrayLiteral: 1, 2, 3)), SafetensorsTensor("b", shape: [3], values: [Float](arrayLiteral: 4, 5, 6.5))])
    default:
      _ = folder.write("v", (form == "words" ? "" : "2 3\n") + "a 1 2 3\nb\t4 5 6.5 \n")
      more = #", "format": "text""#
    }
    let data = try folder.dataset("user_id,item_id,timestamp\nu,a,1\nu,b,2\nu,c,3\n")
    var state = try BehaviourState(try description(#"{"feature": "vectors", "of": "item", "file": "\#(path)", "prefix": "v"\#(more)}"#))
    let report = try writeBehaviourTable(data, state: &state, output: "\(folder.path)/t.csv")
    let rows = String(decoding: folder.read("t.csv"), as: UTF8.self).split(separator: "\n").map { $0.split(separator: ",").dropFirst(3).joined(separator: " ") }
    #expect(rows == ["v_0 v_1 v_2", "1 2 3", "4 5 6.5", "0 0 0"])
    #expect(report.withoutRow == [path: 1] && report.notPointInTime.isEmpty)
  }

  @Test(arguments: ["", "a 1 2\nb 1\n", "a 1\na 2\n", "a x\n", "a inf\n", "a\nb\n", "3\n"])
  func wordsThatAreWrong(text: String) throws {
    let path = folder.write("v", text)
    let json = #"{"feature": "vectors", "of": "item", "file": "\#(path)", "format": "text"}"#
    let error = #expect(throws: EventsError.self) { _ = try BehaviourState(try description(json)) }
    #expect(error?.description.hasPrefix(path) == true)
  }

  @Test func tensorsThatAreWrong() throws {
    let path = "\(folder.path)/v"
    try writeSafetensors(
      path: path, tensors: [SafetensorsTensor("v", shape: [2, 2], values: [Float](arrayLiteral: 1, 2, 3, .nan)), SafetensorsTensor("w", shape: [1], values: [Int32(3)])])
    for (more, words) in [
      (#", "tensor": "v", "ids": "\#(folder.write("three", "a\nb\nc\n"))""#, "3 ids"), (#", "tensor": "x""#, "no tensor 'x'"),
      (#", "tensor": "v", "ids": "\#(folder.write("two", "a\nb\n"))""#, "nan"), (#", "tensor": "v", "ids": "\#(folder.write("same", "a\na\n"))""#, "two vectors"),
      (#", "tensor": "w""#, "not [n, D]"), ("", "not that of one vector"), (#", "ids": "x""#, "no tensor"), (#", "tensor": "v""#, "v_id_offsets"),
    ] {
      let json = #"{"feature": "vectors", "of": "item", "file": "\#(path)"\#(more)}"#
      let error = #expect(throws: EventsError.self) { _ = try BehaviourState(try description(json)) }
      #expect(error?.description.contains(words) == true, "\(String(describing: error))")
    }
  }

  @Test func joinsReadBack() throws {
    let joins = [
      BehaviourJoin(.table(key: "k", time: nil, columns: ["a", "b"]), of: .user, file: "u.csv", prefix: "p"),
      BehaviourJoin(.table(key: nil, time: "t", columns: nil), of: .item, file: "i.csv", prefix: "item"),
      BehaviourJoin(.tensor(name: "v", ids: "ids"), of: .item, file: "v", prefix: "v"), BehaviourJoin(.words, of: .item, file: "w", prefix: "w"),
      BehaviourJoin(.tensor(name: nil, ids: nil), of: .user, file: "v", prefix: "x"),
    ]
    let made = BehaviourDescription(groups: [:], features: joins.map { .join($0) })
    #expect(try BehaviourDescription(json: made.json(), place: "x") == made)
  }
}
