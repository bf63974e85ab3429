// What is true of a synthetic log, and how well the truth itself predicts it.
import Glibc

/// One task and the score of its oracle.
public struct SyntheticTask: Codable, Sendable, Equatable {
  /// What is predicted, from what, for whom, and what the oracle knows.
  public let protocolText: String
  /// Examples averaged.
  public let examples: Int
  /// Scores under their usual names; a score that is not defined on these examples is left out.
  public let best: [String: Double]
}

/// What `<log>.truth.json` holds.
public struct SyntheticTruth: Codable, Sendable, Equatable {
  public let events: Int
  public let users: Int
  public let items: Int
  public let categories: Int
  public let seed: UInt64
  /// Rates, weights and exponents of the generator.
  public let parameters: [String: Double]
  /// `HR@k`, `NDCG@k`, `MRR` of the true conditional distribution on each user's last visit, seen items removed.
  public let best: [String: Double]
  /// Users averaged in `best`.
  public let bestUsers: Int
  public let protocolText: String
  /// `next_item`, `conversion`, `churn`, `fraud`, `value`, `demand_item_day`, `demand_day`, `price_response`.
  public let tasks: [String: SyntheticTask]
  /// Rows spoiled in each way; empty for a clean log.
  public let dirty: [String: Int]
  /// Rows of each stage, spoiled ones included, copies not.
  public let stages: [String: Int]
  /// Price elasticity of conversion and typical price of each category, from category 1.
  public let elasticity: [Double]
  public let typicalPrice: [Double]
  /// Visits of the shop that were expected on each day, and those that came.
  public let expectedDayVisits: [Double]
  public let dayVisits: [Int]
}

/// Gathers the tallies of the blocks, in their order.
struct SyntheticTruthBuilder {
  private let world: SyntheticWorld
  private var total: SyntheticTally
  private var demandRate: [Double]  // [items followed, days]
  private var demandVisits: [Int]
  private var demandBought: [Int]

  init(_ world: SyntheticWorld) {
    self.world = world
    total = SyntheticTally(days: world.options.days)
    let cells = min(world.log.items, SyntheticTally.demandItems) * world.options.days
    demandRate = [Double](repeating: 0, count: cells)
    demandVisits = [Int](repeating: 0, count: cells)
    demandBought = demandVisits
  }

  mutating func absorb(_ tally: SyntheticTally) {
    total.absorb(tally)
    for visit in tally.demand {
      demandRate[visit.cell] += visit.probability
      demandVisits[visit.cell] += 1
      if visit.bought { demandBought[visit.cell] += 1 }
    }
  }

  var truth: SyntheticTruth {
    let log = world.log
    let best = nextItem
    let isDirty = log.options.dirty > 0
    let kinds = SyntheticDirt.allCases.filter { $0 != .clean && isDirty }
    return SyntheticTruth(
      events: log.events, users: log.users, items: log.items, categories: world.model.categoryCount, seed: log.seed,
      parameters: parameters, best: best.best, bestUsers: best.examples, protocolText: best.protocolText, tasks: tasks,
      dirty: Dictionary(uniqueKeysWithValues: kinds.map { ($0.name, total.dirt[Int($0.rawValue)]) }),
      stages: ["view": total.stages[0], "cart": total.stages[1], "purchase": total.stages[2]],
      elasticity: world.catalogue.elasticity, typicalPrice: world.catalogue.typicalCents.map { $0 / 100 },
      expectedDayVisits: expectedDayVisits, dayVisits: total.dayVisits)
  }

  private var parameters: [String: Double] {
    let options = world.options
    var found = [
      "p_markov": SyntheticModel.pMarkov, "p_taste": SyntheticModel.pTaste, "p_global": SyntheticModel.pGlobal,
      "zipf_global": SyntheticModel.globalExponent, "zipf_category": SyntheticModel.categoryExponent,
      "successors": Double(SyntheticModel.successorWeights.count), "tastes": Double(SyntheticModel.tasteWeights.count),
      "start": Double(SyntheticRhythm.start), "days": Double(options.days), "cut_day": Double(world.cut),
      "season": options.season, "weekly": options.weekly, "daily": options.daily, "session": options.session,
      "churn": options.churn, "turnover": options.turnover, "promotion": options.promotion,
      "promotion_lift": SyntheticCatalogue.promotionLift, "elasticity": options.elasticity,
      "conversion": options.conversion, "cart": SyntheticWorld.cartShare, "fraud": options.fraud,
      "fraud_conversion": SyntheticWorld.fraudConversion, "fraud_burst": SyntheticWorld.fraudBurst,
      "honest_burst": SyntheticWorld.honestBurst, "users_with_burst": Double(total.bursts), "dirty": options.dirty,
    ]
    for (segment, name) in SyntheticUser.segments.enumerated() {
      found["hazard_\(name)"] = SyntheticUser.segmentHazard[segment]
      found["conversion_\(name)"] = SyntheticUser.segmentConversion[segment]
      if options.funnel == .steps { found["delay_days_\(name)"] = world.meanDelay(segment) }
    }
    for (name, factor) in zip(SyntheticUser.ageBands, SyntheticUser.ageHazard) { found["hazard_age_\(name)"] = factor }
    return found
  }

