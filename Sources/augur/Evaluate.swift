// Full-ranking metrics of a run, beside the baselines.
public import ArgumentParser
import AugurCompute
public import AugurEvents
import AugurMetrics
import AugurModels
import AugurTensors
import AugurTraining
import Foundation

extension HeldOut: ExpressibleByArgument {}
extension SeenItems: ExpressibleByArgument {}

struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Scores a run with 95 % intervals: HR, NDCG, MRR, Recall over the whole catalogue, or AUC, logloss, RMSE of rows.")
  @Option(name: .customLong("run"), help: "Run folder.") var runFolder: String
  @Option(help: "Data set; the one of the run by default.") var data: String?
  @Option(help: "validation or test.") var split: HeldOut = .test
  @OptionGroup var place: DeviceOptions
  @Option(help: "Users ranked at a time; the result does not depend on it.") var batch = 128
  @Option(help: "Of a table: the categorical feature whose values are the groups of gAUC and of intervals; that of the run by default.")
  var group: String?
  @Option(help: "Of a table: CSV to write the curves to: ROC, precision and recall, reliability, survival.") var curves: String?
  @Flag(help: """
    Also the nearest sessions, and the model mixed with what is counted: popularity, the chain of items, the nearest sessions, returns, and tastes \
    where the log has categories. A millisecond or two a user.
    """)
  var mixture = false
  @Flag(help: "One JSON object.") var json = false

  func run() throws {
    guard (1...65_536).contains(batch) else { throw UserMistake("--batch: expected 1...65536, got \(batch)") }
    let folder = RunFolder(runFolder)
    let settings = try folder.readSettings()
    if isTableModel(settings.model) { return try runTable(folder, settings) }
    guard curves == nil else { throw UserMistake("--curves: is of models of tables; \(settings.model) ranks items for users") }
    guard group == nil else { throw UserMistake("--group: is of models of tables; \(settings.model) ranks items for users") }
    let dataset = try openDataset(data ?? settings.dataPath, of: settings)
    let model = try folder.loadModel(settings, for: dataset, device: try place.open())
    let seen = TrainingPlan.seenItems(settings.hyperparameters)
    guard !mixture || split == .test else { throw UserMistake("--mixture: its weights are fitted on the validation part; evaluate it on the test part") }
    let mixed = mixture ? try makeMixture(settings, model, dataset, seen: seen) : nil
    let systems = try evaluateSystems(settings.model, model, dataset, split, seen: seen, batch: batch, mixture: mixed)
    let division = SequenceSplit(dataset)
    let protocolLine = protocolText(split, users: systems[0].report.userCount, split: division, seen: seen)
    let unseen = unseenTargetShare(division, split, users: division.evaluatedUsers(split))
    if json {
      var line = metricsJSON(systems[0].report)
      line["model"] = settings.model
      line["protocol"] = protocolLine
      line["unseen_targets"] = number(unseen)
      line["mixture"] = mixed?.words
      line["baselines"] = Dictionary(uniqueKeysWithValues: systems.dropFirst().map { ($0.name, metricsJSON($0.report)) })
      return printJSON(line)
    }
    print(protocolLine)
    if unseen > 0 { print("\(decimal(unseen * 100, places: 1)) % of the targets are items that no training event shows") }
    for (name, report) in systems {
      let values = ["HR@10", "NDCG@10", "MRR@10"].compactMap { report[$0] }.map {
        "\($0.name) \(decimal($0.mean, places: 4)) [\(decimal($0.interval.lower, places: 4)), \(decimal($0.interval.upper, places: 4))]"
      }
      print(name.padding(toLength: 12, withPad: " ", startingAt: 0) + values.joined(separator: "  "))
    }
    if let mixed { print("the mixture is \(mixed.words), weights under which the validation targets are likeliest") }
  }
}

/// The model of a run mixed with what is counted, its weights fitted on the validation part.
func makeMixture(_ settings: RunSettings, _ model: any SequenceModel, _ data: Dataset, seen: SeenItems) throws -> NextItemMixture {
  guard !model.readsTimes else { throw UserMistake("--mixture: is not made with models that read times; train with time-bias=no") }
  return NextItemMixture(data, model: (settings.model, model, settings.hyperparameters), seen: seen)
}

/// The model, then popularity, last-item Markov, item-kNN, and with a mixture session-kNN and that, on the same users.
func evaluateSystems(
  _ name: String, _ model: any SequenceModel, _ data: Dataset, _ part: HeldOut, seen: SeenItems, batch: Int = 128,
  mixture: NextItemMixture? = nil
) throws -> [(name: String, report: RankingReport)] {
  let split = SequenceSplit(data)
  let users = split.evaluatedUsers(part)
  guard !users.isEmpty else {
    throw UserMistake(
      "\(data.path): no user to evaluate on: none has \(split.targetRule(part)); prepare the log with another --split")
  }
  let cutoffs = [5, 10, 20]
  let own = rankPositions(of: model, on: split, part, users: users, seen: seen, batch: batch)
  var systems = [(name, RankingReport(positions: own, cutoffs: cutoffs))]
  let (offsets, items) = split.trainingHistories()
  items.withUnsafeBufferPointer { items in
    let histories = Histories(offsets: offsets, items: items, itemCount: data.itemCount)
    func add(_ name: String, _ scorer: some Scorer) {
      let positions = rankPositions(of: scorer, on: split, part, users: users, seen: seen)
      systems.append((name, RankingReport(positions: positions, cutoffs: cutoffs)))
    }
    add("popularity", Popularity(histories))
    add("markov", MarkovChain(histories))
    add("item-knn", ItemKNN(histories))
    if let mixture {
      if let nearest = mixture.nearestSessions { add("session-knn", nearest) }
      add("mixture", mixture.mixture)
    }
  }
  return systems
}

/// Metrics by name with their 95 % interval, and the number of users.
func metricsJSON(_ report: RankingReport) -> [String: Any] {
  var line: [String: Any] = ["users": report.userCount]
  for result in report.results {
    line[result.name] = number(result.mean)
    line[result.name + " interval"] = [number(result.interval.lower), number(result.interval.upper)]
  }
  return line
}
