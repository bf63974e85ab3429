// What one user does: sessions, the item of each visit, and how far down the funnel it goes.
import AugurTensors
import Glibc

/// The visits of one user. In session s, visits follow each other after 15 s + Exp(120 s); sessions have 1 + Geometric visits and begin
/// where independent uniform points of the rhythm's mass over the user's life lie, so visits follow lambda(t).
///   P(purchase | visit) = min(0.9, conversion * segment * (price / typical price)^-elasticity * 1.2 if promoted), fraudulent users 0.35
///   P(cart and no purchase | visit) = 0.12; delay of a purchase ~ Exp(delay * segment) with `Funnel.steps`
struct SyntheticVisits {
  private let world: SyntheticWorld
  private(set) var rows: [SyntheticRow] = []
  /// Sum over visits of log P(stage | fraudulent) / P(stage | honest), and the term of the burst.
  private(set) var evidence = 0.0
  var burstEvidence = 0.0
  /// Cents of purchases that follow from visits after the cut, late ones included.
  private(set) var spendAfterCut = 0.0

  private var user: SyntheticUser
  private var life = 0...0
  private var lastSecond: UInt32 = 0
  private let cutSecond: UInt32
  private var taste: [Int] = []
  private var conversion = 0.0
  private var (reach, reachEver) = (1.0, 1.0)
  private var current: Int?
  private var history: [Int] = []
  private var seen: [UInt64]
  /// By the low 12 bits of an item, in the nearest cache: without its bit there, it is not seen.
  private var sieve = [UInt64](repeating: 0, count: 64)
  private var times: [UInt32] = []
  private var units: [Double] = []
  private var sizes: [Int] = []
  private let sessionScale: Double  // 1 / log(1 - 1 / mean); 0 for single visits

  init(_ world: SyntheticWorld) {
    self.world = world
    user = SyntheticUser(0, seed: world.log.seed, options: world.options)
    seen = [UInt64](repeating: 0, count: (world.log.items + 63) / 64)
    cutSecond = UInt32(world.cut * 86_400)
    let mean = world.options.session
    sessionScale = mean > 1 ? 1 / log(1 - 1 / mean) : 0
  }

  mutating func begin(_ user: SyntheticUser) {
    for item in history {
      seen[item >> 6] = 0
      sieve[item >> 6 & 63] = 0
    }
    history.removeAll(keepingCapacity: true)
    rows.removeAll(keepingCapacity: true)
    self.user = user
    life = user.life(days: world.options.days)
    lastSecond = UInt32(life.upperBound)
    taste = world.model.taste(of: user.number)
    conversion = world.options.conversion * SyntheticUser.segmentConversion[user.segment]
    reach = world.reach(user, days: SyntheticOptions.conversionDays)
    reachEver = world.reach(user, days: .infinity)
    (current, evidence, burstEvidence, spendAfterCut) = (nil, 0, 0, 0)
  }

  // MARK: Time

  /// Times of `count` visits, rising, inside the life; a session that would begin before the last one ends continues it.
  mutating func drawTimes(_ count: Int, _ random: inout RandomStream) {
    sizes.removeAll(keepingCapacity: true)
    times.removeAll(keepingCapacity: true)
    var left = count
    while left > 0 {
      let size = sessionScale == 0 ? 1 : min(left, 1 + Int(log(1 - random.uniform()) * sessionScale))
      sizes.append(size)
      left -= size
    }
    let begin = world.rhythm.mass(until: Double(life.lowerBound))
    let mass = world.rhythm.mass(until: Double(life.upperBound + 1)) - begin
    // Sorted uniform points: partial sums of exponentials, or each the least of those that remain.
    var point = 0.0
    var time = UInt32(life.lowerBound)
    for (index, size) in sizes.enumerated() {
      let remaining = Double(sizes.count - index)
      point = 1 - (1 - point) * exp(log(1 - random.uniform()) / remaining)
      let start = UInt32(max(0, world.rhythm.time(at: begin + mass * point)))
      for visit in 0..<size {
        time = visit == 0 && start > time ? start : time + (times.isEmpty ? 0 : gap(&random))
        time = min(time, lastSecond)
        times.append(time)
      }
    }
  }

