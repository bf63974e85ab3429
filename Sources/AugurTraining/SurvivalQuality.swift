// What survival curves are worth: Brier scores with inverse-censoring weights beside Kaplan and Meier's curve of the training rows, and
// whether as many are left as was said.
public import AugurEvents
public import AugurMetrics
public import AugurModels

public struct SurvivalQuality: Sendable {
  /// Rising times, between which the Brier score is integrated.
  public let grid: [Double]
  /// BS(t) of the curves, and of one curve for all rows.
  public let brier: [Double]
  public let baselineBrier: [Double]
  /// The mean of the curves, and the share that is left by Kaplan and Meier.
  public let promised: [Double]
  public let observed: [Double]
  /// Half of the events of the part are over by then.
  public let horizon: Double
  /// Rows by what is said of the horizon, in ten groups of about equal size.
  public let groups: [Group]

  public struct Group: Sendable, Equatable {
    public let rows: Int
    /// Mean share said to be left at the horizon, and that by Kaplan and Meier within the group.
    public let promised: Double
    public let observed: Double
  }

  /// Times that a score is integrated over, at most: quantiles of the events of the part.
  private static let times = 25

  /// Nil where the answer is no time, the model has no curves, or the part has no event to judge them by.
  public init?(
    _ predictor: any TablePredictor, _ data: TableDataset, _ part: TablePart, _ answer: TableObjective.Answer
  ) throws(MetricsError) {
    guard answer.kind == .time, let event = answer.event else { return nil }
    func examples(_ rows: some Collection<Int>) throws(MetricsError) -> SurvivalExamples {
      let (times, events) = (data.labels(answer.label), data.labels(event))
      return try SurvivalExamples(
        times: rows.map { Double(times[$0]) }, isObserved: rows.map { events[$0] == 1 },
        weights: data.weights.map { weights in rows.map { Double(weights[$0]) } })
    }
    let (rows, all, training) = (data.rows(part), try examples(data.rows(part)), try examples(data.rows(.training)))
    let (times, events) = (data.labels(answer.label), data.labels(event))
    let sorted = rows.filter { events[$0] == 1 }.map { Double(times[$0]) }.sorted()
    guard !sorted.isEmpty else { return nil }
    var grid: [Double] = []
    for place in 0..<Self.times {
      let time = sorted[place * (sorted.count - 1) / Self.times]
      if time > grid.last ?? -.infinity { grid.append(time) }
    }
    guard let curves = predictor.survival(data.columns, rows, at: grid),
      let brier = try IntegratedBrier.scores(all, survival: curves, grid: grid)
    else { return nil }
    let usual = KaplanMeier(training)
    let baseline = grid.map { time in rows.map { _ in usual.survival(at: time) } }
    guard let baselineBrier = try IntegratedBrier.scores(all, survival: baseline, grid: grid) else { return nil }
    let left = KaplanMeier(all)
    (self.grid, self.brier, self.baselineBrier) = (grid, brier, baselineBrier)
    promised = curves.map { curve in zip(curve, all.weights).reduce(0) { $0 + $1.0 * $1.1 } / all.weights.reduce(0, +) }
    observed = grid.map { left.survival(at: $0) }
    let middle = grid.firstIndex { $0 >= sorted[(sorted.count - 1) / 2] } ?? grid.count - 1
    horizon = grid[middle]
    let order = rows.indices.map { $0 - rows.lowerBound }.sorted { (curves[middle][$0], $0) < (curves[middle][$1], $1) }
    var groups: [Group] = []
    let count = min(10, order.count)
    for place in 0..<count {
      let own = order[place * order.count / count..<(place + 1) * order.count / count]
      let km = KaplanMeier(try examples(own.map { rows.lowerBound + $0 }))
      groups.append(
        Group(rows: own.count, promised: own.reduce(0) { $0 + curves[middle][$1] } / Double(own.count), observed: km.survival(at: horizon)))
    }
    self.groups = groups
  }

  /// The integrated Brier score of the curves, and of one curve for all.
  public var results: [MetricValue] {
    [
      MetricValue(name: IntegratedBrier.name, value: IntegratedBrier.mean(brier, grid: grid), interval: nil),
      MetricValue(name: IntegratedBrier.name + " Kaplan-Meier", value: IntegratedBrier.mean(baselineBrier, grid: grid), interval: nil),
    ]
  }
}
