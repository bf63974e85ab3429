// The report of a run on a table: metrics with intervals, curves, and whether probabilities can be believed.
import AugurCompute
import AugurEvents
import AugurMetrics
import AugurModels
import AugurTraining

extension ReportCommand {
  /// The page about a table model.
  func tableReport(_ folder: RunFolder, _ settings: RunSettings) throws -> Report {
    let table = try openTable(data, of: settings)
    let device = try place.open()
    let model = try TrainedTableModel(folder, on: table, device: device)
    let maps = try folder.readCalibrations(model)
    let part: TablePart = table.rows(.test).isEmpty ? .validation : .test
    let outputs = outputs(of: model.predictor, on: table, part)
    let group = try groupField(settings.hyperparameters["group"] ?? "none", of: model.features)
    var (sections, cards): ([Report.Section], [Report.Card]) = ([], [])
    for (place, answer) in model.answers.enumerated() {
      let survival = try SurvivalQuality(model.predictor, table, part, answer)
      let quality = TableQuality(
        outputs[place], table, part, answer, calibration: maps[place], group: group, survival: survival, intervals: true)
      let words = answer.words(in: model)
      sections.append(metrics(quality, heading: "Quality" + words, tableProtocol(table, part), settings))
      if answer.kind == .probability {
        sections.append(reliability(quality, outputs[place], answer, heading: "Reliability" + words, table, part, maps[place]))
        sections += curves(quality, words, part)
        if let segments = try segments(outputs[place], answer, table, part, maps[place], words) { sections.append(segments) }
      }
      if let survival { sections += curves(survival, words, part) }
      let usual = ["AUC", "PR-AUC", "logloss", "calibration", "RMSE", "MAE", "C-index", "IBS"]
      for name in settings.metrics.isEmpty ? usual : settings.metrics {
        guard let value = quality[name] else { continue }
        cards.append(
          Report.Card(label: "\(part.name) \(name)\(words)", value: decimal(value, places: 4), note: "\(quality.rows) rows"))
      }
    }
    if let elasticities = PriceElasticities(model, table, part) { sections.append(self.elasticities(elasticities, part)) }
    if let search = try folder.readSearch() {
      let chosen = search.records.sorted { $0.weight > $1.weight }
      sections.append(
        .list(
          heading: "Models tried, with their share of the answer",
          items: chosen.map { "\(decimal($0.weight, places: 2)) \($0.words(isBinary: model.isBinary))" }))
    }
    let history = folder.readHistory()
    if !history.isEmpty {
      sections.append(
        .lineChart(
          Report.LineChart(
            heading: "Training loss", note: "mean over the rows of an epoch", xLabel: "epoch", yLabel: "loss",
            series: [Report.LineChart.Series("loss", perEpoch: history.map(\.loss))])))
    }
    if let validation = validation(history, settings, table) { sections.append(validation) }
    return Report(
      title: "\(settings.model): \(table.rowCount) rows, \(table.description.features) features",
      subtitle: "label \(model.answers.map(\.name).joined(separator: ", ")), seed \(settings.seed), \(history.count) epochs on \(device)",
      cards: cards,
      sections: sections)
  }

  private func elasticities(_ found: PriceElasticities, _ part: TablePart) -> Report.Section {
    var lines = found.groups.map { ($0.value, "\($0.rows)", $0.mean) }
    lines.append(("all rows", "", found.mean))
    return .table(
      Report.Table(
        heading: "Elasticity by \(found.price)", note: "d ln answer / d ln price, the mean over \(part.name) rows; at most 0 by its form",
        columns: [found.column ?? "", "Rows", "Elasticity"],
        rows: lines.map { name, count, mean in
          Report.Table.Row(cells: [Report.Table.Cell(name), Report.Table.Cell(count), Report.Table.Cell(decimal(mean, places: 4))])
        }))
  }

  private func metrics(_ quality: TableQuality, heading: String, _ note: String, _ settings: RunSettings) -> Report.Section {
    let rows = quality.results(settings.metrics).compactMap { result in
      result.value.map { value in
        let range = result.interval.map { "\(decimal($0.lower, places: 4)) – \(decimal($0.upper, places: 4))" } ?? ""
        return Report.Table.Row(cells: [
          Report.Table.Cell(result.name), Report.Table.Cell(decimal(value, places: 4), detail: range),
        ])
      }
    }
    return .table(Report.Table(heading: heading, note: note, columns: ["Metric", settings.model], rows: rows))
  }

  /// Promised over observed for each value of the column that has maps of its own.
  private func segments(
    _ outputs: [Float], _ answer: TableObjective.Answer, _ table: TableDataset, _ part: TablePart, _ calibration: TableCalibration?,
    _ words: String
  ) throws -> Report.Section? {
    guard let calibration, let column = calibration.segments?.column else { return nil }
    let rows = try calibration.segmentQualities(outputs, table, part, answer).map { segment in
      Report.Table.Row(cells: [
        Report.Table.Cell(segment.value), Report.Table.Cell("\(segment.rows)"), Report.Table.Cell(decimal(segment.observed, places: 4)),
        Report.Table.Cell(decimal(segment.ratioBefore ?? .nan, places: 3)), Report.Table.Cell(decimal(segment.ratio ?? .nan, places: 3)),
      ])
    }
    return .table(
      Report.Table(
        heading: "Calibration by \(column)\(words)", note: "promised over observed positives of the \(part.name) rows; values with few "
          + "validation rows share a map and a line",
        columns: [column, "Rows", "Observed share", "Ratio without calibration", "Ratio as answered"], rows: rows))
  }

  /// Promised and observed shares, with the map of the run and without it.
  private func reliability(
    _ quality: TableQuality, _ outputs: [Float], _ answer: TableObjective.Answer, heading: String, _ table: TableDataset, _ part: TablePart,
    _ calibration: TableCalibration?
  ) -> Report.Section {
    func points(_ bins: [ReliabilityBin]) -> [(x: Double, y: Double)] { bins.map { ($0.meanProbability, $0.meanLabel) } }
    let raw = TableQuality(outputs, table, part, answer, intervals: false)
    var series = [Report.LineChart.Series("without calibration", points: points(raw.reliability))]
    if calibration != nil { series.insert(Report.LineChart.Series("as answered", points: points(quality.reliability)), at: 0) }
    let last = (quality.reliability + raw.reliability).map(\.meanProbability).max() ?? 1
    series.append(Report.LineChart.Series("perfect", points: [(0, 0), (last, last)], isReference: true))
    let words = calibration.map { "\($0.method), fitted on \($0.rows) validation rows" } ?? "no calibration"
    return .lineChart(
      Report.LineChart(
        heading: heading, note: "\(words); bins of about equally many rows", xLabel: "promised probability",
        yLabel: "observed share", series: series, isSquare: true))
  }
}
