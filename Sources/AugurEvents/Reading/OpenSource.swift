// What kind of bytes a file holds, by its first ones, never by its name.

/// Opens a log: plain, gzip, zstd or Parquet (which becomes CSV); `-` is standard input.
package func openSource(_ path: String) throws(EventsError) -> any ByteSource {
  let source = try FileSource(path)
  let head = try source.peek(6)
  switch Content(head) {
  case .plain: return source
  case .gzip: return try ReadAhead(DecodedSource(source) { () throws(DecodingProblem) in try GzipDecoder() })
  case .zstd: return try ReadAhead(DecodedSource(source) { () throws(DecodingProblem) in try ZstdDecoder() })
  case .parquet:
    guard source.file != nil, path != "-" else {
      throw EventsError(file: source.name, problem: "Parquet cannot be read from a pipe", advice: "give the path of a file")
    }
    return try ParquetSource(path)
  case .other(let what, let advice): throw EventsError(file: source.name, problem: "is \(what)", advice: advice)
  }
}

enum Content {
  case plain, gzip, zstd, parquet
  /// A format that is known and not read, and what to do.
  case other(String, advice: String)

  init(_ head: [UInt8]) {
    func begins(_ magic: [UInt8]) -> Bool { head.starts(with: magic) }
    if begins([0x1f, 0x8b]) {
      self = .gzip
    } else if begins([0x28, 0xb5, 0x2f, 0xfd]) || (head.count >= 4 && head[0] & 0xf0 == 0x50 && head[1...3] == [0x2a, 0x4d, 0x18]) {
      self = .zstd  // the second is a frame to skip, which may come first
    } else if begins(Array("PAR1".utf8)) {
      self = .parquet
    } else if begins([0x50, 0x4b, 0x03, 0x04]) {
      self = .other("a zip archive", advice: "unpack it: unzip FILE")
    } else if begins([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]) {
      self = .other("compressed with xz", advice: "unpack it: xz -dk FILE, or pipe it in: xz -dc FILE | augur ... --input -")
    } else if begins(Array("BZh".utf8)), head.count == 6, head[4] == 0x31, head[5] == 0x41 {
      self = .other("compressed with bzip2", advice: "unpack it: bzip2 -dk FILE, or pipe it in: bzip2 -dc FILE | augur ... --input -")
    } else if begins([0x04, 0x22, 0x4d, 0x18]) {
      self = .other("compressed with lz4", advice: "unpack it: lz4 -dk FILE, or pipe it in: lz4 -dc FILE | augur ... --input -")
    } else if begins(Array("ARROW1".utf8)) {
      self = .other("an Arrow file", advice: "write it as Parquet or CSV")
    } else {
      self = .plain
    }
  }
}
