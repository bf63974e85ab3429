// Safetensors: a memory-mapped reader that trusts nothing in the file, and an atomic, durable, byte-deterministic
// writer.
// Format: 8-byte little-endian header length, JSON header, data (huggingface.co/docs/safetensors).
// `__metadata__` carries a CRC-32C per tensor and `header.crc32c` over length and header with its own digits as zeros.
import Glibc

/// What is wrong with a file, where, and what to do; `description` is one line.
public struct SafetensorsError: Error, Equatable, CustomStringConvertible {
  public enum Kind: Sendable { case notFound, notAFile, unreadable, damaged, noSuchTensor, wrongType, writeFailed }
  public let path: String
  public let kind: Kind
  public let problem: String
  public var description: String { oneLine("\(path): \(problem)") }

  public init(path: String, kind: Kind, problem: String) {
    (self.path, self.kind, self.problem) = (path, kind, problem)
  }
}

/// The text with control characters (of names in a file, say) shown as `?`.
package func oneLine(_ text: String) -> String {
  var result = String.UnicodeScalarView()
  for scalar in text.unicodeScalars { result.append(scalar.properties.generalCategory == .control ? "?" : scalar) }
  return String(result)
}

/// Element types of a file. Swift has no BFloat16: its bits travel as `UInt16`.
public enum SafetensorsDType: String, Sendable, CaseIterable {
  case f64 = "F64"
  case i64 = "I64"
  case f32 = "F32"
  case i32 = "I32"
  case bf16 = "BF16"
  case u8 = "U8"
  /// Bytes of one element.
  public var bytes: Int {
    switch self {
    case .f64, .i64: 8
    case .f32, .i32: 4
    case .bf16: 2
    case .u8: 1
    }
  }
}

/// A Swift type whose arrays can be written to and read from a file.
public protocol SafetensorsElement: BitwiseCopyable { static var safetensorsDType: SafetensorsDType { get } }
extension Double: SafetensorsElement { public static var safetensorsDType: SafetensorsDType { .f64 } }
extension Int64: SafetensorsElement { public static var safetensorsDType: SafetensorsDType { .i64 } }
extension Float: SafetensorsElement { public static var safetensorsDType: SafetensorsDType { .f32 } }
extension Int32: SafetensorsElement { public static var safetensorsDType: SafetensorsDType { .i32 } }
extension UInt16: SafetensorsElement { public static var safetensorsDType: SafetensorsDType { .bf16 } }
extension UInt8: SafetensorsElement { public static var safetensorsDType: SafetensorsDType { .u8 } }

/// A validated, memory-mapped safetensors file. Pointers it hands out live as long as the object.
public final class SafetensorsFile: @unchecked Sendable {
  /// `required`: every checksum must be there and right. `whenPresent`: for files of other programs. `skipped`: layout
  /// only.
  public enum Verification: Sendable { case required, whenPresent, skipped }
  public struct Entry: Sendable, Equatable {
    public let name: String
    public let dtype: SafetensorsDType
    public let shape: [Int]
    public var count: Int { range.count / dtype.bytes }
    let range: Range<Int>  // bytes of the file
  }

  public let path: String
  /// Tensors in header order.
  public let entries: [Entry]
  public let metadata: [String: String]
  public var names: [String] { entries.map(\.name) }
  /// Eight hexadecimal digits that stand for the whole content; nil in files of other programs.
  public var checksum: String? { metadata[SafetensorsHeader.checksumKey] }
  private let file: MappedFile
  private let index: [String: Int]

