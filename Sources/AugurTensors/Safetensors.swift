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

  /// Where a tensor lies in the file, for readers that do not map it.
  package func range(_ name: String) throws(SafetensorsError) -> Range<Int> { try tensor(name).range }
  /// The CRC-32C of a tensor as the header states it, eight hexadecimal digits.
  package func checksum(of name: String) -> String? { metadata[SafetensorsHeader.tensorKey + name] }

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
    guard !raw.isEmpty else { return [] }
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
  /// Calls its argument with the bytes, in one piece or several.
  typealias Visit = ((UnsafeRawBufferPointer) throws(SafetensorsError) -> Void) throws(SafetensorsError) -> Void
  let visit: Visit

  /// `values` has as many elements as `shape` says.
  public init<E: SafetensorsElement>(_ name: String, shape: [Int], values: [E]) {
    (self.name, dtype, self.shape, count) = (name, E.safetensorsDType, shape, values.count * MemoryLayout<E>.stride)
    visit = { body throws(SafetensorsError) in try values.span.bytes.withUnsafeBytes(body) }
  }

  /// `bytes` must stay valid until the file is written.
  public init(_ name: String, dtype: SafetensorsDType, shape: [Int], bytes: UnsafeRawBufferPointer) {
    (self.name, self.dtype, self.shape, count) = (name, dtype, shape, bytes.count)
    visit = { body throws(SafetensorsError) in try body(bytes) }
  }

  /// A tensor that is read piece by piece, once; `count` bytes in all.
  package init(
    _ name: String, dtype: SafetensorsDType, shape: [Int], count: Int,
    visit: @escaping ((UnsafeRawBufferPointer) throws(SafetensorsError) -> Void) throws(SafetensorsError) -> Void
  ) {
    (self.name, self.dtype, self.shape, self.count, self.visit) = (name, dtype, shape, count, visit)
  }
}

/// Writes tensors atomically and durably: the path holds the complete old or the complete new file, also after a crash.
/// The header lists tensors in the given order; data lie by falling element size, so that each is aligned without gaps.
public func writeSafetensors(path: String, metadata: [String: String] = [:], tensors: [SafetensorsTensor])
  throws(SafetensorsError)
{
  var checksums = [UInt32](repeating: 0, count: tensors.count)
  func header() throws(SafetensorsError) -> (bytes: [UInt8], order: [Int]) {
    try SafetensorsHeader.make(path: path, metadata: metadata, tensors: tensors, checksums: checksums)
  }
  let (blank, order) = try header()
  var file = try DurableFile(path: path)
  try file.write(blank)
  for position in order {
    var written = 0
    try tensors[position].visit { bytes throws(SafetensorsError) in
      written += bytes.count
      checksums[position] = crc32c(bytes, continuing: checksums[position])
      try file.write(bytes)
    }
    precondition(written == tensors[position].count, "writeSafetensors: tensor '\(tensors[position].name)' gave another number of bytes")
  }
  // Every byte is read once: the checksums are known behind the data, and the header has its place already.
  try file.rewriteStart(try header().bytes)
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
