// Probabilities of a run that can be trusted: a map fitted on the validation rows, kept beside the model.
public import AugurEvents
public import AugurMetrics
import AugurModels
import AugurTensors
import Foundation

/// What `calibration` of a plan may be.
let calibrationKnob = Hyperparameter.choice(
  "calibration", "platt", of: ["none"] + CalibrationMethod.allCases.map(\.rawValue),
  "map of logits to probabilities, by the validation rows")

/// The map of a run's logits to probabilities.
public struct TableCalibration: Codable, Sendable, Equatable {
  public let method: String
  public let calibrator: Calibrator
  /// Validation rows that it was fitted on.
  public let rows: Int
  /// Promised over observed positives of the validation rows, without and with the map; nil where nothing was observed.
  public let ratioBefore: Double?
  public let ratio: Double?

  /// Fewer rows say too little about a probability.
  public static let fewestRows = 50

  /// Fits the map that `method` names ("none" is the sigmoid itself) to logits; nil where the rows are few or of one class.
  public init?(_ method: String, logits: [Float], labels: [Double], weights: [Double]?) throws(MetricsError) {
    let scores = logits.map(Double.init)
    let examples = try BinaryExamples(logits: scores, labels: labels, weights: weights)
    guard labels.count >= Self.fewestRows, examples.shortcoming == nil else { return nil }
    (self.method, rows) = (method, labels.count)
    calibrator = try CalibrationMethod(rawValue: method)?.fitted(logits: scores, labels: labels, weights: weights) ?? .identity
    ratioBefore = CalibrationRatio().value(examples)
    let map = calibrator
    ratio = CalibrationRatio().value(
      try BinaryExamples(probabilities: scores.map { map.probability($0) }, labels: labels, weights: weights))
  }

  /// Whether its probabilities keep to the gate of validation.
  public var isTrusted: Bool { ratio.map(CalibrationRatio.gate.contains) ?? false }

  /// Why not, in a line.
  public var distrust: String {
    let gate = CalibrationRatio.gate
    let value = ratio.map { String(format: "%.3f", $0) } ?? "none"
    return "the calibration ratio of its validation rows is \(value), outside \(gate.lowerBound)...\(gate.upperBound)"
  }
}

extension RunFolder {
  private func calibrationPath(_ answer: Int) -> String { path + (answer == 0 ? "/calibration.json" : "/calibration-\(answer).json") }

  /// By answer, the map of the run; nil where it has none.
  public func readCalibrations(_ model: TrainedTableModel) throws(TrainingError) -> [TableCalibration?] {
    var maps: [TableCalibration?] = []
    for place in model.answers.indices {
      guard let bytes = FileManager.default.contents(atPath: calibrationPath(place)) else {
        maps.append(nil)
        continue
      }
      do { maps.append(try JSONDecoder().decode(TableCalibration.self, from: bytes)) } catch {
        throw .run(path: calibrationPath(place), problem: "is damaged", advice: "make it again with augur calibrate")
      }
    }
    return maps
  }

  /// Fits the maps of the run on the validation rows and keeps them; removes an old one where there is nothing to fit.
  ///
  /// - Returns: by answer; nil where it is no probability or its label is still open, or the validation rows are few or of one class.
  @discardableResult
  public func calibrate(_ method: String, _ model: TrainedTableModel, on data: TableDataset) throws -> [TableCalibration?] {
    let rows = data.rows(.validation)
    let logits = rows.isEmpty ? [] : outputs(of: model.predictor, on: data, .validation)
    return try model.answers.enumerated().map { place, answer in
      var made: TableCalibration?
      if answer.kind == .probability, !answer.isOpen, !rows.isEmpty {
        let labels = data.labels(answer.label)
        made = try TableCalibration(
          method, logits: logits[place], labels: rows.map { Double(labels[$0]) },
          weights: data.weights.map { weights in rows.map { Double(weights[$0]) } })
      }
      if let made {
        try write(made, to: calibrationPath(place))
      } else {
        try? FileManager.default.removeItem(atPath: calibrationPath(place))
      }
      return made
    }
  }
}
