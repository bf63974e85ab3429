// How near a model came to what is true of a synthetic log.
public import AugurEvents
public import AugurMetrics
import Glibc

/// A metric of a model and of the oracle on the same examples.
public struct SyntheticScore: Sendable {
  public let metric: String
  public let ours: Double
  public let best: Double
  /// What could be reached with what a log shows, where the best knows more.
  public var knowable: Double?
  /// Whether more is better; nil where the distance counts.
  public let isMore: Bool?
  /// How far from the best is near enough, as a share of it.
  public static let tolerance = 0.05

  public init(metric: String, ours: Double, best: Double, knowable: Double? = nil, isMore: Bool?) {
    (self.metric, self.ours, self.best, self.knowable, self.isMore) = (metric, ours, best, knowable, isMore)
  }

  public var ratio: Double { ours / best }
  public var isNear: Bool {
    switch isMore {
    case true?: ratio >= 1 - Self.tolerance
    case false?: ratio <= 1 + Self.tolerance
    case nil: abs(ratio - 1) <= Self.tolerance
    }
  }
}

/// What is true of each row of an assembled table, in the order of its file.
public enum SyntheticJudge: Sendable {
  /// Probabilities of class 1, of the label that an answer is about.
  case probability([Double], answer: Int)
  /// Hazards.
  case risk([Double])
  /// Expected values, and those that follow from what the log shows.
  case value([Double], knowable: [Double])
  /// Expected counts, and the variance over the mean that the oracle knows. With exposures the labels and the answers are counts over them.
  case count([Double], dispersion: Double, exposures: [Double]? = nil)
  /// Probabilities of class 1, where the labels are not all there yet: their mean is to be met.
  case rate([Double])
  /// The mean over groups of how far ln p falls as ln price rises, which `PriceElasticities` reads from a model.
  case elasticity(Double)

  /// - Parameters:
  ///   - answers: of the model, by answer, for test rows and for validation rows.
  ///   - calibrator: of the answer that is judged.
  public func scores(
    _ answers: (test: [[Float]], validation: [[Float]]), _ table: TableDataset, calibrator: (Int) -> Calibrator?
  ) throws(MetricsError) -> [SyntheticScore] {
    func truth(_ values: [Double]) -> [Double] { table.rows(.test).map { values[Int(table.inputRows[$0])] } }
    func labels(_ place: Int, _ part: TablePart = .test) -> [Double] {
      let all = table.labels(place)
      return table.rows(part).map { Double(all[$0]) }
    }
    switch self {
    case .probability(let all, let answer):
      let map = calibrator(answer) ?? .identity
      let promised = answers.test[answer].map { map.probability(Double($0)) }
      return try Self.probabilities(answers.test[answer].map(Double.init), promised, truth(all), labels(answer))
    case .rate(let all):
      let promised = answers.test[0].map { 1 / (1 + exp(-Double($0))) }
      return [SyntheticScore(metric: "rate", ours: Self.mean(promised), best: Self.mean(truth(all)), isMore: nil)]
    case .risk(let all):
      let examples = try SurvivalExamples(times: labels(0), isObserved: labels(1).map { $0 == 1 })
      guard let ours = try ConcordanceIndex.value(examples, risks: answers.test[0].map { -Double($0) }),
        let best = try ConcordanceIndex.value(examples, risks: truth(all))
      else { return [] }
      return [SyntheticScore(metric: ConcordanceIndex.name, ours: ours, best: best, isMore: true)]
    case .elasticity: return []
    case .value(let all, let knowable):
      return try Self.values(answers.test[0].map(Double.init), truth(all), truth(knowable), labels(0))
    case .count(let all, let dispersion, let exposures):
      func counts(_ values: [Double], _ part: TablePart) -> [Double] {
        guard let exposures else { return values }
        return zip(values, table.rows(part)).map { $0 * exposures[Int(table.inputRows[$1])] }
      }
      func came(_ part: TablePart) -> [Double] { counts(labels(0, part), part).map { $0.rounded() } }
      let (ours, validation) = (
        counts(answers.test[0].map(Double.init), .test), counts(answers.validation[0].map(Double.init), .validation)
      )
      return try Self.counts(ours, Self.dispersion(validation, came(.validation)), truth(all), dispersion, came(.test))
    }
  }

