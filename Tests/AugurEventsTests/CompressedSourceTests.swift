// gzip and zstd: read through, and every damage said in one line.
import Foundation
import Synchronization
import Testing

@testable import AugurEvents

private let log = Array((0..<40).map { "u\($0),i\($0 % 7),\($0 * 1000)\n" }.joined().utf8)

@Suite(.enabled(if: hasZlib, "zlib is not installed")) struct GzipTests {
  @Test func readsMembers() throws {
    for step in [1, 7, Int.max] {
      #expect(try gunzip(Gzip.member(log), step: step) == log)
      #expect(try gunzip(Gzip.member(log) + Gzip.member([]) + Gzip.member(log, block: 1), step: step) == log + log)
    }
    #expect(try gunzip(Gzip.member([])) == [])
    #expect(try gunzip([]) == [])
  }

  @Test func namesAStreamCutShort() {
    let bytes = Gzip.member(log) + Gzip.member(log)
    let first = Gzip.member(log).count
    for count in stride(from: 1, to: bytes.count, by: 7) where count != first {
      expectLine("memory: the gzip stream ends too early, at byte \(count)", "fetch the file again") { _ = try gunzip(Array(bytes[..<count])) }
    }
  }

  @Test func namesDamage() {
    let bytes = Gzip.member(log)
    func damaged(_ at: Int) -> [UInt8] {
      var copy = bytes
      copy[at] ^= 0x10
      return copy
    }
    expectLine("incorrect data check", "damaged at byte") { _ = try gunzip(damaged(30)) }
    expectLine("incorrect data check") { _ = try gunzip(damaged(bytes.count - 8)) }
    expectLine("incorrect length check") { _ = try gunzip(damaged(bytes.count - 2)) }
    expectLine("unknown compression method", "damaged at byte") { _ = try gunzip(damaged(2)) }
    expectLine("invalid stored block lengths", "damaged at byte 15 ") { _ = try gunzip(damaged(13)) }
    for bytesBehind in [[10], Array("xyz\n".utf8), [0x1f, 0x20, 0x30], [0, 0, 0]] as [[UInt8]] {
      for step in [1, Int.max] {
        expectLine("not gzip from byte \(bytes.count) on", "head -c \(bytes.count)") { _ = try gunzip(bytes + bytesBehind, step: step) }
      }
    }
  }

  @Test func refusesABomb() throws {
    let bomb = Gzip.bomb(4_000_000)  // 1 MB that becomes 1 GB
    expectLine("over 200 for one", "AUGUR_MAX_EXPANSION") {
      let source = try DecodedSource(MemorySource(bomb)) { () throws(DecodingProblem) in try GzipDecoder() }
      var buffer = [UInt8](repeating: 1, count: 1 << 20)
      var total = 0
      while true {
        let got = try buffer.withUnsafeMutableBytes { buffer in try source.read(into: buffer) }
        #expect(got > 0 && buffer[..<got].allSatisfy { $0 == 0 })
        total += got
        try #require(total <= DecodedSource.freely + buffer.count)
      }
    }
    // A little one is free: this one is only cut short.
    expectLine("ends too early") { _ = try gunzip(Gzip.bomb(1000), expansion: 1) }
  }

  @Test func saysWhatToInstall() {
    expectLine("memory: is gzip, and zlib is not installed", "apt-get install zlib1g") {
      _ = try DecodedSource(MemorySource([])) { () throws(DecodingProblem) in try GzipDecoder(libraries: ["libabsent.so.77"]) }
    }
  }

  @Test func isRecognisedByItsBytes() throws {
    let folder = TestFolder()
    let file = folder.write("log.csv", Gzip.member(log))
    let source = try openSource(file)
    #expect(source.file == nil && source.name == file)
    #expect(try contents(source, step: 13) == log)
    #expect(try contents(openSource(folder.write("plain.gz", log))) == log)
  }

  @Test func dropsAReaderThatStopsEarly() throws {
    let folder = TestFolder()
    let file = folder.write("log.gz", Gzip.member(Array(repeating: 65, count: 8 << 20), block: 65_535))
    for _ in 0..<50 {
      let source = try openSource(file)
      var buffer = [UInt8](repeating: 0, count: 100)
      #expect(try buffer.withUnsafeMutableBytes { buffer in try source.read(into: buffer) } == 100)
    }
    // Threads that nobody reads from end: the process has as many as before, a little later.
    func threads() -> Int { ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []).count }
    for _ in 0..<200 where threads() > 40 { usleep(10_000) }
    #expect(threads() <= 40)
  }
}

