// Unites the users, items and labels of segments. Those of segments that stay come from the index that is there, so that a new day costs
// its own users, and of the others a table of numbers.
import AugurTensors

struct IndexWriter {
  private let folder: String
  private let attributes: [EventAttribute]
  private let memory: Int
  /// The data set that is added to, with just the `keptCount` segments that stay.
  private let base: Dataset?
  private let keptCount: Int
  private let fresh: [Segment]
  private var tensors: [SafetensorsTensor] = []
  private var count: Int { keptCount + fresh.count }

  init(folder: String, attributes: [EventAttribute], base: Dataset?, fresh: [Segment], memory: Int) {
    (self.folder, self.attributes, self.base, self.fresh, self.memory) = (folder, attributes, base, fresh, memory)
    keptCount = base?.segments.count ?? 0
  }

  /// Writes the file; its checksum, and how many users and items there are.
  mutating func write(_ names: ItemNames, _ dictionaries: EventDictionaries) throws(EventsError) -> (checksum: String, users: Int, items: Int) {
    let users = try uniteUsers()
    let items = try uniteItems(names, dictionaries)
    for attribute in attributes where !attribute.isNumber { try uniteLabels(attribute) }
    let path = "\(folder)/\(DatasetDescription.indexName)"
    do throws(SafetensorsError) {
      try writeSafetensors(path: path, metadata: ["format": DatasetDescription.formatName], tensors: tensors)
      return (try SafetensorsFile(path: path, verify: .skipped).checksum ?? "", users, items)
    } catch { throw EventsError(error) }
  }

  private func spool(_ name: String) throws(EventsError) -> Spool {
    try Spool(path: "\(folder)/\(name).part", memory: memory / (2 + count))
  }

  private mutating func addMap(_ number: Int, _ name: String, _ map: Spool) throws(EventsError) {
    guard count > 1 else { return }
    try map.finish()
    tensors.append(map.tensor(DatasetIndex.mapName(number, name), .i32))
  }

  private mutating func addMap(_ number: Int, _ name: String, _ map: [Int32]) {
    if count > 1 { tensors.append(SafetensorsTensor(DatasetIndex.mapName(number, name), shape: [map.count], values: map)) }
  }

  private mutating func addStrings(_ name: String, _ order: [Int32], _ with: (Int, (UnsafeRawBufferPointer) -> Void) -> Void) {
    let (offsets, bytes) = joinedStrings(order, with)
    tensors.append(SafetensorsTensor("\(name)_offsets", shape: [offsets.count], values: offsets))
    tensors.append(SafetensorsTensor("\(name)_bytes", shape: [bytes.count], values: bytes))
  }

  /// All ids are in byte order: they are merged, and every map rises.
  private mutating func uniteUsers() throws(EventsError) -> Int {
    let (offsets, bytes) = (try spool("index-offsets"), try spool("index-bytes"))
    var streams: [StoredIDs] = []
    if let base { streams.append(try StoredIDs(base.index.file, "user_id", count: base.userCount, memory: 1 << 20)) }
    for segment in fresh { streams.append(try StoredIDs(segment.file, "user_id", count: segment.userCount, memory: 1 << 20)) }
    var maps: [Spool] = []
    for number in streams.indices { maps.append(try spool("index-map-\(number)")) }
    var (users, end) = (0, 0)
    try offsets.append(Int64(0))
    while let least = Self.least(streams) {
      var failure: EventsError?
      try streams[least].withID { id in
        Result { () throws(EventsError) in
          end += id.count
          try bytes.append(id)
          try offsets.append(Int64(end))
          for (place, stream) in streams.enumerated() where place != least && stream.prefix == streams[least].prefix && !stream.isAtEnd {
            guard stream.withID({ sameBytes($0, id) }) else { continue }
            try maps[place].append(Int32(truncatingIfNeeded: users))
            do throws(EventsError) { try stream.step() } catch { failure = error }
          }
        }
      }.get()
      if let failure { throw failure }
      try maps[least].append(Int32(truncatingIfNeeded: users))
      try streams[least].step()
      users += 1
    }
    try offsets.finish()
    try bytes.finish()
    tensors += [offsets.tensor("user_id_offsets", .i64), bytes.tensor("user_id_bytes", .u8)]
    guard users <= Int(Int32.max) else { throw EventsError(file: "--input", problem: "more than 2^31 users", advice: "split the log") }
    try addUserMaps(maps)
    return users
  }

  private mutating func addUserMaps(_ maps: [Spool]) throws(EventsError) {
    if let base {
      try maps[0].finish()
      var moved = [Int32](repeating: 0, count: base.userCount)
      try maps[0].read(&moved, moved.count, from: 0)
      for number in 0..<keptCount {
        let map = try spool("index-users-\(number)")
        for user in 0..<base.segments[number].userCount { try map.append(moved[base.user(user, ofSegment: number)]) }
        try addMap(number, DatasetIndex.userMap, map)
      }
    }
    for (place, map) in maps.dropFirst(base == nil ? 0 : 1).enumerated() { try addMap(keptCount + place, DatasetIndex.userMap, map) }
  }

