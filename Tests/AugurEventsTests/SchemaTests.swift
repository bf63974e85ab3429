// Profiles of logs: types, roles, what looks wrong and where; and schema files.
import Foundation
import Testing

@testable import AugurEvents

@Suite struct SchemaTests {
  private let folder = TestFolder()

  private func profile(_ text: String, _ format: LogFormat = .events, threads: Int = 2) throws -> LogProfile {
    try profileLog(inputs: [folder.write("log.txt", text)], format: format, threads: threads)
  }

  private func types(_ header: String, _ rows: [String]) throws -> [ColumnType] {
    try profile(header + "\n" + rows.joined(separator: "\n") + "\n").columns.map(\.type)
  }

  /// What looks wrong, without the places of files.
  private func findings(_ profile: LogProfile) -> [String] {
    profile.findings.map { "\($0.line ?? 0) \($0.column ?? "") \($0.problem)" }
  }

  @Test func aLogInFull() throws {
    let rows = (0..<200).map { "u\($0 % 7),\($0 % 3),\(1_700_000_000 + $0 * 3600),\($0 % 5 == 0 ? "" : "\(Double($0) / 4)"),view" }
    let profile = try profile("user_id,item_id,timestamp,price,event\n" + rows.joined(separator: "\n"))
    #expect(profile.rows == 200 && profile.badRows == 0 && profile.files.map(\.rows) == [200])
    #expect(profile.columns.map(\.type) == [.category, .integer, .time, .decimal, .category])
    #expect(profile.columns.map(\.role) == [.user, .item, .time, .price, .event])
    #expect(profile.columns.map(\.distinct) == [7, 3, 200, 160, 1] && profile.columns.map(\.missing) == [0, 0, 0, 40, 0])
    let time = profile.columns[2]
    #expect(time.unit == .seconds && time.least == 1.7e12 && time.largest == 1.7e12 + 199 * 3.6e6 && time.histogram.reduce(0, +) == 200)
    let price = profile.columns[3]
    // 0.25 ... 49.75 without every fifth quarter.
    #expect(price.least == 0.25 && price.largest == 49.75 && price.sampled == 160)
    #expect(abs((price.mean ?? 0) - 25) < 1e-9 && price.quantiles.map(\.value)[3] == 25.25)
    #expect(profile.columns[1].frequent.map(\.value) == ["0", "1", "2"] && profile.columns[1].frequent.map(\.rows) == [67, 67, 66])
    #expect(findings(profile) == ["0 event is the same in every row: 'view'"])
    #expect(profile.text.contains("timestamp: time (seconds), the time\n") && profile.text.contains("2023-11-14T22:13:20Z to"))
    let object = try #require(try JSONSerialization.jsonObject(with: Data(profile.json.utf8)) as? [String: Any])
    #expect(object["rows"] as? Int == 200 && (object["columns"] as? [[String: Any]])?.count == 5 && !profile.json.contains("\n"))
  }

  @Test func typesOfColumns() throws {
    let header = "a,b,c,d,e,f,g,h"
    let rows = ["1,1.5,true,2024-05-01,x|y,0,007,\"[1,2]\"", "2,2,false,2024-05-02T01:00:00Z,y|z,1,012,[]", "-3,,no,2024-05-03,z,1,100,\"[\"\"a\"\"]\""]
    #expect(try types(header, rows) == [.integer, .decimal, .boolean, .time, .list, .boolean, .category, .list])
    #expect(try types("u:token\tr:float\tc:token_seq", ["1\t2\ta b", "2\t3.5\tb"]) == [.category, .decimal, .list])
    #expect(try types("created_at,born,note", (1...1500).map { "1700000000\($0 % 900 + 100),1700000000,\($0)x" }) == [.time, .integer, .text])
    #expect(try profile("a,date\n1,20240131\n2,20240201\n").columns[1].unit == .calendarDate)
    #expect(try profile("a,date\n1,20240131\n2,20240201\n").columns[1].largest == 1_706_745_600_000)
    #expect(try profile("u i j\nv k\n", .sequences).columns.map(\.distinct) == [2, 3])
  }

