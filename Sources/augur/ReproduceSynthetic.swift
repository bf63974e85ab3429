// `augur reproduce synthetic/TASK`: draws a log whose best achievable score is known, learns the task, prints both.
import AugurCompute
import AugurEvents
import AugurMetrics
import AugurModels
import AugurTensors
import AugurTraining
import Foundation

extension Reproduce {
  /// What came of a task of a synthetic log.
  private struct Outcome {
    let scores: [SyntheticScore]
    let words: String
    let parameters: Int
    var contrast: (words: String, scores: [SyntheticScore])?
  }

  func runSynthetic(_ recipe: SyntheticRecipe, seed: UInt64, folder: String) throws -> Result {
    let start = ContinuousClock.now
    let drawn = folder + "/log"
    var outcome: Outcome
    switch try recipe.material(in: drawn, scale: scale) {
    case .events(let events): outcome = try run(recipe, events, seed: seed, folder: folder)
    case .table(let table, let contrast):
      outcome = try run(recipe, table, seed: seed, folder: folder + "/main", isMain: true)
      if let contrast {
        let other = try run(recipe, contrast.table, seed: seed, folder: folder + "/contrast", isMain: false)
        outcome.contrast = (contrast.words, other.scores)
      }
    }
    let sha = try sha256(ofFile: drawn + "/log.csv")
    return words(recipe, outcome, seed: seed, sha: sha, seconds: (ContinuousClock.now - start) / .seconds(1))
  }

  private func run(_ recipe: SyntheticRecipe, _ events: SyntheticEvents, seed: UInt64, folder: String) throws -> Outcome {
    try prepareDataset(
      input: events.path, output: folder + "/data", options: PrepareOptions(split: SplitOptions(.leaveOneOut)))
    let dataset = try Dataset(path: folder + "/data")
    let task = try TaskDeclaration.named(recipe.task)
    let name = recipe.model ?? task.model
    var (knobs, plan) = (Hyperparameters(try ModelEntry.named(name).hyperparameters), Hyperparameters(TrainingPlan.knobs))
    for (name, value) in recipe.knobs + (try ownKnobs()) {
      if plan.knows(name) { try plan.set(name, value) } else { try knobs.set(name, value) }
    }
    let trainer = try makeTrainer(
      name, knobs, plan, dataset, try place.open(), seed: seed, output: folder + "/run", resume: keep != nil, task: task)
    try runTrainer(trainer, TrainingLine(knobs: trainer.knobs), json: json, isQuiet: json)
    let run = RunFolder(folder + "/run")
    let model = try run.loadModel(try run.readSettings(), for: dataset, device: try place.open())
    let mixture = NextItemMixture(dataset, model: (name, model, trainer.knobs.all))
    let (mixed, alone) = events.scores(mixture, model, on: dataset)
    return Outcome(
      scores: mixed, words: "\(mixture.words), mixed by the validation targets: \(events.protocolText)", parameters: trainer.parameterCount,
      contrast: ("\(name) alone", alone))
  }

