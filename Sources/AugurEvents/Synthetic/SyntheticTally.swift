// What is counted while a log is drawn: true probabilities beside what came of them.
import Glibc

/// Labels by the score of an oracle, in fine bins: enough for AUC and log loss without keeping any example.
struct ScoreBins: Sendable {
  private(set) var positives: [Int]
  private(set) var negatives: [Int]
  private(set) var sums: [Double]  // of the probabilities

  /// 128 bins from each power of two to the next, from 2^-24 to 1.
  static let probabilityBins = 24 * 128 + 1
  static func bin(probability: Double) -> Int {
    let key = Int(probability.bitPattern >> 45) - (1023 - 24) * 128
    return max(0, min(probabilityBins - 1, key))
  }
  /// 32 bins a unit of the logit, from -32 to 32.
  static let logitBins = 2048
  static func bin(logit: Double) -> Int { Int(max(0, min(2047, (logit + 32) * 32))) }

  init(_ bins: Int) {
    positives = [Int](repeating: 0, count: bins)
    negatives = positives
    sums = [Double](repeating: 0, count: bins)
  }

  mutating func add(_ bin: Int, _ probability: Double, _ happened: Bool) {
    if happened { positives[bin] += 1 } else { negatives[bin] += 1 }
    sums[bin] += probability
  }

  mutating func absorb(_ other: ScoreBins) {
    for bin in positives.indices {
      positives[bin] += other.positives[bin]
      negatives[bin] += other.negatives[bin]
      sums[bin] += other.sums[bin]
    }
  }

  var count: Int { positives.reduce(0, +) + negatives.reduce(0, +) }

  /// `AUC` and `logloss` of the true probabilities on the labels that were drawn; `expected_AUC` over all labels that might have been;
  /// `rate` of the labels and `expected_rate`. Ties inside a bin count half.
  var metrics: [String: Double] {
    let (ones, zeros) = (Double(positives.reduce(0, +)), Double(negatives.reduce(0, +)))
    let total = ones + zeros
    guard total > 0 else { return [:] }
    var (below, expectedBelow, wins, expectedWins, loss) = (0.0, 0.0, 0.0, 0.0, 0.0)
    let mass = sums.reduce(0, +)
    for bin in positives.indices where positives[bin] + negatives[bin] > 0 {
      let (one, zero) = (Double(positives[bin]), Double(negatives[bin]))
      let (p, q) = (sums[bin], one + zero - sums[bin])
      wins += one * (below + zero / 2)
      expectedWins += p * (expectedBelow + q / 2)
      below += zero
      expectedBelow += q
      let mean = min(1 - 1e-12, max(1e-12, p / (one + zero)))
      loss -= one * log(mean) + zero * log(1 - mean)
    }
    var found = ["logloss": loss / total, "rate": ones / total, "expected_rate": mass / total]
    if ones > 0, zeros > 0 { found["AUC"] = wins / (ones * zeros) }
    if mass > 0, mass < total { found["expected_AUC"] = expectedWins / (mass * (total - mass)) }
    return found
  }
}

/// Sums from which the squared error of `mean spend of a visit * expected visits` follows for any mean.
struct ValueSums: Sendable {
  var users = 0
  var (spend, spendSquared, visits, visitsSquared, spendVisits) = (0.0, 0.0, 0.0, 0.0, 0.0)
  /// Over all visits of honest users: how many, and the sum of price times probability.
  var (allVisits, expectedSpend) = (0.0, 0.0)

  mutating func add(spend s: Double, expectedVisits x: Double) {
    users += 1
    spend += s
    spendSquared += s * s
    visits += x
    visitsSquared += x * x
    spendVisits += s * x
  }

  mutating func absorb(_ other: ValueSums) {
    users += other.users
    spend += other.spend
    spendSquared += other.spendSquared
    visits += other.visits
    visitsSquared += other.visitsSquared
    spendVisits += other.spendVisits
    allVisits += other.allVisits
    expectedSpend += other.expectedSpend
  }
}

/// The counts of one block of users; blocks are absorbed in their order, so sums do not depend on threads.
struct SyntheticTally: Sendable {
  /// The items whose demand is followed by day: the most popular ones.
  static let demandItems = 64

  var conversion = ScoreBins(ScoreBins.probabilityBins)
  var churn = ScoreBins(ScoreBins.probabilityBins)
  var fraud = ScoreBins(ScoreBins.logitBins)
  /// Conversions in time whose purchase stands in the log.
  var loggedConversions = 0
  /// Of the true next item, from 0, ties half.
  var ranks: [Double] = []
  var survival: [(days: Double, hazard: Double, churned: Bool)] = []
  var value = [ValueSums](repeating: ValueSums(), count: SyntheticUser.segments.count)
  var demand: [(cell: Int, probability: Double, bought: Bool)] = []
  var dayVisits: [Int]
  /// Expected visits of a day: the running sum of `rateSteps` times the day's mass, and `partial`.
  var rateSteps: [Double]
  var partial: [Double]
  var dirt = [Int](repeating: 0, count: SyntheticDirt.allCases.count)
  var stages = [0, 0, 0]
  var bursts = 0

  init(days: Int) {
    dayVisits = [Int](repeating: 0, count: days)
    rateSteps = [Double](repeating: 0, count: days + 1)
    partial = rateSteps
  }

  /// `perMass` visits for each unit of the rhythm's mass during the life, whose days are given in seconds.
  mutating func expectVisits(_ perMass: Double, _ life: ClosedRange<Int>, _ rhythm: SyntheticRhythm) {
    let (first, last) = (life.lowerBound / 86_400, life.upperBound / 86_400)
    let (begin, end) = (Double(life.lowerBound), Double(life.upperBound + 1))
    if first == last {
      partial[first] += perMass * (rhythm.mass(until: end) - rhythm.mass(until: begin))
    } else {
      partial[first] += perMass * (rhythm.mass(until: Double(first + 1) * 86_400) - rhythm.mass(until: begin))
      rateSteps[first + 1] += perMass
      rateSteps[last] -= perMass
      partial[last] += perMass * (rhythm.mass(until: end) - rhythm.mass(until: Double(last) * 86_400))
    }
  }

  mutating func absorb(_ other: SyntheticTally) {
    conversion.absorb(other.conversion)
    churn.absorb(other.churn)
    fraud.absorb(other.fraud)
    loggedConversions += other.loggedConversions
    ranks += other.ranks
    survival += other.survival
    for segment in value.indices { value[segment].absorb(other.value[segment]) }
    for day in dayVisits.indices { dayVisits[day] += other.dayVisits[day] }
    for day in partial.indices {
      rateSteps[day] += other.rateSteps[day]
      partial[day] += other.partial[day]
    }
    for kind in dirt.indices { dirt[kind] += other.dirt[kind] }
    for stage in stages.indices { stages[stage] += other.stages[stage] }
    bursts += other.bursts
  }
}