  /// Maps and validates the file; reads it once when checksums are verified.
  public init(path: String, verify: Verification = .required) throws(SafetensorsError) {
    let file = try MappedFile(path: path)
    let header = try SafetensorsHeader(reading: file.bytes, path: path)
    (self.path, self.file, entries, metadata) = (path, file, header.entries, header.metadata)
    index = Dictionary(header.entries.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    if verify != .skipped { try header.verify(file.bytes, path: path, required: verify == .required) }
  }

  /// The entry of a name; throws `noSuchTensor`.
  public func tensor(_ name: String) throws(SafetensorsError) -> Entry {
    if let position = index[name] { return entries[position] }
    let list = names.prefix(8).joined(separator: ", ")
    throw SafetensorsError(path: path, kind: .noSuchTensor, problem: "no tensor '\(name)'; the file has: \(list)")
  }

  /// The raw bytes of a tensor, valid as long as this object.
  public func bytes(_ name: String) throws(SafetensorsError) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: file.bytes[try tensor(name).range])
  }

  /// Calls `body` with the raw bytes of a tensor.
  public func withBytes<R>(_ name: String, _ body: (UnsafeRawBufferPointer) -> R) throws(SafetensorsError) -> R {
    let result = body(try bytes(name))
    return withExtendedLifetime(self) { result }
  }

  /// The elements of a tensor in place, valid as long as this object; throws on another dtype or misaligned data.
  public func buffer<E: SafetensorsElement>(_ name: String, as type: E.Type) throws(SafetensorsError)
    -> UnsafeBufferPointer<E>
  {
    let raw = try bytes(checked(name, type))
    guard let base = raw.baseAddress else { return UnsafeBufferPointer(start: nil, count: 0) }
    guard Int(bitPattern: base) % MemoryLayout<E>.alignment == 0 else {
      throw SafetensorsError(
        path: path, kind: .wrongType, problem: "tensor '\(name)' is misaligned; copy it with array(_:as:)")
    }
    return raw.bindMemory(to: E.self)
  }

  /// A copy of the elements of a tensor; throws on another dtype.
  public func array<E: SafetensorsElement>(_ name: String, as type: E.Type) throws(SafetensorsError) -> [E] {
    let raw = try bytes(checked(name, type))
    return [E](unsafeUninitializedCapacity: raw.count / MemoryLayout<E>.size) { target, count in
      count = raw.count / MemoryLayout<E>.size
      UnsafeMutableRawBufferPointer(target).copyMemory(from: raw)
    }
  }

  /// Throws when a float tensor holds NaN or infinity; reads every float tensor once.
  public func requireFinite() throws(SafetensorsError) {
    for entry in entries {
      let raw = UnsafeRawBufferPointer(rebasing: file.bytes[entry.range])
      let finite =
        switch entry.dtype {
        case .f32: allFinite(raw, UInt32.self, 0x7f80_0000)
        case .f64: allFinite(raw, UInt64.self, 0x7ff0_0000_0000_0000)
        case .bf16: allFinite(raw, UInt16.self, 0x7f80)
        case .i32, .i64, .u8: true
        }
      guard finite else {
        throw SafetensorsError(path: path, kind: .damaged, problem: "tensor '\(entry.name)' holds NaN or infinity")
      }
    }
  }

  private func allFinite<B: FixedWidthInteger>(_ raw: UnsafeRawBufferPointer, _: B.Type, _ exponent: B) -> Bool {
    let size = MemoryLayout<B>.size
    return (0..<raw.count / size).allSatisfy {
      raw.loadUnaligned(fromByteOffset: $0 * size, as: B.self) & exponent != exponent
    }
  }

  private func checked<E: SafetensorsElement>(_ name: String, _: E.Type) throws(SafetensorsError) -> String {
    let entry = try tensor(name)
    guard entry.dtype == E.safetensorsDType else {
      let problem = "tensor '\(name)' is \(entry.dtype.rawValue), asked for \(E.safetensorsDType.rawValue)"
      throw SafetensorsError(path: path, kind: .wrongType, problem: problem)
    }
    return name
  }
}

/// One tensor to write. `name` at most 256 bytes, `shape` of at most 8 axes.
public struct SafetensorsTensor {
  let name: String
  let dtype: SafetensorsDType
  let shape: [Int]
  let count: Int
  let visit: ((UnsafeRawBufferPointer) -> Void) -> Void

  /// `values` has as many elements as `shape` says.
  public init<E: SafetensorsElement>(_ name: String, shape: [Int], values: [E]) {
    (self.name, dtype, self.shape, count) = (name, E.safetensorsDType, shape, values.count * MemoryLayout<E>.stride)
    visit = { body in values.withUnsafeBytes(body) }
  }

  /// `bytes` must stay valid until the file is written.
  public init(_ name: String, dtype: SafetensorsDType, shape: [Int], bytes: UnsafeRawBufferPointer) {
    (self.name, self.dtype, self.shape, count) = (name, dtype, shape, bytes.count)
    visit = { body in body(bytes) }
  }
}

