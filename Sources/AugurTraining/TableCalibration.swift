// Probabilities of a run that can be trusted: a map fitted on the validation rows, kept beside the model.
public import AugurEvents
public import AugurMetrics
public import AugurModels
import AugurTensors
import Foundation

/// The map of a run's logits to probabilities; by the value of a column where it was asked for.
public struct TableCalibration: Codable, Sendable, Equatable {
  public let method: String
  /// Of all rows; with segments of those without a map of their own, where they are many.
  public let calibrator: Calibrator
  /// Validation rows that it was fitted on.
  public let rows: Int
  /// Promised over observed positives of the validation rows, without and with the maps; nil where nothing was observed.
  public let ratioBefore: Double?
  public let ratio: Double?
  public let segments: Segments?

  /// Values of a column that have maps of their own.
  public struct Segments: Codable, Sendable, Equatable {
    public let column: String
    /// Its place among the fields of the run.
    public let field: Int
    /// By rising id.
    public let own: [Segment]
  }

  public struct Segment: Codable, Sendable, Equatable {
    public let value: String
    public let id: Int32
    public let rows: Int
    public let ratioBefore: Double?
    public let ratio: Double?
    public let calibrator: Calibrator
  }

  /// Fewer rows say too little about a probability.
  public static let fewestRows = 50
  /// A map of a segment needs as many rows of each class.
  public static let fewestOfEachClass = 10

  /// Fits the map that `method` names ("none" is the sigmoid itself) to logits; nil where the rows are few or of one class.
  public init?(_ method: String, logits: [Float], labels: [Double], weights: [Double]?) throws(MetricsError) {
    try self.init(CalibrationPlan(method), logits: logits, labels: labels, weights: weights, segments: nil)
  }

  /// The rows of segments: their column, its place, the id of each row, and what an id stands for.
  struct SegmentRows {
    let column: String
    let field: Int
    let ids: [Int32]
    let name: (Int) -> String
  }

  /// As above; with `segments` a map for each that has the rows, too.
  init?(
    _ plan: CalibrationPlan, logits: [Float], labels: [Double], weights: [Double]?, segments: SegmentRows?
  ) throws(MetricsError) {
    let scores = logits.map(Double.init)
    let examples = try BinaryExamples(logits: scores, labels: labels, weights: weights)
    guard labels.count >= Self.fewestRows, examples.shortcoming == nil else { return nil }
    (method, rows, ratioBefore) = (plan.method, labels.count, CalibrationRatio().value(examples))
    let fitting = CalibrationMethod(rawValue: plan.method)
    guard let segments, let fitting else {
      let map = try fitting?.fitted(logits: scores, labels: labels, weights: weights) ?? .identity
      (calibrator, self.segments) = (map, nil)
      ratio = CalibrationRatio().value(
        try BinaryExamples(probabilities: scores.map { map.probability($0) }, labels: labels, weights: weights))
      return
    }
    // Id 0 is no value: rare, unseen and missing ones share it.
    let maps = try SegmentedCalibrator(
      fitting, logits: scores, labels: labels, segments: segments.ids, weights: weights, minimumRows: plan.segmentRows,
      minimumOfEachClass: Self.fewestOfEachClass)
    let mapped = maps.segments.filter { $0.key != 0 }
    // Those without a map of their own share one of theirs, or where they are few that of all.
    let others = segments.ids.indices.filter { mapped[segments.ids[$0]] == nil }
    let positives = others.count { labels[$0] == 1 }
    let areMany = others.count >= plan.segmentRows && min(positives, others.count - positives) >= Self.fewestOfEachClass
    let shared =
      areMany
      ? try fitting.fitted(
        logits: others.map { scores[$0] }, labels: others.map { labels[$0] }, weights: weights.map { all in others.map { all[$0] } })
      : maps.whole
    calibrator = shared
    var (own, promised): ([Segment], [Double]) = ([], scores.map { shared.probability($0) })
    let byID = Dictionary(grouping: segments.ids.indices) { segments.ids[$0] }
    for (id, map) in mapped.sorted(by: { $0.key < $1.key }) {
      let rows = byID[id] ?? []
      for row in rows { promised[row] = map.probability(scores[row]) }
      func ratio(_ probability: (Int) -> Double) throws(MetricsError) -> Double? {
        CalibrationRatio().value(
          try BinaryExamples(
            probabilities: rows.map(probability), labels: rows.map { labels[$0] }, weights: weights.map { all in rows.map { all[$0] } }))
      }
      own.append(
        Segment(
          value: segments.name(Int(id)), id: id, rows: rows.count,
          ratioBefore: try ratio { Calibrator.identity.probability(scores[$0]) }, ratio: try ratio { promised[$0] }, calibrator: map))
    }
    self.segments = Segments(column: segments.column, field: segments.field, own: own)
    ratio = CalibrationRatio().value(try BinaryExamples(probabilities: promised, labels: labels, weights: weights))
  }

