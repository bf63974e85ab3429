// `dataset.json`: what a prepared data set holds and where it came from.
import AugurTensors

/// The contents of `dataset.json`.
public struct DatasetDescription: Codable, Sendable, Equatable {
  public let format: String
  public let version: Int
  public let users: Int
  public let items: Int
  public let events: Int
  public let sessions: Int
  public let split: DatasetSplit
  public let hasTimestamps: Bool
  public let hasItemNames: Bool
  /// The files that hold the events, oldest days first.
  public let segments: [DatasetSegment]
  /// Checksum of the file that unites their users and items.
  public let indexChecksum: String
  /// Columns beside user, item and time.
  public let attributes: [EventAttribute]
  /// Rows that were read.
  public let rows: Int
  /// Rows that could not be taken and events that rules left out, by reason; reasons without any are absent.
  public let rejected: [String: Int]
  public let dropped: [String: Int]
  /// What the log was cleaned by.
  public let rules: CleaningRules
  /// Stands for the whole content of the files and for the split; equal for logs that differ in the order of rows only.
  public let fingerprint: String

  var layout: EventLayout { EventLayout(hasTimes: hasTimestamps, attributes: attributes, hasNames: hasItemNames) }

  static let formatName = "augur-dataset"
  static let currentVersion = 4
  static let fileName = "dataset.json"
  static let indexName = "index.safetensors"
  static let mostSegments = 4096

  static func segmentName(_ number: Int) -> String { number == 0 ? "sequences.safetensors" : "sequences-\(number).safetensors" }

  /// Whether a data set may have a file of this name.
  static func isFileName(_ name: some StringProtocol) -> Bool {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    if name == fileName || name == indexName || name == segmentName(0) { return true }
    guard parts.count == 2, parts[1] == "safetensors", parts[0].hasPrefix("sequences-"), let number = Int(parts[0].dropFirst(10)) else {
      return false
    }
    return number > 0 && segmentName(number) == name
  }

  static func tensorName(_ attribute: EventAttribute) -> String {
    switch attribute {
    case .kind: "kinds"
    case .category: "categories"
    case .price: "prices"
    case .quantity: "quantities"
    }
  }

  static func fingerprint(
    users: Int, items: Int, events: Int, segments: [DatasetSegment], indexChecksum: String, split: DatasetSplit
  ) -> String {
    let checksums = Array((segments.map(\.checksum) + [indexChecksum]).joined().utf8)
    let checksum = checksumText(checksums.withUnsafeBytes { crc32c($0) })
    return "u\(users)-i\(items)-e\(events)-\(checksum)-\(split.fingerprint)"
  }

  func write(to folder: String) throws(EventsError) { try writeDescription(self, to: folder) }

  static func read(from folder: String) throws(EventsError) -> DatasetDescription {
    let file = try DescriptionFile(folder)
    guard file.format == formatName else {
      if file.format == TableDescription.formatName {
        throw EventsError(
          file: folder, problem: "holds a labelled table, not histories of events",
          advice: "give a data set made with augur prepare --format events, pairs or sequences")
      }
      throw file.damaged("not the description of an Augur data set")
    }
    let read = try file.decode(DatasetDescription.self, version: currentVersion)
    guard read.split.kind != .time || read.hasTimestamps else { throw file.damaged("a split by time of a log without times") }
    let (events, sessions) = (read.segments.map(\.events), read.segments.map(\.sessions))
    guard (1...mostSegments).contains(events.count), (events + sessions).allSatisfy({ (0...1 << 48).contains($0) }),
      read.segments.allSatisfy({ $0.rows >= 0 && $0.rows <= 1 << 48 && $0.firstDay >= 0 && $0.firstDay <= $0.lastDay && $0.lastDay < 1 << 32 }),
      events.reduce(0, +) == read.events, sessions.reduce(0, +) == read.sessions
    else { throw file.damaged("its segments do not fit together") }
    guard read.segments.count > 1 || read.segments[0].users == read.users && read.segments[0].items == read.items else {
      throw file.damaged("its only segment has other users or items")
    }
    // Sums over runs must not overflow.
    let tallies = [read.rows] + read.rejected.values + read.dropped.values
    guard tallies.allSatisfy({ (0...1 << 48).contains($0) }) else { throw file.damaged("a count of rows cannot be") }
    guard read.users > 0, read.items > 0, read.users <= Int(Int32.max), read.items <= Int(Int32.max) else {
      throw file.damaged("it cannot have \(read.users) users and \(read.items) items")
    }
    let fingerprint = fingerprint(
      users: read.users, items: read.items, events: read.events, segments: read.segments, indexChecksum: read.indexChecksum, split: read.split)
    guard fingerprint == read.fingerprint else { throw file.damaged("its fingerprint is not that of its content") }
    return read
  }
}

/// One file of a data set: the events of whole days.
public struct DatasetSegment: Codable, Sendable, Equatable {
  public let users: Int
  public let items: Int
  public let events: Int
  /// Sessions that begin in it.
  public let sessions: Int
  /// Days since 1970 (UTC), and the rows of the log that lie in them; all days for a log without times.
  public let firstDay: Int
  public let lastDay: Int
  public let rows: Int
  /// Of the file.
  public let checksum: String

  var span: SegmentSpan { SegmentSpan(firstDay: firstDay, lastDay: lastDay, rows: rows) }
}