/// Writes tensors atomically and durably: the path holds the complete old or the complete new file, also after a crash.
/// The header lists tensors in the given order; data lie by falling element size, so that each is aligned without gaps.
public func writeSafetensors(path: String, metadata: [String: String] = [:], tensors: [SafetensorsTensor])
  throws(SafetensorsError)
{
  let (header, order) = try SafetensorsHeader.make(path: path, metadata: metadata, tensors: tensors)
  var file = try DurableFile(path: path)
  try file.write(header)
  for position in order {
    var failure: SafetensorsError?
    tensors[position].visit { bytes in
      do throws(SafetensorsError) { try file.write(bytes) } catch { failure = error }
    }
    if let failure { throw failure }
  }
  try file.commit()
}

/// Replaces a file atomically and durably.
public func writeFileDurably(path: String, bytes: [UInt8]) throws(SafetensorsError) {
  var file = try DurableFile(path: path)
  try file.write(bytes)
  try file.commit()
}

/// Replaces a text file atomically and durably.
public func writeFileDurably(path: String, text: String) throws(SafetensorsError) {
  try writeFileDurably(path: path, bytes: Array(text.utf8))
}

/// A regular file mapped read-only. Replace such files by rename, never in place: a shrinking map is a bus error.
package final class MappedFile: @unchecked Sendable {
  package let bytes: UnsafeRawBufferPointer

  package init(path: String) throws(SafetensorsError) {
    // O_NONBLOCK: opening a pipe must not hang.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      if errno == ENOENT {
        throw SafetensorsError(path: path, kind: .notFound, problem: "no such file; check the path")
      }
      throw SafetensorsError(path: path, kind: .unreadable, problem: "cannot open: \(errorText(errno))")
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, let size = Int(exactly: status.st_size) else {
      throw SafetensorsError(path: path, kind: .unreadable, problem: "cannot read its size: \(errorText(errno))")
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      let what = status.st_mode & S_IFMT == S_IFDIR ? "is a directory, not a file" : "is not a regular file"
      throw SafetensorsError(path: path, kind: .notAFile, problem: "\(what); give the path of a file")
    }
    guard size > 0 else {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    guard let base = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED else {
      throw SafetensorsError(path: path, kind: .unreadable, problem: "cannot map \(size) bytes: \(errorText(errno))")
    }
    bytes = UnsafeRawBufferPointer(start: base, count: size)
  }

  deinit {
    if let base = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: base), bytes.count) }
  }
}

/// A file in the making: temporary beside the target, fsync, rename, fsync of the directory. Dropped without `commit`,
/// it is removed.
package struct DurableFile: ~Copyable {
  private let path: String
  private let directory: String
  private var temporary = ""
  private var descriptor: Int32 = -1
  private var written = 0

  package init(path: String) throws(SafetensorsError) {
    self.path = path
    let slash = path.utf8.lastIndex(of: 0x2f)
    directory = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let base = slash.map { String(path[path.utf8.index(after: $0)...]) } ?? path
    sweepTemporaries(directory: directory, prefix: ".\(base).tmp-")
    for attempt in 0..<64 where descriptor < 0 {
      temporary = "\(directory)/.\(base).tmp-\(getpid())-\(attempt)"
      descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
      if descriptor < 0, errno != EEXIST { break }
    }
    guard descriptor >= 0 else { throw failure("cannot create a file in '\(directory)'", errno) }
  }

  package mutating func write(_ bytes: UnsafeRawBufferPointer) throws(SafetensorsError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0, count <= rest.count else { throw failure("cannot write", count == 0 ? EIO : errno) }
      rest = rest.dropFirst(count)
      written += count
    }
  }

  package mutating func write(_ bytes: [UInt8]) throws(SafetensorsError) {
    try bytes.span.bytes.withUnsafeBytes { raw throws(SafetensorsError) in try write(raw) }
  }

  package mutating func commit() throws(SafetensorsError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_size == written else {
      throw failure("cannot write all bytes", EIO)
    }
    guard fsync(descriptor) == 0 else { throw failure("cannot make it durable", errno) }
    let closed = close(descriptor)
    descriptor = -1
    guard closed == 0 else { throw failure("cannot close", errno) }
    guard rename(temporary, path) == 0 else { throw failure("cannot rename into place", errno) }
    temporary = ""
    guard syncDirectory(directory) else { throw failure("written, but its directory cannot be made durable", errno) }
  }

  private func failure(_ what: String, _ code: Int32) -> SafetensorsError {
    let advice = code == ENOSPC || code == EDQUOT || code == EFBIG ? "; free space and try again" : ""
    return SafetensorsError(path: path, kind: .writeFailed, problem: "\(what): \(errorText(code))\(advice)")
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    if !temporary.isEmpty { unlink(temporary) }
  }
}