  /// The probabilities of rows by their logits.
  public func probabilities(_ logits: [Float], _ columns: TableColumns, _ range: Range<Int>) -> [Double] {
    guard let segments else { return logits.map { calibrator.probability(Double($0)) } }
    let maps = Dictionary(segments.own.map { ($0.id, $0.calibrator) }, uniquingKeysWith: { first, _ in first })
    let ids = columns.ids[segments.field]
    return zip(logits, range).map { logit, row in (maps[ids[row]] ?? calibrator).probability(Double(logit)) }
  }

  /// Whether its probabilities keep to the gate of validation: those of all rows, and those of each segment.
  public var isTrusted: Bool { offender == nil }

  /// The first ratio outside the gate, and whose it is.
  private var offender: (whose: String, ratio: Double?)? {
    func isOff(_ ratio: Double?) -> Bool { !(ratio.map(CalibrationRatio.gate.contains) ?? false) }
    if isOff(ratio) { return ("its validation rows", ratio) }
    guard let segments, let segment = segments.own.first(where: { isOff($0.ratio) }) else { return nil }
    return ("the validation rows with \(segments.column) = \(segment.value)", segment.ratio)
  }

  /// Why not, in a line.
  public var distrust: String {
    let (gate, found) = (CalibrationRatio.gate, offender ?? ("its validation rows", ratio))
    let value = found.ratio.map { String(format: "%.3f", $0) } ?? "none"
    return "the calibration ratio of \(found.whose) is \(value), outside \(gate.lowerBound)...\(gate.upperBound)"
  }
}

/// What is known of the probabilities of an answer.
public enum CalibrationState: Sendable, Equatable {
  case fitted(TableCalibration)
  /// Nothing to judge them by, and why.
  case unchecked(String)
  /// Nobody has tried.
  case missing

  public var map: TableCalibration? { if case .fitted(let map) = self { map } else { nil } }
}

/// Kept where there was nothing to fit.
private struct UncheckedCalibration: Codable {
  let unchecked: String
}

extension RunFolder {
  private func calibrationPath(_ answer: Int) -> String { path + (answer == 0 ? "/calibration.json" : "/calibration-\(answer).json") }

  /// By answer, the map of the run; nil where it has none.
  public func readCalibrations(_ model: TrainedTableModel) throws(TrainingError) -> [TableCalibration?] {
    try readCalibrationStates(model).map(\.map)
  }

  /// By answer, what is known of its probabilities.
  public func readCalibrationStates(_ model: TrainedTableModel) throws(TrainingError) -> [CalibrationState] {
    var states: [CalibrationState] = []
    for place in model.answers.indices {
      guard let bytes = FileManager.default.contents(atPath: calibrationPath(place)) else {
        states.append(.missing)
        continue
      }
      if let map = try? JSONDecoder().decode(TableCalibration.self, from: bytes), map.fits(model.features) {
        states.append(.fitted(map))
      } else if let reason = try? JSONDecoder().decode(UncheckedCalibration.self, from: bytes) {
        states.append(.unchecked(reason.unchecked))
      } else {
        throw .run(path: calibrationPath(place), problem: "is damaged", advice: "make it again with augur calibrate")
      }
    }
    return states
  }