  private var tasks: [String: SyntheticTask] {
    let days = world.options.days - world.cut
    var conversion = total.conversion.metrics
    let visits = Double(total.conversion.count)
    if visits > 0 { conversion["rate_in_log"] = Double(total.loggedConversions) / visits }
    var churn = total.churn.metrics
    churn["C-index"] = concordance(total.survival)
    var found = [
      "next_item": nextItem, "value": value, "demand_item_day": itemDemand, "demand_day": dayDemand,
      "conversion": SyntheticTask(
        protocolText:
          "every visit (view row, or any row with one row a visit) of users that are not fraudulent: is the item bought within 7 days"
          + " and before churn, also where the log ends sooner; the oracle knows user, price, promotion and hazard; rate is unbiased,"
          + " rate_in_log counts only those whose purchase stands in the log by its end",
        examples: total.conversion.count, best: conversion),
      "churn": SyntheticTask(
        protocolText:
          "users signed up by day \(world.cut) and not churned then (at_risk): churned in the \(days) days to the end of the log; the"
          + " oracle knows the daily hazard, whose part by activity shows in the log only as the rate of visits. C-index: hazard"
          + " against days from sign-up to churn, censored at the end, over evenly chosen users",
        examples: total.churn.count, best: churn),
      "price_response": SyntheticTask(
        protocolText:
          "log-log slope of conversion on price relative to the typical price of the category, by category in `elasticity` (positive"
          + " numbers, P falls); P is cut at 0.9; promoted visits convert promotion_lift times as often beyond their price",
        examples: world.catalogue.elasticity.count,
        best: [
          "mean_elasticity": world.catalogue.elasticity.reduce(0, +) / Double(world.catalogue.elasticity.count)
        ]),
    ]
    if world.options.fraud > 0 {
      found["fraud"] = SyntheticTask(
        protocolText:
          "all users: fraudulent or not; the oracle adds the log odds of every visit's stage, given price, promotion and segment, of a"
          + " burst, and of the prior; purchases that the log's end cuts off are known to it",
        examples: total.fraud.count, best: total.fraud.metrics)
    }
    return found
  }

  private var nextItem: SyntheticTask {
    let ranks = total.ranks
    let count = Double(max(1, ranks.count))
    var best = ["MRR": ranks.reduce(0) { $0 + 1 / ($1 + 1) } / count]
    for k in [1, 5, 10, 20, 50] {
      let hits = ranks.filter { $0 < Double(k) }
      best["HR@\(k)"] = Double(hits.count) / count
      best["NDCG@\(k)"] = hits.reduce(0) { $0 + 1 / log2($1 + 2) } / count
    }
    return SyntheticTask(
      protocolText:
        "last visit of each sampled user, all items ranked by the true distribution, seen items and those not sold at the time removed,"
        + " ties half",
      examples: ranks.count, best: best)
  }
}

/// Harrell's C: of the pairs in which one is known to have churned first, the share in which it had the larger hazard, ties half.
func concordance(_ examples: [(days: Double, hazard: Double, churned: Bool)]) -> Double? {
  let hazards = examples.map(\.hazard).sorted()
  func place(_ hazard: Double) -> Int {
    var (low, high) = (0, hazards.count)
    while low < high {
      let middle = (low + high) / 2
      if hazards[middle] < hazard { low = middle + 1 } else { high = middle }
    }
    return low
  }
  // From the longest survivor down, a Fenwick tree counts the hazards of those who outlive the next one.
  var tree = [Int](repeating: 0, count: hazards.count + 1)
  func below(_ place: Int) -> Int {
    var (sum, index) = (0, place)
    while index > 0 {
      sum += tree[index]
      index -= index & -index
    }
    return sum
  }
  let order = examples.sorted { $0.days > $1.days }
  var (wins, pairs, first, added) = (0.0, 0.0, 0, 0)
  while first < order.count {
    var next = first
    while next < order.count, order[next].days == order[first].days { next += 1 }
    for example in order[first..<next] where example.churned {
      let low = place(example.hazard)
      let lower = below(low)
      var high = low
      while high < hazards.count, hazards[high] == example.hazard { high += 1 }
      wins += Double(lower) + Double(below(high) - lower) / 2
      pairs += Double(added)
    }
    for example in order[first..<next] {
      var index = place(example.hazard) + 1
      while index < tree.count {
        tree[index] += 1
        index += index & -index
      }
      added += 1
    }
    first = next
  }
  return pairs > 0 ? wins / pairs : nil
}

