// Answers for the rows of a table: a probability or a value beside each.
import ArgumentParser
import AugurEvents
import AugurMetrics
import AugurModels
import AugurTraining
import Foundation

struct Predict: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Answers rows of a table: the probability of class 1, or the value, beside each.",
    discussion: "Rows go through the features of the run, so values that training never saw are answered as its rare ones were.")
  @Option(name: .customLong("run"), help: "Run folder of a table model.") var runFolder: String
  @Option(
    parsing: .upToNextOption, help: "CSV, TSV, JSON lines or Parquet with the columns of the features; - is standard input.")
  var input: [String]
  @Option(help: "CSV to write: the rows as they are, with the answer as the last column.") var output: String
  @Option(help: "Name of that column; probability or value by default.") var column: String?
  @Flag(help: "Answer although the probabilities are off on the validation rows.") var force = false
  @OptionGroup var place: DeviceOptions
  @Flag(help: "One JSON object.") var json = false

  func run() throws {
    let start = ContinuousClock.now
    let folder = RunFolder(runFolder)
    let settings = try readTableSettings(folder)
    let model = try TrainedTableModel(folder, data: settings.dataPath, device: try place.open())
    let calibration = model.isBinary ? try folder.readCalibration() : nil
    if let calibration, !calibration.isTrusted, !force {
      throw UserMistake("\(runFolder): \(calibration.distrust); augur calibrate --run \(runFolder), or give --force")
    }
    if model.isBinary, calibration == nil {
      writeError("augur: nobody has checked these probabilities: the run has no calibration\n")
    }
    let name = column ?? (model.isBinary ? "probability" : "value")
    let rows = try writeAnsweredTable(inputs: input, output: output, features: model.features, column: name) { columns in
      model.answers(columns, calibration?.calibrator)
    }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    if json {
      return printJSON([
        "rows": rows, "seconds": number(seconds), "rows_per_second": number(Double(rows) / seconds, digits: 0), "column": name,
        "output": output,
      ])
    }
    print("\(output): \(rows) rows in \(decimal(seconds, places: 2)) s, \(name) in the last column")
  }
}

/// Whether `--model` or a run of that name is about tables.
func isTableModel(_ name: String) -> Bool { TableMethod.named(name) != nil }

extension TrainedTableModel {
  /// A probability or a value for each row.
  func answers(_ columns: TableColumns, _ calibrator: Calibrator?) -> [Float] {
    let outputs = predictor.outputs(columns, 0..<columns.rowCount)
    guard isBinary else { return outputs }
    let map = calibrator ?? .identity
    return outputs.map { Float(map.probability(Double($0))) }
  }
}
