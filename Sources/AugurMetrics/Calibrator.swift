// From the logit of a model to a probability that can be trusted: a rising map, fitted on rows that the model was not trained on.

/// A map from logits to probabilities that never falls. Rank by the raw logit: a flat piece makes ties.
///
/// Fit it on validation rows, later in time than the training rows. Negative down-sampling, class weights, focal loss, label
/// smoothing and early stopping on AUC all spoil the probabilities of a model that ranks well.
public enum Calibrator: Codable, Equatable, Sendable {
  /// p = sigmoid(slope · x + intercept), slope at least 0.
  case logistic(slope: Double, intercept: Double)
  /// Flat on blocks, linear between them.
  case isotonic(IsotonicCurve)

  /// The sigmoid of the logit itself.
  public static let identity = Calibrator.logistic(slope: 1, intercept: 0)

  /// The calibrated probability of a logit; NaN of NaN.
  public func probability(_ logit: Double) -> Double {
    switch self {
    // A slope of 0 says nothing about an infinite logit.
    case .logistic(let slope, let intercept): sigmoid(slope == 0 && !logit.isNaN ? intercept : slope * logit + intercept)
    case .isotonic(let curve): curve.value(logit)
    }
  }

  /// Undoes that only a share `keepRate` of the negatives was trained on: logit + ln(keepRate), exact for a calibrated model.
  ///
  /// - Precondition: `keepRate` is above 0 and at most 1.
  public static func downSampledNegatives(keepRate: Double) -> Calibrator {
    precondition(keepRate > 0 && keepRate <= 1, "downSampledNegatives: expected a rate in 0 ..< 1 or 1, got \(keepRate)")
    return .logistic(slope: 1, intercept: naturalLogarithm(keepRate))
  }
}

/// Which map is fitted.
public enum CalibrationMethod: String, Codable, CaseIterable, Sendable {
  /// p = sigmoid(x / T): one parameter (Guo et al., 2017).
  case temperature
  /// p = sigmoid(slope · x + intercept): two (Platt, 1999).
  case platt
  /// Any rising map, by pooling adjacent violators (Zadrozny and Elkan, 2002): for thousands of rows.
  case isotonic

  /// Fits the map by maximum likelihood on validation rows. O(n log n).
  ///
  /// - Parameters:
  ///   - logits: finite, one per row.
  ///   - labels: 0 or 1.
  ///   - weights: nil stands for 1 each.
  /// - Throws: `MetricsError` where a value does not fit or one class has no weight.
  public func fitted(logits: [Double], labels: [Double], weights: [Double]? = nil) throws(MetricsError) -> Calibrator {
    try checkFinite(logits, "logit")
    let examples = try BinaryExamples(logits: logits, labels: labels, weights: weights)
    if let reason = examples.shortcoming { throw .cannotCalibrate(reason: reason) }
    switch self {
    case .temperature: return LogisticFit(examples, hasIntercept: false).calibrator
    case .platt: return LogisticFit(examples, hasIntercept: true).calibrator
    case .isotonic: return .isotonic(IsotonicCurve(examples))
    }
  }
}

/// The logit of a probability; infinite at 0 and 1.
public func logit(ofProbability p: Double) -> Double { naturalLogarithm(p) - naturalLogarithm(1 - p) }

/// Refuses a model whose probabilities are off on validation.
///
/// - Returns: the calibration ratio Σp / Σy.
/// - Throws: `MetricsError.notCalibrated` where the ratio is not defined or leaves `gate`.
@discardableResult
public func checkedCalibration(
  _ examples: BinaryExamples, gate: ClosedRange<Double> = CalibrationRatio.gate
) throws(MetricsError) -> Double {
  guard let ratio = CalibrationRatio().value(examples), gate.contains(ratio) else {
    throw .notCalibrated(ratio: CalibrationRatio().value(examples), lower: gate.lowerBound, upper: gate.upperBound)
  }
  return ratio
}