package func syncDirectory(_ directory: String) -> Bool {
  let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  guard descriptor >= 0 else { return false }
  let synced = fsync(descriptor) == 0
  let code = errno
  close(descriptor)
  errno = code
  return synced
}

/// Removes `prefix<pid>-...` files whose process is gone: what a killed writer left behind.
private func sweepTemporaries(directory: String, prefix: String) {
  guard let listing = opendir(directory) else { return }
  defer { closedir(listing) }
  while let entry = readdir(listing) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) {
      String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
    }
    guard name.hasPrefix(prefix), let pid = Int32(name.dropFirst(prefix.count).prefix { $0 != "-" }) else { continue }
    if pid > 0, kill(pid, 0) != 0, errno == ESRCH { unlink("\(directory)/\(name)") }
  }
}

package func errorText(_ code: Int32) -> String { String(cString: strerror(code)) }

/// CRC-32C (Castagnoli) of `bytes`, continuing from an earlier value; slicing by 16.
public func crc32c(_ bytes: UnsafeRawBufferPointer, continuing earlier: UInt32 = 0) -> UInt32 {
  var crc = ~earlier
  crcTable.withUnsafeBufferPointer { table in
    func slices(_ word: UInt64, _ first: Int) -> UInt32 {
      let low = table[first + Int(word & 255)] ^ table[first - 256 + Int(word >> 8 & 255)]
      let middle = table[first - 512 + Int(word >> 16 & 255)] ^ table[first - 768 + Int(word >> 24 & 255)]
      let upper = table[first - 1024 + Int(word >> 32 & 255)] ^ table[first - 1280 + Int(word >> 40 & 255)]
      let top = table[first - 1536 + Int(word >> 48 & 255)] ^ table[first - 1792 + Int(word >> 56)]
      return (low ^ middle) ^ (upper ^ top)
    }
    var at = 0
    while at + 16 <= bytes.count {
      let first = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)) ^ UInt64(crc)
      let second = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at + 8, as: UInt64.self))
      crc = slices(first, 15 * 256) ^ slices(second, 7 * 256)
      at += 16
    }
    while at < bytes.count {
      crc = table[Int((crc ^ UInt32(bytes[at])) & 255)] ^ crc >> 8
      at += 1
    }
  }
  return ~crc
}

private let crcTable: [UInt32] = {
  var table = [UInt32](repeating: 0, count: 16 * 256)
  for byte in 0..<256 {
    table[byte] = (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0x82f6_3b78 : value >> 1 }
  }
  for slot in 256..<16 * 256 { table[slot] = table[slot - 256] >> 8 ^ table[Int(table[slot - 256] & 255)] }
  return table
}()

/// The header of a file: its layout rules, its JSON (one fixed grammar, so nothing nests deeper than it says) and its
/// checksums.
struct SafetensorsHeader {
  static let checksumKey = "header.crc32c"
  static let tensorKey = "crc32c."
  static let (largest, mostTensors, longestName, highestRank) = (8 << 20, 65_536, 256, 8)

  private(set) var entries: [SafetensorsFile.Entry] = []
  private(set) var metadata: [String: String] = [:]
  private var checksumAt: Int?  // offset in the file of the eight digits
  private var end = 0  // offset in the file of the data

