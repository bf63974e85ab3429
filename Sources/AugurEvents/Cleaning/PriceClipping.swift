// Prices clipped at quantiles of the training part, from a histogram of fixed size.

/// A histogram over all finite floats whose cells are as wide as a 1024th of their value (2048th on average): counts add up, so
/// the quantiles depend neither on the order of the values nor on how they were divided among sketches. 4 MiB.
package struct QuantileSketch: Sendable {
  /// Cells keep the sign, the exponent and 10 bits of the mantissa.
  private static let droppedBits: UInt32 = 13
  private var cells = [UInt64](repeating: 0, count: 1 << 19)
  package private(set) var count: UInt64 = 0
  private var least = Float.infinity
  private var largest = -Float.infinity

  package init() {}

  /// The bits of a float in the order of its values; minus zero counts as zero.
  private static func ordered(_ value: Float) -> UInt32 {
    let bits = (value == 0 ? 0 : value).bitPattern
    return bits >> 31 == 1 ? ~bits : bits | 1 << 31
  }

  /// Adds a value; what is not finite is left out.
  package mutating func add(_ value: Float) {
    guard value.isFinite else { return }
    cells[Int(Self.ordered(value) >> Self.droppedBits)] += 1
    count += 1
    (least, largest) = (min(least, value), max(largest, value))
  }

  package mutating func merge(_ other: QuantileSketch) {
    for place in cells.indices { cells[place] += other.cells[place] }
    count += other.count
    (least, largest) = (min(least, other.least), max(largest, other.largest))
  }

  /// The value that the fraction `q` of all values does not exceed (the ceil(q N)-th smallest), nil without values. It is the
  /// largest value of its cell for positive values: at most a 1024th above the exact quantile, and never below it.
  package func quantile(_ q: Double) -> Float? {
    guard count > 0, q.isFinite else { return nil }
    if q <= 0 { return least }
    if q >= 1 { return largest }
    let rank = UInt64(max(1, (q * Double(count)).rounded(.up)))
    var seen: UInt64 = 0
    for (place, cell) in cells.enumerated() where cell > 0 {
      seen += cell
      guard seen >= rank else { continue }
      let bits = UInt32(place) << Self.droppedBits | (1 << Self.droppedBits - 1)
      let value = Float(bitPattern: bits >> 31 == 1 ? bits & ~(1 << 31) : ~bits)
      return min(max(value, least), largest)
    }
    return largest
  }
}

/// Bounds of prices, fitted on the training part and then applied to all parts.
package struct PriceClipping: Sendable {
  private let low: Double
  private let high: Double
  private var sketch: QuantileSketch?
  package private(set) var bounds: ClosedRange<Float>?
  package private(set) var report = CleaningReport()

  /// Does nothing where the rules do not clip.
  package init(_ rules: CleaningRules) {
    (low, high) = (rules.lowPriceQuantile, rules.highPriceQuantile)
    sketch = rules.clipsPrices ? QuantileSketch() : nil
  }

  /// Takes the prices of the events of the training part.
  package mutating func fit(_ events: UserEvents, _ training: Range<Int>) {
    guard sketch != nil, !events.prices.isEmpty else { return }
    for price in events.prices[training] { sketch?.add(price) }
  }

  /// Takes a price of the training part.
  package mutating func fit(_ price: Float) { sketch?.add(price) }

  /// Takes what another thread has fitted.
  package mutating func merge(_ other: PriceClipping) {
    guard let theirs = other.sketch else { return }
    sketch?.merge(theirs)
  }

  /// Ends the fit; without a single price nothing will be clipped.
  package mutating func settle() {
    defer { sketch = nil }
    guard let sketch, let least = sketch.quantile(0), let largest = sketch.quantile(1) else { return }
    let bottom = low > 0 ? sketch.quantile(low) ?? least : -.greatestFiniteMagnitude
    let top = high < 1 ? sketch.quantile(high) ?? largest : .greatestFiniteMagnitude
    bounds = bottom...max(bottom, top)
  }

  /// Moves prices outside the bounds to the nearer one; missing ones stay missing.
  package mutating func apply(to events: inout UserEvents) {
    for place in events.prices.indices { events.prices[place] = clipped(events.prices[place]) }
  }

  /// The price, or the nearer bound, which is counted.
  package mutating func clipped(_ price: Float) -> Float {
    guard let bounds, price < bounds.lowerBound || price > bounds.upperBound else { return price }
    report[.clippedPrice].changed += 1
    return price < bounds.lowerBound ? bounds.lowerBound : bounds.upperBound
  }
}