  /// A word for nothing is missing among numbers and a value among texts.
  @Test func gaps() throws {
    let table = try profile("a,b\n1,none\nNaN,few\n3,none\n,many\n")
    #expect(table.columns.map(\.type) == [.integer, .category] && table.columns.map(\.missing) == [2, 0])
    #expect(table.columns.map(\.distinct) == [2, 3] && table.findings.allSatisfy { $0.line == 1 })
    let claims = try profile("a,b\n1,none\n2,1\n3,2 to 4\n4,none\n").columns[1]
    #expect(claims.type == .category && claims.missing == 0 && claims.distinct == 3)
    #expect(try profile("a,b\n,1\n,2\n").findings.map(\.problem).contains("holds nothing"))
  }

  /// Each with the first line where it is.
  @Test func whatLooksWrong() throws {
    let header = "user_id,item_id,timestamp,x\n"
    func found(_ rows: [String], _ words: String) throws {
      let usual = (0..<20).map { "u\($0),\($0),170000000\($0 % 10),\($0)" }
      let profile = try profile(header + (usual + rows).joined(separator: "\n") + "\n")
      #expect(findings(profile) == [words], "\(findings(profile))")
    }
    try found(["a b,1,1700000000,1", "c d,1,1700000000,1"], "22 user_id an id with a blank, 'a b': is it one id?")
    try found(["a,1,1700000000123,1"], "22 timestamp mixed time units: '1700000000123' looks like milliseconds among seconds")
    try found(["a,1,2024-01-01,1"], "22 timestamp changes type: '2024-01-01' among seconds")
    try found(["a,1,1700000000,1", "a,1,1700000000,oops"], "23 x changes type: 'oops' among whole numbers")
    #expect(try findings(profile(header + "u,1,1700000000,1\nv,2,1700000001,1.5\n")).isEmpty)
  }

  @Test func namesOfColumns() throws {
    #expect(try findings(profile("user_id,item_id,timestamp,x,x\nu,i,1700000000,1,2\nv,j,1700000001,2,1\n")) == ["1 x the header has this name twice: rename one of them"])
    let bare = try findings(profile("1,2,3\n4,5,6\n5,7,8\n"))
    #expect(bare.count == 4 && bare[0] == "1  the first line is numbers: a header is missing" && bare[1].contains("usual name of the user"))
    #expect(try findings(profile("user_id,item_id,timestamp,\nu,i,1700000000,1\nv,j,1700000001,2\n")) == ["1  column 4 has no name"])
  }

  @Test func timesAndZones() throws {
    let header = "user_id,item_id,timestamp\n"
    let mixed = try profile(header + "u,i,2024-03-31T01:30:00+01:00\nv,j,2024-03-31T03:30:00+02:00\nw,k,2024-03-31 02:30:00\n")
    // The clocks of Berlin leave out an hour: the two times with a zone are an hour apart, not two.
    #expect(mixed.columns[2].least == 1_711_845_000_000 && findings(mixed) == ["4 timestamp '2024-03-31 02:30:00' names no zone where others do; it is read as UTC without a zone in the schema or --time-zone"])
    let zero = try profile(header + (0..<12).map { "u\($0),i\($0),170000000\($0 % 10)\n" }.joined() + "u,i,0\n")
    #expect(findings(zero) == ["14 timestamp '0' is 1970-01-01: is the time missing?"])
    let none = try profile(header + "u,i,yesterday\nv,j,today\n")
    #expect(findings(none) == ["2 timestamp is no time that can be read, 'yesterday': use epoch counts or ISO 8601"])
  }

  /// A column that changes type late, in a log of many blocks, is the same with one and two threads, to the last digit.
  @Test func manyBlocksAndThreads() throws {
    let rows = (0..<200_000).map { "\($0),\($0 % 1000),\(1_700_000_000 + $0),\(Double($0) * 0.37)\n" }
    let text = "user_id,item_id,timestamp,x\n" + rows.joined() + "1,2,1700000000,late\n3,4,5\n"
    let (one, two) = (try profile(text, threads: 1), try profile(text, threads: 2))
    #expect(two.rows == 200_001 && two.badRows == 1 && two.columns[3].type == .decimal)
    #expect(findings(two) == ["200003  wrong number of fields: expected 4 fields as in the header, got 3", "200002 x changes type: 'late' among decimals"])
    #expect(abs(Double(two.columns[0].distinct) - 200_000) < 4 * HyperLogLog.error * 200_000 && two.columns[0].distinctError > 0)
    #expect(two.columns.allSatisfy { $0.sampled == 16_384 })
    #expect(abs((two.columns[3].mean ?? 0) - 0.37 * 199_999 / 2) < 1e-6)
    #expect(one.json == two.json)
  }

