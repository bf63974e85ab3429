// One HTML file about a run: curves, metrics, baselines, the best achievable score, examples.
import ArgumentParser
import AugurCompute
import AugurEvents
import AugurMetrics
import AugurModels
import AugurServing
import AugurTensors
import AugurTraining
import Foundation

struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Writes a self-contained HTML report of a run.")
  @Option(name: .customLong("run"), help: "Run folder.") var runFolder: String
  @Option(help: "Data set; the one of the run by default.") var data: String?
  @Option(help: "Truth of a synthetic log: adds the best achievable score.") var truth: String?
  @Option(help: "HTML file to write.") var output: String
  @OptionGroup var place: DeviceOptions

  func run() throws {
    let folder = RunFolder(runFolder)
    let settings = try folder.readSettings()
    if isTableModel(settings.model) {
      guard truth == nil else { throw UserMistake("--truth: is of synthetic logs; this run is about a table") }
      try writeFileDurably(path: output, text: try tableReport(folder, settings).html())
      return print(output)
    }
    let best = try truth.map(readBest) ?? [:]
    let dataset = try openDataset(data ?? settings.dataPath, of: settings)
    let device = try place.open()
    let seen = TrainingPlan.seenItems(settings.hyperparameters)
    let model = try folder.loadModel(settings, for: dataset, device: device)
    let systems = try evaluateSystems(settings.model, model, dataset, .test, seen: seen)
    let history = folder.readHistory()
    let metric = settings.hyperparameters["metric"] ?? "NDCG@10"
    var sections: [Report.Section] = [
      .table(
        Report.Table.metrics(
          heading: "Test metrics",
          note: protocolText(.test, users: systems[0].report.userCount, split: SequenceSplit(dataset), seen: seen),
          systems: systems, metrics: ["HR@10", "NDCG@10", "MRR@10"], highlighted: settings.model, bestAchievable: best))
    ]
    if !history.isEmpty {
      sections.append(
        .lineChart(
          Report.LineChart(
            heading: "Training loss", note: "mean over the steps of an epoch", xLabel: "epoch", yLabel: "loss",
            series: [Report.LineChart.Series("loss", perEpoch: history.map(\.loss))])))
      sections.append(
        .lineChart(
          Report.LineChart(
            heading: "Validation \(metric)", note: "full ranking, seen items \(seen.rawValue)", xLabel: "epoch", yLabel: metric,
            series: [Report.LineChart.Series(metric, points: history.compactMap { r in r.metric.map { (Double(r.epoch), $0) } })])))
    }
    let recommender = Recommender(model, itemCount: dataset.itemCount, device: device)
    sections.append(contentsOf: try examples(dataset, recommender, includingSeen: seen == .ranked))
    let main = systems[0].report
    let cards = ["HR@10", "NDCG@10"].map { name in
      Report.Card(
        label: "Test \(name)", value: decimal(main[name]?.mean ?? .nan, places: 4),
        note: best[name].map { "best achievable \(decimal($0, places: 4))" } ?? "\(main.userCount) users")
    }
    let report = Report(
      title: "\(settings.model): \(dataset.userCount) users, \(dataset.itemCount) items",
      subtitle: "\(dataset.eventCount) events, seed \(settings.seed), \(history.count) epochs on \(device)", cards: cards,
      sections: sections)
    try writeFileDurably(path: output, text: report.html())
    print(output)
  }

  /// What a report reads of the truth of a log: it was there before what else the file holds now.
  private struct BestScores: Decodable {
    let best: [String: Double]
  }

  private func readBest(_ path: String) throws -> [String: Double] {
    guard let bytes = FileManager.default.contents(atPath: path), let truth = try? JSONDecoder().decode(BestScores.self, from: bytes) else {
      throw UserMistake("\(path): expected the .truth.json that augur synth wrote, with the scores \"best\"")
    }
    return truth.best
  }

  /// The last events and the suggestions of a few users, by readable names.
  private func examples(_ dataset: Dataset, _ recommender: Recommender, includingSeen: Bool) throws -> [Report.Section] {
    func label(_ item: Int) -> String { dataset.itemName(item) ?? dataset.itemID(item) }
    return try SequenceSplit(dataset).evaluatedUsers(.test).prefix(3).map { user in
      let history = Array(dataset.history(user))
      let times = recommender.readsTimes ? try dataset.seconds(user) : nil
      let found = recommender.suggestions(after: history, times: times, top: 5, includingSeen: includingSeen)
      let next = found.map { "next: \(label($0.item))" }
      return .list(
        heading: "User \(dataset.userID(user))", items: history.suffix(5).map { "saw: \(label(Int($0)))" } + next)
    }
  }
}
