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
  /// Trains a model of tables; the same options as for next-item models.
  func runTable(_ method: TableMethod, _ task: TaskDeclaration?) throws {
    var (modelKnobs, planKnobs) = (Hyperparameters(method.modelKnobs), Hyperparameters(method.planKnobs))
    if let task {
      let path = try dataPath()
      let form = try task.form(of: try TableDescription.read(from: path), path: path, method)
      for (name, value) in form.settings(for: method) { try planKnobs.set(name, value) }
    }
    try applyKnobs(&modelKnobs, &planKnobs)
    guard !plan else { throw UserMistake("--plan: predicts runs of next-item models; \(method.name) is a model of tables") }
    guard let output else { throw UserMistake("--output: expected a run folder") }
    let device = try place.open()
    let table = try TableDataset(path: try dataPath())
    let run = try makeTableRun(method, modelKnobs, planKnobs, table, device, seed: seed, output: output, resume: resume, task: task)
    if !json { print("\(method.name) on \(device): \(run.words)") }
    for warning in run.warnings + [smallnessWarning(table)].compactMap({ $0 }) { writeError("augur: \(warning)\n") }
    try runTrainer(run, TrainingLine(of: table, method, run.knobs), json: json, eachStep: eachStep)
    if let search = run as? TableSearch, let outcome = search.outcome { show(outcome, table) }
    try calibrate(RunFolder(output), CalibrationPlan(run.knobs), table, device, json: json)
  }

  /// What a search chose, and why.
  private func show(_ outcome: SearchOutcome, _ table: TableDataset) {
    guard !json else {
      return printJSON(["loss": number(outcome.loss), "auc": outcome.auc.map { number($0) } ?? NSNull(), "weights": weights(outcome)])
    }
    for record in outcome.records.sorted(by: { $0.weight > $1.weight }) where record.weight > 0 {
      print("\(decimal(record.weight, places: 2)) of \(record.words(isBinary: table.description.task == .binary))")
    }
    let best = outcome.records.map(\.loss).min() ?? outcome.loss
    print("chosen on the validation rows: the mix has \(decimal(outcome.loss, places: 4)), the best model alone \(decimal(best, places: 4))")
  }

  private func weights(_ outcome: SearchOutcome) -> [String: Any] {
    Dictionary(uniqueKeysWithValues: outcome.records.map { ($0.folder, number($0.weight)) })
  }
}

extension SearchRecord {
  func words(isBinary: Bool) -> String {
    let text = settings.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
    let quality = auc.map { ", AUC \(decimal($0, places: 4))" } ?? ""
    return "\(model)\(text): validation \(isBinary ? "logloss" : "MSE") \(decimal(loss, places: 4))\(quality)"
  }
}

/// Fits the map of a run to its validation rows and says what came of it.
@discardableResult
func calibrate(
  _ folder: RunFolder, _ plan: CalibrationPlan, _ table: TableDataset, _ device: Device, json: Bool, isQuiet: Bool = false
) throws -> [TableCalibration?] {
  let model = try TrainedTableModel(folder, on: table, device: device)
  let maps = try folder.calibrate(plan, model, on: table)
  for (answer, made) in zip(model.answers, maps) where !isQuiet && answer.kind == .probability {
    let words = answer.words(in: model)
    guard let made else {
      writeError(
        answer.isOpen
          ? "augur: labels that may still come are no measure of probabilities: they are not calibrated\n"
          : "augur: too few validation rows of both classes to check probabilities on\(words)\n")
      continue
    }
    if json {
      var line: [String: Any] = [
        "calibration": made.method, "answer": answer.name, "rows": made.rows, "ratio": number(made.ratio ?? .nan),
        "ratio_before": number(made.ratioBefore ?? .nan),
      ]
      if let segments = made.segments {
        line["segment"] = segments.column
        line["segments"] = segments.own.map { own in
          [
            "value": own.value, "rows": own.rows, "ratio": number(own.ratio ?? .nan), "ratio_before": number(own.ratioBefore ?? .nan),
          ] as [String: Any]
        }
      }
      printJSON(line)
    } else {
      print(
        "calibration \(made.method)\(words) on \(made.rows) validation rows: promised over observed "
          + "\(decimal(made.ratioBefore ?? .nan, places: 3)) before, \(decimal(made.ratio ?? .nan, places: 3)) with it")
      if let segments = made.segments {
        print("\(segments.own.count) values of \(segments.column) have maps of their own; all others share one")
      }
    }
    if !made.isTrusted { writeError("augur: \(made.distrust(answer, of: model))\n") }
  }
  return maps
}

