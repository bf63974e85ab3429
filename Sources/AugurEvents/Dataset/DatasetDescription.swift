// `dataset.json`: what a prepared data set holds and where it came from.
import AugurTensors
import FoundationEssentials

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

  func write(to folder: String) throws(EventsError) {
    let path = "\(folder)/\(Self.fileName)"
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    guard let json = try? encoder.encode(self) else {
      throw EventsError(file: path, problem: "cannot encode it", advice: "report this as a bug")
    }
    do throws(SafetensorsError) {
      try writeFileDurably(path: path, bytes: Array(json) + [DelimitedReader.newline])
    } catch { throw EventsError(error) }
  }

  static func read(from folder: String) throws(EventsError) -> DatasetDescription {
    let path = "\(folder)/\(fileName)"
    let file: MappedFile
    do throws(SafetensorsError) { file = try MappedFile(path: path) } catch {
      throw EventsError(error, advice: "is '\(folder)' a data set made by augur prepare?")
    }
    func damaged(_ problem: String) -> EventsError {
      EventsError(file: path, problem: problem, advice: "make the data set again with augur prepare")
    }
    guard file.bytes.count <= 1 << 20 else {
      throw damaged("\(file.bytes.count) bytes are too many for a data set description")
    }
    struct Head: Decodable {
      let format: String
      let version: Int
    }
    let data = Data(file.bytes)
    guard let head = try? JSONDecoder().decode(Head.self, from: data), head.format == formatName else {
      throw damaged("not the description of an Augur data set")
    }
    guard head.version == currentVersion else {
      throw damaged("format version \(head.version), this program reads \(currentVersion)")
    }
    guard let read = try? JSONDecoder().decode(DatasetDescription.self, from: data) else {
      throw damaged("a key is missing or has a wrong value")
    }
    guard read.split.kind != .time || read.hasTimestamps else { throw damaged("a split by time of a log without times") }
    return read
  }
}
