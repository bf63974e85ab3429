// The safetensors format: round trip, every flipped byte and every cut, one hand-made file per rule, faults of the
// disk.
import Foundation
import Glibc
import Testing

@testable import AugurTensors

@Suite struct SafetensorsTests {
  let folder = TestFolder()
  private var path: String { "\(folder.path)/file.safetensors" }

  private func writeSample() throws {
    try writeSafetensors(
      path: path, metadata: ["model": "sasrec \"x\"\n\u{1}é"],
      tensors: [
        SafetensorsTensor("bytes", shape: [3], values: [1, 2, 3] as [UInt8]),
        SafetensorsTensor("weight/é", shape: [2, 3], values: [1, 2, 3, 4, 5, 6] as [Float]),
        SafetensorsTensor("double", shape: [], values: [0.5]),
        SafetensorsTensor("none", shape: [0, 7], values: [] as [Int32]),
        SafetensorsTensor("long", shape: [2], values: [.min, .max] as [Int64]),
        SafetensorsTensor("half", shape: [1], values: [0x3f80] as [UInt16]),
        SafetensorsTensor("int", shape: [1, 1], values: [-7] as [Int32]),
      ])
  }

  @Test func roundTrip() throws {
    try writeSample()
    let first = folder.read("file.safetensors")
    let file = try SafetensorsFile(path: path)
    #expect(file.names == ["bytes", "weight/é", "double", "none", "long", "half", "int"])
    #expect(file.metadata["model"] == "sasrec \"x\"\n\u{1}é")
    #expect(try file.array("weight/é", as: Float.self) == [1, 2, 3, 4, 5, 6])
    #expect(try file.tensor("weight/é").shape == [2, 3] && file.tensor("weight/é").dtype == .f32)
    #expect(try Array(file.buffer("long", as: Int64.self)) == [.min, .max])
    #expect(try Array(file.buffer("double", as: Double.self)) == [0.5] && file.array("none", as: Int32.self) == [])
    #expect(try file.array("half", as: UInt16.self) == [0x3f80] && file.array("int", as: Int32.self) == [-7])
    #expect(try file.withBytes("bytes") { Array($0) } == [1, 2, 3])
    #expect(throws: SafetensorsError.self) { try file.array("int", as: Float.self) }
    #expect(throws: SafetensorsError.self) { try file.tensor("nothing") }
    try file.requireFinite()
    try writeSample()
    #expect(folder.read("file.safetensors") == first && folder.entries == ["file.safetensors"])
  }

  @Test func everyFlipAndEveryCutIsDetected() throws {
    try writeSample()
    let good = folder.read("file.safetensors")
    let descriptor = open(path, O_RDWR)
    defer { close(descriptor) }
    func opens(_ verify: SafetensorsFile.Verification) -> Bool {
      (try? SafetensorsFile(path: path, verify: verify)) != nil
    }
    var missedWithoutChecksums = 0
    for position in good.indices {
      for mask: UInt8 in [0x01, 0x20, 0x80, 0xff] {
        var byte = good[position] ^ mask
        pwrite(descriptor, &byte, 1, position)
        #expect(!opens(.required), "byte \(position) ^ \(mask)")
        if opens(.skipped) { missedWithoutChecksums += 1 }
        byte = good[position]
        pwrite(descriptor, &byte, 1, position)
      }
    }
    // The control: without checksums the loop would report flips.
    #expect(opens(.required) && missedWithoutChecksums > 100)
    for length in good.count + 1...good.count + 16 {
      ftruncate(descriptor, length)
      #expect(!opens(.required), "padded to \(length)")
    }
    for length in good.indices.reversed() {
      ftruncate(descriptor, length)
      #expect(!opens(.required), "cut at \(length)")
    }
  }

  private func problem(_ header: String, data: Int = 0, length: UInt64? = nil) throws -> String {
    let bytes = withUnsafeBytes(of: (length ?? UInt64(header.utf8.count)).littleEndian, Array.init) + Array(header.utf8)
    let file = folder.write("bad.safetensors", bytes + [UInt8](repeating: 0, count: data))
    do {
      _ = try SafetensorsFile(path: file, verify: .whenPresent)
      return "accepted"
    } catch {
      return error.description
    }
  }

  private func tensor(_ shape: String, _ offsets: String, dtype: String = "F32") -> String {
    "{\"dtype\":\"\(dtype)\",\"shape\":[\(shape)],\"data_offsets\":[\(offsets)]}"
  }

