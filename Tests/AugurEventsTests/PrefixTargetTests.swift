// Test rows of prefix and target: what they mean in the indices of a data set, and what is refused.
@testable import AugurEvents
import Testing

@Suite struct PrefixTargetTests {
  private let folder = TestFolder()

  private func dataset() throws -> Dataset {
    try folder.dataset("a b c\nb a\nc c a\n", .sessions, split: SplitOptions(.random, ratio: .tenthForValidation))
  }

  @Test func rowsAreItemsOfTheDataSet() throws {
    let data = try dataset()
    let rows = try PrefixTargets(path: folder.write("rows.txt", "a b\tc\nc c\ta\r\nb\tb"), of: data)
    let ids = rows.prefixes.map { $0.map { data.itemID(Int($0)) } }
    #expect(ids == [["a", "b"], ["c", "c"], ["b"]])
    #expect(rows.targets.map { data.itemID(Int($0)) } == ["c", "a", "b"])
  }

  @Test(arguments: [
    ("a b\tc\na b c\n", 2, "no prefix and target"), ("\tc\n", 1, "0 items before the tab"), ("a\t\n", 1, "0 after"),
    ("a\tb c\n", 1, "2 after"), ("a\tb\tc\n", 1, "no prefix and target"), ("a\tb\n\n", 2, "no prefix and target"),
    ("a zebra\tb\n", 1, "zebra"), ("", 1, "is empty"),
  ])
  func badRowsAreNamed(_ text: String, _ line: Int, _ word: String) throws {
    let (data, path) = (try dataset(), folder.write("rows.txt", text))
    let error = try #require(#expect(throws: EventsError.self) { try PrefixTargets(path: path, of: data) })
    #expect(error.line == line)
    #expect("\(error)".contains(word), "\(error)")
  }
}