  @Test func schemaFilesAreReadBackAndUsed() throws {
    let log = folder.write("log.csv", "who,what,when,price,item_name\na,x,1700000000,5,n\nb,y,1700000001,6,m\n")
    var schema = LogSchema(try profileLog(inputs: [log]))
    let path = "\(folder.path)/schema.json"
    try schema.write(to: path)
    #expect(try LogSchema(file: path) == schema && schema.columns.map(\.role) == [nil, nil, nil, .price, .name])
    expectLine("schema.json", "no column has the role user") { _ = try LogColumns(parsing: nil, schema: path) }
    for (place, role) in [ColumnRole.user, .item, .time].enumerated() { schema.columns[place].role = role }
    (schema.columns[2].type, schema.columns[2].unit, schema.columns[4].role) = (.time, .seconds, nil)
    try schema.write(to: path)
    let columns = try LogColumns(parsing: nil, schema: path)
    #expect(columns.timeUnit == .seconds)
    try prepareDataset(input: log, output: "\(folder.path)/data", options: PrepareOptions(columns: columns))
    let data = try Dataset(path: "\(folder.path)/data")
    // A role that was taken away is not found again by name.
    #expect(data.userID(1) == "b" && data.itemIndex(ofRawID: "x").flatMap(data.itemName) == nil && data.description.attributes == [.price])
    expectLine("--schema", "--columns") { _ = try LogColumns(parsing: "user=who", schema: path) }
    let other = folder.write("other.csv", "whom,what,when,price\na,x,1,5\n")
    expectLine("other.csv:1: who: no column for the user", "'whom'", "schema.json") {
      try prepareDataset(input: other, output: "\(folder.path)/none", options: PrepareOptions(columns: columns))
    }
  }

  @Test(arguments: [
    ("", "not a JSON object"), ("[]", "not a JSON object"), ("{}", "not a schema file"),
    ("{\"format\":\"augur-schema\",\"version\":2,\"columns\":[]}", "another version"),
    ("{\"format\":\"augur-schema\",\"version\":1}", "columns: is no list"),
    ("{\"format\":\"augur-schema\",\"version\":1,\"columns\":[],\"colums\":1}", "colums: unknown key"),
    ("[{\"type\":\"text\"}]", "columns[0]: has no name"), ("[3]", "columns[0]: is no object"),
    ("[{\"name\":\"a\"}]", "a: has no type"), ("[{\"name\":\"a\",\"type\":\"int\"}]", "unknown type: 'int'"),
    ("[{\"name\":\"a\",\"type\":3}]", "unknown type"), ("[{\"name\":\"a\",\"type\":\"text\",\"rol\":\"user\"}]", "unknown key 'rol'"),
    ("[{\"name\":\"a\",\"type\":\"text\",\"role\":\"usr\"}]", "unknown role: 'usr'; one of user, item, time"),
    ("[{\"name\":\"a\",\"type\":\"text\",\"role\":\"user\"},{\"name\":\"b\",\"type\":\"text\",\"role\":\"user\"}]", "b: has the role user, as has 'a'"),
    ("[{\"name\":\"a\",\"type\":\"text\",\"role\":\"user\"},{\"name\":\"a\",\"type\":\"text\",\"role\":\"item\"}]", "a: is there twice"),
    ("[{\"name\":\"a\",\"type\":\"time\",\"unit\":\"h\"}]", "unknown unit: 'h'"), ("[{\"name\":\"a\",\"type\":\"text\",\"unit\":\"s\"}]", "is no time"),
    ("[{\"name\":\"a\",\"type\":\"text\",\"role\":\"time\"}]", "role time and the type text"),
  ]) func wrongSchemaFiles(text: String, problem: String) {
    let whole = text.hasPrefix("[{") || text.hasPrefix("[3") ? "{\"format\":\"augur-schema\",\"version\":1,\"columns\":\(text)}" : text
    let path = folder.write("schema.json", whole)
    expectLine("schema.json", problem) { _ = try LogSchema(file: path) }
  }
}
