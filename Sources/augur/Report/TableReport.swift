// The report of a run on a table: metrics with intervals, curves, and whether probabilities can be believed.
import AugurCompute
import AugurEvents
import AugurMetrics
import AugurTraining

extension ReportCommand {
  /// The page about a table model.
  func tableReport(_ folder: RunFolder, _ settings: RunSettings) throws -> Report {
    let table = try openTable(data, of: settings)
    let device = try place.open()
    let model = try TrainedTableModel(folder, data: table.path, device: device)
    let calibration = try folder.readCalibration()
    let part: TablePart = table.rows(.test).isEmpty ? .validation : .test
    let answers = outputs(of: model.predictor, on: table, part)
    let quality = TableQuality(
      answers, table, part, isBinary: model.isBinary, calibrator: calibration?.calibrator, intervals: true)
    let rows = quality.results.compactMap { result in
      result.value.map { value in
        let range = result.interval.map { "\(decimal($0.lower, places: 4)) – \(decimal($0.upper, places: 4))" } ?? ""
        return Report.Table.Row(cells: [
          Report.Table.Cell(result.name), Report.Table.Cell(decimal(value, places: 4), detail: range),
        ])
      }
    }
    var sections: [Report.Section] = [
      .table(Report.Table(heading: "Quality", note: tableProtocol(table, part), columns: ["Metric", settings.model], rows: rows))
    ]
    if model.isBinary { sections.append(reliability(quality, answers, table, part, calibration)) }
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
    let cards = (model.isBinary ? ["AUC", "logloss", "calibration"] : ["RMSE", "MAE"]).compactMap { name in
      quality[name].map {
        Report.Card(label: "\(part.name) \(name)", value: decimal($0, places: 4), note: "\(quality.rows) rows")
      }
    }
    return Report(
      title: "\(settings.model): \(table.rowCount) rows, \(table.description.features) features",
      subtitle: "label \(table.description.label.column), seed \(settings.seed), \(history.count) epochs on \(device)",
      cards: cards,
      sections: sections)
  }

  /// Promised and observed shares, with the map of the run and without it.
  private func reliability(
    _ quality: TableQuality, _ answers: [Float], _ table: TableDataset, _ part: TablePart, _ calibration: TableCalibration?
  ) -> Report.Section {
    func points(_ bins: [ReliabilityBin]) -> [(x: Double, y: Double)] { bins.map { ($0.meanProbability, $0.meanLabel) } }
    let raw = TableQuality(answers, table, part, isBinary: true, intervals: false)
    var series = [Report.LineChart.Series("without calibration", points: points(raw.reliability))]
    if calibration != nil { series.insert(Report.LineChart.Series("as answered", points: points(quality.reliability)), at: 0) }
    let last = (quality.reliability + raw.reliability).map(\.meanProbability).max() ?? 1
    series.append(Report.LineChart.Series("perfect", points: [(0, 0), (last, last)]))
    let words = calibration.map { "\($0.method), fitted on \($0.rows) validation rows" } ?? "no calibration"
    return .lineChart(
      Report.LineChart(
        heading: "Reliability", note: "\(words); bins of about equally many rows", xLabel: "promised probability",
        yLabel: "observed share", series: series))
  }
}
