// Outputs of table models for a part of a table, and what they are worth.
public import AugurEvents
import AugurLayers
public import AugurMetrics
public import AugurModels
import AugurTensors

/// A model that answers the rows of a table, each with a logit, a value or a time, or with several.
public protocol TablePredictor {
  /// By answer, those of the rows in `range`, in their order; they do not depend on who else is in it.
  func outputs(_ columns: TableColumns, _ range: Range<Int>) -> [[Float]]
}

/// A network and the features that it reads.
public struct NetworkPredictor: TablePredictor {
  private let model: any TableModel
  private let inputs: TableInputMaker?
  private let objective: TableObjective

  public init(_ model: any TableModel, _ features: Features, _ objective: TableObjective) {
    (self.model, self.objective) = (model, objective)
    inputs = model.parameters.first.map { TableInputMaker(features, device: $0.value.device, readsHistories: model.readsHistories) }
  }

  public func outputs(_ columns: TableColumns, _ range: Range<Int>) -> [[Float]] {
    guard let inputs else { return [] }
    var outputs = [[Float]](repeating: [], count: objective.outputs)
    for place in outputs.indices { outputs[place].reserveCapacity(range.count) }
    for start in stride(from: range.lowerBound, to: range.upperBound, by: evaluationRows) {
      let rows = start..<min(range.upperBound, start + evaluationRows)
      let made = model.outputs(inputs.make(rows, of: columns, isTraining: false), Pass())
      for (place, own) in made.enumerated() { outputs[place] += own.floats() }
    }
    return objective.answers(outputs)
  }
}

/// Rows that an evaluation takes at a time.
let evaluationRows = 4096

/// By answer, logits, values or times of the rows of a part, in their order.
public func outputs(of model: any TablePredictor, on data: TableDataset, _ part: TablePart) -> [[Float]] {
  model.outputs(data.columns, data.rows(part))
}

/// What the outputs for a part of a table are worth.
public struct TableQuality: Sendable {
  public let rows: Int
  public let results: [MetricValue]
  /// Why metrics of two classes are absent.
  public let shortcoming: String?
  /// Promised and observed shares of class 1 in bins of about equally many rows; empty for values.
  public let reliability: [ReliabilityBin]

  /// - Parameters:
  ///   - calibration: from logits to probabilities. Metrics of the order of rows take the logits themselves, where one map is that of
  ///     all rows; those of segments may change the order.
  ///   - intervals: whether to draw intervals, a thousand times the work.
  public init(
    _ outputs: [Float], _ data: TableDataset, _ part: TablePart, _ answer: TableObjective.Answer,
    calibration: TableCalibration? = nil, intervals: Bool
  ) {
    let range = data.rows(part)
    rows = range.count
    let column = data.labels(answer.label)
    let labels = range.map { Double(column[$0]) }
    let weights = data.weights.map { weights in range.map { Double(weights[$0]) } }
    let (scores, bootstrap) = (outputs.map(Double.init), intervals ? Bootstrap() : nil)
    do throws(MetricsError) {
      switch answer.kind {
      case .probability:
        let promised = calibration.map { ($0.probabilities(outputs, data.columns, range), $0.segments != nil) }
        (results, shortcoming, reliability) = try Self.classes(scores, labels, weights, promised, bootstrap)
      case .value:
        var metrics = valueMetrics
        if let own = answer.quantile.map({ QuantileLoss($0) }), !metrics.contains(where: { $0.name == own.name }) { metrics.append(own) }
        results = ValueReport(
          try ValueExamples(predictions: scores, targets: labels, weights: weights), metrics: metrics, bootstrap: bootstrap
        ).results
        (shortcoming, reliability) = (nil, [])
      case .time:
        let events = answer.event.map { data.labels($0) }
        results = try Self.times(scores, labels, range.map { events?[$0] == 1 }, weights, bootstrap)
        (shortcoming, reliability) = (nil, [])
      }
    } catch { (results, shortcoming, reliability) = ([], "\(error)", []) }
  }

  private static func classes(
    _ scores: [Double], _ labels: [Double], _ weights: [Double]?, _ promised: (probabilities: [Double], areRanked: Bool)?,
    _ bootstrap: Bootstrap?
  ) throws(MetricsError) -> ([MetricValue], String?, [ReliabilityBin]) {
    let examples = try BinaryExamples(logits: scores, labels: labels, weights: weights)
    guard let (probabilities, areRanked) = promised else {
      return (BinaryReport(examples, bootstrap: bootstrap).results, examples.shortcoming, AugurMetrics.reliability(examples))
    }
    let calibrated = try BinaryExamples(probabilities: probabilities, labels: labels, weights: weights)
    if areRanked { return (BinaryReport(calibrated, bootstrap: bootstrap).results, examples.shortcoming, AugurMetrics.reliability(calibrated)) }
    // A flat piece of the map makes ties: what ranks takes the logits.
    let all = binaryMetrics()
    func report(_ examples: BinaryExamples, areRanking: Bool) -> BinaryReport {
      BinaryReport(examples, metrics: all.filter { rankingMetrics.contains($0.name) == areRanking }, bootstrap: bootstrap)
    }
    let (ranked, promised) = (report(examples, areRanking: true), report(calibrated, areRanking: false))
    return (all.compactMap { ranked[$0.name] ?? promised[$0.name] }, examples.shortcoming, AugurMetrics.reliability(calibrated))
  }

  /// Later is less at risk.
  private static func times(
    _ scores: [Double], _ times: [Double], _ isObserved: [Bool], _ weights: [Double]?, _ bootstrap: Bootstrap?
  ) throws(MetricsError) -> [MetricValue] {
    let examples = try SurvivalExamples(times: times, isObserved: isObserved, weights: weights)
    return [try ConcordanceIndex.result(examples, risks: scores.map { -$0 }, bootstrap: bootstrap)]
  }

  private static let rankingMetrics = [AUC().name, GroupAUC().name, AveragePrecision().name]

  public subscript(name: String) -> Double? { results.first { $0.name == name }?.value }
}

/// The validation rows, by which models are compared.
struct TableJudge {
  let answer: TableObjective.Answer
  let labels: [Double]
  let weights: [Double]
  var isBinary: Bool { answer.kind == .probability }

  init(_ data: TableDataset, _ answer: TableObjective.Answer) {
    let rows = data.rows(.validation)
    let values = data.labels(answer.label)
    self.answer = answer
    labels = rows.map { Double(values[$0]) }
    weights = rows.map { Double(data.weights?[$0] ?? 1) }
  }

  /// Mean logloss of logits, or of squares.
  func loss(_ outputs: [Double]) -> Double { weightedLoss(outputs, labels, weights, isBinary: isBinary) }

  /// AUC of logits, the RMSE of values; nil where it is not defined. Times are judged by their loss.
  func metric(_ outputs: [Float]) -> Double? {
    let outputs = outputs.map(Double.init)
    do throws(MetricsError) {
      switch answer.kind {
      case .probability: return AUC().value(try BinaryExamples(logits: outputs, labels: labels, weights: weights))
      case .value: return RootMeanSquaredError().value(try ValueExamples(predictions: outputs, targets: labels, weights: weights))
      case .time: return nil
      }
    } catch { return nil }
  }
}
