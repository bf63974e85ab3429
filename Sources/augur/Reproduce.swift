// Trains a published row on its data and prints what came out beside what was published.
import ArgumentParser
import AugurCompute
import AugurEvents
import AugurMetrics
import AugurModels
import AugurTraining
import Foundation

struct Reproduce: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Reproduces a published result: " + Recipe.all.map(\.name).joined(separator: ", ") + ", "
      + TableRecipe.all.map { "\($0.name)/MODEL" }.joined(separator: ", ") + "; or a task of a synthetic log: "
      + SyntheticRecipe.all.map(\.fullName).joined(separator: ", ") + "; or all of them.",
    discussion: """
      A synthetic task draws its own log, needs no data, and prints the best achievable score beside ours; synthetic/all runs each of them.

      MODEL is one of \(TableMethod.all.map(\.name).joined(separator: ", ")).

      all: every result once for each seed, into results.jsonl of --output as they come, and from it results.md and results.html; what is there \
      already is not run again. Hours.
      """)
  @Argument(help: "Name of the result, or all.") var name: String
  @Option(help: "Folder with the data sets; $AUGUR_DATA by default.") var dataRoot: String?
  @Option(help: "Seed.") var seed: UInt64 = 1
  @Option(help: "Of all: so many seeds, from --seed on.") var seeds = 1
  @Option(help: "Of all: folder of the tables.") var output: String?
  @Option(help: "Of all: these alone, as in beauty/sasrec,telco-churn/auto.") var only: String?
  @OptionGroup var place: DeviceOptions
  @Option(name: .customLong("set"), help: "key=value: another knob than the recipe's; may be repeated.") var settings: [String] = []
  @Option(help: "Keep the data set and the run here.") var keep: String?
  @Option(help: "Of synthetic tasks: share of the users of the log.") var scale = 1.0
  @Flag(help: "One JSON object; nothing else.") var json = false

  func run() throws {
    guard (1...100).contains(seeds) else { throw UserMistake("--seeds: expected 1...100, got \(seeds)") }
    guard (0.001...10).contains(scale) else { throw UserMistake("--scale: expected 0.001...10, got \(scale)") }
    guard scale == 1 || name.hasPrefix(SyntheticRecipe.prefix) else { throw UserMistake("--scale: is of synthetic tasks") }
    if name == "all" { return try runAll() }
    for (option, isGiven) in [("--seeds", seeds != 1), ("--output", output != nil), ("--only", only != nil)] where isGiven {
      throw UserMistake("\(option): is of augur reproduce all")
    }
    if name == SyntheticRecipe.prefix + "all" { return try runAllSynthetic() }
    let result = try reproduce(name, seed: seed)
    if json { printJSON(result.line) } else { result.text.forEach { print($0) } }
  }

  /// A result as an object of JSON, and as lines to read.
  typealias Result = (line: [String: Any], text: [String])

  func reproduce(_ name: String, seed: UInt64) throws -> Result {
    if let keep { return try reproduce(name, seed: seed, folder: keep) }
    return try withTemporaryFolder("reproduce") { try reproduce(name, seed: seed, folder: $0) }
  }

  private func reproduce(_ name: String, seed: UInt64, folder: String) throws -> Result {
    let recipe = Recipe.named(name)
    let table = TableRecipe.named(name)
    if let synthetic = SyntheticRecipe.named(name) { return try runSynthetic(synthetic, seed: seed, folder: folder) }
    guard let file = recipe?.file ?? table?.recipe.file else {
      let names = Recipe.all.map(\.name) + SyntheticRecipe.all.map(\.fullName) + TableRecipe.all.flatMap { set in TableMethod.all.map { "\(set.name)/\($0.name)" } }
      throw UserMistake("unknown result '\(name)'; did you mean '\(nearestName(to: name, in: names) ?? names[0])'? known: \(names.joined(separator: ", "))")
    }
    guard let root = dataRoot ?? ProcessInfo.processInfo.environment["AUGUR_DATA"] else {
      throw UserMistake("reproduce: expected --data-root or $AUGUR_DATA, the folder that holds \(file)")
    }
    let start = ContinuousClock.now
    if let table { return try runTable(table.recipe, name: name, model: table.model, seed: seed, root: root, folder: folder) }
    guard let recipe else { preconditionFailure("reproduce: no recipe \(name)") }
    let input = root + "/" + recipe.file
    try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try prepareDataset(
      input: input, output: folder + "/data",
      options: PrepareOptions(format: LogFormat(rawValue: recipe.format) ?? .pairs, split: recipe.split))
    let dataset = try Dataset(path: folder + "/data")
    let rows = try recipe.test.map { try PrefixTargets(path: root + "/" + $0, of: dataset) }
    let trainer = try train(recipe, dataset, seed: seed, folder + "/run")
    let run = RunFolder(folder + "/run")
    let model = try run.loadModel(try run.readSettings(), for: dataset, device: try place.open())
    let seen = TrainingPlan.seenItems(trainer.knobs.all)
    var result = test(recipe, model, dataset, rows: rows, seen: seen)
    if recipe.isMixed { mix(recipe, model, trainer, dataset, rows: rows, seen: seen, into: &result) }
    let sha = try ([recipe.file] + (recipe.test.map { [$0] } ?? [])).map { try sha256(ofFile: root + "/" + $0) }.joined(separator: " ")
    return words(recipe, result, trainer, seed: seed, sha: sha, seconds: (ContinuousClock.now - start) / .seconds(1))
  }

  /// What a recipe came to: of its mixture, where it has one, with the model's own metrics beside.
  private typealias Tested = (report: RankingReport, words: String, alone: RankingReport?)

  /// The metrics on the test part, or on the recipe's own rows, and the protocol in words.
  private func test(
    _ recipe: Recipe, _ model: any SequenceModel, _ dataset: Dataset, rows: PrefixTargets?, seen: SeenItems
  ) -> Tested {
    let split = SequenceSplit(dataset)
    guard let rows, let file = recipe.test else {
      let users = split.evaluatedUsers(.test)
      let report = RankingReport(positions: rankPositions(of: model, on: split, .test, users: users, seen: seen), cutoffs: [5, 10, 20])
      return (report, protocolText(.test, users: report.userCount, split: split, seen: seen), nil)
    }
    let positions = rankPositions(of: model, itemCount: dataset.itemCount, rows, seen: seen)
    return (
      RankingReport(positions: positions, cutoffs: [5, 10, 20]),
      "\(split.rule.words), validation on the last event of the sessions drawn for it, test on the \(positions.count) rows of \(file), all "
        + "\(dataset.itemCount) items ranked, seen items \(seen.rawValue), ties at their expectation, data \(dataset.fingerprint)", nil
    )
  }

  private func mix(
    _ recipe: Recipe, _ model: any SequenceModel, _ trainer: Trainer, _ dataset: Dataset, rows: PrefixTargets?, seen: SeenItems,
    into result: inout Tested
  ) {
    let mixture = NextItemMixture(dataset, model: (recipe.model, model, trainer.knobs.all), seen: seen)
    let split = SequenceSplit(dataset)
    let positions =
      rows.map { rankPositions(of: mixture.mixture, $0, seen: seen) }
      ?? rankPositions(of: mixture.mixture, on: split, .test, users: split.evaluatedUsers(.test), seen: seen)
    let report = RankingReport(positions: positions, cutoffs: [5, 10, 20])
    result = (report, "\(mixture.words), mixed by the validation targets: \(result.words)", result.report)
  }

  func ownKnobs() throws -> [(name: String, value: String)] {
    let own = settings.map { $0.split(separator: "=", maxSplits: 1).map(String.init) }
    if let bad = own.first(where: { $0.count != 2 }) { throw UserMistake("--set: expected key=value, got '\(bad.joined())'") }
    return own.map { ($0[0], $0[1]) }
  }

  private func train(_ recipe: Recipe, _ dataset: Dataset, seed: UInt64, _ output: String) throws -> Trainer {
    var (knobs, plan) = (Hyperparameters(try ModelEntry.named(recipe.model).hyperparameters), Hyperparameters(TrainingPlan.knobs))
    for (name, value) in recipe.knobs + (try ownKnobs()) {
      if plan.knows(name) { try plan.set(name, value) } else { try knobs.set(name, value) }
    }
    let trainer = try makeTrainer(
      recipe.model, knobs, plan, dataset, try place.open(), seed: seed, output: output, resume: keep != nil)
    try runTrainer(trainer, TrainingLine(knobs: trainer.knobs), json: json, isQuiet: json)
    return trainer
  }

  private func words(
    _ recipe: Recipe, _ result: Tested, _ trainer: Trainer, seed: UInt64, sha: String, seconds: Double
  ) -> Result {
    let (report, protocolLine, alone) = result
    var line = metricsJSON(report)
    var published: [String: Any] = Dictionary(uniqueKeysWithValues: recipe.published.map { ($0.metric, $0.value) })
    published["source"] = recipe.source
    line["name"] = recipe.name
    line["published"] = published
    line["protocol"] = protocolLine
    line["data_sha256"] = sha
    line["seconds"] = number(seconds, digits: 1)
    line["parameters"] = trainer.parameterCount
    line["epochs"] = trainer.history.count
    line["seed"] = seed
    line["alone"] = alone.map(metricsJSON)
    let compared = recipe.published.map { metric, value in
      let ours = report[metric]?.mean ?? .nan
      let own = alone?[metric].map { "  (\(recipe.model) alone \(decimal($0.mean, places: 4)))" } ?? ""
      return "\(metric)  ours \(decimal(ours, places: 4))  published \(decimal(value, places: 4))  difference \(decimal(ours - value, places: 4))\(own)"
    }
    return (
      line,
      [protocolLine] + compared + [
        "\(trainer.history.count) epochs, \(trainer.parameterCount) parameters, \(decimal(seconds, places: 0)) s; published: \(recipe.source); "
          + "data sha256 \(sha)"
      ]
    )
  }
}
