// `augur reproduce SET/MODEL` for sets of labelled rows.
import AugurCompute
import AugurEvents
import AugurMetrics
import AugurModels
import AugurTensors
import AugurTraining
import Foundation

extension Reproduce {
  /// Trains and tests on the parts as given, or once for each fold and takes the means.
  func runTable(_ recipe: TableRecipe, name: String, model: String, seed: UInt64, root: String, folder: String) throws -> Result {
    let start = ContinuousClock.now
    guard let method = TableMethod.named(model) else {
      throw ModelError.unknownModel(model, known: TableMethod.all.map(\.name))
    }
    var options = TableOptions(label: recipe.label)
    (options.categorical, options.minimumCount, options.seed) = (recipe.categorical, recipe.minimumCount, seed)
    var runs: [FoldResult] = []
    switch recipe.parts {
    case .given(let validation, let test):
      (options.validationInputs, options.testInputs) = ([root + "/" + validation], [root + "/" + test])
      runs.append(try run(recipe, method, options, seed: seed, root: root, folder: folder))
    case .drawn(let shares):
      guard let ratio = SplitRatio(parsing: shares) else { preconditionFailure("recipe \(recipe.name): no ratio \(shares)") }
      (options.kind, options.ratio) = (.random, ratio)
      // Rows of an assembled table are of different customers, also where they are equal.
      options.allowsLeaks = recipe.assemble != nil
      runs.append(try run(recipe, method, options, seed: seed, root: root, folder: folder))
    case .folds(let file, let count):
      options.folds = root + "/" + file
      // Tables that others have measured with their few equal rows.
      options.allowsLeaks = true
      for fold in 0..<count {
        options.testFold = fold
        runs.append(try run(recipe, method, options, seed: seed, root: root, folder: "\(folder)/fold-\(fold)"))
      }
    }
    let sha = try sha256(ofFile: root + "/" + recipe.file)
    return words(recipe, name, model, runs, seed: seed, sha: sha, seconds: (ContinuousClock.now - start) / .seconds(1))
  }

  private struct FoldResult {
    let quality: TableQuality
    /// Without calibration.
    let rawLogloss: Double?
    let chosen: SearchOutcome?
    /// Beside the metrics of the rows: what needs more than labels, and baselines.
    let extras: [(name: String, value: Double)]
    let isBinary: Bool
    let parameters: Int
    let epochs: Int
    let words: String
  }

  private func run(
    _ recipe: TableRecipe, _ method: TableMethod, _ options: TableOptions, seed: UInt64, root: String, folder: String
  ) throws -> FoldResult {
    try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    var input = root + "/" + recipe.file
    var outcomes: RowOutcomes?
    if let assemble = recipe.assemble {
      outcomes = try assemble(input, folder + "/table.csv")
      input = folder + "/table.csv"
    }
    try prepareTable(inputs: [input], output: folder + "/data", options: options)
    let table = try TableDataset(path: folder + "/data")
    var (knobs, plan) = (Hyperparameters(method.modelKnobs), Hyperparameters(method.planKnobs))
    for (name, value) in recipe.settings(for: method) + (try ownKnobs()) {
      if plan.knows(name) { try plan.set(name, value) } else { try knobs.set(name, value) }
    }
    let device = try place.open()
    let trainer = try makeTableRun(
      method, knobs, plan, table, device, seed: seed, output: folder + "/run", resume: keep != nil)
    try runTrainer(trainer, TrainingLine(of: table, method, trainer.knobs), json: json, isQuiet: json)
    let model = try TrainedTableModel(RunFolder(folder + "/run"), on: table, device: device)
    let maps = try calibrate(
      RunFolder(folder + "/run"), CalibrationPlan(trainer.knobs), table, device, json: json, isQuiet: true)
    let answers = outputs(of: model.predictor, on: table, .test)[0]
    let quality = TableQuality(
      answers, table, .test, model.answers[0], calibration: maps[0], intervals: false)
    let raw = TableQuality(answers, table, .test, model.answers[0], intervals: false)
    return FoldResult(
      quality: quality, rawLogloss: raw["logloss"], chosen: (trainer as? TableSearch)?.outcome,
      extras: try extras(answers, table, outcomes), isBinary: model.isBinary, parameters: trainer.parameterCount,
      epochs: trainer.history.count, words: tableProtocol(table, .test))
  }

