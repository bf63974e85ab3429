// A table made of a synthetic log, with what is true of its rows.
public import AugurEvents
import AugurTensors
import Foundation

/// What `prepareTable` and the judge need of an assembled table.
public struct SyntheticTable: Sendable {
  public let path: String
  public let labels: [String]
  public let split: SplitKind
  /// Columns of numbers that are codes.
  public var categorical: [String] = []
  /// The column that tells how much each row counts.
  public var weight: String?
  public let judge: SyntheticJudge
  /// Whom the numbers are about, and what the rows know.
  public let protocolText: String
}

/// Lines of CSV in the making.
struct TableLines {
  private var text: String
  private(set) var rows = 0

  init(_ header: String) { text = header + "\n" }

  mutating func add(_ cells: [String]) {
    text += cells.joined(separator: ",")
    text += "\n"
    rows += 1
  }

  func write(to path: String) throws(TrainingError) {
    do throws(SafetensorsError) { try writeFileDurably(path: path, text: text) } catch { throw .save("\(error)") }
  }
}

/// A number as a cell: six significant digits.
func cell(_ value: Double) -> String { value.isFinite ? String(format: "%.6g", value) : "" }