struct Calibrate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Fits the map of a run from logits to probabilities again, on its validation rows.")
  @Option(name: .customLong("run"), help: "Run folder of a table model.") var runFolder: String
  @Option(help: "Data set; the one of the run by default.") var data: String?
  @Option(help: "none, temperature, platt or isotonic.") var method = "platt"
  @Option(help: "Categorical feature: a map for each of its values that has the rows, one for all others.") var segment: String?
  @Option(help: "Validation rows from which a value has a map of its own.") var segmentRows = 1000
  @OptionGroup var place: DeviceOptions
  @Flag(help: "One JSON object.") var json = false

  func run() throws {
    let methods = ["none"] + CalibrationMethod.allCases.map(\.rawValue)
    guard methods.contains(method) else {
      throw UserMistake("--method: expected one of \(methods.joined(separator: ", ")), got '\(method)'")
    }
    let least = TableCalibration.fewestRows
    guard segmentRows >= least else { throw UserMistake("--segment-rows: expected at least \(least), got \(segmentRows)") }
    let folder = RunFolder(runFolder)
    let table = try openTable(data, of: try readTableSettings(folder))
    let device = try place.open()
    guard try TrainedTableModel(folder, on: table, device: device).answers.contains(where: { $0.kind == .probability }) else {
      throw UserMistake("\(runFolder): answers values; only probabilities are calibrated")
    }
    let plan = CalibrationPlan(method, segment: segment, segmentRows: segmentRows)
    try augur.calibrate(folder, plan, table, device, json: json)
  }
}

/// The settings of a run, refused where it is not about tables.
func readTableSettings(_ folder: RunFolder) throws -> RunSettings {
  let settings = try folder.readSettings()
  guard isTableModel(settings.model) else {
    throw UserMistake("\(folder.path): \(settings.model) ranks items and is not about rows of tables; ask it with augur recommend")
  }
  return settings
}

/// The table of a run, refused when it is not the one the run was trained on.
func openTable(_ path: String?, of settings: RunSettings) throws -> TableDataset {
  let table = try TableDataset(path: path ?? settings.dataPath)
  guard table.fingerprint == settings.data else {
    throw UserMistake(
      "\(table.path): is not the data set of this run (\(table.fingerprint), trained on \(settings.data)); give --data \(settings.dataPath)")
  }
  return table
}

/// What a result on so few rows is worth; nil for enough of them.
func smallnessWarning(_ table: TableDataset) -> String? {
  let rows = table.rows(.training).count
  return rows < 100 ? "\(rows) training rows prove nothing: whatever comes out may be chance" : nil
}

extension TrainingLine {
  init(of table: TableDataset, _ method: TableMethod, _ knobs: Hyperparameters) {
    let (name, isMore) = method.judgement(table, knobs)
    self.init(metric: name, sign: isMore ? 1 : -1, unit: "rows", knobs: knobs)
  }
}

/// A new run in `output`, or the one that is there when `resume` is set.
func makeTableRun(
  _ method: TableMethod, _ modelKnobs: Hyperparameters, _ plan: Hyperparameters, _ table: TableDataset, _ device: Device,
  seed: UInt64, output: String, resume: Bool, task: TaskDeclaration? = nil
) throws -> any TableRun {
  let folder = RunFolder(output)
  let settings = RunSettings(
    model: method.name, hyperparameters: modelKnobs.all.merging(plan.all) { a, _ in a }, seed: seed,
    dataPath: URL(fileURLWithPath: table.path).path, data: table.fingerprint, itemCount: 0, task: task?.name)
  let isThere = try openRun(folder, settings, output, resume: resume)
  let run = try method.makeRun(modelKnobs, plan, table, device: device, seed: seed, folder: folder, resume: isThere)
  if !isThere { try folder.create(settings) }
  // A folder without a checkpoint may hold the features of other rows.
  if !isThere || !folder.hasFeatures { try folder.keepFeatures(of: table) }
  return run
}

extension Evaluate {
  /// Metrics of a table model on a held-out part.
  func runTable(_ folder: RunFolder, _ settings: RunSettings) throws {
    let table = try openTable(data, of: settings)
    let part: TablePart = split == .test ? .test : .validation
    guard !table.rows(part).isEmpty else {
      throw UserMistake("\(table.path): no \(part.name) row to evaluate on; prepare the table with another --split")
    }
    let model = try TrainedTableModel(folder, on: table, device: try place.open())
    let (outputs, maps) = (outputs(of: model.predictor, on: table, part), try folder.readCalibrations(model))
    let groupField = try group(settings, model.features)
    let elasticities = PriceElasticities(model, table, part)
    var file = CurveFile()
    if !json { print(tableProtocol(table, part)) }
    for (place, answer) in model.answers.enumerated() {
      let survival = try SurvivalQuality(model.predictor, table, part, answer)
      let quality = TableQuality(
        outputs[place], table, part, answer, calibration: maps[place], group: groupField, survival: survival, intervals: true)
      if curves != nil { file.add(quality, of: answer.name) }
      if !json, model.answers.count > 1 { print("\(answer.name), a \(answer.kind.rawValue)") }
      let segments = try maps[place]?.segmentQualities(outputs[place], table, part, answer) ?? []
      var line: [String: Any] = json ? ["model": settings.model, "protocol": tableProtocol(table, part)] : [:]
      if json { elasticities?.add(to: &line) }
      if json, let task = settings.task { line["task"] = task }
      show(quality, answer, maps[place], segments, settings.metrics, line)
    }
    if !json { elasticities?.show() }
    if let curves { try file.write(to: curves) }
  }

