// Draws the rows of one block of users, with what the truth counts.
import AugurTensors
import Glibc

/// Scratch and results of one block at a time; kept and used again.
final class SyntheticBlock {
  let world: SyntheticWorld
  let text: SyntheticText
  private(set) var rows: [SyntheticRow] = []
  private(set) var tally: SyntheticTally
  private(set) var userLines: [UInt8] = []
  private(set) var labelLines: [UInt8] = []
  var visits: SyntheticVisits

  init(_ world: SyntheticWorld) {
    self.world = world
    text = SyntheticText(world.catalogue)
    tally = SyntheticTally(days: world.options.days)
    visits = SyntheticVisits(world)
  }

  /// Draws the block; its rows lie user by user, in time order.
  func draw(_ block: Int) {
    rows.removeAll(keepingCapacity: true)
    userLines.removeAll(keepingCapacity: true)
    labelLines.removeAll(keepingCapacity: true)
    tally = SyntheticTally(days: world.options.days)
    let range = world.users(ofBlock: block)
    let users = range.map { SyntheticUser($0, seed: world.log.seed, options: world.options) }
    let (shares, weights) = world.visitShares(users)
    var left = world.rows(before: range.upperBound) - world.rows(before: range.lowerBound)
    var shareLeft = shares.reduce(0, +)
    for (index, user) in users.enumerated() {
      let others = users.count - 1 - index
      var random = RandomStream(seed: world.log.seed, stream: UInt64(user.number) + 1000)
      // What earlier users of the block took too much or too little, the later ones share.
      let extra = Double(left - 1 - others) * (shareLeft > 0 ? shares[index] / shareLeft : 1)
      let target = others == 0 ? left : min(left - others, 1 + Int(extra + random.uniform()))
      left -= draw(user, target: target, atMost: left - others, exactly: others == 0, &random)
      report(user, rate: shares[index] / (1 + world.followUps) / weights[index] * user.activity)
      shareLeft -= shares[index]
    }
  }

  func format() { rows.withUnsafeBufferPointer { text.format($0) } }

  /// Returns the number of rows.
  private func draw(
    _ user: SyntheticUser, target: Int, atMost: Int, exactly: Bool, _ random: inout RandomStream
  ) -> Int {
    visits.begin(user)
    let copies = dirtyCopies(target, &random)
    let burst = burstLength(user, target - copies, &random)
    let planned = Double(target - copies - burst) / (1 + world.followUps)
    let count = max(1, Int(planned.rounded()))
    visits.drawTimes(count, &random)
    let scored = world.isScored(user.number)
    visits.visitAll(scored: scored, &random, &tally)
    if burst > 0 { visits.burst(burst, &random) }
    visits.fit(atMost: atMost - copies, exactly: exactly, &random, &tally)
    visits.sort()
    let made = visits.rows.count + copies
    appendRows(copies: copies, &random)
    let life = user.life(days: world.options.days)
    tally.expectVisits(Double(count) / max(world.mass(of: life), 1e-12), life, world.rhythm)
    return made
  }

  // MARK: Dirt

  private var kinds: Int { SyntheticDirt.allCases.count - 1 }

  private func dirtyCopies(_ target: Int, _ random: inout RandomStream) -> Int {
    guard world.options.dirty > 0 else { return 0 }
    let rate = world.options.dirty / Double(kinds)
    return min(target - 1, (0..<target).count { _ in random.uniform() < rate })
  }

  /// Moves the rows of the user to the block, some spoiled, and some clean ones twice.
  private func appendRows(copies: Int, _ random: inout RandomStream) {
    for row in visits.rows { tally.stages[row.stage] += 1 }
    guard world.options.dirty > 0 else {
      rows.append(contentsOf: visits.rows)
      return
    }
    var copiesOf = [Int](repeating: 0, count: visits.rows.count)
    for _ in 0..<copies { copiesOf[random.below(copiesOf.count)] += 1 }
    let rate = world.options.dirty * Double(kinds - 1) / Double(kinds)
    for (index, row) in visits.rows.enumerated() {
      var row = row
      if copiesOf[index] == 0, random.uniform() < rate {
        let kind = 2 + random.below(kinds - 1)
        row.code |= UInt32(kind) << 2
        tally.dirt[kind] += 1
      }
      for _ in 0...copiesOf[index] { rows.append(row) }
    }
    tally.dirt[Int(SyntheticDirt.duplicate.rawValue)] += copies
  }

  // MARK: Fraud

  private func burstLength(_ user: SyntheticUser, _ target: Int, _ random: inout RandomStream) -> Int {
    guard world.options.fraud > 0, target >= SyntheticWorld.burstRows else { return 0 }
    let share = user.isFraud ? SyntheticWorld.fraudBurst : SyntheticWorld.honestBurst
    let hasBurst = random.uniform() < share
    let (fraud, honest) = (SyntheticWorld.fraudBurst, SyntheticWorld.honestBurst)
    visits.burstEvidence = hasBurst ? log(fraud / honest) : log((1 - fraud) / (1 - honest))
    guard hasBurst else { return 0 }
    tally.bursts += 1
    let length = 4 - log(1 - random.uniform()) * 8
    return min(target / 2, Int(length))
  }

  // MARK: Labels

  static let labelHeader = "user_id,at_risk,churned,churn_day,fraud,spend\n"

  /// The user's lines in the tables, and the tasks that have one example a user. `rate` visits are expected for each unit of mass while
  /// the user is alive, beside the one that every user makes.
  private func report(_ user: SyntheticUser, rate: Double) {
    let (days, cut) = (Double(world.options.days), Double(world.cut))
    let (churned, atRisk) = (user.churnDay < days, user.signup <= cut && user.churnDay > cut)
    if atRisk {
      let probability = 1 - exp(-user.hazard * (days - cut))
      tally.churn.add(ScoreBins.bin(probability: probability), probability, churned)
    }
    if world.isScored(user.number) {
      tally.survival.append((min(user.churnDay, days) - user.signup, user.hazard, churned))
    }
    if world.options.fraud > 0 {
      let prior = log(world.options.fraud / (1 - world.options.fraud))
      let logit = prior + visits.evidence + visits.burstEvidence
      tally.fraud.add(ScoreBins.bin(logit: logit), 1 / (1 + exp(-logit)), user.isFraud)
    }
    if atRisk, !user.isFraud {
      let after = world.massAfterCut(user.hazard)
      let before = world.rhythm.mass(until: cut * 86_400) - world.rhythm.mass(until: user.signup * 86_400)
      let expected = rate * after + after / max(before + after, 1e-12)
      tally.value[user.segment].add(spend: visits.spendAfterCut / 100, expectedVisits: expected)
    }
    user.appendLine(to: &userLines)
    append(user.number + 1, to: &labelLines)
    labelLines.append(contentsOf: atRisk ? ",1".utf8 : ",0".utf8)
    labelLines.append(contentsOf: churned ? ",1,".utf8 : ",0,".utf8)
    if churned { append(Int(user.churnDay), to: &labelLines) }
    labelLines.append(contentsOf: user.isFraud ? ",1,".utf8 : ",0,".utf8)
    append(cents: Int(visits.spendAfterCut), to: &labelLines)
    labelLines.append(UInt8(ascii: "\n"))
  }
}
