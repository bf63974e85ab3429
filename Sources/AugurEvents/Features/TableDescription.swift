// `dataset.json` of a labelled table: what it holds and where it came from.
import AugurTensors
import FoundationEssentials

/// The contents of `dataset.json` where a data set is a table.
public struct TableDescription: Codable, Sendable, Equatable {
  public let format: String
  public let version: Int
  public let rows: Int
  /// Rows of training, validation and test; they lie in this order.
  public let parts: [Int]
  public let task: TableTask
  /// Rows of class 1 by part; empty for regression.
  public let positives: [Int]
  public let label: LabelColumn
  public let split: TableSplit
  public let features: Int
  public let hasWeights: Bool
  public let hasFolds: Bool
  /// What the leak detector and the inference said, a line each.
  public let warnings: [String]
  /// Stands for the whole content: columns, features and the division.
  public let fingerprint: String

  static let formatName = "augur-table"
  static let currentVersion = 1
  static let columnsName = "table.safetensors"
  static let featuresName = "features.safetensors"
  /// Files of a folder that holds a table.
  static let files = [DatasetDescription.fileName, columnsName, featuresName, FeatureList.fileName]

  static func fingerprint(rows: Int, columns: String, features: String, parts: [Int]) -> String {
    "r\(rows)-\(columns)-\(features)-\(parts.map(String.init).joined(separator: "."))"
  }

  func write(to folder: String) throws(EventsError) { try writeDescription(self, to: folder) }

  static func read(from folder: String) throws(EventsError) -> TableDescription {
    let file = try DescriptionFile(folder)
    guard file.format == formatName else {
      if file.format == DatasetDescription.formatName {
        throw EventsError(
          file: folder, problem: "holds histories of events, not a labelled table",
          advice: "give a data set made with augur prepare --format table --label COLUMN")
      }
      throw file.damaged("not the description of an Augur data set")
    }
    return try file.decode(TableDescription.self, version: currentVersion)
  }
}