  init(reading file: UnsafeRawBufferPointer, path: String) throws(SafetensorsError) {
    func damaged(_ what: String) -> SafetensorsError { SafetensorsError(path: path, kind: .damaged, problem: what) }
    guard file.count >= 10 else {
      throw damaged("\(file.count) bytes are too few for a safetensors file; is it cut off?")
    }
    let length = UInt64(littleEndian: file.loadUnaligned(fromByteOffset: 0, as: UInt64.self))
    guard length <= UInt64(Self.largest) else {
      throw damaged("header of \(length) bytes; the limit is \(Self.largest)")
    }
    guard length <= UInt64(file.count - 8) else {
      throw damaged("header of \(length) bytes in a file of \(file.count); is it cut off?")
    }
    end = 8 + Int(length)
    var scanner = HeaderScanner(bytes: UnsafeRawBufferPointer(rebasing: file[..<end]), path: path)
    try readObject(&scanner)
    var cursor = end
    for entry in entries.sorted(by: {
      ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
    }) {
      guard entry.range.lowerBound == cursor else { throw damaged("tensor '\(entry.name)' overlaps or leaves a gap") }
      guard entry.range.upperBound <= file.count else {
        throw damaged("tensor '\(entry.name)' ends behind the file; is it cut off?")
      }
      cursor = entry.range.upperBound
    }
    guard cursor == file.count else { throw damaged("\(file.count - cursor) bytes behind the last tensor") }
  }

  private mutating func readObject(_ scanner: inout HeaderScanner) throws(SafetensorsError) {
    var seen: Set<String> = []
    try scanner.object { (scanner, name) throws(SafetensorsError) in
      guard seen.insert(name).inserted else { throw scanner.failure("name '\(name)' appears twice") }
      if name == "__metadata__" { return try readMetadata(&scanner) }
      guard name.utf8.count <= Self.longestName else {
        throw scanner.failure("a name of \(name.utf8.count) bytes; the limit is 256")
      }
      guard entries.count < Self.mostTensors else { throw scanner.failure("more than \(Self.mostTensors) tensors") }
      entries.append(try readEntry(&scanner, name))
    }
    try scanner.finish()
  }

  private mutating func readMetadata(_ scanner: inout HeaderScanner) throws(SafetensorsError) {
    try scanner.object { (scanner, key) throws(SafetensorsError) in
      guard metadata[key] == nil else { throw scanner.failure("metadata key '\(key)' appears twice") }
      let start = scanner.at
      metadata[key] = try scanner.string()
      if key == Self.checksumKey, scanner.at - start == 10 { checksumAt = start + 1 }
    }
  }

  private func readEntry(_ scanner: inout HeaderScanner, _ name: String) throws(SafetensorsError)
    -> SafetensorsFile.Entry
  {
    var dtype: SafetensorsDType?
    var (shape, offsets): ([Int]?, [Int]?) = (nil, nil)
    try scanner.object { (scanner, key) throws(SafetensorsError) in
      switch key {
      case "dtype" where dtype == nil:
        let text = try scanner.string()
        dtype = SafetensorsDType(rawValue: text)
        if dtype == nil {
          throw scanner.failure("tensor '\(name)' has dtype '\(text)'; known are F32, F64, I32, I64, U8, BF16")
        }
      case "shape" where shape == nil: shape = try scanner.integers(most: Self.highestRank)
      case "data_offsets" where offsets == nil: offsets = try scanner.integers(most: 2)
      default: throw scanner.failure("tensor '\(name)' has a doubled or unknown key '\(key)'")
      }
    }
    guard let dtype, let shape, let offsets, offsets.count == 2, offsets[0] <= offsets[1] else {
      throw scanner.failure("tensor '\(name)' needs dtype, shape and two rising data_offsets")
    }
    let expected = Self.product(shape, dtype)
    let (upper, overflow) = offsets[1].addingReportingOverflow(end)
    guard !overflow, expected == offsets[1] - offsets[0] else {
      throw scanner.failure("tensor '\(name)' of shape \(shape) does not fill its \(offsets[1] - offsets[0]) bytes")
    }
    return SafetensorsFile.Entry(name: name, dtype: dtype, shape: shape, range: end + offsets[0]..<upper)
  }

  /// Bytes of a tensor; nil for a negative axis or when the product overflows, whatever the other axes are.
  private static func product(_ shape: [Int], _ dtype: SafetensorsDType) -> Int? {
    var bytes = dtype.bytes
    for axis in shape where axis != 0 {
      let (next, overflow) = bytes.multipliedReportingOverflow(by: axis)
      guard axis > 0, !overflow else { return nil }
      bytes = next
    }
    return shape.contains(0) ? 0 : bytes
  }

