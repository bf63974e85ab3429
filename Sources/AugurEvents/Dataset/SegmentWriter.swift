// The columns of one segment as they are written, user by user, and the file that comes of them.
import AugurTensors

struct SegmentWriter {
  let span: SegmentSpan
  private let folder: String
  private let number: Int
  private let layout: EventLayout
  private let offsets: Spool, times: Spool, sessionOffsets: Spool, userOffsets: Spool, userBytes: Spool
  /// W, as `EventChunk.words`.
  private let words: [Spool]
  private var itemCounts: [Int64]
  /// By attribute, whether a label has events; empty for numbers.
  private var isUsed: [[Bool]]
  private(set) var dayEvents = DayCounts()
  private var (users, events, sessions) = (0, 0, 0)
  private var idBytes = 0

  /// `memory` bytes in all are kept out of temporary files.
  init(_ span: SegmentSpan, number: Int, folder: String, dictionaries: EventDictionaries, memory: Int) throws(EventsError) {
    (self.span, self.number, self.folder, layout) = (span, number, folder, dictionaries.layout)
    let share = memory / (5 + layout.width)
    func spool(_ name: String) throws(EventsError) -> Spool { try Spool(path: "\(folder)/\(number)-\(name).part", memory: share) }
    (offsets, times, sessionOffsets) = (try spool("offsets"), try spool("times"), try spool("session-offsets"))
    (userOffsets, userBytes) = (try spool("user-offsets"), try spool("user-bytes"))
    words = try (0..<layout.width).map { place throws(EventsError) in try spool("word-\(place)") }
    itemCounts = [Int64](repeating: 0, count: dictionaries.items.count)
    isUsed = dictionaries.labels.map { [Bool](repeating: false, count: $0.count) }
    try offsets.append(Int64(0))
    try userOffsets.append(Int64(0))
  }

  var isEmpty: Bool { events == 0 }

  /// Adds some of a user's events; of `starts` those among them begin a session.
  mutating func append(_ id: UnsafeRawBufferPointer, _ history: UserHistory, _ range: Range<Int>, starts: [Int]) throws(EventsError) {
    for start in starts where range.contains(start) {
      try sessionOffsets.append(Int64(events + start - range.lowerBound))
      sessions += 1
    }
    users += 1
    events += range.count
    idBytes += id.count
    try offsets.append(Int64(events))
    try userOffsets.append(Int64(idBytes))
    try userBytes.append(id)
    if layout.hasTimes {
      try times.append(history.times[range])
      dayEvents.add(history.times[range])
    }
    let width = layout.width
    for place in 0..<width { try words[place].append(history.words, range, place: place, width: width) }
    history.words.withUnsafeBufferPointer { words in
      itemCounts.withUnsafeMutableBufferPointer { counts in for event in range { counts[Int(words[event * width])] += 1 } }
      for place in isUsed.indices where !isUsed[place].isEmpty {
        isUsed[place].withUnsafeMutableBufferPointer { used in
          for event in range { used[Int(words[event * width + 1 + place])] = true }
        }
      }
    }
  }

  /// Nothing more is appended; the columns can be read and changed.
  func finishColumns() throws(EventsError) {
    try sessionOffsets.append(Int64(events))
    for spool in [offsets, times, sessionOffsets, userOffsets, userBytes] + words { try spool.finish() }
  }

  /// Writes the file from finished columns, `rows` being those of the log on each day, `price` what becomes of prices.
  func write(_ dictionaries: EventDictionaries, rows: DayCounts, price: ((Float) -> Float)?) throws(EventsError) -> DatasetSegment {
    let order = itemOrder(dictionaries.items, itemCounts)
    let rank = ranks(order, of: dictionaries.items.count)
    var tensors = [
      offsets.tensor("offsets", .i64), words[0].tensor("items", .i32) { rank[Int($0)] },
      sessionOffsets.tensor("session_offsets", .i64), userOffsets.tensor("user_id_offsets", .i64), userBytes.tensor("user_id_bytes", .u8),
      SafetensorsTensor("item_counts", shape: [order.count], values: order.map { itemCounts[Int($0)] }),
    ]
    tensors += Self.strings("item_id", order) { index, body in dictionaries.items.withID(index, body) }
    if layout.hasTimes { tensors.append(times.tensor("timestamps", .i64)) }
    for (place, attribute) in layout.attributes.enumerated() {
      let name = DatasetDescription.tensorName(attribute)
      guard !attribute.isNumber else {
        let change = attribute == .price ? price : nil
        tensors.append(
          words[1 + place].tensor(name, .f32, change: change.map { change in { Int32(bitPattern: change(Float(bitPattern: UInt32(bitPattern: $0))).bitPattern) } }))
        continue
      }
      let table = dictionaries.labels[place]
      let order = table.byteOrder().filter { isUsed[place][Int($0)] }
      let rank = ranks(order, of: table.count)
      tensors.append(words[1 + place].tensor(name, .i32) { rank[Int($0)] })
      tensors += Self.strings("\(attribute)_id", order) { index, body in table.withID(index, body) }
    }
    tensors += days(rows)
    let path = "\(folder)/\(DatasetDescription.segmentName(number))"
    let checksum: String
    do throws(SafetensorsError) {
      try writeSafetensors(path: path, metadata: ["format": DatasetDescription.formatName, "timestamp_unit": "ms"], tensors: tensors)
      checksum = try SafetensorsFile(path: path, verify: .skipped).checksum ?? ""
    } catch { throw EventsError(error) }
    return DatasetSegment(
      users: users, items: order.count, events: events, sessions: sessions, firstDay: span.firstDay, lastDay: span.lastDay,
      rows: span.rows, checksum: checksum)
  }

  private func days(_ rows: DayCounts) -> [SafetensorsTensor] {
    let entries = layout.hasTimes ? rows.entries.filter { (span.firstDay...span.lastDay).contains($0.day) } : []
    func tensor(_ name: String, _ values: [Int64]) -> SafetensorsTensor { SafetensorsTensor(name, shape: [values.count], values: values) }
    return [
      tensor("days", entries.map { Int64($0.day) }), tensor("day_rows", entries.map { Int64($0.count) }),
      tensor("day_events", entries.map { Int64(dayEvents[$0.day]) }),
    ]
  }

  private static func strings(_ name: String, _ order: [Int32], _ with: (Int, (UnsafeRawBufferPointer) -> Void) -> Void)
    -> [SafetensorsTensor]
  {
    let (offsets, bytes) = joinedStrings(order, with)
    return [
      SafetensorsTensor("\(name)_offsets", shape: [offsets.count], values: offsets),
      SafetensorsTensor("\(name)_bytes", shape: [bytes.count], values: bytes),
    ]
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
}