  private static func mean(_ values: [Double]) -> Double { values.isEmpty ? .nan : values.reduce(0, +) / Double(values.count) }

  private static func probabilities(
    _ logits: [Double], _ promised: [Double], _ truth: [Double], _ labels: [Double]
  ) throws(MetricsError) -> [SyntheticScore] {
    let (ranked, ours) = (try BinaryExamples(logits: logits, labels: labels), try BinaryExamples(probabilities: promised, labels: labels))
    let best = try BinaryExamples(probabilities: truth, labels: labels)
    return [
      SyntheticScore(metric: "AUC", ours: AUC().value(ranked) ?? .nan, best: AUC().value(best) ?? .nan, isMore: true),
      SyntheticScore(metric: "logloss", ours: LogLoss().value(ours) ?? .nan, best: LogLoss().value(best) ?? .nan, isMore: false),
    ]
  }

  private static func score(
    _ metric: some ValueMetric, _ ours: [Double], _ best: [Double], _ labels: [Double]
  ) throws(MetricsError) -> SyntheticScore {
    let (own, other) = (try ValueExamples(predictions: ours, targets: labels), try ValueExamples(predictions: best, targets: labels))
    return SyntheticScore(metric: metric.name, ours: metric.value(own) ?? .nan, best: metric.value(other) ?? .nan, isMore: false)
  }

  private static func values(
    _ ours: [Double], _ best: [Double], _ knowable: [Double], _ labels: [Double]
  ) throws(MetricsError) -> [SyntheticScore] {
    var error = try score(RootMeanSquaredError(), ours, best, labels)
    error.knowable = try score(RootMeanSquaredError(), knowable, best, labels).ours
    let mean = mean(labels)
    let spread = labels.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(max(1, labels.count))
    func explained(_ root: Double) -> Double { 1 - root * root / spread }
    return [
      error,
      SyntheticScore(
        metric: "R2", ours: explained(error.ours), best: explained(error.best), knowable: error.knowable.map(explained), isMore: true),
    ]
  }

  private static func counts(
    _ ours: [Double], _ dispersion: Double, _ best: [Double], _ known: Double, _ labels: [Double]
  ) throws(MetricsError) -> [SyntheticScore] {
    var scores = [try score(PoissonDeviance(), ours, best.map { max($0, 1e-9) }, labels)]
    for level in [0.5, 0.9] {
      scores.append(
        try score(
          QuantileLoss(level), ours.map { countQuantile(level, mean: $0, dispersion: dispersion) },
          best.map { countQuantile(level, mean: $0, dispersion: known) }, labels))
    }
    return scores
  }

  /// Variance over mean of counts around what was expected (Pearson).
  static func dispersion(_ expected: [Double], _ counts: [Double]) -> Double {
    guard !counts.isEmpty else { return 1 }
    return zip(expected, counts).reduce(0) { $0 + ($1.1 - $1.0) * ($1.1 - $1.0) / max($1.0, 1e-9) } / Double(counts.count)
  }
}

/// The least k with P(X <= k) >= level, X a count with this mean and `dispersion` times it as variance: Poisson, above 1.05 negative binomial.
/// Means from 500 on take a normal.
func countQuantile(_ level: Double, mean: Double, dispersion: Double) -> Double {
  guard mean > 0 else { return 0 }
  guard mean < 500 else { return (mean + normalQuantile(level) * (mean * max(1, dispersion)).squareRoot()).rounded() }
  let isSpread = dispersion > 1.05
  let size = mean / max(dispersion - 1, 1e-9)
  let share = 1 - 1 / max(dispersion, 1)
  var (k, term) = (0.0, isSpread ? exp(size * log(1 - share)) : exp(-mean))
  var sum = term
  while sum < level, k < 10_000 {
    term *= isSpread ? share * (k + size) / (k + 1) : mean / (k + 1)
    k += 1
    sum += term
  }
  return k
}

/// The quantile of a standard normal, by bisection of its distribution.
private func normalQuantile(_ level: Double) -> Double {
  var (low, high) = (-9.0, 9.0)
  for _ in 0..<60 {
    let middle = (low + high) / 2
    if erfc(-middle / 2.0.squareRoot()) / 2 < level { low = middle } else { high = middle }
  }
  return (low + high) / 2
}
