// `dataset.json` of a labelled table: what it holds and where it came from.
import AugurTensors
import FoundationEssentials

/// A label beside the first.
public struct FurtherLabel: Codable, Sendable, Equatable {
  public let label: LabelColumn
  public let task: TableTask
  /// Rows of class 1 by part; empty for values.
  public let positives: [Int]
}

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
  /// Other columns that are predicted too, or that a loss needs; nil without them.
  public let furtherLabels: [FurtherLabel]?
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

  /// Name and task of every label, the first one first.
  public var labels: [(name: String, task: TableTask)] {
    [(label.column, task)] + (furtherLabels ?? []).map { ($0.label.column, $0.task) }
  }

  /// The tensor of a label.
  static func labelName(_ place: Int) -> String { place == 0 ? "label" : "label/\(place)" }

  static func fingerprint(rows: Int, columns: String, features: String, parts: [Int]) -> String {
    "r\(rows)-\(columns)-\(features)-\(parts.map(String.init).joined(separator: "."))"
  }

  func write(to folder: String) throws(EventsError) { try writeDescription(self, to: folder) }

  package static func read(from folder: String) throws(EventsError) -> TableDescription {
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
