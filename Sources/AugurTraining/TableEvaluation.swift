// Outputs of table models for a part of a table, and what they are worth.
public import AugurEvents
import AugurLayers
public import AugurMetrics
public import AugurModels
import AugurTensors

/// Logits or values of the rows of a part, in their order.
public func outputs(of model: any TableModel, on data: TableDataset, _ part: TablePart, batch: Int = 4096) -> [Float] {
  let rows = data.rows(part)
  guard let device = model.parameters.first?.value.device else { return [] }
  let maker = TableBatchMaker(data, device: device)
  var outputs: [Float] = []
  outputs.reserveCapacity(rows.count)
  for start in stride(from: rows.lowerBound, to: rows.upperBound, by: batch) {
    let input = maker.make(start..<min(rows.upperBound, start + batch), isTraining: false).input
    outputs += model.outputs(input, Pass()).floats()
  }
  return outputs
}

/// What the outputs for a part of a table are worth.
public struct TableQuality: Sendable {
  public let rows: Int
  public let results: [MetricValue]
  /// Why metrics of two classes are absent.
  public let shortcoming: String?

  /// - Parameter intervals: whether to draw intervals, a thousand times the work.
  public init(_ outputs: [Float], _ data: TableDataset, _ part: TablePart, isBinary: Bool, intervals: Bool) {
    let range = data.rows(part)
    rows = range.count
    let labels = range.map { Double(data.labels[$0]) }
    let weights = data.weights.map { weights in range.map { Double(weights[$0]) } }
    let (scores, bootstrap) = (outputs.map(Double.init), intervals ? Bootstrap() : nil)
    do throws(MetricsError) {
      if isBinary {
        let examples = try BinaryExamples(logits: scores, labels: labels, weights: weights)
        results = BinaryReport(examples, bootstrap: bootstrap).results
        shortcoming = examples.shortcoming
      } else {
        results = ValueReport(try ValueExamples(predictions: scores, targets: labels, weights: weights), bootstrap: bootstrap).results
        shortcoming = nil
      }
    } catch { (results, shortcoming) = ([], "\(error)") }
  }

  public subscript(name: String) -> Double? { results.first { $0.name == name }?.value }
}