@Suite(.enabled(if: hasZstd, "libzstd is not installed")) struct ZstdTests {
  @Test func readsFrames() throws {
    for step in [1, 7, Int.max] {
      #expect(try unzstd(Zstd.frame(log), step: step) == log)
      #expect(try unzstd(Zstd.skippable([1, 2, 3]) + Zstd.frame(log) + Zstd.frame([]) + Zstd.frame(log), step: step) == log + log)
    }
    let folder = TestFolder()
    #expect(try contents(openSource(folder.write("a", Zstd.frame(log)))) == log)
    #expect(try contents(openSource(folder.write("b", Zstd.skippable([9]) + Zstd.frame(log)))) == log)
  }

  @Test func namesDamage() {
    let bytes = Zstd.frame(log)
    for count in stride(from: 1, to: bytes.count, by: 7) {
      expectLine("memory: the zstd stream ends too early, at byte \(count)", "fetch the file again") { _ = try unzstd(Array(bytes[..<count])) }
    }
    for step in [1, Int.max] {
      expectLine("not zstd from byte \(bytes.count) on") { _ = try unzstd(bytes + [10], step: step) }
      expectLine("not zstd from byte \(bytes.count) on") { _ = try unzstd(bytes + [0x28, 0, 0, 0, 0, 0, 0, 0], step: step) }
    }
    var damaged = bytes
    damaged[9] |= 6  // a block of the reserved kind
    expectLine("the zstd stream is damaged at byte") { _ = try unzstd(damaged) }
  }

  @Test func refusesABomb() {
    expectLine("over 200 for one", "became more than 64 MiB") { _ = try unzstd(Zstd.bomb(100_000)) }
    expectLine("ends too early") { _ = try unzstd(Zstd.bomb(1000), expansion: 100_000) }
  }

  @Test func refusesAWindowTooLarge() {
    expectLine("window above 128 MiB", "--long=27") { _ = try unzstd([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa0, 0, 0, 0]) }
  }

  @Test func saysWhatToInstall() {
    expectLine("libzstd is not installed", "apt-get install libzstd1") {
      _ = try DecodedSource(MemorySource([])) { () throws(DecodingProblem) in try ZstdDecoder(libraries: ["libabsent.so.77"]) }
    }
  }
}

@Suite struct ReadAheadTests {
  @Test func givesAllBytesInOrder() throws {
    let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) }
    for (step, size) in [(1000, 7), (1, 4096), (4096, 4096), (99_999, 1)] where step * size > 50 || size == 1 {
      let source = try ReadAhead(MemorySource(step == 1 ? Array(bytes[..<2000]) : bytes, step: size), buffers: 3, bytes: 333)
      #expect(try contents(source, step: step) == (step == 1 ? Array(bytes[..<2000]) : bytes))
    }
    #expect(try contents(ReadAhead(MemorySource([]))) == [])
  }

  /// Never more buffers filled than there are.
  @Test func waitsForItsReader() throws {
    final class Counting: ByteSource {
      let name = "counting"
      var file: (descriptor: Int32, bytes: Int)? { nil }
      let calls = Atomic<Int>(0)
      func read(into buffer: UnsafeMutableRawBufferPointer) throws(EventsError) -> Int {
        if calls.add(1, ordering: .relaxed).newValue > 20 { throw EventsError(file: name, problem: "broken", advice: "") }
        return buffer.count
      }
    }
    let counting = Counting()
    let source = try ReadAhead(counting, buffers: 3, bytes: 64)
    usleep(100_000)
    #expect(counting.calls.load(ordering: .relaxed) == 3)
    // And an error of the other thread arrives, also when asked again.
    for _ in 0..<2 { expectLine("counting: broken") { _ = try contents(source) } }
  }
}