  /// Fits the maps of the run on the validation rows and keeps them, or why there is none.
  ///
  /// - Returns: by answer; nil where it is no probability or its label is still open, or the validation rows are few or of one class.
  @discardableResult
  public func calibrate(_ plan: CalibrationPlan, _ model: TrainedTableModel, on data: TableDataset) throws -> [TableCalibration?] {
    let field = try plan.field(in: model.features, model.answers)
    let rows = data.rows(.validation)
    let logits = rows.isEmpty ? [] : outputs(of: model.predictor, on: data, .validation)
    let segments = field.map { field in
      let ids = data.ids(field)
      return TableCalibration.SegmentRows(
        column: model.features.fields[field].name, field: field, ids: rows.map { ids[$0] }, name: { model.features.valueName($0, of: field) })
    }
    return try model.answers.enumerated().map { place, answer in
      var made: TableCalibration?
      if answer.kind == .probability, !answer.isOpen, !rows.isEmpty {
        let labels = data.labels(answer.label)
        made = try TableCalibration(
          plan, logits: logits[place], labels: rows.map { Double(labels[$0]) },
          weights: data.weights.map { weights in rows.map { Double(weights[$0]) } }, segments: segments)
      }
      if let made {
        try write(made, to: calibrationPath(place))
      } else if answer.kind == .probability {
        let reason = answer.isOpen ? "labels that may still come are no measure of probabilities" : "too few validation rows of both classes"
        try write(UncheckedCalibration(unchecked: reason), to: calibrationPath(place))
      } else {
        try? FileManager.default.removeItem(atPath: calibrationPath(place))
      }
      return made
    }
  }
}

extension TableCalibration {
  /// Whether its column is where it was.
  fileprivate func fits(_ features: Features) -> Bool {
    guard let segments else { return true }
    guard features.fields.indices.contains(segments.field) else { return false }
    let field = features.fields[segments.field]
    return field.name == segments.column && !field.isMultiValued
  }
}

/// What the probabilities of the rows with one value of a column come to.
public struct SegmentQuality: Sendable, Equatable {
  /// "others" for rows whose value has no map of its own.
  public let value: String
  public let rows: Int
  /// Weighted share of class 1.
  public let observed: Double
  /// Promised over observed positives, without and with the maps; nil where nothing was observed.
  public let ratioBefore: Double?
  public let ratio: Double?
}

extension TableCalibration {
  /// By segment with a map of its own, then of all other rows, what the probabilities of a part come to; empty without segments.
  public func segmentQualities(
    _ logits: [Float], _ data: TableDataset, _ part: TablePart, _ answer: TableObjective.Answer
  ) throws(MetricsError) -> [SegmentQuality] {
    guard let segments else { return [] }
    let (range, ids, labels) = (data.rows(part), data.ids(segments.field), data.labels(answer.label))
    let promised = probabilities(logits, data.columns, range)
    var groups = [[Int]](repeating: [], count: segments.own.count + 1)
    let places = Dictionary(segments.own.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
    for row in range { groups[places[ids[row]] ?? segments.own.count].append(row) }
    var qualities: [SegmentQuality] = []
    for (place, rows) in groups.enumerated() where !rows.isEmpty {
      func ratio(_ probability: (Int) -> Double) throws(MetricsError) -> (ratio: Double?, observed: Double) {
        let examples = try BinaryExamples(
          probabilities: rows.map { probability($0 - range.lowerBound) }, labels: rows.map { Double(labels[$0]) },
          weights: data.weights.map { weights in rows.map { Double(weights[$0]) } })
        return (CalibrationRatio().value(examples), examples.positiveShare)
      }
      let (before, own) = (try ratio { Calibrator.identity.probability(Double(logits[$0])) }, try ratio { promised[$0] })
      qualities.append(
        SegmentQuality(
          value: place < segments.own.count ? segments.own[place].value : "others", rows: rows.count, observed: own.observed,
          ratioBefore: before.ratio, ratio: own.ratio))
    }
    return qualities
  }
}
