// What a run is asked about its probabilities: by which map, and whether by one for each value of a column.
public import AugurEvents
import AugurMetrics
public import AugurModels

/// Knobs of a plan about probabilities.
let calibrationKnobs: [Hyperparameter] = [
  .choice(
    "calibration", "platt", of: ["none"] + CalibrationMethod.allCases.map(\.rawValue),
    "map of logits to probabilities, by the validation rows"),
  .text("calibration-segment", "none", "a categorical feature", "a map for each of its values that has the rows, one for all others"),
  .integer("calibration-segment-rows", 1000, in: 50...1_000_000_000, "validation rows from which a value has a map of its own"),
]

/// How the probabilities of a run are mapped.
public struct CalibrationPlan: Sendable {
  public let method: String
  /// Feature whose values have maps of their own; nil where all rows share one.
  public let segment: String?
  /// Validation rows from which a value has one.
  public let segmentRows: Int

  public init(_ method: String, segment: String? = nil, segmentRows: Int = 1000) {
    (self.method, self.segment, self.segmentRows) = (method, segment, segmentRows)
  }

  /// The plan that the knobs of a run name.
  public init(_ knobs: Hyperparameters) {
    let column = knobs.choice("calibration-segment")
    self.init(
      knobs.choice("calibration"), segment: column == "none" ? nil : column, segmentRows: knobs.integer("calibration-segment-rows"))
  }

  /// Place of the field of `segment`. Throws where it is none with one value a row, or where there is nothing to map.
  public func field(in features: Features, _ answers: [TableObjective.Answer]) throws(ModelError) -> Int? {
    guard let segment else { return nil }
    guard answers.contains(where: { $0.kind == .probability }) else {
      throw .badCombination("hyper-parameter 'calibration-segment': the model answers values; only probabilities are calibrated")
    }
    guard method != "none" else {
      throw .badCombination("hyper-parameter 'calibration-segment': asks for a map for each value, and calibration=none for no map")
    }
    return try categoricalField(segment, of: features, knob: "calibration-segment")
  }
}

/// Place of the field with one value a row that a knob names.
func categoricalField(_ name: String, of features: Features, knob: String) throws(ModelError) -> Int {
  let able = features.fields.filter { !$0.isMultiValued }.map(\.name)
  if let place = features.fields.firstIndex(where: { $0.name == name && !$0.isMultiValued }) { return place }
  let advice = able.isEmpty ? "the table has no categorical feature" : "take one of \(able.joined(separator: ", "))"
  if features.fields.contains(where: { $0.name == name }) || features.numberNames.contains(name) {
    let kind = features.numberNames.contains(name) ? "a number" : "a list of values"
    throw .badCombination("hyper-parameter '\(knob)': expected a categorical feature, and '\(name)' is \(kind); \(advice)")
  }
  let near = nearestName(to: name, in: able).map { ": did you mean '\($0)'?" } ?? ""
  throw .badCombination("hyper-parameter '\(knob)': the table has no feature '\(name)'\(near); \(advice)")
}
