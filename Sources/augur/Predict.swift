// Answers for the rows of a table: a probability or a value beside each.
import ArgumentParser
import AugurEvents
import AugurMetrics
import AugurModels
import AugurTraining
import Foundation

struct Predict: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Answers rows of a table: the probability of class 1, the value or the time, beside each.",
    discussion: "Rows go through the features of the run, so values that training never saw are answered as its rare ones were.")
  @Option(name: .customLong("run"), help: "Run folder of a table model.") var runFolder: String
  @Option(
    parsing: .upToNextOption, help: "CSV, TSV, JSON lines or Parquet with the columns of the features; - is standard input.")
  var input: [String]
  @Option(help: "CSV to write: the rows as they are, with the answers in the last columns.") var output: String
  @Option(help: "Name of that column; probability, value or time by default, behind the label of each where there are several.") var column: String?
  @Flag(help: "Answer although the probabilities are off on the validation rows.") var force = false
  @OptionGroup var place: DeviceOptions
  @Flag(help: "One JSON object.") var json = false

  func run() throws {
    let start = ContinuousClock.now
    let folder = RunFolder(runFolder)
    let settings = try readTableSettings(folder)
    let model = try TrainedTableModel(folder, data: settings.dataPath, device: try place.open())
    let maps = try folder.readCalibrations(model)
    for (answer, map) in zip(model.answers, maps) where answer.kind == .probability {
      if let map, !map.isTrusted, !force {
        throw UserMistake("\(runFolder): \(map.distrust(answer, of: model)); augur calibrate --run \(runFolder), or give --force")
      }
      if map == nil { writeError("augur: nobody has checked these probabilities: the run has no calibration\(answer.words(in: model))\n") }
    }
    guard column == nil || model.answers.count == 1 else {
      throw UserMistake("--column: the model gives \(model.answers.count) answers; leave it out")
    }
    let names = model.answers.map { column ?? (model.answers.count == 1 ? $0.kind.rawValue : "\($0.name)_\($0.kind.rawValue)") }
    let rows = try writeAnsweredTable(inputs: input, output: output, features: model.features, columns: names) { columns in
      model.answers(columns, maps)
    }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    if json {
      return printJSON([
        "rows": rows, "seconds": number(seconds), "rows_per_second": number(Double(rows) / seconds, digits: 0), "columns": names,
        "output": output,
      ])
    }
    print("\(output): \(rows) rows in \(decimal(seconds, places: 2)) s, \(names.joined(separator: " and ")) at the end of each")
  }
}

/// Whether `--model` or a run of that name is about tables.
func isTableModel(_ name: String) -> Bool { TableMethod.named(name) != nil }

extension TrainedTableModel {
  /// By answer, a probability, a value or a time for each row.
  func answers(_ columns: TableColumns, _ maps: [TableCalibration?]) -> [[Float]] {
    let outputs = predictor.outputs(columns, 0..<columns.rowCount)
    return answers.indices.map { place in
      guard answers[place].kind == .probability else { return outputs[place] }
      let map = maps[place]?.calibrator ?? .identity
      return outputs[place].map { Float(map.probability(Double($0))) }
    }
  }
}

extension TableObjective.Answer {
  /// Which of several answers this is, to put behind a line.
  func words(in model: TrainedTableModel) -> String { model.answers.count == 1 ? "" : " of '\(name)'" }
}

extension TableCalibration {
  func distrust(_ answer: TableObjective.Answer, of model: TrainedTableModel) -> String { distrust + answer.words(in: model) }
}
