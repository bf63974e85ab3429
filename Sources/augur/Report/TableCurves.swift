// The curves of a table model: what each threshold gives, and survival; as charts of the report, and as rows of a file.
import AugurEvents
import AugurMetrics
import AugurModels
import AugurTensors
import AugurTraining

extension ReportCommand {
  /// ROC and precision-recall; none where one class is missing.
  func curves(_ quality: TableQuality, _ words: String, _ part: TablePart) -> [Report.Section] {
    guard !quality.roc.isEmpty, let last = quality.precisionRecall.last else { return [] }
    func points(_ curve: [CurvePoint]) -> [(x: Double, y: Double)] { thinned(curve, to: 200).map { ($0.x, $0.y) } }
    func value(_ name: String) -> String { decimal(quality[name] ?? .nan, places: 4) }
    return [
      .lineChart(
        Report.LineChart(
          heading: "ROC\(words)", note: "\(part.name) rows at every threshold; the area is the AUC, \(value("AUC"))",
          xLabel: "share of negatives taken for positives", yLabel: "share of positives found",
          series: [
            Report.LineChart.Series("model", points: points(quality.roc)),
            Report.LineChart.Series("chance", points: [(0, 0), (1, 1)], isReference: true),
          ], xRange: 0...1, yRange: 0...1, isSquare: true)),
      .lineChart(
        Report.LineChart(
          heading: "Precision and recall\(words)", note: "\(part.name) rows at every threshold; average precision \(value("PR-AUC"))",
          xLabel: "recall", yLabel: "precision",
          series: [
            Report.LineChart.Series("model", points: points(quality.precisionRecall)),
            Report.LineChart.Series("all rows", points: [(0, last.y), (1, last.y)], isReference: true),
          ], xRange: 0...1, yRange: 0...1, isSquare: true)),
    ]
  }

  /// Who is left, said and seen; and what the curves cost.
  func curves(_ survival: SurvivalQuality, _ words: String, _ part: TablePart) -> [Report.Section] {
    func curve(_ values: [Double]) -> [(x: Double, y: Double)] { zip(survival.grid, values).map { ($0, $1) } }
    let horizon = decimal(survival.horizon, places: 1)
    return [
      .lineChart(
        Report.LineChart(
          heading: "Survival\(words)", note: "share of the \(part.name) rows whose event is still to come", xLabel: "time", yLabel: "share left",
          series: [
            Report.LineChart.Series("mean of the model's curves", points: curve(survival.promised)),
            Report.LineChart.Series("observed, Kaplan-Meier", points: curve(survival.observed)),
          ], yRange: 0...1)),
      .lineChart(
        Report.LineChart(
          heading: "Survival calibration\(words)", note: "ten groups of rows by what is said of time \(horizon)", xLabel: "promised share left",
          yLabel: "observed share left",
          series: [
            Report.LineChart.Series("model", points: survival.groups.map { ($0.promised, $0.observed) }),
            Report.LineChart.Series("perfect", points: [(0, 0), (1, 1)], isReference: true),
          ], xRange: 0...1, yRange: 0...1, isSquare: true)),
      .lineChart(
        Report.LineChart(
          heading: "Brier score over time\(words)", note: "inverse-censoring weights; less is better", xLabel: "time", yLabel: "Brier score",
          series: [
            Report.LineChart.Series("model", points: curve(survival.brier)),
            Report.LineChart.Series("Kaplan-Meier of the training rows", points: curve(survival.baselineBrier), isReference: true),
          ])),
    ]
  }

  /// What decided which epoch is the best, epoch by epoch.
  func validation(_ history: [EpochRecord], _ settings: RunSettings, _ table: TableDataset) -> Report.Section? {
    guard history.contains(where: { $0.metric != nil }), let method = TableMethod.named(settings.model) else { return nil }
    var plan = Hyperparameters(method.planKnobs)
    for (name, value) in settings.hyperparameters where plan.knows(name) { try? plan.set(name, value) }
    let (name, isMore) = method.judgement(table, plan)
    return .lineChart(
      Report.LineChart(
        heading: "Validation \(name)", note: "by which the best epoch is chosen", xLabel: "epoch", yLabel: name,
        series: [
          Report.LineChart.Series(
            name, points: history.compactMap { record in record.metric.map { (Double(record.epoch), isMore ? $0 : -$0) } })
        ]))
  }
}

/// Curves as rows of a CSV, whole: answer, curve, x, y, threshold.
struct CurveFile {
  private var text = "answer,curve,x,y,threshold\n"

  mutating func add(_ quality: TableQuality, of answer: String) {
    func row(_ curve: String, _ x: Double, _ y: Double, _ threshold: Double? = nil) {
      let last = threshold.map { $0.isFinite ? "\($0)" : "" } ?? ""
      text += "\(csvField(answer)),\(curve),\(x),\(y),\(last)\n"
    }
    for point in quality.roc { row("roc", point.x, point.y, point.threshold) }
    for point in quality.precisionRecall { row("precision-recall", point.x, point.y, point.threshold) }
    for bin in quality.reliability { row("reliability", bin.meanProbability, bin.meanLabel) }
    guard let survival = quality.survival else { return }
    for (place, time) in survival.grid.enumerated() {
      row("survival", time, survival.promised[place])
      row("survival-observed", time, survival.observed[place])
      row("brier", time, survival.brier[place])
      row("brier-kaplan-meier", time, survival.baselineBrier[place])
    }
    for group in survival.groups { row("survival-calibration", group.promised, group.observed) }
  }

  func write(to path: String) throws { try writeFileDurably(path: path, text: text) }
}

/// A field of a CSV, in quotes where it needs them.
private func csvField(_ text: String) -> String {
  text.contains { ",\"\n\r".contains($0) } ? "\"" + text.replacing("\"", with: "\"\"") + "\"" : text
}
