// `dataset.json`: what a prepared data set holds and where it came from.

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
  /// Columns beside user, item and time.
  public let attributes: [EventAttribute]
  /// Rows that were read.
  public let rows: Int
  /// Rows that could not be taken and events that rules left out, by reason; reasons without any are absent.
  public let rejected: [String: Int]
  public let dropped: [String: Int]
  /// What the log was cleaned by.
  public let rules: CleaningRules
  /// Stands for the whole content of `sequences.safetensors` and for the split; equal for logs that differ in the order of rows only.
  public let fingerprint: String

  static let formatName = "augur-dataset"
  static let currentVersion = 3
  static let fileName = "dataset.json"
  static let sequencesName = "sequences.safetensors"

  static func tensorName(_ attribute: EventAttribute) -> String {
    switch attribute {
    case .kind: "kinds"
    case .category: "categories"
    case .price: "prices"
    case .quantity: "quantities"
    }
  }

  static func fingerprint(users: Int, items: Int, events: Int, checksum: String, split: DatasetSplit) -> String {
    "u\(users)-i\(items)-e\(events)-\(checksum)-\(split.fingerprint)"
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
    return read
  }
}
