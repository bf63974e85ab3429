// Outputs of table models for a part of a table, and what they are worth.
public import AugurEvents
import AugurLayers
public import AugurMetrics
public import AugurModels
import AugurTensors
import Glibc

/// A model that answers the rows of a table, each with a logit, a value or a time, or with several.
public protocol TablePredictor {
  /// By answer, those of the rows in `range`, in their order; they do not depend on who else is in it.
  func outputs(_ columns: TableColumns, _ range: Range<Int>) -> [[Float]]
  /// By time, the share of each row whose event comes later; nil where the model knows no such curve.
  func survival(_ columns: TableColumns, _ range: Range<Int>, at times: [Double]) -> [[Double]]?
  /// The price that the model keeps apart from other numbers.
  var price: TablePrice? { get }
  /// d ln y / d ln price of each row, y its answer; nil without a price.
  func elasticities(_ columns: TableColumns, _ range: Range<Int>) -> [Float]?
}

extension TablePredictor {
  public func survival(_ columns: TableColumns, _ range: Range<Int>, at times: [Double]) -> [[Double]]? { nil }
  public var price: TablePrice? { nil }
  public func elasticities(_ columns: TableColumns, _ range: Range<Int>) -> [Float]? { nil }
}

/// A network and the features that it reads.
public struct NetworkPredictor: TablePredictor {
  private let model: any TableModel
  private let inputs: TableInputMaker?
  private let objective: TableObjective

  public init(_ model: any TableModel, _ features: Features, _ objective: TableObjective) {
    (self.model, self.objective) = (model, objective)
    inputs = model.parameters.first.map { TableInputMaker(features, device: $0.value.device, of: model) }
  }

  public func outputs(_ columns: TableColumns, _ range: Range<Int>) -> [[Float]] { objective.answers(modelOutputs(columns, range)) }

  public func survival(_ columns: TableColumns, _ range: Range<Int>, at times: [Double]) -> [[Double]]? {
    objective.survival(modelOutputs(columns, range), at: times)
  }

  public var price: TablePrice? { model.price }

  public func elasticities(_ columns: TableColumns, _ range: Range<Int>) -> [Float]? {
    guard let inputs, price != nil else { return nil }
    var all: [Float] = []
    all.reserveCapacity(range.count)
    for start in stride(from: range.lowerBound, to: range.upperBound, by: evaluationRows) {
      let rows = start..<min(range.upperBound, start + evaluationRows)
      guard let own = model.elasticities(inputs.make(rows, of: columns, isTraining: false), Pass()) else { return nil }
      all += own
    }
    // The odds rise faster than the probability.
    guard objective.losses == ["bce"] else { return all }
    return zip(all, outputs(columns, range)[0]).map { $0 * (1 / (1 + exp($1))) }
  }

  /// By output of the model.
  private func modelOutputs(_ columns: TableColumns, _ range: Range<Int>) -> [[Float]] {
    guard let inputs else { return [] }
    var outputs = [[Float]](repeating: [], count: objective.outputs)
    for place in outputs.indices { outputs[place].reserveCapacity(range.count) }
    for start in stride(from: range.lowerBound, to: range.upperBound, by: evaluationRows) {
      let rows = start..<min(range.upperBound, start + evaluationRows)
      let made = model.outputs(inputs.make(rows, of: columns, isTraining: false), Pass())
      for (place, own) in made.enumerated() { outputs[place] += own.floats() }
    }
    return outputs
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
  /// Of classes: the curves of every threshold, which are probabilities as answered. Empty for others, and for one class.
  public private(set) var roc: [CurvePoint] = []
  public private(set) var precisionRecall: [CurvePoint] = []
  /// Of times.
  public let survival: SurvivalQuality?

  /// - Parameters:
  ///   - calibration: from logits to probabilities. Metrics of the order of rows take the logits themselves, where one map is that of
  ///     all rows; those of segments may change the order.
  ///   - group: place of the field whose values are the groups of gAUC and of the draws of intervals.
  ///   - intervals: whether to draw intervals, a thousand times the work.
  public init(
    _ outputs: [Float], _ data: TableDataset, _ part: TablePart, _ answer: TableObjective.Answer,
    calibration: TableCalibration? = nil, group: Int? = nil, survival: SurvivalQuality? = nil, intervals: Bool
  ) {
    self.survival = survival
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
        let users = group.map { groupNumbers(data, range, $0) }
        let made = try Self.classes(scores, labels, weights, users, promised, bootstrap)
        (roc, precisionRecall) = try Self.curves(scores, labels, weights, promised, calibration?.calibrator)
        (results, shortcoming, reliability) = made
      case .value:
        results = ValueReport(
          try ValueExamples(predictions: scores, targets: labels, weights: weights), metrics: valueMetrics + answer.ownQuantile,
          bootstrap: bootstrap
        ).results
        (shortcoming, reliability) = (nil, [])
      case .time:
        let events = answer.event.map { data.labels($0) }
        results = try Self.times(scores, labels, range.map { events?[$0] == 1 }, weights, bootstrap) + (survival?.results ?? [])
        (shortcoming, reliability) = (nil, [])
      }
    } catch { (results, shortcoming, reliability) = ([], "\(error)", []) }
  }

  /// ROC and precision-recall by what ranks, their thresholds as answered.
  private static func curves(
    _ scores: [Double], _ labels: [Double], _ weights: [Double]?, _ promised: (probabilities: [Double], areRanked: Bool)?, _ map: Calibrator?
  ) throws(MetricsError) -> ([CurvePoint], [CurvePoint]) {
    if let promised, promised.areRanked {
      let ranked = try BinaryExamples(probabilities: promised.probabilities, labels: labels, weights: weights)
      return (rocCurve(ranked), precisionRecallCurve(ranked))
    }
    let ranked = try BinaryExamples(logits: scores, labels: labels, weights: weights)
    func answered(_ point: CurvePoint) -> CurvePoint {
      guard let map, point.threshold.isFinite else { return point }
      return CurvePoint(x: point.x, y: point.y, threshold: map.probability(logit(ofProbability: point.threshold)))
    }
    return (rocCurve(ranked).map(answered), precisionRecallCurve(ranked).map(answered))
  }

  private static func classes(
    _ scores: [Double], _ labels: [Double], _ weights: [Double]?, _ users: [Int32]?, _ promised: (probabilities: [Double], areRanked: Bool)?,
    _ bootstrap: Bootstrap?
  ) throws(MetricsError) -> ([MetricValue], String?, [ReliabilityBin]) {
    let examples = try BinaryExamples(logits: scores, labels: labels, weights: weights, users: users)
    guard let (probabilities, areRanked) = promised else {
      return (BinaryReport(examples, bootstrap: bootstrap).results, examples.shortcoming, AugurMetrics.reliability(examples))
    }
    let calibrated = try BinaryExamples(probabilities: probabilities, labels: labels, weights: weights, users: users)
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
