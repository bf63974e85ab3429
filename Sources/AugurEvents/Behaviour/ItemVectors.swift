// Vectors from outside: a tensor with its ids, tensors named by ids, or lines of word vectors.
import AugurTensors

extension JoinedRows {
  /// The widest vector.
  private static let widest = 8192

  init(vectors join: BehaviourJoin) throws(EventsError) {
    var vectors = VectorRows(file: join.file)
    if case .tensor(let name, let ids) = join.source {
      do throws(SafetensorsError) {
        let file = try SafetensorsFile(path: join.file, verify: .whenPresent)
        if let name { try vectors.read(file, name, ids: ids) } else { try vectors.readNamed(file) }
      } catch { throw EventsError(error, advice: "give a file with a tensor [n, D] and its ids, or with vectors named by ids") }
      if let failure = vectors.failure { throw failure }
    } else {
      try vectors.readWords()
    }
    guard vectors.width > 0, vectors.width <= Self.widest, vectors.keys.count > 0 else {
      throw EventsError(
        file: join.file, problem: "\(vectors.keys.count) vectors of \(vectors.width) numbers", advice: "give vectors of 1 to \(Self.widest) numbers")
    }
    if let bad = vectors.values.firstIndex(where: { !$0.isFinite }) {
      throw EventsError(file: join.file, problem: "vector \(bad / vectors.width) holds \(vectors.values[bad])", advice: "give finite numbers")
    }
    let columns = (0..<vectors.width).map { Column(name: "\($0)", texts: nil) }
    do throws(DoubledRow) {
      try self.init(
        columns: columns, values: vectors.values, keys: vectors.keys, keyOfRow: Array(0..<Int32(vectors.keys.count)), validFrom: [], absent: 0,
        checksum: vectors.checksum)
    } catch { throw EventsError(file: join.file, problem: "two vectors of one id", advice: "keep one") }
  }
}

/// Vectors as they are read.
private struct VectorRows {
  let file: String
  private(set) var keys = Vocabulary()
  private(set) var values: [Float] = []
  private(set) var width = 0
  private(set) var checksum: UInt32 = 0
  private(set) var failure: EventsError?

  init(file: String) { self.file = file }

  private mutating func add(_ id: UnsafeRawBufferPointer, line: Int? = nil) {
    guard !id.isEmpty, id.count <= Vocabulary.longestID else {
      failure = failure ?? EventsError(file: file, line: line, problem: "an id of \(id.count) bytes", advice: "give ids of 1 to 4096 bytes")
      return
    }
    if !keys.index(adding: id).isNew {
      failure = failure ?? EventsError(file: file, line: line, problem: "id \(excerpt(id)) has two vectors", advice: "keep one")
    }
  }

  private static func numbers(_ file: SafetensorsFile, _ entry: SafetensorsFile.Entry) throws(SafetensorsError) -> [Float] {
    switch entry.dtype {
    case .f32: return try file.array(entry.name, as: Float.self)
    case .f64: return try file.array(entry.name, as: Double.self).map { Float($0) }
    case .bf16: return try file.array(entry.name, as: UInt16.self).map { Float(bitPattern: UInt32($0) << 16) }
    default:
      throw SafetensorsError(path: file.path, kind: .wrongType, problem: "tensor '\(entry.name)' is \(entry.dtype.rawValue), not of real numbers")
    }
  }

  /// A tensor [n, D], its ids in the file or a line each in another.
  mutating func read(_ file: SafetensorsFile, _ name: String, ids: String?) throws(SafetensorsError) {
    let entry = try file.tensor(name)
    guard entry.shape.count == 2 else {
      throw SafetensorsError(path: file.path, kind: .wrongType, problem: "tensor '\(name)' has shape \(entry.shape), not [n, D]")
    }
    values = try Self.numbers(file, entry)
    width = entry.shape[1]
    if let ids {
      let list = try MappedFile(path: ids)
      for (line, id) in list.bytes.split(separator: DelimitedReader.newline, omittingEmptySubsequences: true).enumerated() {
        add(UnsafeRawBufferPointer(rebasing: id.last == 0x0d ? id.dropLast() : id), line: line + 1)
      }
    } else {
      let (offsets, bytes) = (try file.array("\(name)_id_offsets", as: Int64.self), try file.array("\(name)_id_bytes", as: UInt8.self))
      guard let table = Vocabulary(bytes: bytes, offsets: offsets) else {
        throw SafetensorsError(path: file.path, kind: .damaged, problem: "'\(name)_id_offsets' and its bytes are not a list of different ids")
      }
      keys = table
    }
    guard keys.count == entry.shape[0] || failure != nil else {
      throw SafetensorsError(path: file.path, kind: .wrongType, problem: "tensor '\(name)' has \(entry.shape[0]) vectors and \(keys.count) ids")
    }
    checksum = values.withUnsafeBytes { crc32c($0) }
  }

  /// Every tensor is a vector.
  mutating func readNamed(_ file: SafetensorsFile) throws(SafetensorsError) {
    for entry in file.entries {
      guard entry.shape.count == 1, width == 0 || entry.shape[0] == width else {
        throw SafetensorsError(
          path: file.path, kind: .wrongType, problem: "tensor '\(entry.name)' has shape \(entry.shape), not that of one vector like the others")
      }
      width = entry.shape[0]
      values += try Self.numbers(file, entry)
      var name = entry.name
      name.withUTF8 { add(UnsafeRawBufferPointer($0)) }
    }
    checksum = values.withUnsafeBytes { crc32c($0) }
  }

  /// `id v1 v2 ...` a line.
  mutating func readWords() throws(EventsError) {
    let map: MappedFile
    do throws(SafetensorsError) { map = try MappedFile(path: file) } catch { throw EventsError(error) }
    checksum = crc32c(map.bytes)
    var line = 0
    for text in map.bytes.split(separator: DelimitedReader.newline, omittingEmptySubsequences: false) {
      line += 1
      let fields = text.split { $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }
      if fields.isEmpty || line == 1 && fields.count == 2 && width == 0 && isHeader(fields) { continue }
      if width == 0 { width = fields.count - 1 }
      guard fields.count == width + 1, width > 0 else {
        throw EventsError(file: file, line: line, problem: "\(fields.count - 1) numbers, not \(width) as before", advice: "write id v1 v2 ... a line")
      }
      for field in fields.dropFirst() {
        guard let value = parsedFloat(UnsafeRawBufferPointer(rebasing: field)), value.isFinite else {
          throw EventsError(file: file, line: line, problem: "\(excerpt(field)) is not a number", advice: "write id v1 v2 ... a line")
        }
        values.append(value)
      }
      add(UnsafeRawBufferPointer(rebasing: fields[0]), line: line)
      if let failure { throw failure }
    }
  }

  /// Word2vec's first line: how many, how wide.
  private func isHeader(_ fields: [Slice<UnsafeRawBufferPointer>]) -> Bool {
    fields.allSatisfy { field in field.allSatisfy { $0 &- 0x30 < 10 } }
  }
}
