// One file of a data set: the events of a span of days, user by user, with ids of its own. It never changes when later days come.
import AugurTensors

final class Segment: Sendable {
  let file: SafetensorsFile
  let userCount: Int, itemCount: Int, eventCount: Int
  let itemIDs: StoredStrings
  let labelIDs: [EventAttribute: StoredStrings]
  private nonisolated(unsafe) let offsets: UnsafeBufferPointer<Int64>  // [users + 1]
  /// [events], indices of `itemIDs`.
  nonisolated(unsafe) let items: UnsafeBufferPointer<Int32>
  private nonisolated(unsafe) let sessionOffsets: UnsafeBufferPointer<Int64>  // [sessions + 1]
  nonisolated(unsafe) let times: UnsafeBufferPointer<Int64>?
  nonisolated(unsafe) let numbers: [EventAttribute: UnsafeBufferPointer<Float>]
  nonisolated(unsafe) let labels: [EventAttribute: UnsafeBufferPointer<Int32>]
  /// [items], events of each.
  nonisolated(unsafe) let itemCounts: UnsafeBufferPointer<Int64>
  /// Rows of the log, and the events that were left of them; empty for logs without times.
  let dayRows: DayCounts, dayEvents: DayCounts

  /// Maps the file. Without `checks` sizes are compared, but not the columns themselves: whoever reads them guards what it reads.
  init(
    _ stated: DatasetSegment, _ number: Int, in folder: String, layout: EventLayout, verify: Bool, checks: Bool
  ) throws(EventsError) {
    let path = "\(folder)/\(DatasetDescription.segmentName(number))"
    func damaged(_ problem: String) -> EventsError {
      EventsError(file: path, problem: problem, advice: "make the data set again with augur prepare")
    }
    (userCount, itemCount, eventCount) = (stated.users, stated.items, stated.events)
    do throws(SafetensorsError) {
      file = try SafetensorsFile(path: path, verify: verify ? .required : .skipped)
      offsets = try file.buffer("offsets", as: Int64.self)
      items = try file.buffer("items", as: Int32.self)
      sessionOffsets = try file.buffer("session_offsets", as: Int64.self)
      times = layout.hasTimes ? try file.buffer("timestamps", as: Int64.self) : nil
      itemIDs = try StoredStrings(file, "item_id")
      itemCounts = try file.buffer("item_counts", as: Int64.self)
      var (numbers, labels) = ([EventAttribute: UnsafeBufferPointer<Float>](), [EventAttribute: UnsafeBufferPointer<Int32>]())
      var labelIDs: [EventAttribute: StoredStrings] = [:]
      for attribute in layout.attributes {
        let name = DatasetDescription.tensorName(attribute)
        if attribute.isNumber {
          numbers[attribute] = try file.buffer(name, as: Float.self)
        } else {
          labels[attribute] = try file.buffer(name, as: Int32.self)
          labelIDs[attribute] = try StoredStrings(file, "\(attribute)_id")
        }
      }
      (self.numbers, self.labels, self.labelIDs) = (numbers, labels, labelIDs)
      let days = try file.array("days", as: Int64.self)
      guard let rows = DayCounts(days: days, counts: try file.array("day_rows", as: Int64.self)),
        let events = DayCounts(days: days, counts: try file.array("day_events", as: Int64.self))
      else { throw SafetensorsError(path: path, kind: .damaged, problem: "the counts of its days cannot be") }
      (dayRows, dayEvents) = (rows, events)
    } catch { throw EventsError(error, advice: "make the data set again with augur prepare") }
    guard file.checksum == stated.checksum else { throw damaged("does not belong to its dataset.json") }
    let (events, columns) = (eventCount, [items.count, times?.count ?? eventCount] + numbers.values.map(\.count) + labels.values.map(\.count))
    guard userCount >= 0, itemCount >= 0, offsets.count - 1 == userCount, columns.allSatisfy({ $0 == events }),
      sessionOffsets.count - 1 == stated.sessions, itemIDs.count == itemCount, itemCounts.count == itemCount,
      times == nil || dayEvents.total == events && dayRows.total == stated.rows
    else { throw damaged("tensor sizes do not fit together") }
    guard checks else { return }
    guard offsets.rises(to: events), sessionOffsets.risesAnywhere(to: events) else { throw damaged("offsets do not rise") }
    guard Self.areIndices(items, of: itemCount), labels.allSatisfy({ Self.areIndices($0.value, of: labelIDs[$0.key]?.count ?? 0) })
    else { throw damaged("an index is out of range") }
  }

  private static func areIndices(_ column: UnsafeBufferPointer<Int32>, of count: Int) -> Bool {
    column.allSatisfyReleasing { $0 >= 0 && $0 < count }
  }

  /// The events of a user of this file.
  func range(_ place: Int) -> Range<Int> { Int(offsets[place])..<Int(offsets[place + 1]) }

  /// The same where the offsets were not checked; nil where they are damaged.
  func checkedRange(_ place: Int) -> Range<Int>? {
    let (start, end) = (offsets[place], offsets[place + 1])
    return start >= 0 && start <= end && end <= Int64(eventCount) ? Int(start)..<Int(end) : nil
  }

  /// Places in `events` at which a session begins; sessions may have begun in an earlier file.
  func sessionStarts(in events: Range<Int>) -> ArraySlice<Int> {
    let first = sessionOffsets.count(before: Int64(events.lowerBound))
    var starts: [Int] = []
    for place in first..<max(first, sessionOffsets.count - 1) {
      guard sessionOffsets[place] < Int64(events.upperBound) else { break }
      starts.append(Int(sessionOffsets[place]))
    }
    return starts[...]
  }

  /// The items of these users in the file.
  func itemBytes(ofUsers places: Range<Int>) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: items[events(ofUsers: places)]))
  }

  /// Takes the columns out of the process; reading brings them back.
  func releaseColumns() {
    releasePages(UnsafeRawBufferPointer(offsets))
    releasePages(UnsafeRawBufferPointer(sessionOffsets))
    releasePages(UnsafeRawBufferPointer(items))
    if let times { releasePages(UnsafeRawBufferPointer(times)) }
    for labels in labels.values { releasePages(UnsafeRawBufferPointer(labels)) }
  }

  private func events(ofUsers places: Range<Int>) -> Range<Int> {
    places.isEmpty ? 0..<0 : range(places.lowerBound).lowerBound..<range(places.upperBound - 1).upperBound
  }
}