  func verify(_ file: UnsafeRawBufferPointer, path: String, required: Bool) throws(SafetensorsError) {
    func check(_ key: String, _ what: String, _ actual: () -> UInt32) throws(SafetensorsError) {
      guard let stored = metadata[key] else {
        if !required { return }
        throw SafetensorsError(
          path: path, kind: .damaged, problem: "no checksum for \(what); was it written by another program?")
      }
      guard stored == Self.digits(actual()) else {
        throw SafetensorsError(
          path: path, kind: .damaged, problem: "\(what) is damaged: its checksum differs; restore the file")
      }
    }
    let head = UnsafeRawBufferPointer(rebasing: file[..<end])
    try check(Self.checksumKey, "the header") {
      guard let at = checksumAt else { return 0 }
      let before = crc32c(UnsafeRawBufferPointer(rebasing: head[..<at]))
      let blank = Array(repeating: UInt8(ascii: "0"), count: 8).withUnsafeBytes { crc32c($0, continuing: before) }
      return crc32c(UnsafeRawBufferPointer(rebasing: head[(at + 8)...]), continuing: blank)
    }
    for entry in entries {
      try check(Self.tensorKey + entry.name, "tensor '\(entry.name)'") {
        crc32c(UnsafeRawBufferPointer(rebasing: file[entry.range]))
      }
    }
  }

  /// The header bytes with length and checksums, and the order in which the data follow.
  static func make(path: String, metadata: [String: String], tensors: [SafetensorsTensor])
    throws(SafetensorsError) -> (bytes: [UInt8], order: [Int])
  {
    var names: Set<String> = ["__metadata__"]
    for tensor in tensors {
      let length = tensor.name.utf8.count
      guard length <= longestName, names.insert(tensor.name).inserted, tensor.shape.count <= highestRank,
        product(tensor.shape, tensor.dtype) == tensor.count
      else {
        let problem =
          "cannot write tensor '\(tensor.name)' of shape \(tensor.shape), \(tensor.count) bytes: bad name, rank or size"
        throw SafetensorsError(path: path, kind: .wrongType, problem: problem)
      }
    }
    let order = tensors.indices.sorted { (-tensors[$0].dtype.bytes, $0) < (-tensors[$1].dtype.bytes, $1) }
    var (offsets, total) = ([Int](repeating: 0, count: tensors.count), 0)
    for position in order {
      offsets[position] = total
      total += tensors[position].count
    }
    let start = "{\"__metadata__\":{\"\(checksumKey)\":\""
    var text = start + "00000000\""
    for tensor in tensors {
      tensor.visit { text += ",\(quoted(tensorKey + tensor.name)):\"\(digits(crc32c($0)))\"" }
    }
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) where key != checksumKey && !key.hasPrefix(tensorKey) {
      text += ",\(quoted(key)):\(quoted(value))"
    }
    text += "}"
    for (tensor, offset) in zip(tensors, offsets) {
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      text += ",\(quoted(tensor.name)):{\"dtype\":\"\(tensor.dtype.rawValue)\",\"shape\":[\(shape)]"
      text += ",\"data_offsets\":[\(offset),\(offset + tensor.count)]}"
    }
    text += "}"
    text += String(repeating: " ", count: -text.utf8.count & 7)
    guard text.utf8.count <= largest, tensors.count <= mostTensors else {
      throw SafetensorsError(
        path: path, kind: .wrongType, problem: "cannot write: header of \(text.utf8.count) bytes is too large")
    }
    var bytes = withUnsafeBytes(of: UInt64(text.utf8.count).littleEndian, Array.init) + Array(text.utf8)
    let sum = Array(digits(bytes.withUnsafeBytes { crc32c($0) }).utf8)
    bytes.replaceSubrange(8 + start.utf8.count..<16 + start.utf8.count, with: sum)
    return (bytes, order)
  }

  private static func digits(_ value: UInt32) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: 8 - text.utf8.count) + text
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": result += "\\\(scalar)"
      case "\u{0}"..."\u{1f}": result += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}

