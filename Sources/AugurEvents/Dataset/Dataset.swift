// A prepared data set, memory-mapped and checked on opening.
import AugurTensors

/// Histories of B users over V items, T events.
public final class Dataset: Sendable {
  public let path: String
  public let description: DatasetDescription
  public var userCount: Int { description.users }
  public var itemCount: Int { description.items }
  public var eventCount: Int { description.events }
  /// Names the content; a run refuses a data set with another one.
  public var fingerprint: String { description.fingerprint }

  /// Oldest first: a user's history goes through them in order.
  let segments: [Segment]
  let index: DatasetIndex
  /// Whether users, items and labels of segments have numbers of their own.
  private var isMapped: Bool { description.segments.count > 1 }

  /// Opens a folder made by `prepareDataset`; reads it once to verify checksums unless `verify` is false.
  public convenience init(path: String, verify: Bool = true) throws(EventsError) {
    let description = try DatasetDescription.read(from: path)
    try self.init(path, description, segments: 0..<description.segments.count, verify: verify, checks: true)
  }

  /// Opens some of the segments: other events are as if they were not there.
  /// Without `checks` the columns of segments are not read, so histories may not be asked for.
  init(_ path: String, _ description: DatasetDescription, segments: Range<Int>, verify: Bool, checks: Bool) throws(EventsError) {
    (self.path, self.description) = (path, description)
    self.segments = try segments.map { number throws(EventsError) in
      try Segment(description.segments[number], number, in: path, layout: description.layout, verify: verify, checks: checks)
    }
    index = try DatasetIndex(description, in: path, segments: segments, verify: verify || !checks)
    for (number, segment) in self.segments.enumerated() {
      let fits = segment.labelIDs.allSatisfy { attribute, own in
        (description.segments.count > 1 ? index.labels[attribute]?[number].count : index.labelIDs[attribute]?.count) == own.count
      }
      guard fits else {
        throw EventsError(
          file: index.file.path, problem: "the labels of segment \(segments.lowerBound + number) do not fit it",
          advice: "make the data set again with augur prepare")
      }
    }
  }

  /// The first segments of another: later events are as if they were not there.
  init(_ whole: Dataset, first count: Int) {
    (path, description, index, segments) = (whole.path, whole.description, whole.index, Array(whole.segments[..<count]))
  }

  /// The items of a user, oldest first. Precondition: `user` in `0..<userCount`.
  public func history(_ user: Int) -> DatasetSlice<Int32> { items(user, nil) }

  /// Some of a user's items, places of the history. Precondition: they lie in it.
  func history(_ user: Int, _ range: Range<Int>) -> DatasetSlice<Int32> { items(user, range) }

  /// Epoch milliseconds beside `history`; nil for logs without time.
  public func timestamps(_ user: Int) -> DatasetSlice<Int64>? {
    description.hasTimestamps ? column(user) { segment in segment.times } : nil
  }

  /// Prices or quantities beside `history`, NaN where one is missing; nil where the log has none.
  public func numbers(_ user: Int, _ attribute: EventAttribute) -> DatasetSlice<Float>? {
    hasColumn(attribute, number: true) ? column(user) { segment in segment.numbers[attribute] } : nil
  }

  /// Indices of kinds or categories beside `history`, in 0..<labelCount; nil where the log has none.
  public func labels(_ user: Int, _ attribute: EventAttribute) -> DatasetSlice<Int32>? {
    guard hasColumn(attribute, number: false) else { return nil }
    return column(user, through: { number in self.index.labels[attribute]?[number] }) { segment in segment.labels[attribute] }
  }

  private func hasColumn(_ attribute: EventAttribute, number: Bool) -> Bool {
    attribute.isNumber == number && description.attributes.contains(attribute)
  }

  public func labelCount(_ attribute: EventAttribute) -> Int { index.labelIDs[attribute]?.count ?? 0 }
  /// The text of a kind or category. Precondition: `index` in `0..<labelCount(attribute)`.
  public func label(_ attribute: EventAttribute, _ index: Int) -> String { self.index.labelIDs[attribute]?[index] ?? "" }

  /// Events of a user.
  public func eventCount(ofUser user: Int) -> Int {
    withParts(user) { parts in parts.reduce(0) { $0 + $1.events.count } }
  }

  /// Events of a user before two moments, the second not earlier; 0 for logs without times.
  func eventCounts(ofUser user: Int, before first: Int64, and second: Int64) -> (first: Int, second: Int) {
    withParts(user) { parts in
      var counts = (first: 0, second: 0)
      for part in parts {
        guard let times = segments[part.segment].times else { break }
        let own = UnsafeBufferPointer(rebasing: times[part.events])
        counts.first += own.count(before: first)
        counts.second += own.count(before: second)
      }
      return counts
    }
  }

  /// The raw id of an item. Precondition: `index` in `0..<itemCount`.
  public func itemID(_ index: Int) -> String { self.index.itemIDs[index] }
  /// The raw id of a user. Precondition: `index` in `0..<userCount`.
  public func userID(_ index: Int) -> String { self.index.userIDs[index] }
  /// The readable name of an item, nil when the log has none.
  public func itemName(_ index: Int) -> String? { self.index.itemNames.flatMap { $0[index].isEmpty ? nil : $0[index] } }
  /// The index of a raw item id; the first call builds a table over V ids.
  public func itemIndex(ofRawID id: String) -> Int? { index.itemIDs.index(of: id) }
  /// The index of a raw user id; the first call builds a table over B ids.
  public func userIndex(ofRawID id: String) -> Int? { index.userIDs.index(of: id) }

