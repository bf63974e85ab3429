// `augur train` and `augur evaluate` of models of labelled rows.
import ArgumentParser
import AugurCompute
import AugurEvents
import AugurMetrics
import AugurModels
import AugurTensors
import AugurTraining
import Foundation

extension Train {
  /// Trains a table model; the same options as for next-item models.
  func runTable(_ entry: TableModelEntry) throws {
    var (modelKnobs, planKnobs) = (Hyperparameters(entry.hyperparameters), Hyperparameters(TrainingPlan.tableKnobs))
    try applyKnobs(&modelKnobs, &planKnobs)
    guard !plan else { throw UserMistake("--plan: predicts runs of next-item models; \(entry.name) is a model of tables") }
    guard let output else { throw UserMistake("--output: expected a run folder") }
    let device = try place.open()
    let table = try TableDataset(path: data)
    let trainer = try makeTableTrainer(entry.name, modelKnobs, planKnobs, table, device, seed: seed, output: output, resume: resume)
    if !json {
      print("\(entry.name) on \(device): \(trainer.parameterCount) parameters, \(trainer.batchesPerEpoch) steps an epoch")
      if let warning = smallnessWarning(table) { writeError("augur: \(warning)\n") }
    }
    try runTrainer(trainer, TrainingLine(of: table, trainer.knobs), json: json, eachStep: eachStep)
  }
}

/// What a result on so few rows is worth; nil for enough of them.
func smallnessWarning(_ table: TableDataset) -> String? {
  let rows = table.rows(.training).count
  return rows < 100 ? "\(rows) training rows prove nothing: whatever comes out may be chance" : nil
}

extension TrainingLine {
  init(of table: TableDataset, _ knobs: Hyperparameters) {
    let isBinary = table.description.task == .binary
    self.init(metric: isBinary ? "AUC" : "RMSE", sign: isBinary ? 1 : -1, unit: "rows", knobs: knobs)
  }
}

/// A trainer for a new run in `output`, or for the one that is there when `resume` is set.
func makeTableTrainer(
  _ model: String, _ modelKnobs: Hyperparameters, _ plan: Hyperparameters, _ table: TableDataset, _ device: Device, seed: UInt64,
  output: String, resume: Bool
) throws -> TableTrainer {
  let folder = RunFolder(output)
  let settings = RunSettings(
    model: model, hyperparameters: modelKnobs.all.merging(plan.all) { a, _ in a }, seed: seed,
    dataPath: URL(fileURLWithPath: table.path).path, data: table.fingerprint, itemCount: 0)
  let isThere = try openRun(folder, settings, output, resume: resume)
  let description = TableModelDescription(
    model: model, hyperparameters: modelKnobs.all, shape: TableShape(table), isBinary: table.description.task == .binary,
    data: table.fingerprint)
  let trainer = try TableTrainer(description, plan: plan, data: table, device: device, seed: seed, folder: folder, resume: isThere)
  if !isThere { try folder.create(settings) }
  return trainer
}

/// The best table model of a run, and whether its outputs are logits.
func loadTableModel(_ folder: RunFolder, device: Device) throws -> (any TableModel, isBinary: Bool) {
  let file = try folder.openModel()
  let description = try TableModelDescription(of: file)
  let (model, _) = try description.makeModel(device: device, seed: 0)
  try load(model.parameters, from: file)
  return (model, description.isBinary)
}

extension Evaluate {
  /// Metrics of a table model on a held-out part.
  func runTable(_ folder: RunFolder, _ settings: RunSettings) throws {
    let table = try TableDataset(path: data ?? settings.dataPath)
    guard table.fingerprint == settings.data else {
      throw UserMistake("\(table.path): is not the data set of this run (\(table.fingerprint), trained on \(settings.data)); give --data \(settings.dataPath)")
    }
    let part: TablePart = split == .test ? .test : .validation
    guard !table.rows(part).isEmpty else {
      throw UserMistake("\(table.path): no \(part.name) row to evaluate on; prepare the table with another --split")
    }
    let (model, isBinary) = try loadTableModel(folder, device: try place.open())
    let quality = TableQuality(outputs(of: model, on: table, part), table, part, isBinary: isBinary, intervals: true)
    if json {
      var line = metricsJSON(quality)
      line["model"] = settings.model
      line["protocol"] = tableProtocol(table, part)
      return printJSON(line)
    }
    print(tableProtocol(table, part))
    if let shortcoming = quality.shortcoming { print("some metrics have no value: \(shortcoming)") }
    for result in quality.results {
      guard let value = result.value else { continue }
      let interval = result.interval.map { " [\(decimal($0.lower, places: 4)), \(decimal($0.upper, places: 4))]" } ?? ""
      print("\(result.name.padding(toLength: 18, withPad: " ", startingAt: 0)) \(decimal(value, places: 4))\(interval)")
    }
  }
}

/// What every number of a table model stands on, in words.
func tableProtocol(_ table: TableDataset, _ part: TablePart) -> String {
  "\(table.rows(part).count) \(part.name) rows of \(table.description.split.words), statistics from training rows, data \(table.fingerprint)"
}

/// Metrics by name with their 95 % interval, and the number of rows.
func metricsJSON(_ quality: TableQuality) -> [String: Any] {
  var line: [String: Any] = ["rows": quality.rows]
  for result in quality.results {
    guard let value = result.value else { continue }
    line[result.name] = number(value)
    if let interval = result.interval { line[result.name + " interval"] = [number(interval.lower), number(interval.upper)] }
  }
  if let shortcoming = quality.shortcoming { line["shortcoming"] = shortcoming }
  return line
}
