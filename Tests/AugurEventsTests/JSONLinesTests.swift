// JSON lines: what is taken, what is rejected and why, at every place where a line can end.
import Testing

@testable import AugurEvents

@Suite struct JSONLinesTests {
  struct Row: Equatable {
    var values: [String]
    init(_ values: String...) { self.values = values }
  }

  private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

  /// Indexes `text`, at an offset and with other bytes before and behind it.
  private func index(_ text: [UInt8], _ keys: [String], before: Int = 3) -> (rows: [Row], rejected: [String], newlines: Int) {
    let spare = before + text.count + JSONLines.padding
    var memory = [UInt8](repeating: UInt8(ascii: "}"), count: spare + text.count + JSONLines.padding)
    memory.replaceSubrange(before..<before + text.count, with: text)
    let untouched = Array(memory[..<spare])
    var table = FieldTable(columns: keys.count)
    let newlines = memory.withUnsafeMutableBytes {
      indexJSONLines($0, text: before..<before + text.count, spare: spare, keys: keys.map { Array($0.utf8) }, into: &table)
    }
    #expect(Array(memory[..<spare]) == untouched)  // messages quote the text as it was
    var rows: [Row] = []
    for row in 0..<table.rows {
      var values = Row()
      for column in keys.indices { values.values.append(String(decoding: memory[table.range(row, column)], as: UTF8.self)) }
      rows.append(values)
      #expect(Int(table.rowStarts[row]) >= before)
    }
    let rejected = table.rejected.map { String(decoding: memory[Int($0.start)..<Int($0.end)], as: UTF8.self) }
    #expect(table.rejected.allSatisfy { $0.problem == .malformedJSON })
    return (rows, rejected, newlines)
  }

  private func value(_ json: String) -> String? {
    let found = index(bytes("{\"k\":\(json)}\n"), ["k"])
    #expect(found.rows.count + found.rejected.count == 1)
    return found.rows.first?.values.first
  }