/// Reads the JSON of a header, byte by byte and without recursion over input.
private struct HeaderScanner {
  let bytes: UnsafeRawBufferPointer
  let path: String
  var at = 8

  init(bytes: UnsafeRawBufferPointer, path: String) { (self.bytes, self.path) = (bytes, path) }

  func failure(_ what: String) -> SafetensorsError {
    SafetensorsError(path: path, kind: .damaged, problem: "header byte \(at): \(what)")
  }

  private var next: UInt8? { at < bytes.count ? bytes[at] : nil }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || (0x09...0x0a).contains(byte) || byte == 0x0d { at += 1 }
  }

  private mutating func take(_ wanted: Unicode.Scalar) -> Bool {
    skipSpace()
    guard let byte = next, UInt32(byte) == wanted.value else { return false }
    at += 1
    return true
  }

  private mutating func expect(_ wanted: Unicode.Scalar) throws(SafetensorsError) {
    guard take(wanted) else { throw failure("expected '\(wanted)'") }
    skipSpace()
  }

  mutating func finish() throws(SafetensorsError) {
    skipSpace()
    guard at == bytes.count else { throw failure("text behind the header") }
  }

  mutating func object(_ member: (inout HeaderScanner, String) throws(SafetensorsError) -> Void)
    throws(SafetensorsError)
  {
    try expect("{")
    if take("}") { return }
    repeat {
      skipSpace()
      let key = try string()
      try expect(":")
      try member(&self, key)
    } while take(",")
    guard take("}") else { throw failure("expected ',' or '}'") }
  }

  mutating func integers(most limit: Int) throws(SafetensorsError) -> [Int] {
    var values: [Int] = []
    try expect("[")
    if take("]") { return values }
    repeat {
      guard values.count < limit else { throw failure("more than \(limit) numbers") }
      skipSpace()
      let start = at
      var value = 0
      while let byte = next, (0x30...0x39).contains(byte) {
        let (tens, high) = value.multipliedReportingOverflow(by: 10)
        let (sum, low) = tens.addingReportingOverflow(Int(byte - 0x30))
        guard !high, !low else { throw failure("number too large") }
        value = sum
        at += 1
      }
      guard at > start else { throw failure("expected a whole number that is not negative") }
      values.append(value)
    } while take(",")
    guard take("]") else { throw failure("expected ',' or ']'") }
    return values
  }

  mutating func string() throws(SafetensorsError) -> String {
    guard next == 0x22 else { throw failure("expected '\"'") }
    at += 1
    var text: [UInt8] = []
    while let byte = next, byte != 0x22 {
      at += 1
      guard byte >= 0x20 else { throw failure("control byte in a string") }
      if byte == 0x5c { try escape(into: &text) } else { text.append(byte) }
    }
    guard next == 0x22 else { throw failure("string without end") }
    at += 1
    guard let result = String(validating: text, as: UTF8.self) else { throw failure("string is not UTF-8") }
    return result
  }

  private mutating func escape(into text: inout [UInt8]) throws(SafetensorsError) {
    let codes: [UInt8: UInt8] = [
      0x22: 0x22, 0x5c: 0x5c, 0x2f: 0x2f, 0x62: 0x08, 0x66: 0x0c, 0x6e: 0x0a, 0x72: 0x0d, 0x74: 0x09,
    ]
    guard let code = next else { throw failure("string without end") }
    at += 1
    if let plain = codes[code] { return text.append(plain) }
    guard code == 0x75 else { throw failure("unknown escape") }
    var value = try codeUnit()
    if 0xd800..<0xdc00 ~= value, next == 0x5c, at + 1 < bytes.count, bytes[at + 1] == 0x75 {
      at += 2
      let low = try codeUnit()
      guard 0xdc00..<0xe000 ~= low else { throw failure("half a surrogate pair") }
      value = 0x10000 + (value - 0xd800) << 10 + (low - 0xdc00)
    }
    guard let scalar = Unicode.Scalar(value) else { throw failure("half a surrogate pair") }
    text.append(contentsOf: String(Character(scalar)).utf8)
  }

  private mutating func codeUnit() throws(SafetensorsError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw failure("bad \\u escape")
      }
      value = value << 4 | UInt32(digit)
      at += 1
    }
    return value
  }
}
