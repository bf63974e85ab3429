// A random sample of the numbers of a column, for quantiles and histograms: the values whose places hash lowest, so that it depends on
// neither threads nor order of work.

struct ValueSample {
  let limit: Int
  private(set) var count = 0
  private(set) var least = Double.infinity
  private(set) var largest = -Double.infinity
  private var keys: [UInt64] = []
  private var values: [Double] = []
  private var threshold = UInt64.max

  init(limit: Int) { self.limit = limit }

  /// `key` is a random number that belongs to the row.
  @inline(__always)
  mutating func add(_ value: Double, key: UInt64) {
    count += 1
    if value < least { least = value }
    if value > largest { largest = value }
    guard key < threshold else { return }
    keys.append(key)
    values.append(value)
    if keys.count == 2 * limit { shrink() }
  }

  private mutating func shrink() {
    let order = keys.indices.sorted { keys[$0] < keys[$1] }.prefix(limit)
    (keys, values) = (order.map { keys[$0] }, order.map { values[$0] })
    threshold = keys[limit - 1]
  }

  mutating func merge(_ other: ValueSample) {
    count += other.count
    (least, largest) = (min(least, other.least), max(largest, other.largest))
    keys += other.keys
    values += other.values
    if keys.count > limit { shrink() }
  }

  /// The values in rising order; all of them where `isWhole`.
  func sorted() -> [Double] {
    var copy = self
    if keys.count > limit { copy.shrink() }
    return copy.values.sorted()
  }

  var isWhole: Bool { count <= limit }
}

/// The value below which a share of the sorted values lies: of two neighbours the lower one.
func quantile(_ share: Double, of sorted: [Double]) -> Double? {
  sorted.isEmpty ? nil : sorted[min(sorted.count - 1, Int(share * Double(sorted.count)))]
}

/// How many of the sorted values lie in each of `bins` equal parts of the range.
func histogram(_ sorted: [Double], bins: Int) -> [Int] {
  guard let least = sorted.first, let largest = sorted.last, largest > least else { return [] }
  var counts = [Int](repeating: 0, count: bins)
  let scale = Double(bins) / (largest - least)
  guard scale.isFinite, scale > 0 else { return [] }
  for value in sorted { counts[min(bins - 1, Int((value - least) * scale))] += 1 }
  return counts
}