  private func gap(_ random: inout RandomStream) -> UInt32 { 15 + UInt32(-log(1 - random.uniform()) * 120) }

  // MARK: Visits

  /// The visits at all of the times; of the last one the rank is kept where it is `scored`.
  mutating func visitAll(scored: Bool, _ random: inout RandomStream, _ tally: inout SyntheticTally) {
    guard world.options.funnel == .row else {
      for index in times.indices { visit(index, scored: scored && index == times.count - 1, &random, &tally) }
      return
    }
    // All items first: what the stages need of them is on its way when they are settled.
    units.removeAll(keepingCapacity: true)
    for index in times.indices {
      choose(index, scored: scored && index == times.count - 1, &random, &tally)
      units.append(random.uniform())
    }
    for index in times.indices { settle(index, units[index], &random, &tally) }
  }

  private mutating func visit(_ index: Int, scored: Bool, _ random: inout RandomStream, _ tally: inout SyntheticTally) {
    choose(index, scored: scored, &random, &tally)
    settle(index, random.uniform(), &random, &tally)
  }

  /// The item of a visit.
  private mutating func choose(_ index: Int, scored: Bool, _ random: inout RandomStream, _ tally: inout SyntheticTally) {
    let time = times[index]
    let item = nextItem(at: time, &random)
    world.model.prefetchSuccessors(of: item)
    world.catalogue.prefetchPrice(of: item)
    if scored, history.count >= 2, let current { tally.ranks.append(rank(of: item, after: current, at: time)) }
    current = item
    history.append(item)
    seen[item >> 6] |= 1 << UInt64(item & 63)
    sieve[item >> 6 & 63] |= 1 << UInt64(item & 63)
  }

  /// How far a visit goes, by a draw from the unit interval.
  private mutating func settle(_ index: Int, _ unit: Double, _ random: inout RandomStream, _ tally: inout SyntheticTally) {
    let (time, item) = (times[index], history[index])
    let category = item % world.catalogue.categoryCount
    let promotion = world.catalogue.promotion(ofCategory: category, at: time)
    let factor = world.catalogue.items[item].response * world.catalogue.promotionFactor(ofCategory: category, promotion)
    let honest = min(0.9, conversion * Double(factor))
    let buy = user.isFraud ? SyntheticWorld.fraudConversion : honest
    let cartShare = min(SyntheticWorld.cartShare, 1 - honest)
    let stage = unit < buy ? SyntheticRow.purchase : unit < buy + cartShare ? SyntheticRow.cart : SyntheticRow.view
    var outcome = Outcome(time: time, item: item, stage: stage, probability: honest)
    if world.options.funnel == .row {
      append(item, time, stage)
      outcome.isBought = stage == SyntheticRow.purchase
      (outcome.isInTime, outcome.isLogged) = (outcome.isBought, outcome.isBought)
    } else {
      follow(&outcome, &random)
    }
    if world.options.fraud > 0 { weigh(stage, honest, cartShare) }
    count(outcome, &tally)
  }

  private struct Outcome {
    let time: UInt32
    let item: Int
    let stage: UInt32
    let probability: Double
    var isBought = false, isInTime = false, isLogged = false
  }

  private mutating func append(_ item: Int, _ time: UInt32, _ stage: UInt32) {
    rows.append(SyntheticRow(user: UInt32(user.number), item: UInt32(item), time: time, code: stage))
  }

  /// View, cart and purchase in rows of their own; what would come after churn does not come, nor what the log's end cuts off.
  private mutating func follow(_ outcome: inout Outcome, _ random: inout RandomStream) {
    let (time, item) = (Double(outcome.time), outcome.item)
    append(item, outcome.time, SyntheticRow.view)
    guard outcome.stage != SyntheticRow.view else { return }
    let (last, toCart) = (Double(lastSecond), 20 + 80 * random.uniform())
    guard outcome.stage == SyntheticRow.purchase else {
      if time + toCart <= last { append(item, UInt32(time + toCart), SyntheticRow.cart) }
      return
    }
    let delay = -log(1 - random.uniform()) * world.meanDelay(user.segment) * 86_400
    let cart = time + min(toCart, delay / 2)
    if cart <= last { append(item, UInt32(cart), SyntheticRow.cart) }
    outcome.isLogged = time + delay <= last
    if outcome.isLogged { append(item, UInt32(time + delay), SyntheticRow.purchase) }
    outcome.isBought = time + delay < user.churnDay * 86_400
    outcome.isInTime = outcome.isBought && delay <= SyntheticOptions.conversionDays * 86_400
  }

