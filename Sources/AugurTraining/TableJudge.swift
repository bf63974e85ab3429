// What decides which epoch, tree or model is the best: the loss of the validation rows, or a metric of their answers by its name.
public import AugurEvents
import AugurMetrics
public import AugurModels

/// Knobs of what decides.
let judgeKnobs: [Hyperparameter] = [
  .text(
    "metric", "auto", "loss or a metric of the label's kind, such as AUC, logloss, gAUC, RMSE or C-index",
    "what decides which epoch is the best, by the validation rows; auto: of networks the mean over answers of AUC or minus RMSE, or "
      + "the loss of quantile, poisson and those of several outputs; of others the loss"),
  .text("group", "none", "a categorical feature", "the rows of one of its values are a group of gAUC, and one draw of intervals"),
]

/// The validation rows, by which models are compared.
struct TableJudge {
  let answer: TableObjective.Answer
  let labels: [Double]
  let weights: [Double]
  /// Name of what is compared; nil where it is the loss.
  let name: String?
  private let metric: Metric?
  private let groups: [Int32]?
  /// Of a time: whether the event came.
  private let isObserved: [Bool]
  var isBinary: Bool { answer.kind == .probability }

  private enum Metric {
    case binary(any BinaryMetric)
    case value(any ValueMetric)
    case concordance

    var isGreaterBetter: Bool {
      switch self {
      case .binary(let metric): metric.isGreaterBetter ?? true
      case .value: false
      case .concordance: true
      }
    }
  }

  /// - Parameter knobs: those of `judgeKnobs`.
  /// - Throws: where the metric is none of such labels, or has no value on these rows whatever is answered.
  init(_ data: TableDataset, _ answer: TableObjective.Answer, _ knobs: Hyperparameters) throws {
    let rows = data.rows(.validation)
    let (values, events) = (data.labels(answer.label), answer.event.map { data.labels($0) })
    self.answer = answer
    labels = rows.map { Double(values[$0]) }
    weights = rows.map { Double(data.weights?[$0] ?? 1) }
    isObserved = rows.map { events?[$0] == 1 }
    groups = try groupField(knobs.choice("group"), of: data.features).map { groupNumbers(data, rows, $0) }
    let asked = knobs.choice("metric")
    switch asked {
    case "loss": metric = nil
    case "auto": metric = Self.usual(answer.kind)
    default: metric = try Self.named(asked, answer, hasGroups: groups != nil)
    }
    name =
      switch metric {
      case .binary(let metric): metric.name
      case .value(let metric): metric.name
      case .concordance: ConcordanceIndex.name
      case nil: nil
      }
    guard let metric, asked != "auto" else { return }
    guard !rows.isEmpty else {
      throw TrainingError.data(
        problem: "the table has no validation row to choose by", advice: "prepare it with another --split-ratio")
    }
    guard value(metric, labels.map { _ in 0 }) == nil else { return }
    throw TrainingError.data(
      problem: "\(asked) of '\(answer.name)' has no value on the \(rows.count) validation rows",
      advice: "set metric=loss, or give them rows of both classes\(asked.lowercased() == "gauc" ? " in one group" : "") that have weight")
  }

  private static func usual(_ kind: TableObjective.Answer.Kind) -> Metric? {
    switch kind {
    case .probability: .binary(AUC())
    case .value: .value(RootMeanSquaredError())
    case .time: nil
    }
  }

  private static func named(_ asked: String, _ answer: TableObjective.Answer, hasGroups: Bool) throws(ModelError) -> Metric {
    var known: [(name: String, metric: Metric)] = []
    switch answer.kind {
    case .probability: for metric in binaryMetrics() where metric.isGreaterBetter != nil { known.append((metric.name, .binary(metric))) }
    case .value: for metric in valueMetrics + answer.ownQuantile { known.append((metric.name, .value(metric))) }
    case .time: known.append((ConcordanceIndex.name, .concordance))
    }
    guard let found = known.first(where: { $0.name.lowercased() == asked.lowercased() }) else {
      let names = known.map(\.name) + ["loss"]
      let near = nearestName(to: asked, in: names).map { "did you mean '\($0)'? " } ?? ""
      throw .badCombination(
        "hyper-parameter 'metric': '\(asked)' is no metric to choose by of '\(answer.name)', a \(answer.kind.rawValue): \(near)(known: "
          + "\(names.joined(separator: ", ")))")
    }
    guard found.name != GroupAUC().name || hasGroups else {
      throw .badCombination("hyper-parameter 'metric': gAUC is of groups; name the categorical feature with group=COLUMN")
    }
    return found.metric
  }

  /// Mean logloss of logits, or of squares.
  func loss(_ outputs: [Double]) -> Double { weightedLoss(outputs, labels, weights, isBinary: isBinary) }

  /// The metric of answers, times -1 where less is better; nil where it is not defined, or the loss decides.
  func score(_ outputs: [Float]) -> Double? { score(outputs.map(Double.init)) }

  func score(_ outputs: [Double]) -> Double? {
    guard let metric, let value = value(metric, outputs) else { return nil }
    return metric.isGreaterBetter ? value : -value
  }

  var isGreaterBetter: Bool { metric?.isGreaterBetter ?? false }

  /// AUC of logits; nil where it is not defined.
  func auc(_ outputs: [Float]) -> Double? { isBinary ? value(.binary(AUC()), outputs.map(Double.init)) : nil }

  private func value(_ metric: Metric, _ outputs: [Double]) -> Double? {
    do throws(MetricsError) {
      switch metric {
      case .binary(let metric):
        return metric.value(try BinaryExamples(logits: outputs, labels: labels, weights: weights, users: groups))
      case .value(let metric): return metric.value(try ValueExamples(predictions: outputs, targets: labels, weights: weights))
      case .concordance:
        return try ConcordanceIndex.value(
          try SurvivalExamples(times: labels, isObserved: isObserved, weights: weights), risks: outputs.map { -$0 })
      }
    } catch { return nil }
  }
}

extension TableObjective.Answer {
  /// The metric of its own quantile, where the usual ones do not have it.
  var ownQuantile: [any ValueMetric] {
    guard let own = quantile.map({ QuantileLoss($0) }), !valueMetrics.contains(where: { $0.name == own.name }) else { return [] }
    return [own]
  }
}

/// Place of the field whose values group the rows; nil for "none".
public func groupField(_ name: String, of features: Features) throws(ModelError) -> Int? {
  name == "none" ? nil : try categoricalField(name, of: features, knob: "group")
}

/// The group of each row by the id of a field. Rows of id 0, which is no value, are each a group of their own.
func groupNumbers(_ data: TableDataset, _ rows: Range<Int>, _ field: Int) -> [Int32] {
  let ids = data.ids(field)
  return rows.enumerated().map { place, row in ids[row] == 0 ? Int32(-1 - place) : ids[row] }
}
