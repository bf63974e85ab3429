// Reliability bins and the expected calibration error (Naeini et al., 2015).

/// How probabilities are cut into bins.
public enum Binning: Sendable {
  /// Bins of equal width on 0 ... 1; the last one holds 1.
  case equalWidth
  /// Bins of about equal weight; rows of the same probability are never in two bins.
  case equalMass
}

/// Rows of one bin: what was promised and what came.
public struct ReliabilityBin: Equatable, Sendable {
  public internal(set) var weight = 0.0
  public internal(set) var meanProbability = 0.0
  public internal(set) var meanLabel = 0.0
}

/// The bins of a reliability plot that hold some weight, by rising probability. O(rows).
public func reliability(_ examples: BinaryExamples, _ binning: Binning = .equalMass, bins: Int = 15) -> [ReliabilityBin] {
  reliability(examples, weights: examples.weights, binning, bins: bins)
}

func reliability(_ examples: BinaryExamples, weights: [Double], _ binning: Binning, bins: Int) -> [ReliabilityBin] {
  guard bins >= 1 else { return [] }
  let (positive, negative) = examples.classWeights(weights)
  var sums: [ReliabilityBin] = []
  var (place, before) = (-1, 0.0)
  examples.forEachStep(of: examples.probabilities, weights) { rows, positives, negatives in
    let (weight, probability) = (positives + negatives, examples.probabilities[rows.lowerBound])
    guard weight > 0 else { return }
    let bin =
      switch binning {
      case .equalWidth: bins - 1 - min(bins - 1, Int(probability * Double(bins)))
      case .equalMass: min(bins - 1, Int(before / (positive + negative) * Double(bins)))
      }
    if bin != place {
      sums.append(ReliabilityBin())
      place = bin
    }
    sums[sums.count - 1].weight += weight
    sums[sums.count - 1].meanProbability += weight * probability
    sums[sums.count - 1].meanLabel += positives
    before += weight
  }
  return sums.reversed().map { sum in
    ReliabilityBin(weight: sum.weight, meanProbability: sum.meanProbability / sum.weight, meanLabel: sum.meanLabel / sum.weight)
  }
}

/// ECE = Σ over bins of (weight of the bin / all) · |mean p - mean y|.
///
/// It depends on the binning: 15 bins of equal mass unless said. A perfect predictor of few rows has more than 0 by chance alone.
public struct CalibrationError: BinaryMetric {
  public let name = "ECE"
  public let isGreaterBetter: Bool? = false
  public let binning: Binning
  public let bins: Int

  /// - Precondition: at least one bin.
  public init(_ binning: Binning = .equalMass, bins: Int = 15) {
    precondition(bins >= 1, "CalibrationError: expected bins >= 1, got \(bins)")
    (self.binning, self.bins) = (binning, bins)
  }

  public func value(_ examples: BinaryExamples, weights: [Double]) -> Double? {
    let found = reliability(examples, weights: weights, binning, bins: bins)
    var (sum, all) = (0.0, 0.0)
    for bin in found {
      sum += bin.weight * (bin.meanProbability - bin.meanLabel).magnitude
      all += bin.weight
    }
    return all > 0 ? sum / all : nil
  }
}
