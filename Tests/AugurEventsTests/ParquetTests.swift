// Parquet through DuckDB in a process of its own, where its library is installed.
import Foundation
import Testing

@testable import AugurEvents

/// The command line that was built beside the tests, or the one of `AUGUR_EXECUTABLE`.
private let augur: String? = {
  let given = ProcessInfo.processInfo.environment["AUGUR_EXECUTABLE"]
  let tests = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")).map { URL(fileURLWithPath: $0) }
  let built = given ?? tests?.deletingLastPathComponent().appendingPathComponent("augur").path
  return built.flatMap { FileManager.default.isExecutableFile(atPath: $0) ? $0 : nil }
}()

@Suite(
  .enabled(if: DuckDB.isInstalled, "DuckDB is not installed: set AUGUR_LIBDUCKDB to its library"),
  .enabled(if: augur != nil, "build the augur command, or set AUGUR_EXECUTABLE"))
struct ParquetTests {
  private let folder = TestFolder()

  /// A Parquet file that holds the result of a query.
  private func write(_ query: String, _ name: String = "log.parquet") throws -> String {
    let path = "\(folder.path)/\(name)"
    try DuckDB(file: path).run("COPY (\(query)) TO '\(path)' (FORMAT parquet)")
    return path
  }

  private func csv(_ path: String) throws -> String {
    String(decoding: try contents(ParquetSource(path, executable: augur)), as: UTF8.self)
  }

  @Test func everyType() throws {
    let path = try write(
      """
      SELECT * FROM (VALUES (1::BIGINT, 'a,b', TIMESTAMP '2024-02-29 12:30:15.25', 1.5::DOUBLE, true),
      (-2, 'say "hi"', NULL, NULL, false), (NULL, E'two\\nlines', TIMESTAMP '1970-01-01', 0.1, NULL)) AS t(i, s, t, d, b)
      """)
    let lines = try csv(path)
    #expect(
      lines == "i,s,t,d,b\n1,\"a,b\",2024-02-29 12:30:15.25,1.5,true\n-2,\"say \"\"hi\"\"\",,,false\n,\"two\nlines\",1970-01-01 00:00:00,0.1,\n")
  }

  @Test func timesWithAZoneBecomeUTC() throws {
    let path = try write("SELECT 1 AS u, make_timestamptz(1709202615500000) AS t")
    #expect(try csv(path) == "u,t\n1,2024-02-29 10:30:15.5\n")
  }

  /// More rows than a pipe and a block hold, in order.
  @Test func manyRows() throws {
    let lines = try csv(write("SELECT i AS a, i % 7 AS b FROM range(300000) AS r(i)")).split(separator: "\n")
    #expect(lines.count == 300_001 && lines[1] == "0,0" && lines[300_000] == "299999,\(299_999 % 7)")
  }

  @Test func damageIsOneLine() throws {
    let bytes = Array(FileManager.default.contents(atPath: try write("SELECT i AS a FROM range(5000) AS r(i)")) ?? Data())
    try #require(bytes.count > 200)
    let holed = Array(bytes[..<(bytes.count - 20)]) + Array(bytes[(bytes.count - 8)...])
    let files: [[UInt8]] = [Array(bytes[..<100]), Array("PAR1".utf8), holed]
    for (place, damaged) in files.enumerated() {
      let path = folder.write("damaged-\(place).parquet", damaged)
      expectLine("damaged-\(place).parquet") { _ = try csv(path) }
    }
    // Any other damage ends in a line or in rows, never in a crash of this process.
    for seed in 0..<20 {
      var copy = bytes
      for change in 0..<8 { copy[(seed * 7919 + change * 104_729) % copy.count] ^= UInt8(1 << (change % 8)) }
      let path = folder.write("flipped.parquet", copy)
      do { _ = try csv(path) } catch { #expect("\(error)".hasPrefix(path) && !"\(error)".contains("\n"), "\(error)") }
    }
  }

  @Test func theChildEndsWithItsReader() throws {
    let source = try ParquetSource(write("SELECT i AS a FROM range(3000000) AS r(i)"), executable: augur)
    var head = [UInt8](repeating: 0, count: 4)
    let got = try head.withUnsafeMutableBytes { buffer in try source.read(into: buffer) }
    #expect(got == 4 && head == Array("a\n0\n".utf8))
  }

  @Test func aPathOfAnySpelling() throws {
    let path = try write("SELECT 1 AS a", "odd 'name' *.parquet".replacingOccurrences(of: "'", with: "_"))
    #expect(try csv(path) == "a\n1\n")
  }
}
