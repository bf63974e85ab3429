// The table that every run ends with: our metrics beside the baselines and the best that could be achieved.

import AugurMetrics

extension Report.Table {
  /// One row per system, one column per metric; means in four places with their bootstrap interval, the best in bold.
  ///
  /// - Parameters:
  ///   - systems: the model first or among the baselines; a metric that a report does not hold shows as "n/a".
  ///   - metrics: names such as `NDCG@10`.
  ///   - highlighted: name of the system that the report is about.
  ///   - bestAchievable: by metric, the score of a perfect model under the same protocol; not in the contest for the best.
  static func metrics(
    heading: String = "Quality", note: String = "", systems: [(name: String, report: RankingReport)],
    metrics: [String], highlighted: String = "", bestAchievable: [String: Double] = [:]
  ) -> Report.Table {
    let best = metrics.map { metric in systems.compactMap { $0.report[metric]?.mean }.max() }
    var rows = systems.map { system in
      let cells = metrics.indices.map { column -> Cell in
        guard let result = system.report[metrics[column]] else { return Cell("n/a") }
        let range = "\(decimal(result.interval.lower, places: 4)) – \(decimal(result.interval.upper, places: 4))"
        let isBest = systems.count > 1 && result.mean > 0 && result.mean == best[column]
        return Cell(decimal(result.mean, places: 4), detail: range, isBest: isBest)
      }
      return Row(cells: [Cell(system.name)] + cells, isHighlighted: system.name == highlighted)
    }
    if !bestAchievable.isEmpty {
      let cells = metrics.map { Cell(bestAchievable[$0].map { decimal($0, places: 4) } ?? "n/a") }
      rows.append(Row(cells: [Cell("Best achievable")] + cells))
    }
    return Report.Table(heading: heading, note: note, columns: ["System"] + metrics, rows: rows)
  }
}

/// `value` with a fixed number of decimal places, "n/a" when it is no number.
func decimal(_ value: Double, places: Int) -> String {
  guard value.isFinite else { return "n/a" }
  let places = max(0, min(places, 12))
  var scale = 1.0
  for _ in 0..<places { scale *= 10 }
  let scaled = (abs(value) * scale).rounded()
  guard scaled < 9e15 else { return "\(value)" }
  let digits = String(Int(scaled))
  let padded = String(repeating: "0", count: max(0, places + 1 - digits.count)) + digits
  let sign = value < 0 && scaled > 0 ? "−" : ""
  return places == 0 ? sign + padded : "\(sign)\(padded.dropLast(places)).\(padded.suffix(places))"
}