  @Test func takesWantedValues() {
    let text = """
      {"user_id":1,"item_id":"a b","timestamp":1700000000,"price":-1.5e3,"new":true}

       { "item_id" : "c" ,\t"user_id" : "2" , "extra" : {"a":[1,{"b":null}]} , "timestamp" : 7 } \r
      {"timestamp":8}
      {}
      """
    let found = index(bytes(text), ["user_id", "item_id", "timestamp", "new", "price"])
    #expect(
      found.rows == [
        Row("1", "a b", "1700000000", "true", "-1.5e3"), Row("2", "c", "7", "", ""), Row("", "", "8", "", ""), Row("", "", "", "", ""),
      ])
    #expect(found.rejected.isEmpty)
    #expect(found.newlines == 4)
    #expect(index([], ["a"]).rows.isEmpty)
    #expect(index(bytes("\n\r\n \n"), ["a"]).newlines == 3)
  }

  @Test func readsValuesOfEveryKind() {
    for number in ["0", "-0", "10", "0.5", "1e5", "1E+05", "-2.25e-10"] { #expect(value(number) == number) }
    for number in ["01", "1.", ".5", "+1", "-", "1e", "1e+", "NaN", "Infinity", "0x1", "1_0", "--1"] { #expect(value(number) == nil, "\(number)") }
    for word in ["true", "false"] { #expect(value(word) == word) }
    for word in ["null", "{}", "{\"a\":1}", "[[1]]", "[{}]"] { #expect(value(word) == "", "\(word)") }
    for word in ["tru", "nul", "True", "truex", "nulll", "", "'a'"] { #expect(value(word) == nil, "\(word)") }
    for list in ["[]", "[1,\"a\\n\",true,null]", "[ \"x\" , 2.5 ]"] { #expect(value(list) == list) }
    for list in ["[1,]", "[,1]", "[1 2]", "[1", "]", "[1}", "{\"a\":1]", "{\"a\"}", "{\"a\":}", "{a:1}", "{\"a\":1,}", "[\"\\x\"]", "[01]"] {
      #expect(value(list) == nil, "\(list)")
    }
  }

  @Test func decodesEscapes() {
    #expect(value(#""a\"b\\c\/d\be\ff\ng\rh\ti""#) == "a\"b\\c/d\u{8}e\u{c}f\ng\rh\ti")
    #expect(value(#""\u0041\u00e9\u20AC\ud83d\ude00z""#) == "Aé€😀z")
    #expect(value(#""é€😀""#) == "é€😀")
    let false_ = [
      #""\x""#, #""\u12""#, #""\u12g4""#, #""\ud83d""#, #""\ud83dx""#, #""\ud83d\u0041""#, #""\ude00""#, #""\"#, "\"a\tb\"", "\"a\u{1}b\"",
    ]
    for text in false_ { #expect(value(text) == nil, "\(text)") }
    // Not wanted, and checked all the same.
    #expect(index(bytes("{\"k\":\"\\x\"}"), ["other"]).rejected.count == 1)
    // Decoded strings of several columns and rows do not touch each other.
    let found = index(bytes(String(repeating: #"{"a":"\u0041\n","\u0062":"\\\\"}"# + "\n", count: 40)), ["a", "b"])
    #expect(found.rows == Array(repeating: Row("A\n", "\\\\"), count: 40))
  }

  @Test func rejectsALineAndGoesOn() {
    let good = "{\"a\":1}"
    let bad = [
      "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "{\"b\":1,\"a\":1,\"b\":2}", "{\"a\":1", "{\"a\":1}}", "{\"a\":1}{\"a\":2}", "{\"a\" 1}",
      "{\"a\":1,}", "{,}", "{\"a\"", "{\"a", "{", "}", "[1]", "1", "\"a\"", "x", "{\"a\":\"\\", "{\"a\":\"\\\"", "{a:1}", "null",
    ]
    for line in bad {
      let found = index(bytes("\(good)\n\(line)\n\(good)\n\(line)"), ["a"])
      #expect(found.rows == [Row("1"), Row("1")], "\(line)")
      #expect(found.rejected == [line + "\n", line], "\(line)")
      #expect(found.newlines == 3)
    }
  }

  @Test func findsKeysThatComeAndGo() {
    let text = #"""
      {"a":1,"b":2,"c":3}
      {"a":4,"c":5}
      {"c":6,"b":7,"a":8}
      {"b":9,"a":10,"d":11,"c":12}
      {"d":13}
      {"":14,"aa":15,"a":16}
      {"\u0061":17,"b":18}
      {"\u0061":19,"b":20}
      """#
    let found = index(bytes(text), ["a", "b", "c"])
    #expect(
      found.rows == [
        Row("1", "2", "3"), Row("4", "", "5"), Row("8", "7", "6"), Row("10", "9", "12"), Row("", "", ""), Row("16", "", ""), Row("17", "18", ""),
        Row("19", "20", ""),
      ])
    #expect(found.rejected.isEmpty)
  }

  @Test func boundsDepthAndKeys() {
    func nested(_ depth: Int) -> String { String(repeating: "[", count: depth) + String(repeating: "]", count: depth) }
    #expect(value(nested(15)) == "")
    #expect(value(nested(16)) == nil)
    #expect(value(nested(100_000)) == nil)
    #expect(value(String(repeating: "{\"a\":", count: 100_000)) == nil)
    func keys(_ count: Int) -> String { "{" + (0..<count).map { "\"k\($0)\":\($0)" }.joined(separator: ",") + "}\n" }
    #expect(index(bytes(keys(4096)), ["k4095"]).rows == [Row("4095")])
    #expect(index(bytes(keys(4097)), ["k1"]).rejected.count == 1)
    // Twice: the second line is found in the shape of the first.
    #expect(index(bytes(keys(300) + keys(300)), ["k299"]).rows == [Row("299"), Row("299")])
  }

  /// A line cut at every byte, with and without a newline behind it, never reads on into what follows.
  @Test func endsWhereTheTextEnds() {
    let line = bytes(#"{"user":"\u00e9x","long key of many bytes":[1,"b"],"n":-1.5e3,"t":true,"z":null}"#)
    for count in 1..<line.count {
      for end in [[], [UInt8(ascii: "\n")]] {
        let found = index(Array(line[..<count]) + end, ["user", "n"])
        #expect(found.rows.isEmpty && found.rejected.count == 1, "\(count)")
      }
    }
    #expect(index(line, ["user", "n"]).rows == [Row("éx", "-1.5e3")])
  }

  @Test func takesLongValuesAndManyRows() {
    let long = String(repeating: "x", count: 4096)
    let lines = (0..<5000).map { "{\"u\":\"\($0)\",\"i\":\"\($0 % 7 == 0 ? long : "s")\"}" }
    let found = index(bytes(lines.joined(separator: "\n")), ["u", "i"])
    #expect(found.rows.count == 5000)
    #expect(found.rows[4900] == Row("4900", long) && found.rows[4901] == Row("4901", "s"))
  }

  @Test func findsTheHeader() throws {
    func keys(_ text: String) throws(EventsError) -> [String] {
      try Array(text.utf8).span.bytes.withUnsafeBytes { head throws(EventsError) in try jsonKeys(of: head, file: "log.jsonl") }
    }
    #expect(try keys("\n {\"user\":1,\"\\u0069tem\":\"\\n\",\"x\":[{\"y\":1}]}\r\n{\"z\":1}") == ["user", "item", "x"])
    for (text, words) in [("[{\"a\":1}]", "jq -c '.[]'"), ("{\n \"a\": 1\n}", "one line"), ("{}", "without keys"), ("", "no JSON"), ("\n\n{\"a\"}", ":3")] {
      let error = #expect(throws: EventsError.self) { try keys(text) }
      #expect(error?.description.contains(words) == true, "\(text): \(error?.description ?? "")")
      #expect(error?.description.contains("\n") == false)
    }
    #expect(Array("\n\t {".utf8).withUnsafeBytes(JSONLines.begins) && !Array("user,item".utf8).withUnsafeBytes(JSONLines.begins))
  }
}
