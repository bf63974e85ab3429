// Names of items from a file of their own: item tables, lines with a delimiter of several bytes, Latin-1, other ids.
import AugurEvents
import Foundation
import Testing

@Suite struct ItemNameTests {
  let folder = TestFolder()

  private func names(
    _ text: [UInt8], log: String = "u 1\nu 2\nu x\n", _ format: LogFormat = .pairs, _ change: (inout ItemNameFile) -> Void = { _ in }
  ) throws -> [String: String] {
    var options = PrepareOptions(format: format)
    var file = ItemNameFile(path: folder.write("names.txt", text))
    change(&file)
    options.itemNames = file
    try prepareDataset(input: folder.write("log.txt", log), output: "\(folder.path)/data", options: options)
    let data = try Dataset(path: "\(folder.path)/data")
    var names: [String: String] = [:]
    for item in 0..<data.itemCount { names[data.itemID(item)] = data.itemName(item) }
    return names
  }

  private func names(_ text: String, _ change: (inout ItemNameFile) -> Void = { _ in }) throws -> [String: String] {
    try names(Array(text.utf8), log: "u 1\nu 2\nu x\n", .pairs, change)
  }

  @Test func aTableOfItems() throws {
    let table = "item_id,price,title\n2,1.5,\"Two, or so\"\n7,2,Seven\nx,3,\n1,4,Één\n"
    #expect(try names(table) == ["1": "Één", "2": "Two, or so"])
    #expect(try names("{\"item_id\": \"x\", \"name\": \"X\"}\n") == ["x": "X"])
  }

  @Test func linesWithALongDelimiter() throws {
    let lines = "1::Toy Story (1995)::Animation|Comedy\r\n\nx::A: B\n3::Three::\n"
    #expect(try names(lines) { $0.delimiter = "::" } == ["1": "Toy Story (1995)", "x": "A: B"])
  }

  @Test func aMarkOfByteOrderIsNoPartOfAnID() throws {
    #expect(try names("\u{feff}1::Toy Story\n") { $0.delimiter = "::" } == ["1": "Toy Story"])
  }

  @Test func latin1IsDeclaredNotGuessed() throws {
    let lines = Array("1|Caf".utf8) + [0xe9, 0xff, 0x0a]
    #expect(
      try names(lines) {
        $0.delimiter = "|"
        $0.encoding = .latin1
      } == ["1": "Caféÿ"])
    let error = #expect(throws: EventsError.self) { try names(lines) { $0.delimiter = "|" } }
    #expect(error?.line == 1 && error?.problem.contains("is not UTF-8") == true && error?.advice.contains("latin1") == true)
  }

  @Test func otherIDs() throws {
    let ids = folder.write("ids.txt", "1 501\n2\t502\nx,501\n9 503\n")
    #expect(
      try names("501;Raiders\n502;Two\n504;None\n") {
        $0.delimiter = ";"
        $0.ids = ids
      } == ["1": "Raiders", "x": "Raiders", "2": "Two"])
  }

  /// The file goes before what the log says.
  @Test func namesOfTheLog() throws {
    let log = "user_id,item_id,timestamp,item_name\nu,1,1,Alpha\nu,2,2,Beta\n"
    #expect(try names(Array("item_id,item_name\n1,Omega\n".utf8), log: log, .events) == ["1": "Omega", "2": "Beta"])
  }

  @Test(arguments: [
    ("1 One\n", "names.txt:1: no '::' in '1 One'"), ("1::One\n1::Uno\n", "names.txt:2: item: '1' has a name already"),
    ("::One\n", "names.txt:1: item: '' is no id"), ("\n1::\n", "names.txt:2: name: is empty"), ("7::Seven\n", "names none of the log's 3 items"),
    ("", "names.txt"),
  ])
  func badLines(text: String, words: String) {
    let error = #expect(throws: EventsError.self) { try names(text) { $0.delimiter = "::" } }
    #expect(error?.description.contains(words) == true && error?.description.contains("\n") == false, "\(error.map { "\($0)" } ?? "")")
  }

  @Test func badTablesAndIDs() {
    #expect(throws: EventsError.self) { try names("a,b\n1,One\n") }
    #expect(throws: EventsError.self) { try names("item_id,name\n1,One\n") { $0.delimiter = "" } }
    let ids = folder.write("ids.txt", "1 2\n1\n")
    let error = #expect(throws: EventsError.self) { try names("item_id,name\n1,One\n") { $0.ids = ids } }
    #expect(error?.line == 2 && error?.problem == "expected two ids, got '1'")
    #expect(throws: EventsError.self) { try names("item_id,name\n1,One\n") { $0.ids = "\(folder.path)/absent" } }
    let c1 = Array("1|".utf8) + [0x92]
    #expect(throws: EventsError.self) {
      try names(c1) {
        $0.delimiter = "|"
        $0.encoding = .latin1
      }
    }
  }
}
