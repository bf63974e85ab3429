// Everything about a log that is drawn before its rows: the rules, the catalogue, and who shares the rows.
import AugurTensors
import Glibc

/// Shared by all blocks; nothing in it changes.
final class SyntheticWorld: Sendable {
  /// Shares of visits that reach the cart and no further, and that a fraudulent user buys at any price.
  static let (cartShare, fraudConversion) = (0.12, 0.35)
  /// Share of fraudulent and of honest users with a burst of rows, five a second, on one item.
  static let (fraudBurst, honestBurst) = (0.7, 0.01)
  /// Fewer rows than this leave no room for a burst.
  static let burstRows = 6

  let log: SyntheticLog
  let options: SyntheticOptions
  let rhythm: SyntheticRhythm
  let catalogue: SyntheticCatalogue
  let model: SyntheticModel
  let usersPerBlock: Int
  /// Most visits of a user that leave half of the permanent items unseen.
  let mostVisits: Int
  /// Mean rows of a visit behind its first.
  let followUps: Double
  /// Users whose last visit is scored.
  let scoredUsers: Int

  init(_ log: SyntheticLog) {
    (self.log, options) = (log, log.options)
    rhythm = SyntheticRhythm(options)
    model = SyntheticModel(items: log.items, seed: log.seed)
    catalogue = SyntheticCatalogue(
      items: log.items, categories: model.categoryCount, seed: log.seed, options: log.options)
    usersPerBlock = max(16, min(1024, 32_768 / max(1, log.events / log.users)))
    mostVisits = max(1, log.permanentItems / 2)
    let mean = options.conversion * 1.1
    followUps = options.funnel == .row ? 0 : 2 * mean + Self.cartShare
    // A dense score costs O(V): at most 20,000 users and about 6e7 scores.
    scoredUsers = min(log.users, 20_000, max(200, 60_000_000 / log.items))
  }

  var blocks: Int { (log.users + usersPerBlock - 1) / usersPerBlock }

  func users(ofBlock block: Int) -> Range<Int> {
    block * usersPerBlock..<min(log.users, (block + 1) * usersPerBlock)
  }

  /// Rows of the users below `user`: every user has the same share, which a block hands out by weight.
  func rows(before user: Int) -> Int {
    log.events / log.users * user + log.events % log.users * user / log.users
  }

  /// Day at which what comes after is to be predicted.
  var cut: Int { options.days - max(1, options.days / 6) }

  func isScored(_ user: Int) -> Bool {
    let scored = UInt64(scoredUsers)
    return UInt64(user) * scored / UInt64(log.users) < UInt64(user + 1) * scored / UInt64(log.users)
  }

  /// Rows behind the first of each user in proportion to the weights, none above `most`.
  static func shares(of rows: Int, _ weights: [Double], most: Double) -> [Double] {
    var shares = weights
    var isFull = [Bool](repeating: false, count: weights.count)
    for _ in 0..<32 {
      var (rest, open) = (Double(rows), 0.0)
      for index in weights.indices { if isFull[index] { rest -= most } else { open += weights[index] } }
      guard open > 0 else { break }
      var changed = false
      for index in weights.indices {
        shares[index] = isFull[index] ? most : max(0, rest) * weights[index] / open
        if !isFull[index], shares[index] > most { (isFull[index], changed) = (true, true) }
      }
      if !changed { break }
    }
    return shares.map { min($0, most) }
  }

  /// Rows behind the first of each user of a block, and the weights by which they share them.
  func visitShares(_ users: [SyntheticUser]) -> (shares: [Double], weights: [Double]) {
    let weights = users.map { $0.activity * mass(of: $0.life(days: options.days)) + 1e-9 }
    guard let first = users.first else { return ([], []) }
    let count = rows(before: first.number + users.count) - rows(before: first.number)
    let most = Double(mostVisits - 1) * (1 + followUps)
    return (Self.shares(of: count - users.count, weights, most: most), weights)
  }

  /// Probability that a drawn purchase comes within `days` and before churn, both memoryless.
  func reach(_ user: SyntheticUser, days: Double) -> Double {
    guard options.funnel == .steps else { return 1 }
    let rate = 1 / meanDelay(user.segment)
    return rate / (rate + user.hazard) * (1 - exp(-days * (rate + user.hazard)))
  }

  /// In days.
  func meanDelay(_ segment: Int) -> Double { options.delay * SyntheticUser.segmentDelay[segment] }

  func mass(of life: ClosedRange<Int>) -> Double {
    rhythm.mass(until: Double(life.upperBound + 1)) - rhythm.mass(until: Double(life.lowerBound))
  }

  /// The mass of visits that a user alive at the cut is expected to see until the end of the log.
  func massAfterCut(_ hazard: Double) -> Double {
    let factor = exp(-hazard)
    var (alive, sum) = (exp(-hazard / 2), 0.0)
    for day in cut..<options.days {
      sum += rhythm.mass(ofDay: day) * alive
      alive *= factor
    }
    return sum
  }
}
