// Tables: every column of a log, in the order of its first header, whatever the format.
import Testing

@testable import AugurEvents

@Suite struct BlockReaderTests {
  private let folder = TestFolder()

  /// Rows of all columns as text, and the lines on which they begin.
  private func rows(_ files: [String], threads: Int = 2) throws -> (header: [String], rows: [[String]], lines: [Int]) {
    let reader = try BlockReader(files, columns: .table(like: nil), threads: threads)
    var (rows, lines): ([[String]], [Int]) = ([], [])
    while true {
      let blocks = try reader.next { _, _ in }
      if blocks.isEmpty { break }
      for block in blocks {
        for row in 0..<block.table.rows {
          rows.append((0..<reader.columns).map { String(decoding: block.bytes(block.table.range(row, $0)), as: UTF8.self) })
          lines.append(block.line(of: Int(block.table.rowStarts[row])))
        }
      }
    }
    #expect(reader.rows == rows.count)
    return (reader.header, rows, lines)
  }

  @Test func everyColumnInEveryFormat() throws {
    let wanted = [["1", "x, \"y\"", ""], ["2", "", "2.5"]]
    let csv = try rows([folder.write("a.csv", "a,b,c\n1,\"x, \"\"y\"\"\",\n2,,2.5\n")])
    #expect(csv.header == ["a", "b", "c"] && csv.rows == wanted && csv.lines == [2, 3])
    let json = try rows([folder.write("a.jsonl", "{\"a\":1,\"b\":\"x, \\\"y\\\"\",\"c\":null}\n\n{\"a\":2,\"c\":2.5}\n")])
    #expect(json.header == ["a", "b", "c"] && json.rows == wanted && json.lines == [1, 3])
    let repeated = try rows([folder.write("b.csv", "a,a\n1,2\n")])
    #expect(repeated.header == ["a", "a"] && repeated.rows == [["1", "2"]])
  }

  @Test func filesOfOneTableMayOrderTheirColumnsDifferently() throws {
    let first = folder.write("1.csv", "a,b\n1,2\n")
    let table = try rows([first, folder.write("2.tsv", "b\ta\n4\t3\n"), folder.write("3.jsonl", "{\"b\":6,\"a\":5}\n")])
    #expect(table.header == ["a", "b"] && table.rows == [["1", "2"], ["3", "4"], ["5", "6"]] && table.lines == [2, 2, 1])
    for other in ["a,c\n1,2\n", "a\n1\n", "a,b,c\n1,2,3\n", "a,a\n1,2\n"] {
      let file = folder.write("other.csv", other)
      expectLine("other.csv:1", "other columns than the first file") { _ = try rows([first, file]) }
    }
  }

  /// A quoted field over the cut between blocks: each row is given once, with its line.
  @Test(arguments: [1, 2]) func quotesAcrossBlocks(threads: Int) throws {
    let filler = String(repeating: "0,plain\n", count: Block.nominal / 8 - 4)
    let quoted = "1,\"" + String(repeating: "0,text\n", count: 9000) + "\"\n"
    let file = folder.write("log.csv", "a,b\n" + filler + quoted + filler)
    let table = try rows([file], threads: threads)
    let count = Block.nominal / 8 - 4
    #expect(table.rows.count == 2 * count + 1 && table.rows[count][0] == "1" && table.rows[count][1].utf8.count == 63_000)
    #expect(table.lines[count] == count + 2 && table.lines[count + 1] == count + 2 + 9001 && table.rows.last == ["0", "plain"])
  }
}