  private mutating func weigh(_ stage: UInt32, _ honest: Double, _ cartShare: Double) {
    let fraud = SyntheticWorld.fraudConversion
    switch stage {
    case SyntheticRow.purchase: evidence += log(fraud / max(honest, 1e-12))
    case SyntheticRow.cart: break  // as likely either way
    default: evidence += log((1 - fraud - cartShare) / max(1 - honest - cartShare, 1e-12))
    }
  }

  private mutating func count(_ outcome: Outcome, _ tally: inout SyntheticTally) {
    let day = Int(outcome.time) / 86_400
    tally.dayVisits[day] += 1
    let cents = Double(world.catalogue.cents(outcome.item, at: outcome.time))
    if outcome.isBought, outcome.time >= cutSecond { spendAfterCut += cents }
    guard !user.isFraud else { return }
    let probability = outcome.probability * reach
    tally.conversion.add(ScoreBins.bin(probability: probability), probability, outcome.isInTime)
    if outcome.isLogged, outcome.isInTime { tally.loggedConversions += 1 }
    let ever = outcome.probability * reachEver
    tally.value[user.segment].allVisits += 1
    tally.value[user.segment].expectedSpend += ever * cents / 100
    if outcome.item < SyntheticTally.demandItems {
      tally.demand.append((outcome.item * world.options.days + day, ever, outcome.isBought))
    }
  }

  /// Rows on one item, five a second, from one of the visits on.
  mutating func burst(_ length: Int, _ random: inout RandomStream) {
    let index = random.below(times.count)
    for row in 0..<length {
      append(history[index], min(lastSecond, times[index] + UInt32(row / 5)), SyntheticRow.view)
    }
  }

  /// Leaves out later steps where there are too many rows, adds visits where there are too few.
  mutating func fit(atMost: Int, exactly: Bool, _ random: inout RandomStream, _ tally: inout SyntheticTally) {
    while exactly, rows.count < atMost {
      times.append(min(lastSecond, (times.last ?? UInt32(life.lowerBound)) + gap(&random)))
      visit(times.count - 1, scored: false, &random, &tally)
    }
    var index = rows.count
    while rows.count > atMost, index > 0 {
      index -= 1
      if rows[index].stage > 0 { rows.remove(at: index) }
    }
  }

  /// By time; equal times keep their order.
  mutating func sort() {
    for index in 1..<max(1, rows.count) where rows[index].time < rows[index - 1].time {
      let row = rows[index]
      var place = index
      while place > 0, rows[place - 1].time > row.time {
        rows[place] = rows[place - 1]
        place -= 1
      }
      rows[place] = row
    }
  }

  // MARK: Items

  private func isSeen(_ item: Int) -> Bool {
    let bit = UInt64(1) << UInt64(item & 63)
    return sieve[item >> 6 & 63] & bit != 0 && seen[item >> 6] & bit != 0
  }

  /// Draws until the item is new and sold, which is the mixture restricted to such items.
  private func nextItem(at time: UInt32, _ random: inout RandomStream) -> Int {
    for _ in 0..<1000 {
      if let item = world.model.draw(after: current, taste: taste, &random), !isSeen(item),
        world.catalogue.isSold(item, at: time)
      {
        return item
      }
    }
    var item = random.below(world.log.items)
    for _ in 0..<world.log.items where isSeen(item) || !world.catalogue.isSold(item, at: time) {
      item = (item + 1) % world.log.items
    }
    return item
  }

  /// Rank of the item under the true distribution among what is new and sold, from 0, ties counted half.
  private func rank(of item: Int, after current: Int, at time: UInt32) -> Double {
    let score = world.model.score(of: item, after: current, taste: taste)
    var (above, equal) = (0, -1)
    world.model.items(scoring: score, after: current, taste: taste) { other, rival in
      if isSeen(other) || !world.catalogue.isSold(other, at: time) { return }
      if rival > score { above += 1 } else { equal += 1 }
    }
    return Double(above) + Double(equal) / 2
  }
}
