// Files, pipes and patterns as users name them.
import Foundation
import Testing

@testable import AugurEvents

@Suite struct FileSourceTests {
  let folder = TestFolder()

  @Test func readsAFileInPieces() throws {
    let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
    let file = folder.write("a", bytes)
    let source = try FileSource(file)
    #expect(source.file?.bytes == 1000 && source.name == file)
    #expect(try source.peek(6) == Array(bytes[..<6]))
    #expect(try contents(source, step: 7) == bytes)
    let empty = try FileSource(folder.write("b", ""))
    #expect(try empty.peek(6) == [])
    #expect(try contents(empty) == [])
    #expect(try contents(FileSource("/dev/null")) == [])
    // Kernel files have a length of 0 and something to read.
    #expect(try !contents(FileSource("/proc/self/status")).isEmpty)
  }

  @Test func followsLinks() throws {
    let file = folder.write("a", "text")
    try FileManager.default.createSymbolicLink(atPath: "\(folder.path)/link", withDestinationPath: file)
    try FileManager.default.createSymbolicLink(atPath: "\(folder.path)/nothing", withDestinationPath: "\(folder.path)/gone")
    try FileManager.default.createSymbolicLink(atPath: "\(folder.path)/loop", withDestinationPath: "loop")
    #expect(try contents(openSource("\(folder.path)/link")) == Array("text".utf8))
    expectLine("nothing: is a symbolic link to nothing") { _ = try openSource("\(folder.path)/nothing") }
    expectLine("loop: cannot be opened") { _ = try openSource("\(folder.path)/loop") }
  }

  @Test func refusesWhatIsNoFile() throws {
    expectLine("\(folder.path): is a directory, not a file") { _ = try openSource(folder.path) }
    expectLine("absent: no such file; check the path") { _ = try openSource("\(folder.path)/absent") }
    expectLine("a/b: cannot be opened") { _ = try openSource(folder.write("a", "") + "/b") }
    expectLine("cannot be opened") { _ = try openSource(String(repeating: "x", count: 5000)) }
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let path = "\(folder.path)/s"
    try #require(path.utf8.count < 100)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
    }
    try #require(bound == 0)
    expectLine("s: is a socket, not a file") { _ = try openSource(path) }
  }

  @Test(.enabled(if: getuid() != 0, "root may read everything")) func namesMissingRights() {
    let file = folder.write("a", "text")
    chmod(file, 0)
    expectLine("a: no right to read it; check the rights") { _ = try openSource(file) }
  }

  @Test func namesAFileThatShrinks() throws {
    let file = folder.write("a", String(repeating: "x", count: 1000))
    let source = try FileSource(file)
    var buffer = [UInt8](repeating: 0, count: 100)
    #expect(try buffer.withUnsafeMutableBytes { buffer in try source.read(into: buffer) } == 100)
    truncate(file, 500)
    expectLine("became shorter while it was read, at byte 500") { _ = try contents(source) }
    // What is appended behind its back belongs to the next run.
    let growing = try FileSource(file)
    let appended = try #require(FileHandle(forWritingAtPath: file))
    try appended.seekToEnd()
    try appended.write(contentsOf: Data("more".utf8))
    #expect(try contents(growing).count == 500)
  }

  /// Writes `bytes` into a named pipe from another thread, `step` at a time.
  private func pipe(_ bytes: [UInt8], step: Int) -> String {
    let path = "\(folder.path)/pipe"
    mkfifo(path, 0o600)
    Thread.detachNewThread {
      let descriptor = open(path, O_WRONLY)
      var at = 0
      while at < bytes.count {
        let part = Array(bytes[at..<min(bytes.count, at + step)])
        guard write(descriptor, part, part.count) == part.count else { break }
        at += part.count
      }
      close(descriptor)
    }
    return path
  }

  @Test func readsANamedPipe() throws {
    let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 / 3) }
    let source = try openSource(pipe(bytes, step: 1001))
    #expect(source.file == nil)
    #expect(try contents(source, step: 4096) == bytes)
  }

  @Test func readsAShortPipe() throws { #expect(try contents(openSource(pipe([65, 10], step: 1))) == [65, 10]) }

  @Test(.enabled(if: hasZlib, "zlib is not installed")) func readsGzipThroughAPipe() throws {
    let bytes = Array(String(repeating: "1,2,3\n", count: 3000).utf8)
    #expect(try contents(openSource(pipe(Gzip.member(bytes), step: 3))) == bytes)
  }

  @Test(.enabled(if: hasZlib, "zlib is not installed")) func namesAPipeThatClosesEarly() {
    let bytes = Gzip.member(Array(String(repeating: "1,2,3\n", count: 3000).utf8))
    expectLine("pipe: the gzip stream ends too early, at byte 5000") { _ = try contents(openSource(pipe(Array(bytes[..<5000]), step: 100))) }
  }

  @Test func namesFormatsThatAreNotRead() {
    for (head, word) in [
      (Array("PK\u{3}\u{4}....".utf8), "zip"), ([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0], "xz"), (Array("BZh91AY&SY".utf8), "bzip2"),
      ([4, 0x22, 0x4d, 0x18, 0, 0], "lz4"), (Array("ARROW1\0\0".utf8), "Arrow"),
    ] as [([UInt8], String)] {
      expectLine("odd: is ", word) { _ = try openSource(folder.write("odd", head)) }
    }
    expectLine("Parquet cannot be read from a pipe") { _ = try openSource(pipe(Array("PAR1....".utf8), step: 8)) }
  }
}

