// `index.safetensors`: the users, items and labels of a whole data set, and which of them each segment's own are.
import AugurTensors

/// Users lie in byte order, items by falling count, labels in byte order. A data set of one segment has no maps: its own order is
/// that of the whole.
final class DatasetIndex: Sendable {
  let file: SafetensorsFile
  let userIDs: StoredStrings, itemIDs: StoredStrings
  let itemNames: StoredStrings?
  let labelIDs: [EventAttribute: StoredStrings]
  // The maps of the segments that were asked for; empty where the data set has one segment.
  /// [segments], user by user of the segment, rising.
  nonisolated(unsafe) let users: [UnsafeBufferPointer<Int32>]
  /// [segments], the same the other way round.
  let places: [UserPlaces]
  nonisolated(unsafe) let items: [UnsafeBufferPointer<Int32>]
  nonisolated(unsafe) let labels: [EventAttribute: [UnsafeBufferPointer<Int32>]]

  /// Maps the file and checks it; reads the maps of `segments` only.
  init(_ description: DatasetDescription, in folder: String, segments: Range<Int>, verify: Bool) throws(EventsError) {
    let path = "\(folder)/\(DatasetDescription.indexName)"
    do throws(SafetensorsError) {
      let file = try SafetensorsFile(path: path, verify: verify ? .required : .skipped)
      self.file = file
      (userIDs, itemIDs) = (try StoredStrings(file, "user_id"), try StoredStrings(file, "item_id"))
      itemNames = description.hasItemNames ? try StoredStrings(file, "item_name") : nil
      var labelIDs: [EventAttribute: StoredStrings] = [:]
      for attribute in description.attributes where !attribute.isNumber {
        labelIDs[attribute] = try StoredStrings(file, "\(attribute)_id")
      }
      self.labelIDs = labelIDs
      let numbers = description.segments.count > 1 ? Array(segments) : []
      func maps(_ name: String) throws(SafetensorsError) -> [UnsafeBufferPointer<Int32>] {
        try numbers.map { number throws(SafetensorsError) in try file.buffer(Self.mapName(number, name), as: Int32.self) }
      }
      (users, items) = (try maps(Self.userMap), try maps(Self.itemMap))
      var labels: [EventAttribute: [UnsafeBufferPointer<Int32>]] = [:]
      for attribute in labelIDs.keys { labels[attribute] = try maps(DatasetDescription.tensorName(attribute)) }
      self.labels = labels
    } catch { throw EventsError(error, advice: "make the data set again with augur prepare") }
    func damaged(_ problem: String) -> EventsError {
      EventsError(file: path, problem: problem, advice: "make the data set again with augur prepare")
    }
    guard file.checksum == description.indexChecksum else { throw damaged("does not belong to its dataset.json") }
    guard userIDs.count == description.users, itemIDs.count == description.items, itemNames == nil || itemNames?.count == itemIDs.count
    else { throw damaged("tensor sizes do not fit together") }
    let userCount = description.users
    places = users.map { UserPlaces($0, of: userCount) }
    for place in users.indices {
      let (number, stated) = (segments.lowerBound + place, description.segments[segments.lowerBound + place])
      guard users[place].count == stated.users, items[place].count == stated.items,
        Self.areIndices(users[place], of: userIDs.count, rise: true), Self.areIndices(items[place], of: itemIDs.count, rise: false),
        labels.allSatisfy({ entry in Self.areIndices(entry.value[place], of: labelIDs[entry.key]?.count ?? 0, rise: true) })
      else { throw damaged("the maps of segment \(number) do not fit it") }
    }
  }

  private static func areIndices(_ map: UnsafeBufferPointer<Int32>, of count: Int, rise: Bool) -> Bool {
    var least: Int32 = 0
    return map.allSatisfyReleasing { index in
      defer { if rise { least = index &+ 1 } }
      return index >= least && index < count
    }
  }

  static let userMap = "users", itemMap = "items"
  static func mapName(_ number: Int, _ name: String) -> String { "segment_\(number)_\(name)" }
}

/// Where users lie in a segment: a bit for each user of the data set, and how many bits are set before each word of them.
struct UserPlaces: Sendable {
  private var bits: [UInt64]
  private var before: [Int32]

  /// Users outside `0..<count` are left out.
  init(_ users: UnsafeBufferPointer<Int32>, of count: Int) {
    bits = [UInt64](repeating: 0, count: count / 64 + 1)
    before = [Int32](repeating: 0, count: bits.count)
    bits.withUnsafeMutableBufferPointer { bits in
      _ = users.allSatisfyReleasing { user in
        if user >= 0, user < count { bits[Int(user) >> 6] |= 1 << UInt64(user & 63) }
        return true
      }
    }
    for word in bits.indices.dropFirst() { before[word] = before[word - 1] + Int32(bits[word - 1].nonzeroBitCount) }
  }

  /// The place of a user; nil where it has none.
  subscript(user: Int) -> Int? {
    let (word, bit) = (bits[user >> 6], UInt64(1) << UInt64(user & 63))
    return word & bit == 0 ? nil : Int(before[user >> 6]) + (word & (bit - 1)).nonzeroBitCount
  }
}
