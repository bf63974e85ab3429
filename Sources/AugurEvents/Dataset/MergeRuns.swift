// Runs to histories: users in byte order, each with all its events in canonical order.

/// The order of events that share user and time: by the bytes of their item, then of their labels, then by their numbers. It does not
/// depend on the order of rows.
struct CanonicalOrder {
  private let itemRank: [UInt32]
  /// By attribute; empty for numbers.
  private let labelRanks: [[UInt32]]
  private let width: Int
  private let dropsCopies: Bool
  private var order: [Int] = []
  private var spare: UserHistory

  init(_ dictionaries: EventDictionaries, dropsCopies: Bool = true) {
    self.dropsCopies = dropsCopies
    itemRank = Self.rank(dictionaries.items)
    labelRanks = dictionaries.labels.map(Self.rank)
    width = dictionaries.layout.width
    spare = UserHistory(width: width)
  }

  private static func rank(_ table: IDTable) -> [UInt32] {
    var result = [UInt32](repeating: 0, count: table.count)
    for (rank, index) in table.byteOrder().enumerated() { result[Int(index)] = UInt32(rank) }
    return result
  }

  private func key(_ word: UInt32, _ place: Int) -> UInt32 {
    if place == 0 { return itemRank[Int(word)] }
    let ranks = labelRanks[place - 1]
    return ranks.isEmpty ? word : ranks[Int(word)]
  }

  /// Whether event `a` comes before event `b`, nil for equal ones.
  private func precedes(_ history: UserHistory, _ a: Int, _ b: Int) -> Bool? {
    if history.times[a] != history.times[b] { return history.times[a] < history.times[b] }
    for place in 0..<width {
      let (x, y) = (history.words[a * width + place], history.words[b * width + place])
      if x != y { return key(x, place) < key(y, place) }
    }
    return nil
  }

  /// Sorts the events and, unless they are to stay, drops exact duplicates; returns how many.
  mutating func apply(to history: inout UserHistory) -> Int {
    var (isSorted, isStrict) = (true, true)
    for event in 1..<max(1, history.count) where history.times[event - 1] >= history.times[event] {
      switch precedes(history, event - 1, event) {
      case true?: break
      case nil: isStrict = false
      case false?: isSorted = false
      }
    }
    if isSorted, isStrict || !dropsCopies { return 0 }
    var order: [Int] = []
    swap(&order, &self.order)
    defer { swap(&order, &self.order) }
    order.removeAll(keepingCapacity: true)
    order.append(contentsOf: 0..<history.count)
    if !isSorted { order.sort { precedes(history, $0, $1) ?? ($0 < $1) } }
    spare.removeAll()
    for (place, event) in order.enumerated() {
      if dropsCopies, place > 0, precedes(history, order[place - 1], event) == nil { continue }
      spare.times.append(history.times[event])
      spare.words.append(contentsOf: history.words[event * width..<(event + 1) * width])
    }
    let dropped = history.count - spare.count
    swap(&history, &spare)
    return dropped
  }
}

/// Calls `body` for each user in byte order with the events of all streams, in the order of the streams.
func mergeUsers(
  _ streams: [any UserStream], width: Int,
  _ body: (_ id: UnsafeRawBufferPointer, _ history: inout UserHistory) throws(EventsError) -> Void
) throws(EventsError) {
  var heap = StreamHeap(streams.filter { !$0.isAtEnd })
  var history = UserHistory(width: width)
  var id: [UInt8] = []
  while let first = heap.least {
    history.removeAll()
    id.removeAll(keepingCapacity: true)
    first.withID { id.append(contentsOf: $0) }
    let prefix = first.prefix
    while let stream = heap.least, stream.prefix == prefix, stream.withID({ bytes in id.withUnsafeBytes { sameBytes($0, bytes) } }) {
      try stream.take(into: &history)
      heap.settle()
    }
    try id.span.bytes.withUnsafeBytes { bytes throws(EventsError) in try body(bytes, &history) }
  }
}

/// Streams by the id of their current user; of equal ids the earlier stream is first.
private struct StreamHeap {
  private var streams: [(stream: any UserStream, place: Int)]
  var least: (any UserStream)? { streams.first?.stream }

  init(_ all: [any UserStream]) {
    streams = all.enumerated().map { ($1, $0) }
    for place in stride(from: streams.count / 2 - 1, through: 0, by: -1) { sink(place) }
  }

  /// Puts the first stream, which has stepped on, in its place.
  mutating func settle() {
    if streams[0].stream.isAtEnd {
      streams.swapAt(0, streams.count - 1)
      streams.removeLast()
    }
    if streams.count > 1 { sink(0) }
  }

  private mutating func sink(_ start: Int) {
    var parent = start
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < streams.count && precedes(child, least) { least = child }
      if least == parent { return }
      streams.swapAt(parent, least)
      parent = least
    }
  }

  private func precedes(_ a: Int, _ b: Int) -> Bool {
    let (x, y) = (streams[a], streams[b])
    if x.stream.prefix != y.stream.prefix { return x.stream.prefix < y.stream.prefix }
    return x.stream.withID { i in
      y.stream.withID { j in
        sameBytes(i, j) ? x.place < y.place : i.lexicographicallyPrecedes(j)
      }
    }
  }
}
