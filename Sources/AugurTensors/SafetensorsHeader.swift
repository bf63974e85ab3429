// The header of a safetensors file: bounded, overflow-safe parsing, and byte-deterministic writing.

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
      guard stored == checksumText(actual()) else {
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

  /// The header bytes with length and the tensors' checksums, and the order in which the data follow. Its length does not depend on the
  /// checksums.
  static func make(path: String, metadata: [String: String], tensors: [SafetensorsTensor], checksums: [UInt32])
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
    for (tensor, checksum) in zip(tensors, checksums) {
      text += ",\(quoted(tensorKey + tensor.name)):\"\(checksumText(checksum))\""
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
    let sum = Array(checksumText(bytes.withUnsafeBytes { crc32c($0) }).utf8)
    bytes.replaceSubrange(8 + start.utf8.count..<16 + start.utf8.count, with: sum)
    return (bytes, order)
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