  @Test func rulesOfTheHeader() throws {
    #expect(try problem("{}") == "accepted")
    #expect(try problem("{\"a\":\(tensor("1", "0,4"))} ", data: 4) == "accepted")
    let cases: [(String, Int, UInt64?, String)] = [
      ("{}", 0, 3, "is it cut off"), ("{}", 0, 8 << 20 + 1, "limit"), ("{}", 0, .max, "limit"),
      ("{}", 1, nil, "behind the last"),
      ("{\"a\":\(tensor("1", "0,4"))}", 3, nil, "cut off"),
      ("{\"a\":\(tensor("1", "0,4"))}", 5, nil, "behind the last"),
      ("{\"a\":\(tensor("1", "0,4")),\"a\":\(tensor("1", "4,8"))}", 8, nil, "twice"),
      ("{\"a\":\(tensor("1", "0,4")),\"b\":\(tensor("1", "0,4"))}", 4, nil, "overlaps"),
      ("{\"a\":\(tensor("1", "4,8"))}", 8, nil, "gap"), ("{\"a\":\(tensor("2", "0,4"))}", 4, nil, "does not fill"),
      ("{\"a\":\(tensor("4294967296,4294967296", "0,0"))}", 0, nil, "does not fill"),
      ("{\"a\":\(tensor("0,4294967296,4294967296,4294967296", "0,0"))}", 0, nil, "does not fill"),
      ("{\"a\":\(tensor("1", "4,0"))}", 4, nil, "rising"), ("{\"a\":\(tensor("-1", "0,4"))}", 4, nil, "whole number"),
      ("{\"a\":\(tensor("1.0", "0,4"))}", 4, nil, "expected"),
      ("{\"a\":\(tensor("99999999999999999999", "0,4"))}", 4, nil, "too large"),
      ("{\"a\":\(tensor("1,1,1,1,1,1,1,1,1", "0,4"))}", 4, nil, "more than 8"),
      ("{\"a\":\(tensor("1", "0,4", dtype: "F8"))}", 1, nil, "dtype"), ("{\"a\":{\"dtype\":\"F32\"}}", 0, nil, "needs"),
      ("{\"a\":{\"shape\":[[[[[[[[[[1]]]]]]]]]]}}", 0, nil, "whole number"), ("{\"a\":[]}", 0, nil, "expected '{'"),
      ("{\"\(String(repeating: "n", count: 257))\":\(tensor("1", "0,4"))}", 4, nil, "the limit is 256"),
      ("{\"__metadata__\":{\"k\":1}}", 0, nil, "expected"),
      ("{\"__metadata__\":{\"k\":\"1\",\"k\":\"1\"}}", 0, nil, "twice"),
      ("{\"\\ud800\":{}}", 0, nil, "surrogate"), ("{\"\\q\":{}}", 0, nil, "escape"),
      ("{} x", 0, nil, "behind the header"),
      ("{\"a", 0, nil, "without end"), ("{,}", 0, nil, "expected"), ("  ", 0, nil, "expected"),
    ]
    for (header, data, length, expected) in cases {
      let seen = try problem(header, data: data, length: length)
      #expect(seen.contains(expected), "\(header.prefix(80)): \(seen)")
    }
    #expect(
      try problem("{\"\(String(repeating: "n", count: 256))\":\(tensor("1,1,1,1,1,1,1,1", "0,4"))}", data: 4)
        == "accepted")
    #expect(try problem("{\"\\ud83d\\ude00\\n\":\(tensor("", "0,4"))}", data: 4) == "accepted")
  }

  @Test func notANumberIsFound() throws {
    for values: [Float] in [[1, .nan], [.infinity, 1]] {
      try writeSafetensors(path: path, tensors: [SafetensorsTensor("w", shape: [2], values: values)])
      let error = #expect(throws: SafetensorsError.self) { try SafetensorsFile(path: path).requireFinite() }
      #expect(error?.problem.contains("'w' holds NaN") == true)
    }
  }

  @Test func checksum() {
    let text = Array("123456789".utf8)
    #expect(text.withUnsafeBytes { crc32c($0) } == 0xe306_9283)  // the check value of CRC-32C (RFC 3720)
    let long = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * 7) }
    long.withUnsafeBytes { bytes in
      let whole = crc32c(bytes)
      for cut in [0, 1, 15, 16, 17, 999, 1000] {
        let first = crc32c(UnsafeRawBufferPointer(rebasing: bytes[..<cut]))
        #expect(first == tableCRC32C(UnsafeRawBufferPointer(rebasing: bytes[..<cut])))
        #expect(crc32c(UnsafeRawBufferPointer(rebasing: bytes[cut...]), continuing: first) == whole)
      }
    }
  }

  @Test func badWritesLeaveNothing() throws {
    try writeFileDurably(path: path, text: "old")
    func refused(_ path: String, _ tensors: [SafetensorsTensor]) -> SafetensorsError? {
      #expect(throws: SafetensorsError.self) { try writeSafetensors(path: path, tensors: tensors) }
    }
    let one = SafetensorsTensor("a", shape: [1], values: [1] as [Float])
    _ = refused(path, [one, one])
    _ = refused(path, [SafetensorsTensor("a", shape: [2], values: [1] as [Float])])
    _ = refused(path, [SafetensorsTensor(String(repeating: "n", count: 257), shape: [1], values: [1] as [Float])])
    #expect(refused("\(folder.path)/none/file", [one])?.kind == .writeFailed)
    #expect(refused(folder.path, [one])?.kind == .writeFailed)
    #expect(folder.read("file.safetensors") == Array("old".utf8) && folder.entries == ["file.safetensors"])
  }

  /// A limit on the file size stands for the full disk, in a child process because it holds for a whole process.
  @Test func aFullDiskKeepsTheOldFile() async throws {
    await #expect(processExitsWith: .success) {
      let folder = TestFolder()
      let path = "\(folder.path)/file"
      try writeFileDurably(path: path, text: "old")
      signal(SIGXFSZ, SIG_IGN)
      var limit = rlimit(rlim_cur: 4096, rlim_max: 4096)
      try #require(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
      let error = #expect(throws: SafetensorsError.self) {
        try writeFileDurably(path: path, bytes: [UInt8](repeating: 1, count: 100_000))
      }
      try #require(error?.kind == .writeFailed && error?.description.contains("free space") == true)
      try #require(folder.entries == ["file"] && folder.read("file") == Array("old".utf8))
    }
  }

  @Test func staleTemporariesAreSwept() throws {
    _ = folder.write(".file.safetensors.tmp-2147483646-0", "left by a killed process")
    let mine = ".file.safetensors.tmp-\(getpid())-0"
    _ = folder.write(mine, "of a living process")
    try writeFileDurably(path: path, text: "new")
    #expect(folder.entries == [mine, "file.safetensors"].sorted())
    #expect(folder.read("file.safetensors") == Array("new".utf8))
  }
}
