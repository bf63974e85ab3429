// All events of a data set in the order of time: what features that see more than one user need.

/// An event and its place among all events of the data set.
struct TimedEvent {
  var event: BehaviourEvent
  var row: Int
}

/// What the labels of a data set are in a state.
struct StateIndices {
  let users: [Int32]
  let items: [Int32]
  let categories: [Int32]
  let kinds: [Int32]

  /// Makes all ids of the data set known to the state.
  init(of data: Dataset, in state: inout BehaviourState) {
    users = (0..<data.userCount).map { state.user(data.userID($0)) }
    items = (0..<data.itemCount).map { state.item(data.itemID($0)) }
    categories = (0..<data.labelCount(.category)).map { state.category(data.label(.category, $0)) }
    kinds = (0..<data.labelCount(.kind)).map { state.kind(data.label(.kind, $0)) }
  }
}

/// Walks a data set slice of time by slice of time: memory is bounded by the events of a slice and 12 bytes for each user.
struct TimeOrder {
  private let data: Dataset
  private let indices: StateIndices
  /// First milliseconds behind each slice.
  private let ends: [Int64]
  private let earliest: Int64
  private let firstRows: [Int]
  let latest: Int64
  /// By user: how far it is read, and the time of what comes next.
  private var places: [Int32]
  private var nextTimes: [Int64]
  private var nextSlice = 0
  private var slice: [TimedEvent] = []
  private var keys: [SortKey] = []
  private var spare: [SortKey] = []
  private var nextKey = 0

  /// Slices of about `sliceEvents`; one holds more where so many fall into a 65,536th of the log's span.
  init(_ data: Dataset, _ indices: StateIndices, sliceEvents: Int = 1 << 18) throws(EventsError) {
    guard data.timestamps(0) != nil else {
      throw EventsError(file: data.path, problem: "the log has no times", advice: "features as of a time need them: prepare with --format events")
    }
    (self.data, self.indices) = (data, indices)
    var (earliest, latest, rows) = (Int64.max, Int64.min, [0])
    for user in 0..<data.userCount {
      let times = data.timestamps(user)
      if let first = times?.first, let last = times?.last { (earliest, latest) = (min(earliest, first), max(latest, last)) }
      rows.append((rows.last ?? 0) + data.eventCount(ofUser: user))
    }
    if latest < earliest { (earliest, latest) = (0, 0) }
    (self.earliest, self.latest, firstRows) = (earliest, latest, rows)
    ends = Self.ends(data, earliest, latest, sliceEvents)
    places = [Int32](repeating: 0, count: data.userCount)
    nextTimes = (0..<data.userCount).map { data.timestamps($0)?.first ?? .max }
  }

  private static func ends(_ data: Dataset, _ earliest: Int64, _ latest: Int64, _ limit: Int) -> [Int64] {
    let shift = max(0, 64 - (latest - earliest).leadingZeroBitCount - 16)
    guard data.eventCount > limit else { return [latest + 1] }
    var bins = [Int](repeating: 0, count: 1 << 16)
    for user in 0..<data.userCount {
      data.timestamps(user)?.withContiguousStorageIfAvailable { times in
        for time in times { bins[Int((time - earliest) >> Int64(shift))] += 1 }
      }
    }
    var (ends, held): ([Int64], Int) = ([], 0)
    for (bin, count) in bins.enumerated() {
      if held > 0, held + count > limit {
        ends.append(earliest + Int64(bin) << Int64(shift))
        held = 0
      }
      held += count
    }
    return ends + [latest + 1]
  }

  /// The next event: by time, of one moment by user and then as the data set has them.
  @inline(__always)
  mutating func next() -> TimedEvent? {
    if nextKey == keys.count, !fill() { return nil }
    nextKey += 1
    return slice[Int(keys[nextKey - 1].index)]
  }

  /// Reads and sorts the next slice that holds an event; false at the end.
  private mutating func fill() -> Bool {
    repeat {
      guard nextSlice < ends.count else { return false }
      let (begin, end) = (nextSlice == 0 ? earliest : ends[nextSlice - 1], ends[nextSlice])
      nextSlice += 1
      slice.removeAll(keepingCapacity: true)
      for user in 0..<data.userCount where nextTimes[user] < end {
        (places[user], nextTimes[user]) = gather(user, from: places[user], to: end)
      }
      SortKey.sort(slice, from: begin, to: end, &keys, &spare)
    } while keys.isEmpty
    nextKey = 0
    return true
  }

  /// Returns the place and time of the user's next event.
  private mutating func gather(_ user: Int, from start: Int32, to end: Int64) -> (Int32, Int64) {
    guard let times = data.timestamps(user) else { return (start, .max) }
    let items = data.history(user)
    let (kinds, categories) = (data.labels(user, .kind), data.labels(user, .category))
    let (prices, quantities) = (data.numbers(user, .price), data.numbers(user, .quantity))
    var place = Int(start)
    let stateUser = indices.users[user]
    while place < times.count, times[place] < end {
      var event = BehaviourEvent(
        user: stateUser, item: indices.items[Int(items[place])], time: times[place], kind: BehaviourEvent.none)
      if let kinds { event.kind = indices.kinds[Int(kinds[place])] }
      if let categories { event.category = indices.categories[Int(categories[place])] }
      if let prices { event.price = prices[place] }
      if let quantities { event.quantity = quantities[place] }
      slice.append(TimedEvent(event: event, row: firstRows[user] + place))
      place += 1
    }
    return (Int32(place), place < times.count ? times[place] : .max)
  }
}

/// A time and where its event lies.
private struct SortKey {
  var time: UInt64
  var index: UInt32

  /// Fills `keys` with the order of the events by time; equal ones stay in order. A radix sort, eleven bits at a time.
  static func sort(_ events: [TimedEvent], from begin: Int64, to end: Int64, _ keys: inout [SortKey], _ spare: inout [SortKey]) {
    keys.removeAll(keepingCapacity: true)
    for (index, event) in events.enumerated() {
      keys.append(SortKey(time: UInt64(bitPattern: event.event.time &- begin), index: UInt32(truncatingIfNeeded: index)))
    }
    spare.removeAll(keepingCapacity: true)
    spare.append(contentsOf: keys)
    let bits = 64 - (UInt64(bitPattern: end &- begin)).leadingZeroBitCount
    var shift: UInt64 = 0
    while shift < bits {
      var starts = [Int](repeating: 0, count: 2049)
      for key in keys { starts[Int(key.time >> shift & 2047) + 1] += 1 }
      for digit in 0..<2048 { starts[digit + 1] += starts[digit] }
      for key in keys {
        let digit = Int(key.time >> shift & 2047)
        spare[starts[digit]] = key
        starts[digit] += 1
      }
      swap(&keys, &spare)
      shift += 11
    }
  }
}
