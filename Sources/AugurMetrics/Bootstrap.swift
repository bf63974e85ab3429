// Percentile bootstrap over users (Efron and Tibshirani, 1993, chapter 13): how far chance alone could move a mean.

/// A range that holds the middle `level` of the resampled values.
public struct Interval: Equatable, Sendable {
  public let lower: Double
  public let upper: Double
}

/// Which resamples are drawn: the same seed and users give the same interval, bit for bit.
public struct Bootstrap: Sendable {
  public var draws: Int
  public var seed: UInt64
  /// Share of the resampled values within the interval.
  public var level: Double

  /// - Precondition: at least 1000 draws and a level in 0 ..< 1.
  public init(draws: Int = 1000, seed: UInt64 = 20_240_229, level: Double = 0.95) {
    precondition(draws >= 1000, "Bootstrap: expected draws >= 1000, got \(draws)")
    precondition(level >= 0 && level < 1, "Bootstrap: expected level in 0 ..< 1, got \(level)")
    self.draws = draws
    self.seed = seed
    self.level = level
  }

  /// Resampled means of every column, each sorted ascending: [columns][draws].
  ///
  /// Users with the same row of values are one group, so a draw costs a random number and an increment per user whatever
  /// the number of metrics: O(draws · (users + groups · columns)).
  func sortedMeans(_ table: UserTable) -> [[Double]] {
    let userCount = table.groupOfUser.count
    var means = table.columns.map { _ in [Double](repeating: 0, count: draws) }
    guard userCount > 0 else { return table.columns.map { _ in [] } }
    var random = SplitMix64(seed: seed)
    var counts = [Int](repeating: 0, count: table.groupCount)
    let users = table.groupOfUser.span
    for draw in 0..<draws {
      for group in counts.indices { counts[group] = 0 }
      resample(users, counts: &counts, random: &random)
      for column in table.columns.indices {
        var sum = 0.0
        for group in counts.indices { sum += Double(counts[group]) * table.columns[column][group] }
        means[column][draw] = sum / Double(userCount)
      }
    }
    for column in means.indices { means[column].sort() }
    return means
  }

  /// Draws as many users as there are, with replacement, and counts their groups.
  private func resample(_ users: Span<Int32>, counts: inout [Int], random: inout SplitMix64) {
    var counts = counts.mutableSpan
    let userCount = UInt64(users.count)
    for _ in users.indices {
      counts[Int(users[random.index(below: userCount)])] &+= 1
    }
  }

  /// The percentile interval of sorted draws; 0 ... 0 without any.
  func interval(ofSorted means: [Double]) -> Interval {
    guard !means.isEmpty else { return Interval(lower: 0, upper: 0) }
    let tail = (1 - level) / 2
    return Interval(lower: quantile(tail, of: means), upper: quantile(1 - tail, of: means))
  }

  /// Quantile of sorted values by linear interpolation (Hyndman and Fan, 1996, type 7).
  private func quantile(_ share: Double, of sorted: [Double]) -> Double {
    let place = share * Double(sorted.count - 1)
    let below = Int(place)
    let above = min(below + 1, sorted.count - 1)
    return sorted[below] + (sorted[above] - sorted[below]) * (place - Double(below))
  }
}

/// Metric values by user, stored once per group of users that have the same row.
struct UserTable {
  /// Group of each user.
  let groupOfUser: [Int32]
  let groupCount: Int
  /// Values: [columns][groups].
  let columns: [[Double]]

  /// Groups users by `keys`; groups are numbered by first appearance, so that sums have a fixed order.
  init<Key: Hashable>(keys: [Key], columnCount: Int, value: (_ column: Int, _ key: Key) -> Double) {
    var groups: [Key: Int32] = [:]
    var distinct: [Key] = []
    groupOfUser = keys.map { key in
      if let known = groups[key] { return known }
      let group = Int32(truncatingIfNeeded: distinct.count)
      groups[key] = group
      distinct.append(key)
      return group
    }
    groupCount = distinct.count
    columns = (0..<columnCount).map { column in distinct.map { value(column, $0) } }
  }

  /// Mean over users in their given order; 0 without users.
  func mean(column: Int) -> Double {
    guard !groupOfUser.isEmpty else { return 0 }
    var sum = 0.0
    for group in groupOfUser { sum += columns[column][Int(group)] }
    return sum / Double(groupOfUser.count)
  }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): one addition and two multiplications a number.
struct SplitMix64 {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Uniform on 0 ..< bound up to 2^-64 · bound: the high word of a 64 x 64 product.
  mutating func index(below bound: UInt64) -> Int { Int(truncatingIfNeeded: next().multipliedFullWidth(by: bound).high) }
}
