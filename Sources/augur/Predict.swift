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
    let maps = try trustedMaps(of: folder, model)
    guard column == nil || model.answers.count == 1 else {
      throw UserMistake("--column: the model gives \(model.answers.count) answers; leave it out")
    }
    let names = model.answers.map { column ?? (model.answers.count == 1 ? $0.kind.rawValue : "\($0.name)_\($0.kind.rawValue)") }
    let elasticity = model.predictor.price == nil ? [] : ["elasticity"]
    let rows = try writeAnsweredTable(inputs: input, output: output, features: model.features, columns: names + elasticity) { columns in
      model.answers(columns, maps) + (model.predictor.elasticities(columns, 0..<columns.rowCount).map { [$0] } ?? [])
    }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    if json {
      return printJSON([
        "rows": rows, "seconds": number(seconds), "rows_per_second": number(Double(rows) / seconds, digits: 0), "columns": names + elasticity,
        "output": output,
      ])
    }
    print("\(output): \(rows) rows in \(decimal(seconds, places: 2)) s, \(names.joined(separator: " and ")) at the end of each")
  }
}

extension Predict {
  /// By answer, the map of the run. Throws where its probabilities are off on the validation rows, or nobody has looked, unless `--force`.
  private func trustedMaps(of folder: RunFolder, _ model: TrainedTableModel) throws -> [TableCalibration?] {
    let states = try folder.readCalibrationStates(model)
    for (answer, state) in zip(model.answers, states) where answer.kind == .probability {
      switch state {
      case .fitted(let map):
        guard map.isTrusted || force else {
          throw UserMistake("\(runFolder): \(map.distrust(answer, of: model)); augur calibrate --run \(runFolder), or give --force")
        }
      case .unchecked(let reason): writeError("augur: nobody has checked these probabilities\(answer.words(in: model)): \(reason)\n")
      case .missing:
        guard force else {
          throw UserMistake(
            "\(runFolder): nobody has checked its probabilities\(answer.words(in: model)): finish it with augur train --resume, "
              + "augur calibrate --run \(runFolder), or give --force")
        }
      }
    }
    return states.map(\.map)
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
      guard let map = maps[place] else { return outputs[place].map { Float(Calibrator.identity.probability(Double($0))) } }
      return map.probabilities(outputs[place], columns, 0..<columns.rowCount).map { Float($0) }
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