  /// The stream that stands at the least id, the first of equal ones.
  private static func least(_ streams: [StoredIDs]) -> Int? {
    var least: Int?
    for (place, stream) in streams.enumerated() where !stream.isAtEnd {
      guard let other = least.map({ streams[$0] }) else {
        least = place
        continue
      }
      if stream.prefix < other.prefix
        || stream.prefix == other.prefix && stream.withID({ a in other.withID { b in a.lexicographicallyPrecedes(b) } })
      {
        least = place
      }
    }
    return least
  }

  private mutating func uniteItems(_ names: ItemNames, _ dictionaries: EventDictionaries) throws(EventsError) -> Int {
    var table = IDTable()
    var united = ItemNames()
    if let base {
      try Self.add(base.index.itemIDs, to: &table)
      for item in 0..<base.itemCount {
        if let name = base.index.itemNames?.slice(item), !name.isEmpty { united.add(name, item: item) }
      }
    }
    let maps = fresh.map { segment in segment.itemIDs.map { table.index(adding: $0) } }
    for item in 0..<dictionaries.items.count {
      names.withName(item) { name in
        let index = dictionaries.items.withID(item) { table.index(adding: $0) }
        united.add(name, item: Int(index))
      }
    }
    var counts = [Int64](repeating: 0, count: table.count)
    for number in 0..<keptCount {
      guard let base else { continue }
      for (item, count) in base.segments[number].itemCounts.enumerated() { counts[base.item(item, ofSegment: number)] &+= count }
    }
    for (segment, map) in zip(fresh, maps) { for (item, index) in map.enumerated() { counts[Int(index)] &+= segment.itemCounts[item] } }
    let order = itemOrder(table, counts)
    guard order.count <= Int(Int32.max) else { throw EventsError(file: "--input", problem: "more than 2^31 items", advice: "split the log") }
    let rank = ranks(order, of: table.count)
    addStrings("item_id", order) { index, body in table.withID(index, body) }
    if !names.isEmpty || base?.index.itemNames != nil {
      addStrings("item_name", order) { index, body in united.withName(index, body) }
    }
    for number in 0..<keptCount {
      guard let base else { continue }
      addMap(number, DatasetIndex.itemMap, (0..<base.segments[number].itemCount).map { rank[base.item($0, ofSegment: number)] })
    }
    for (place, map) in maps.enumerated() { addMap(keptCount + place, DatasetIndex.itemMap, map.map { rank[Int($0)] }) }
    return order.count
  }

  /// Into an empty table, so that each has the number that the maps of `base` give it.
  private static func add(_ strings: StoredStrings, to table: inout IDTable) throws(EventsError) {
    for index in 0..<strings.count where table.index(adding: strings.slice(index)) != index {
      throw EventsError(file: strings.path, problem: "an id stands there twice", advice: "make the data set again with augur prepare")
    }
  }

  private mutating func uniteLabels(_ attribute: EventAttribute) throws(EventsError) {
    var table = IDTable()
    if let strings = base?.index.labelIDs[attribute] { try Self.add(strings, to: &table) }
    let maps = fresh.map { segment in segment.labelIDs[attribute]?.map { table.index(adding: $0) } ?? [] }
    let order = table.byteOrder()
    let rank = ranks(order, of: table.count)
    addStrings("\(attribute)_id", order) { index, body in table.withID(index, body) }
    let name = DatasetDescription.tensorName(attribute)
    for number in 0..<keptCount {
      guard let base, let count = base.segments[number].labelIDs[attribute]?.count else { continue }
      addMap(number, name, (0..<count).map { rank[base.label($0, attribute, ofSegment: number)] })
    }
    for (place, map) in maps.enumerated() { addMap(keptCount + place, name, map.map { rank[Int($0)] }) }
  }
}

/// Items by falling count and then by bytes; those without events are left out.
func itemOrder(_ items: IDTable, _ counts: [Int64]) -> [Int32] {
  let byBytes = items.byteOrder().filter { counts[Int($0)] > 0 }
  let byCount = byBytes.map { counts[Int($0)] }
  // Ties by position: equal counts stay in byte order.
  return byCount.indices.sorted { a, b in byCount[a] != byCount[b] ? byCount[a] > byCount[b] : a < b }.map { byBytes[$0] }
}

/// The place of each index in an order; -1 where it has none.
func ranks(_ order: [Int32], of count: Int) -> [Int32] {
  var result = [Int32](repeating: -1, count: count)
  for (rank, index) in order.enumerated() { result[Int(index)] = Int32(rank) }
  return result
}

/// Offsets and bytes of strings in an order.
func joinedStrings(_ order: [Int32], _ with: (Int, (UnsafeRawBufferPointer) -> Void) -> Void) -> ([Int64], [UInt8]) {
  var (offsets, bytes): ([Int64], [UInt8]) = ([0], [])
  offsets.reserveCapacity(order.count + 1)
  for index in order {
    with(Int(index)) { bytes.append(contentsOf: $0) }
    offsets.append(Int64(bytes.count))
  }
  return (offsets, bytes)
}