  /// The sessions of a user as ranges of `history`, oldest first.
  public func sessions(_ user: Int) -> [Range<Int>] {
    var starts: [Int] = []
    var count = 0
    withParts(user) { parts in
      for part in parts {
        starts += segments[part.segment].sessionStarts(in: part.events).map { $0 - part.events.lowerBound + count }
        count += part.events.count
      }
    }
    guard count > 0 else { return [] }
    // A damaged file may lack the first one.
    if starts.first != 0 { starts.insert(0, at: 0) }
    return starts.indices.map { starts[$0]..<($0 + 1 < starts.count ? starts[$0 + 1] : count) }
  }

  // MARK: - Across segments

  private struct Part {
    let segment: Int
    let events: Range<Int>
  }

  /// Calls `body` with the user's events in each segment that has some, oldest first.
  private func withParts<R>(_ user: Int, _ body: (UnsafeBufferPointer<Part>) -> R) -> R {
    precondition(user >= 0 && user < userCount, "Dataset: expected a user in 0..<\(userCount), got \(user)")
    return withUnsafeTemporaryAllocation(of: Part.self, capacity: segments.count) { parts in
      var count = 0
      for number in segments.indices {
        guard let place = place(of: user, in: number) else { continue }
        parts.initializeElement(at: count, to: Part(segment: number, events: segments[number].range(place)))
        count += 1
      }
      return body(UnsafeBufferPointer(rebasing: parts[..<count]))
    }
  }

  /// Where a user is in a segment; nil where it has no events there.
  func place(of user: Int, in number: Int) -> Int? {
    isMapped ? index.places[number][user] : user
  }

  private func items(_ user: Int, _ range: Range<Int>?) -> DatasetSlice<Int32> {
    column(user, range, through: { self.index.items[$0] }) { segment in segment.items }
  }

  /// A column of a user, in place where the data set has one segment, else a copy of its parts with the numbers of the whole.
  private func column<Element>(
    _ user: Int, _ range: Range<Int>? = nil, through map: ((Int) -> UnsafeBufferPointer<Int32>?)? = nil,
    _ values: (Segment) -> UnsafeBufferPointer<Element>?
  ) -> DatasetSlice<Element> {
    withParts(user) { parts in
      let count = parts.reduce(0) { $0 + $1.events.count }
      let range = range ?? 0..<count
      precondition(range.upperBound <= count, "Dataset: expected events of 0..<\(count), got \(range)")
      if !isMapped, let column = values(segments[0]) {
        let first = parts[0].events.lowerBound
        let part = UnsafeBufferPointer(rebasing: column[first + range.lowerBound..<first + range.upperBound])
        return DatasetSlice(owner: segments[0].file, buffer: part)
      }
      let copy = GatheredColumn<Element>(capacity: range.count)
      var start = 0
      for part in parts {
        let wanted = range.clamped(to: start..<start + part.events.count)
        if !wanted.isEmpty, let column = values(segments[part.segment]) {
          let first = part.events.lowerBound - start
          copy.append(column[first + wanted.lowerBound..<first + wanted.upperBound], through: map?(part.segment))
        }
        start += part.events.count
      }
      return DatasetSlice(owner: copy, buffer: UnsafeBufferPointer(copy.values))
    }
  }

  /// What a segment's own numbers are in the whole.
  func user(_ place: Int, ofSegment number: Int) -> Int { isMapped ? Int(index.users[number][place]) : place }
  func item(_ place: Int, ofSegment number: Int) -> Int { isMapped ? Int(index.items[number][place]) : place }
  func label(_ place: Int, _ attribute: EventAttribute, ofSegment number: Int) -> Int {
    isMapped ? index.labels[attribute].map { Int($0[number][place]) } ?? place : place
  }

  /// The items of these users and nothing else, as they lie in the files.
  func forEachItemColumn(ofUsers users: ClosedRange<Int>, _ body: (UnsafeRawBufferPointer) -> Void) {
    for number in segments.indices { body(segments[number].itemBytes(ofUsers: places(of: users, in: number))) }
  }

  /// Takes all that splits and their check read out of the process; reading brings it back. Not by users: looking for them in the columns
  /// would bring other pages in.
  func releaseColumns() {
    for number in segments.indices {
      if isMapped { releasePages(UnsafeRawBufferPointer(index.users[number])) }
      segments[number].releaseColumns()
    }
  }

  private func places(of users: ClosedRange<Int>, in number: Int) -> Range<Int> {
    guard isMapped else { return users.lowerBound..<users.upperBound + 1 }
    let map = index.users[number]
    return map.count(before: Int32(truncatingIfNeeded: users.lowerBound))..<map.count(before: Int32(clamping: users.upperBound + 1))
  }
}

/// A part of a history that lies in several segments.
private final class GatheredColumn<Element: BitwiseCopyable & Sendable>: @unchecked Sendable {
  private(set) var values: UnsafeMutableBufferPointer<Element>
  private let memory: UnsafeMutableBufferPointer<Element>

  init(capacity: Int) {
    memory = .allocate(capacity: capacity)
    values = UnsafeMutableBufferPointer(rebasing: memory[..<0])
  }

  deinit { memory.deallocate() }

  func append(_ part: Slice<UnsafeBufferPointer<Element>>, through map: UnsafeBufferPointer<Int32>?) {
    let start = values.count
    values = UnsafeMutableBufferPointer(rebasing: memory[..<(start + part.count)])
    _ = UnsafeMutableBufferPointer(rebasing: values[start...]).initialize(from: part)
    guard let map else { return }
    UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(values)[(start * MemoryLayout<Element>.stride)...])
      .withMemoryRebound(to: Int32.self) { indices in for place in indices.indices { indices[place] = map[Int(indices[place])] } }
  }
}
