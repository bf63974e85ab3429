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
  func runTable(_ recipe: TableRecipe, model: String, root: String, folder: String) throws {
    let start = ContinuousClock.now
    let entry = try TableModelEntry.named(model)
    var options = TableOptions(label: recipe.label)
    (options.categorical, options.minimumCount, options.seed) = (recipe.categorical, recipe.minimumCount, seed)
    var runs: [TableRun] = []
    switch recipe.parts {
    case .given(let validation, let test):
      (options.validationInputs, options.testInputs) = ([root + "/" + validation], [root + "/" + test])
      runs.append(try run(recipe, entry, options, root: root, folder: folder))
    case .folds(let file, let count):
      options.folds = root + "/" + file
      // Tables that others have measured with their few equal rows.
      options.allowsLeaks = true
      for fold in 0..<count {
        options.testFold = fold
        runs.append(try run(recipe, entry, options, root: root, folder: "\(folder)/fold-\(fold)"))
      }
    }
    let sha = try sha256(ofFile: root + "/" + recipe.file)
    show(recipe, model, runs, sha: sha, seconds: (ContinuousClock.now - start) / .seconds(1))
  }

  private struct TableRun {
    let quality: TableQuality
    let parameters: Int
    let epochs: Int
    let words: String
  }

  private func run(
    _ recipe: TableRecipe, _ entry: TableModelEntry, _ options: TableOptions, root: String, folder: String
  ) throws -> TableRun {
    try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try prepareTable(inputs: [root + "/" + recipe.file], output: folder + "/data", options: options)
    let table = try TableDataset(path: folder + "/data")
    var (knobs, plan) = (Hyperparameters(entry.hyperparameters), Hyperparameters(TrainingPlan.tableKnobs))
    for (name, value) in (recipe.knobs[entry.name] ?? recipe.standard) + (try ownKnobs()) {
      if plan.knows(name) { try plan.set(name, value) } else { try knobs.set(name, value) }
    }
    let device = try place.open()
    let trainer = try makeTableTrainer(
      entry.name, knobs, plan, table, device, seed: seed, output: folder + "/run", resume: keep != nil)
    try runTrainer(trainer, TrainingLine(of: table, trainer.knobs), json: json, isQuiet: json)
    let (model, isBinary) = try loadTableModel(RunFolder(folder + "/run"), device: device)
    let quality = TableQuality(outputs(of: model, on: table, .test), table, .test, isBinary: isBinary, intervals: false)
    return TableRun(
      quality: quality, parameters: trainer.parameterCount, epochs: trainer.history.count, words: tableProtocol(table, .test))
  }

  private func show(_ recipe: TableRecipe, _ model: String, _ runs: [TableRun], sha: String, seconds: Double) {
    func values(_ metric: String) -> [Double] { runs.compactMap { $0.quality[metric] } }
    func mean(_ values: [Double]) -> Double { values.isEmpty ? .nan : values.reduce(0, +) / Double(values.count) }
    let published = recipe.published[model] ?? recipe.published["*"] ?? []
    let words = runs.count == 1 ? runs[0].words : "mean over the \(runs.count) fixed folds; the last: \(runs[runs.count - 1].words)"
    if json {
      var line: [String: Any] = [
        "name": name, "protocol": words, "data_sha256": sha, "seconds": number(seconds, digits: 1), "seed": Int(seed),
        "parameters": runs[0].parameters, "epochs": runs.map(\.epochs).reduce(0, +), "rows": runs.map(\.quality.rows).reduce(0, +),
      ]
      for result in runs[0].quality.results {
        line[result.name] = number(mean(values(result.name)))
        if runs.count > 1 { line[result.name + " folds"] = values(result.name).map { number($0) } }
      }
      var numbers: [String: Any] = Dictionary(uniqueKeysWithValues: published.map { ($0.metric, $0.value) })
      numbers["source"] = recipe.source
      line["published"] = numbers
      return printJSON(line)
    }
    print(words)
    for (metric, value) in published {
      let ours = mean(values(metric))
      let folds = runs.count > 1 ? "  folds " + values(metric).map { decimal($0, places: 4) }.joined(separator: " ") : ""
      print(
        "\(metric)  ours \(decimal(ours, places: 4))  published \(decimal(value, places: 4))  "
          + "difference \(decimal(ours - value, places: 4))\(folds)")
    }
    print("\(runs[0].parameters) parameters, \(decimal(seconds, places: 0)) s; published: \(recipe.source); data sha256 \(sha)")
  }
}
