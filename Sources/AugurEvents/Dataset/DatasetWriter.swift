// The columns of a data set as they are written, user by user, and the files that come of them.
import AugurTensors

struct DatasetWriter {
  private let folder: String
  private let layout: EventLayout
  private let offsets: Spool, times: Spool, sessionOffsets: Spool, userOffsets: Spool, userBytes: Spool
  /// W, as `EventChunk.words`.
  private let words: [Spool]
  private var sessionizer: Sessionizer
  private var sessionStarts: [Int] = []
  private var itemCounts: [Int]
  private(set) var users = 0
  private(set) var events = 0
  private(set) var sessions = 0
  private var idBytes = 0

  /// `memory` bytes in all are kept out of temporary files. Throws for a closing kind that the log does not have.
  init(folder: String, dictionaries: EventDictionaries, sessions: SessionRules, memory: Int) throws(EventsError) {
    (self.folder, layout) = (folder, dictionaries.layout)
    sessionizer = try Sessionizer(sessions, kindNames: dictionaries.names(of: .kind))
    let share = memory / (5 + layout.width)
    func spool(_ name: String) throws(EventsError) -> Spool { try Spool(path: "\(folder)/\(name).part", memory: share) }
    (offsets, times, sessionOffsets) = (try spool("offsets"), try spool("times"), try spool("session-offsets"))
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
    try appendSessions(history)
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

  private mutating func appendSessions(_ history: UserHistory) throws(EventsError) {
    var kinds: [Int32] = []
    if sessionizer.needsKinds, let place = layout.attributes.firstIndex(of: .kind) {
      kinds = (0..<history.count).map { Int32(bitPattern: history.words[$0 * layout.width + 1 + place]) }
    }
    sessionizer.findStarts(history.count, times: layout.hasTimes ? history.times : [], kinds: kinds, into: &sessionStarts)
    for start in sessionStarts { try sessionOffsets.append(Int64(events + start)) }
    sessions += sessionStarts.count
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

  /// Nothing more is appended; the columns can be read and changed.
  mutating func finishColumns() throws(EventsError) {
    try sessionOffsets.append(Int64(events))
    for spool in [offsets, times, sessionOffsets, userOffsets, userBytes] + words { try spool.finish() }
  }

  /// Writes `sequences.safetensors` from finished columns; returns its checksum and the number of items.
  mutating func write(_ dictionaries: EventDictionaries, _ names: ItemNames) throws(EventsError) -> (checksum: String, items: Int) {
    let order = itemOrder(dictionaries.items)
    let rank = Self.ranks(order, of: dictionaries.items.count)
    try words[0].map { rank[Int($0)] }
    let (itemOffsets, itemBytes) = Self.strings(order) { index, body in dictionaries.items.withID(index, body) }
    var tensors = [
      offsets.tensor("offsets", .i64), words[0].tensor("items", .i32), sessionOffsets.tensor("session_offsets", .i64), userOffsets.tensor("user_id_offsets", .i64),
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

  /// Shows time and price of all events; once all columns are finished.
  func visitPrices(_ body: (Int64, Float) -> Void) throws(EventsError) {
    guard let place = layout.attributes.firstIndex(of: .price) else { return }
    let piece = 1 << 16
    var (time, price) = ([Int64](repeating: 0, count: piece), [Float](repeating: 0, count: piece))
    for start in stride(from: 0, to: events, by: piece) {
      let count = min(piece, events - start)
      try times.read(&time, count, from: start)
      try words[1 + place].read(&price, count, from: start)
      for event in 0..<count { body(time[event], price[event]) }
    }
  }

  /// Changes every price; once all columns are finished.
  func mapPrices(_ change: (Float) -> Float) throws(EventsError) {
    guard let place = layout.attributes.firstIndex(of: .price) else { return }
    try words[1 + place].map { Int32(bitPattern: change(Float(bitPattern: UInt32(bitPattern: $0))).bitPattern) }
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
