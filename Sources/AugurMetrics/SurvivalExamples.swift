// Times to an event, some of them cut off before it: what survival metrics read.

/// Rows with a time and whether the event came then, or observation ended (censored).
public struct SurvivalExamples: Sendable {
  /// Time of the event or of the end of observation.
  let times: [Double]
  /// Whether the event came at `times`.
  let isObserved: [Bool]
  public let weights: [Double]
  let users: [Int32]
  public let userCount: Int

  public var rowCount: Int { times.count }

  /// - Throws: `MetricsError` with the row of the first time that is not finite and at least 0.
  public init(times: [Double], isObserved: [Bool], weights: [Double]? = nil) throws(MetricsError) {
    try checkCount(isObserved.count, "events", times.count)
    for (row, time) in times.enumerated() where !(time >= 0 && time < .infinity) {
      throw .badValue(what: "time", row: row, value: time, expected: "a finite number of at least 0")
    }
    self.weights = try checkedWeights(weights, times.count)
    (self.times, self.isObserved) = (times, isObserved)
    users = times.indices.map { Int32(truncatingIfNeeded: $0) }
    userCount = times.count
  }
}

/// Kaplan and Meier's (1958) estimate of the share of rows whose event is still to come, where some are cut off before it.
public struct KaplanMeier: Sendable {
  private let curve: ProductLimit

  public init(_ examples: SurvivalExamples) { curve = ProductLimit(examples, of: .events) }

  /// The share whose event comes after `time`.
  public func survival(at time: Double) -> Double { curve.share(at: time, isAfter: true) }
}

/// The product-limit estimate of events, or of observations that are cut off: steps at the times of either.
///
/// A censored row counts as cut off just after the events of the same time, so events at `time` see the curve of cuts before it.
struct ProductLimit {
  enum Steps { case events, cuts }

  /// Rising times, and the share that is left from just after each on.
  private(set) var times: [Double] = []
  private(set) var shares: [Double] = []

  init(_ examples: SurvivalExamples, of steps: Steps) {
    let order = examples.times.indices.sorted { examples.times[$0] < examples.times[$1] }
    var left = examples.weights.reduce(0, +)
    var (share, start) = (1.0, 0)
    while start < order.count {
      let time = examples.times[order[start]]
      var (events, cut, end) = (0.0, 0.0, start)
      while end < order.count, examples.times[order[end]] == time {
        if examples.isObserved[order[end]] { events += examples.weights[order[end]] } else { cut += examples.weights[order[end]] }
        end += 1
      }
      let gone = steps == .events ? events : cut
      if gone > 0 {
        // Rounding may leave a little of what is all gone.
        let before = max(steps == .events ? left : left - events, gone)
        share *= (before - gone) / before
        times.append(time)
        shares.append(share)
      }
      left -= events + cut
      start = end
    }
  }

  /// Share left at `time`: before the step of that very time, or after it.
  func share(at time: Double, isAfter: Bool) -> Double {
    var (low, high) = (0, times.count)
    while low < high {
      let middle = (low + high) / 2
      if times[middle] < time || (isAfter && times[middle] == time) { low = middle + 1 } else { high = middle }
    }
    return low == 0 ? 1 : shares[low - 1]
  }
}
