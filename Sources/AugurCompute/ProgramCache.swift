// Compiled device programs on disk, under the hash of everything they were made from. A cache that cannot be read or
// written is no error: the program is compiled again.
import Glibc

enum ProgramCache {
  private static let magic: [UInt8] = Array("AUGURCL1".utf8)

  /// The file of a program made from `parts` (device, driver, source, options); nil where no directory is known.
  static func path(of parts: [String]) -> String? {
    guard let directory else { return nil }
    var name = ""
    for basis: UInt64 in [0xcbf2_9ce4_8422_2325, 0x6c62_272e_07bb_0142] {
      var hash = basis
      for part in parts {
        hash = checksum(part.utf8, from: hash)
        hash = checksum(CollectionOfOne(0), from: hash)
      }
      let digits = String(hash, radix: 16)
      name += String(repeating: "0", count: 16 - digits.count) + digits
    }
    return "\(directory)/\(name).cl"
  }

  private static var directory: String? {
    func variable(_ name: String) -> String? {
      guard let value = getenv(name), value[0] != 0 else { return nil }
      return String(cString: value)
    }
    if let own = variable("AUGUR_CACHE") { return own }
    if let base = variable("XDG_CACHE_HOME") { return base + "/augur" }
    return variable("HOME").map { $0 + "/.cache/augur" }
  }

  /// The program stored at `path`; nil where there is none or the file is not what `store` wrote.
  static func load(_ path: String) -> [UInt8]? {
    guard let file = fopen(path, "rb") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = fread(&chunk, 1, chunk.count, file)
      if count <= 0 { break }
      bytes += chunk[..<count]
    }
    guard bytes.count > 24, bytes.starts(with: magic) else { return nil }
    let program = Array(bytes[24...])
    guard bytes[8..<16].elementsEqual(word(UInt64(program.count))) else { return nil }
    guard bytes[16..<24].elementsEqual(word(checksum(program))) else { return nil }
    return program
  }

  /// Writes beside `path` and renames, so that another process sees the whole file or none.
  static func store(_ program: [UInt8], _ path: String) {
    makeDirectory(of: path)
    let bytes = magic + word(UInt64(program.count)) + word(checksum(program)) + program
    let draft = "\(path).\(getpid())"
    guard let file = fopen(draft, "wb") else { return }
    let complete = fwrite(bytes, 1, bytes.count, file) == bytes.count
    if fclose(file) != 0 || !complete || rename(draft, path) != 0 { unlink(draft) }
  }

  private static func makeDirectory(of path: String) {
    for (index, byte) in path.utf8.enumerated() where byte == UInt8(ascii: "/") && index > 0 {
      mkdir(String(decoding: path.utf8.prefix(index), as: UTF8.self), 0o755)
    }
  }

  private static func word(_ value: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }

  /// FNV-1a
  private static func checksum(_ bytes: some Sequence<UInt8>, from basis: UInt64 = 0xcbf2_9ce4_8422_2325) -> UInt64 {
    bytes.reduce(basis) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }
}