  private func extras(_ answers: [Float], _ table: TableDataset, _ outcomes: RowOutcomes?) throws -> [(name: String, value: Double)] {
    if let outcomes { return try outcomes.concordance(answers, rows: table.rows(.test).map { Int(table.inputRows[$0]) }) }
    guard table.description.task == .regression else { return [] }
    let baseline = TableQuality(
      EffectsBaseline(table).outputs(on: table, .test), table, .test, .value(of: table.description.label.column), intervals: false)
    return [("RMSE of effects alone", baseline["RMSE"] ?? .nan)]
  }

  private func words(
    _ recipe: TableRecipe, _ name: String, _ model: String, _ runs: [FoldResult], seed: UInt64, sha: String, seconds: Double
  ) -> Result {
    func values(_ metric: String) -> [Double] { runs.compactMap { $0.quality[metric] } }
    func mean(_ values: [Double]) -> Double { values.isEmpty ? .nan : values.reduce(0, +) / Double(values.count) }
    let isBinary = runs[0].isBinary
    let published = recipe.published[model] ?? recipe.published["*"] ?? []
    let protocolLine = runs.count == 1 ? runs[0].words : "mean over the \(runs.count) fixed folds; the last: \(runs[runs.count - 1].words)"
    let raw = mean(runs.compactMap(\.rawLogloss))
    var line: [String: Any] = [
      "name": name, "protocol": protocolLine, "data_sha256": sha, "seconds": number(seconds, digits: 1), "seed": seed,
      "parameters": runs[0].parameters, "epochs": runs.map(\.epochs).reduce(0, +), "rows": runs.map(\.quality.rows).reduce(0, +),
    ]
    for result in runs[0].quality.results {
      line[result.name] = number(mean(values(result.name)))
      if runs.count > 1 { line[result.name + " folds"] = values(result.name).map { number($0) } }
    }
    var numbers: [String: Any] = Dictionary(uniqueKeysWithValues: published.map { ($0.metric, $0.value) })
    numbers["source"] = recipe.source
    for extra in runs[0].extras { line[extra.name] = number(extra.value) }
    if raw.isFinite { line["logloss uncalibrated"] = number(raw) }
    let chosen = runs.compactMap(\.chosen).map { outcome in
      Dictionary(uniqueKeysWithValues: outcome.records.filter { $0.weight > 0 }.map { ($0.words(isBinary: isBinary), number($0.weight)) })
    }
    if !chosen.isEmpty { line["chosen"] = chosen }
    line["published"] = numbers
    var text = [protocolLine]
    for (metric, value) in published {
      let ours = mean(values(metric))
      let folds = runs.count > 1 ? "  folds " + values(metric).map { decimal($0, places: 4) }.joined(separator: " ") : ""
      text.append(
        "\(metric)  ours \(decimal(ours, places: 4))  published \(decimal(value, places: 4))  "
          + "difference \(decimal(ours - value, places: 4))\(folds)")
    }
    if published.isEmpty {
      for result in runs[0].quality.results where result.value != nil {
        text.append("\(result.name)  ours \(decimal(mean(values(result.name)), places: 4))")
      }
    }
    for extra in runs[0].extras { text.append("\(extra.name)  \(decimal(extra.value, places: 4))") }
    for (fold, run) in runs.enumerated() {
      guard let chosen = run.chosen else { continue }
      let parts = chosen.records.filter { $0.weight > 0 }.sorted { $0.weight > $1.weight }
      text.append("fold \(fold): " + parts.map { "\(decimal($0.weight, places: 2)) \($0.words(isBinary: run.isBinary))" }.joined(separator: "; "))
    }
    if raw.isFinite { text.append("logloss without the calibration on validation rows: \(decimal(raw, places: 4))") }
    text.append("\(runs[0].parameters) parameters, \(decimal(seconds, places: 0)) s; published: \(recipe.source); data sha256 \(sha)")
    return (line, text)
  }
}