@Suite struct InputPathTests {
  let folder = TestFolder()

  private func expand(_ patterns: String...) throws -> [String] {
    try expandInputs(patterns.map { $0 == "-" ? $0 : "\(folder.path)/\($0)" }).map { $0.split(separator: "/").last.map(String.init) ?? $0 }
  }

  @Test func expandsPatternsInByteOrder() throws {
    for name in ["b.csv", "a.csv", "B.csv", "a10.csv", "a9.csv", "c.tsv", "é.csv"] { _ = folder.write(name, "x") }
    #expect(try expand("*.csv") == ["B.csv", "a.csv", "a10.csv", "a9.csv", "b.csv", "é.csv"])
    #expect(try expand("c.tsv", "a?.csv", "-", "[bB].csv") == ["c.tsv", "a9.csv", "-", "B.csv", "b.csv"])
    #expect(try expand() == [])
  }

  @Test func takesALiteralPathFirst() throws {
    _ = folder.write("a[1].csv", "x")
    _ = folder.write("a1.csv", "x")
    #expect(try expand("a[1].csv") == ["a[1].csv"])
    #expect(try expand("a[12].csv") == ["a1.csv"])
  }

  @Test func refusesWhatCannotBe() throws {
    let file = folder.write("a.csv", "x")
    try FileManager.default.createSymbolicLink(atPath: "\(folder.path)/b.csv", withDestinationPath: file)
    try FileManager.default.createDirectory(atPath: "\(folder.path)/sub", withIntermediateDirectories: false)
    expectLine("*.tsv: no file matches the pattern") { _ = try expand("a.csv", "*.tsv") }
    expectLine("x.csv: no such file") { _ = try expand("x.csv") }
    expectLine("a.csv: is named twice") { _ = try expand("a.csv", "a*.csv") }
    expectLine("b.csv: is the same file as", "a.csv") { _ = try expand("*.csv") }
    expectLine("standard input: is named twice") { _ = try expand("-", "-") }
    expectLine("sub: is a directory") { _ = try expand("su*") }
    expectLine("an empty path") { _ = try expandInputs([""]) }
    mkfifo("\(folder.path)/pipe", 0o600)
    #expect(try expand("pip?") == ["pipe"])  // and does not wait for its writer
  }
}
