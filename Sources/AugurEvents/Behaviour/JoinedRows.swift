// What is joined to users or items: rows of numbers by key, in versions that each hold from a moment on.

/// A table or a set of vectors to join; paths as the user wrote them.
public struct BehaviourJoin: Sendable, Equatable {
  public enum Source: Sendable, Equatable {
    /// A table file, CSV and its kin. A nil key is `user_id` or `item_id`; a nil time is `valid_from`, where there is such a column; nil
    /// columns are all others.
    case table(key: String?, time: String?, columns: [String]?)
    /// Vectors of a safetensors file: a tensor [n, D], beside its ids `NAME_id_bytes` and `NAME_id_offsets` or a text file with an id a line;
    /// without a tensor every tensor [D] is the vector of the id that it is named by.
    case tensor(name: String?, ids: String?)
    /// Lines `id v1 v2 ...`, as word vectors are written; a first line `n D` is allowed.
    case words
  }

  public var source: Source
  public var entity: BehaviourEntity
  public var file: String
  /// Begins the names of the columns.
  public var prefix: String

  public init(_ source: Source, of entity: BehaviourEntity, file: String, prefix: String) {
    (self.source, self.entity, self.file, self.prefix) = (source, entity, file, prefix)
  }

  var isTable: Bool { if case .table = source { true } else { false } }
}

/// R rows of C numbers in the order of keys and, within a key, of time.
struct JoinedRows: Sendable {
  struct Column: Sendable, Equatable {
    var name: String
    /// The texts that the numbers stand for.
    var texts: [String]?
  }

  let columns: [Column]  // C
  let values: [Float]  // [R, C]
  /// Of each row, the first millisecond at which it holds; empty where rows hold always.
  let validFrom: [Int64]
  /// What an absent row reads: NaN of a table, 0 of a vector.
  let absent: Float
  /// Stands for the content of the file.
  let checksum: UInt32
  private let keys: Vocabulary
  private let starts: [Int32]  // [keys + 1]

  /// Sorts rows; nil, with the row, where a key has two rows of one moment.
  init(
    columns: [Column], values: [Float], keys: Vocabulary, keyOfRow: [Int32], validFrom: [Int64], absent: Float, checksum: UInt32
  ) throws(DoubledRow) {
    func time(_ row: Int) -> Int64 { validFrom.isEmpty ? 0 : validFrom[row] }
    let order = keyOfRow.indices.sorted { a, b in
      if keyOfRow[a] != keyOfRow[b] { return keyOfRow[a] < keyOfRow[b] }
      return time(a) != time(b) ? time(a) < time(b) : a < b
    }
    for (a, b) in zip(order, order.dropFirst()) where keyOfRow[a] == keyOfRow[b] && time(a) == time(b) { throw DoubledRow(first: a, second: b) }
    var (starts, sorted): ([Int32], [Float]) = ([0], [])
    sorted.reserveCapacity(values.count)
    for (place, row) in order.enumerated() {
      while starts.count <= Int(keyOfRow[row]) { starts.append(Int32(place)) }
      sorted += values[row * columns.count..<(row + 1) * columns.count]
    }
    while starts.count <= keys.count { starts.append(Int32(order.count)) }
    (self.columns, self.values, self.keys, self.starts) = (columns, sorted, keys, starts)
    self.validFrom = validFrom.isEmpty ? [] : order.map { validFrom[$0] }
    (self.absent, self.checksum) = (absent, checksum)
  }

  init(_ join: BehaviourJoin, zone: String) throws(EventsError) {
    if case .table(let key, let time, let columns) = join.source {
      try self.init(table: join, key: key, time: time, columns: columns, zone: zone)
    } else {
      try self.init(vectors: join)
    }
  }

  struct DoubledRow: Error {
    var first: Int
    var second: Int
  }

  /// The number of a key; -1 for none.
  func key(_ id: UnsafeRawBufferPointer) -> Int32 { keys.index(of: id) ?? -1 }

  /// The row of a key that holds at `time`: the latest that begins then or before.
  @inline(__always)
  func row(_ key: Int32, at time: Int64) -> Int? {
    guard key >= 0 else { return nil }
    let (first, end) = (Int(starts[Int(key)]), Int(starts[Int(key) + 1]))
    guard !validFrom.isEmpty else { return first }
    var (low, high) = (first, end)
    while low < high {
      let middle = (low + high) / 2
      if validFrom[middle] <= time { low = middle + 1 } else { high = middle }
    }
    return low == first ? nil : low - 1
  }
}

/// A join of a state: its rows, and the key of each user or item.
struct JoinState: Sendable {
  let rows: JoinedRows
  let entity: BehaviourEntity
  /// Of the first column in the feature row.
  let place: Int
  private(set) var keys: [Int32] = []
  /// Users or items without a row.
  private(set) var unknown = 0

  init(_ rows: JoinedRows, entity: BehaviourEntity, place: Int) { (self.rows, self.entity, self.place) = (rows, entity, place) }

  /// Looks up the next user or item.
  mutating func append(_ id: UnsafeRawBufferPointer) {
    let key = rows.key(id)
    keys.append(key)
    if key < 0 { unknown += 1 }
  }

  @inline(__always)
  func write(_ index: Int, time: Int64, into row: UnsafeMutablePointer<Float>) {
    let count = rows.columns.count
    if let found = rows.row(keys[index], at: time) {
      for column in 0..<count { row[place + column] = rows.values[found * count + column] }
    } else {
      for column in 0..<count { row[place + column] = rows.absent }
    }
  }
}