  /// Place of the field that groups the rows: that of `--group`, or of the run.
  private func group(_ settings: RunSettings, _ features: Features) throws -> Int? {
    try groupField(group ?? settings.hyperparameters["group"] ?? "none", of: features)
  }

  /// Prints what an answer is worth; as JSON with the entries of `line`.
  private func show(
    _ quality: TableQuality, _ answer: TableObjective.Answer, _ calibration: TableCalibration?, _ segments: [SegmentQuality],
    _ metrics: [String], _ line: [String: Any]
  ) {
    if json {
      var line = line.merging(metricsJSON(quality)) { a, _ in a }
      line["answer"] = answer.name
      if answer.kind == .probability {
        line["calibrated_by"] = calibration?.method ?? "none"
        if let column = calibration?.segments?.column {
          line["segment"] = column
          line["segments"] = segments.map { own in
            [
              "value": own.value, "rows": own.rows, "observed": number(own.observed), "calibration": number(own.ratio ?? .nan),
              "calibration_before": number(own.ratioBefore ?? .nan),
            ] as [String: Any]
          }
        }
        line["reliability"] = quality.reliability.map { bin in
          ["promised": number(bin.meanProbability), "observed": number(bin.meanLabel), "weight": number(bin.weight)]
        }
      }
      if let survival = quality.survival {
        line["survival"] = survival.groups.map { group in
          ["promised": number(group.promised), "observed": number(group.observed), "rows": group.rows] as [String: Any]
        }
        line["survival_time"] = number(survival.horizon)
      }
      return printJSON(line)
    }
    if let calibration { print("probabilities: \(calibration.method), fitted on \(calibration.rows) validation rows") }
    if answer.isOpen { print("labels are those seen so far: who still converts counts as one who did not") }
    if let shortcoming = quality.shortcoming { print("some metrics have no value: \(shortcoming)") }
    for result in quality.results(metrics) {
      guard let value = result.value else { continue }
      let interval = result.interval.map { " [\(decimal($0.lower, places: 4)), \(decimal($0.upper, places: 4))]" } ?? ""
      print("\(result.name.padding(toLength: 18, withPad: " ", startingAt: 0)) \(decimal(value, places: 4))\(interval)")
    }
    if let survival = quality.survival {
      print("promised  observed  rows: share left at time \(decimal(survival.horizon, places: 2)), by groups of what is promised")
      for group in survival.groups { print("\(decimal(group.promised, places: 4))    \(decimal(group.observed, places: 4))    \(group.rows)") }
    }
    guard !quality.reliability.isEmpty else { return }
    print("promised  observed  rows")
    for bin in quality.reliability {
      print("\(decimal(bin.meanProbability, places: 4))    \(decimal(bin.meanLabel, places: 4))    \(decimal(bin.weight, places: 0))")
    }
    guard let column = calibration?.segments?.column else { return }
    print("promised over observed by \(column): without calibration, as answered, rows")
    for own in segments {
      print(
        "\(decimal(own.ratioBefore ?? .nan, places: 3))  \(decimal(own.ratio ?? .nan, places: 3))  \(own.rows)  \(own.value)")
    }
  }
}

extension RunSettings {
  /// What the task is judged by, with whatever labels; empty without one.
  var metrics: [String] { task.flatMap { name in TaskDeclaration.all.first { $0.name == name } }?.forms.flatMap(\.metrics) ?? [] }
}

extension TableQuality {
  /// Those of the names, in their order; all where none of them is there.
  func results(_ names: [String]) -> [MetricValue] {
    let own = names.compactMap { name in results.first { $0.name == name } }
    return own.isEmpty ? results : own
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

extension PriceElasticities {
  func add(to line: inout [String: Any]) {
    line["elasticity"] = number(mean)
    guard let column else { return }
    line["elasticity_by"] = column
    line["elasticities"] = groups.map { group in
      ["value": group.value, "rows": group.rows, "elasticity": number(group.mean)] as [String: Any]
    }
  }

  func show() {
    print("elasticity by \(price), the mean of the rows: \(decimal(mean, places: 4))")
    for group in groups { print("\(decimal(group.mean, places: 4))  \(group.rows) rows  \(column ?? "") \(group.value)") }
  }
}