// MARK: Amounts

extension SyntheticTruthBuilder {
  private var value: SyntheticTask {
    var (users, error, spread, sum, squares) = (0, 0.0, 0.0, 0.0, 0.0)
    for part in total.value where part.allVisits > 0 {
      let mean = part.expectedSpend / part.allVisits
      users += part.users
      error += part.spendSquared - 2 * mean * part.spendVisits + mean * mean * part.visitsSquared
      sum += part.spend
      squares += part.spendSquared
    }
    var best: [String: Double] = [:]
    if users > 0 {
      spread = squares - sum * sum / Double(users)
      best = ["RMSE": max(0, error / Double(users)).squareRoot(), "mean_spend": sum / Double(users)]
      if spread > 0 { best["R2"] = 1 - error / spread }
    }
    return SyntheticTask(
      protocolText:
        "at_risk users that are not fraudulent: spend of purchases that follow from visits after day \(world.cut) (column spend of the"
        + " labels); expected is the user's true rate of visits, thinned by the true hazard, times the mean of true probability times"
        + " price over the visits of the segment; what taste adds is left out",
      examples: users, best: best)
  }

  private var itemDemand: SyntheticTask {
    var (count, visits, deviance, half, high) = (0, 0, 0.0, 0.0, 0.0)
    for cell in demandRate.indices where demandVisits[cell] > 0 {
      let (rate, sold) = (demandRate[cell], Double(demandBought[cell]))
      count += 1
      visits += demandVisits[cell]
      deviance += 2 * ((sold > 0 ? sold * log(sold / max(rate, 1e-12)) : 0) - (sold - rate))
      half += pinball(sold, poissonQuantile(rate, 0.5), 0.5)
      high += pinball(sold, poissonQuantile(rate, 0.9), 0.9)
    }
    let n = Double(max(1, count))
    return SyntheticTask(
      protocolText:
        "purchases from the visits of a day, for each of the first \(SyntheticTally.demandItems) items (the most popular) and each day"
        + " with a visit, given the day's visits, their users, price and promotion; the rate is the sum of true probabilities, quantiles"
        + " those of a Poisson with that rate; fraudulent users left out",
      examples: count,
      best: count == 0
        ? [:]
        : [
          "poisson_deviance": deviance / n, "pinball@0.5": half / n, "pinball@0.9": high / n,
          "mean_visits": Double(visits) / n, "mean_purchases": demandBought.reduce(0) { $0 + Double($1) } / n,
        ])
  }

  private var dayDemand: SyntheticTask {
    // Visits come in sessions of 1 + Geometric, so their variance is 2 m - 1 times the mean.
    let inflation = 2 * world.options.session - 1
    var (half, high, sum) = (0.0, 0.0, 0.0)
    for (day, rate) in expectedDayVisits.enumerated() {
      let visits = Double(total.dayVisits[day])
      half += pinball(visits, rate, 0.5)
      high += pinball(visits, rate + 1.2816 * (rate * inflation).squareRoot(), 0.9)
      sum += visits
    }
    let n = Double(world.options.days)
    return SyntheticTask(
      protocolText:
        "visits of the shop on each day of the span; the rate follows from the true rhythm and the users alive, quantiles from a normal"
        + " with the variance of sessions",
      examples: world.options.days,
      best: ["pinball@0.5": half / n, "pinball@0.9": high / n, "mean_visits": sum / n])
  }

  private var expectedDayVisits: [Double] {
    var steps = 0.0
    return (0..<world.options.days).map { day in
      steps += total.rateSteps[day]
      return max(0, steps * world.rhythm.mass(ofDay: day) + total.partial[day])
    }
  }

  private func pinball(_ value: Double, _ quantile: Double, _ level: Double) -> Double {
    value >= quantile ? level * (value - quantile) : (1 - level) * (quantile - value)
  }

  /// The least k with P(X <= k) >= level.
  private func poissonQuantile(_ rate: Double, _ level: Double) -> Double {
    guard rate < 500 else { return (rate + (level > 0.5 ? 1.2816 : 0) * rate.squareRoot()).rounded() }
    var (k, term) = (0.0, exp(-rate))
    var sum = term
    while sum < level, k < 2000 {
      k += 1
      term *= rate / k
      sum += term
    }
    return k
  }
}