  /// - Parameter isMain: whether the task's own loss is learnt, not that of labels as they stand.
  private func run(_ recipe: SyntheticRecipe, _ made: SyntheticTable, seed: UInt64, folder: String, isMain: Bool) throws -> Outcome {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    var options = TableOptions(label: made.labels[0])
    (options.furtherLabels, options.categorical, options.kind, options.seed) = (Array(made.labels.dropFirst()), made.categorical, made.split, seed)
    options.weight = made.weight
    guard let ratio = SplitRatio(parsing: "60:15:25") else { preconditionFailure("reproduce: no ratio") }
    options.ratio = ratio
    try prepareTable(inputs: [made.path], output: folder + "/data", options: options)
    let table = try TableDataset(path: folder + "/data")
    let task = try TaskDeclaration.named(recipe.task)
    guard let method = TableMethod.named(recipe.model ?? task.model) else { throw ModelError.unknownModel(recipe.model ?? task.model, known: []) }
    var (knobs, plan) = (Hyperparameters(method.modelKnobs), Hyperparameters(method.planKnobs))
    let form = isMain ? try task.form(of: table.description, path: made.path, method) : nil
    for (name, value) in (form?.settings(for: method) ?? []) + recipe.knobs + (try ownKnobs()) {
      if plan.knows(name) { try plan.set(name, value) } else { try knobs.set(name, value) }
    }
    let (device, run) = (try place.open(), RunFolder(folder + "/run"))
    let trainer = try makeTableRun(
      method, knobs, plan, table, device, seed: seed, output: run.path, resume: keep != nil, task: isMain ? task : nil)
    try runTrainer(trainer, TrainingLine(of: table, method, trainer.knobs), json: json, isQuiet: json)
    let model = try TrainedTableModel(run, on: table, device: device)
    let maps = try calibrate(run, CalibrationPlan(trainer.knobs), table, device, json: json, isQuiet: true)
    let answers = (outputs(of: model.predictor, on: table, .test), outputs(of: model.predictor, on: table, .validation))
    var scores = try made.judge.scores(answers, table) { maps[$0]?.calibrator }
    if case .elasticity(let best) = made.judge, let found = PriceElasticities(model, table, .test) {
      scores.append(SyntheticScore(metric: "elasticity", ours: -found.meanOfGroups, best: best, isMore: nil))
    }
    return Outcome(
      scores: scores, words: "\(method.name): \(made.protocolText); \(tableProtocol(table, .test))", parameters: trainer.parameterCount)
  }

  private func words(_ recipe: SyntheticRecipe, _ outcome: Outcome, seed: UInt64, sha: String, seconds: Double) -> Result {
    var line: [String: Any] = [
      "name": recipe.fullName, "protocol": outcome.words, "data_sha256": sha, "seconds": number(seconds, digits: 1), "seed": seed,
      "parameters": outcome.parameters, "task": recipe.task,
    ]
    var (best, ratios, near): ([String: Any], [String: Any], [String: Any]) = (["source": "the oracle of the log, on the same examples"], [:], [:])
    var text = [outcome.words]
    for score in outcome.scores {
      line[score.metric] = number(score.ours)
      (best[score.metric], ratios[score.metric], near[score.metric]) = (number(score.best), number(score.ratio), score.isNear)
      text.append(score.line)
    }
    (line["published"], line["ratio"], line["within_5_percent"]) = (best, ratios, near)
    let knowable = outcome.scores.compactMap { score in score.knowable.map { (score.metric, number($0)) } }
    if !knowable.isEmpty { line["knowable"] = Dictionary(uniqueKeysWithValues: knowable) }
    if let contrast = outcome.contrast {
      for score in contrast.scores { text.append("\(contrast.words): \(score.line)") }
      line["contrast"] = Dictionary(uniqueKeysWithValues: contrast.scores.map { ($0.metric, number($0.ours)) })
    }
    text.append("\(outcome.parameters) parameters, \(decimal(seconds, places: 0)) s; data sha256 \(sha)")
    return (line, text)
  }

  /// `synthetic/all`: every task, and a table of them.
  func runAllSynthetic() throws {
    var rows: [String] = []
    for recipe in SyntheticRecipe.all {
      if !json { print(recipe.fullName) }
      let result = try reproduce(recipe.fullName, seed: seed)
      if json { printJSON(result.line) } else { result.text.forEach { print("  " + $0) } }
      rows += result.text.dropFirst().dropLast().map { "\(recipe.name.padding(toLength: 20, withPad: " ", startingAt: 0)) \($0)" }
    }
    if !json { rows.forEach { print($0) } }
  }
}

extension SyntheticScore {
  fileprivate var line: String {
    "\(metric)  ours \(decimal(ours, places: 4))  best \(decimal(best, places: 4))  ratio \(decimal(ratio, places: 3))  "
      + (isNear ? "within 5 %" : "not within 5 %") + (knowable.map { "; knowable from the log \(decimal($0, places: 4))" } ?? "")
  }
}
