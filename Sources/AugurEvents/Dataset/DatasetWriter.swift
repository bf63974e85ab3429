// The columns of a data set as they are written, user by user, and the files that come of them.
import AugurTensors

struct DatasetWriter {
  private let folder: String
  private let layout: EventLayout
  private let offsets: Spool, times: Spool, userOffsets: Spool, userBytes: Spool
  /// W, as `EventChunk.words`.
  private let words: [Spool]
  private var itemCounts: [Int]
  private(set) var users = 0
  private(set) var events = 0
  private var idBytes = 0

  /// `memory` bytes in all are kept out of temporary files.
  init(folder: String, dictionaries: EventDictionaries, memory: Int) throws(EventsError) {
    (self.folder, layout) = (folder, dictionaries.layout)
    let share = memory / (4 + layout.width)
    func spool(_ name: String) throws(EventsError) -> Spool { try Spool(path: "\(folder)/\(name).part", memory: share) }
    (offsets, times) = (try spool("offsets"), try spool("times"))
    (userOffsets, userBytes) = (try spool("user-offsets"), try spool("user-bytes"))
    var words: [Spool] = []
    for place in 0..<layout.width { words.append(try spool("word-\(place)")) }
    self.words = words
    itemCounts = [Int](repeating: 0, count: dictionaries.items.count)
    try offsets.append(Int64(0))
    try userOffsets.append(Int64(0))
  }

  mutating func append(_ id: UnsafeRawBufferPointer, _ history: UserHistory) throws(EventsError) {
    guard history.count > 0 else { return }
    users += 1
    events += history.count
    idBytes += id.count
    try offsets.append(Int64(events))
    try userOffsets.append(Int64(idBytes))
    try userBytes.append(id)
    if layout.hasTimes { try times.append(history.times) }
    for place in 0..<layout.width {
      try words[place].append(history.words, from: place, every: layout.width)
    }
    for place in stride(from: 0, to: history.words.count, by: layout.width) { itemCounts[Int(history.words[place])] += 1 }
  }

  /// Items by falling count and then by bytes; those without events are left out.
  private func itemOrder(_ items: IDTable) -> [Int32] {
    let byBytes = items.byteOrder().filter { itemCounts[Int($0)] > 0 }
    let counts = byBytes.map { itemCounts[Int($0)] }
    // Ties by position: equal counts stay in byte order.
    let order = counts.indices.sorted { a, b in counts[a] != counts[b] ? counts[a] > counts[b] : a < b }
    return order.map { byBytes[$0] }
  }

  /// Labels by bytes, those of dropped rows too.
  private static func ranks(_ order: [Int32], of count: Int) -> [Int32] {
    var result = [Int32](repeating: -1, count: count)
    for (rank, index) in order.enumerated() { result[Int(index)] = Int32(rank) }
    return result
  }

  /// Writes `sequences.safetensors`; returns its checksum and the number of items.
  mutating func finish(_ dictionaries: EventDictionaries, _ names: ItemNames) throws(EventsError) -> (checksum: String, items: Int) {
    for spool in [offsets, times, userOffsets, userBytes] + words { try spool.finish() }
    let order = itemOrder(dictionaries.items)
    let rank = Self.ranks(order, of: dictionaries.items.count)
    try words[0].map { rank[Int($0)] }
    let (itemOffsets, itemBytes) = Self.strings(order) { index, body in dictionaries.items.withID(index, body) }
    var tensors = [
      offsets.tensor("offsets", .i64), words[0].tensor("items", .i32), userOffsets.tensor("user_id_offsets", .i64),
      userBytes.tensor("user_id_bytes", .u8),
      SafetensorsTensor("item_id_offsets", shape: [itemOffsets.count], values: itemOffsets),
      SafetensorsTensor("item_id_bytes", shape: [itemBytes.count], values: itemBytes),
    ]
    if layout.hasTimes { tensors.append(times.tensor("timestamps", .i64)) }
    if !names.isEmpty {
      let (offsets, bytes) = Self.strings(order) { index, body in names.withName(index, body) }
      tensors.append(SafetensorsTensor("item_name_offsets", shape: [offsets.count], values: offsets))
      tensors.append(SafetensorsTensor("item_name_bytes", shape: [bytes.count], values: bytes))
    }
    for (place, attribute) in layout.attributes.enumerated() {
      let name = DatasetDescription.tensorName(attribute)
      guard !attribute.isNumber else {
        tensors.append(words[1 + place].tensor(name, .f32))
        continue
      }
      let table = dictionaries.labels[place]
      let order = table.byteOrder()
      let rank = Self.ranks(order, of: table.count)
      try words[1 + place].map { rank[Int($0)] }
      let (offsets, bytes) = Self.strings(order) { index, body in table.withID(index, body) }
      tensors.append(words[1 + place].tensor(name, .i32))
      tensors.append(SafetensorsTensor("\(attribute)_id_offsets", shape: [offsets.count], values: offsets))
      tensors.append(SafetensorsTensor("\(attribute)_id_bytes", shape: [bytes.count], values: bytes))
    }
    let path = "\(folder)/\(DatasetDescription.sequencesName)"
    do throws(SafetensorsError) {
      try writeSafetensors(
        path: path, metadata: ["format": DatasetDescription.formatName, "timestamp_unit": "ms"], tensors: tensors)
      return (try SafetensorsFile(path: path, verify: .skipped).checksum ?? "", order.count)
    } catch { throw EventsError(error) }
  }

  /// Shows the times of all events; once all columns are finished.
  func visitTimes(_ body: (UnsafeBufferPointer<Int64>) -> Void) throws(EventsError) {
    try times.read { bytes in bytes.withMemoryRebound(to: Int64.self, body) }
  }

  private static func strings(_ order: [Int32], _ with: (Int, (UnsafeRawBufferPointer) -> Void) -> Void) -> ([Int64], [UInt8]) {
    var (offsets, bytes): ([Int64], [UInt8]) = ([0], [])
    offsets.reserveCapacity(order.count + 1)
    for index in order {
      with(Int(index)) { bytes.append(contentsOf: $0) }
      offsets.append(Int64(bytes.count))
    }
    return (offsets, bytes)
  }
}
