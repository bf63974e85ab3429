// What is true of single examples of a synthetic log. It follows from the log's parameters, so that nothing is kept while a log is drawn.
import AugurTensors
import Glibc

/// The knowledge behind a log: what no log shows. Users and items by number, from 0; times in seconds since the start of the log.
package struct SyntheticOracle: Sendable {
  let world: SyntheticWorld

  package init(_ log: SyntheticLog) { world = SyntheticWorld(log) }

  /// Epoch seconds at which logs begin.
  package static let start = SyntheticRhythm.start
  /// The day at which what comes after is to be predicted, and the one behind the last.
  package var cutDay: Int { world.cut }
  package var endDay: Int { world.options.days }

  private func user(_ number: Int) -> SyntheticUser { SyntheticUser(number, seed: world.log.seed, options: world.options) }

  // MARK: Users

  /// Of churn, a day.
  package func hazard(ofUser number: Int) -> Double { user(number).hazard }

  /// Probability that a user who is there at the cut has left by the end.
  package func churnProbability(ofUser number: Int) -> Double { 1 - exp(-user(number).hazard * Double(endDay - cutDay)) }

  /// Visits that are expected behind the cut of each user who is there then.
  package func expectedVisitsAfterCut() -> [Double] {
    let cut = Double(world.cut) * 86_400
    return visitsAfterCut { user, rate in
      let after = world.massAfterCut(user.hazard)
      let before = world.rhythm.mass(until: cut) - world.rhythm.mass(until: min(cut, user.signup * 86_400))
      return rate * user.activity * after + after / max(before + after, 1e-12)
    }
  }

  /// - Parameter visits: of a user, and of visits a mass of the rhythm at activity 1.
  func visitsAfterCut(_ visits: (SyntheticUser, Double) -> Double) -> [Double] {
    (0..<world.blocks).flatMap { block in
      let users = world.users(ofBlock: block).map(user)
      let (shares, weights) = world.visitShares(users)
      return users.indices.map { visits(users[$0], shares[$0] / (1 + world.followUps) / weights[$0]) }
    }
  }

  // MARK: Visits

  /// Probability that a visit of an honest user converts, whenever.
  package func conversion(user number: Int, item: Int, second: Int) -> Double { conversion(user(number), item, second) }

  private func conversion(_ user: SyntheticUser, _ item: Int, _ second: Int) -> Double {
    let category = item % world.catalogue.categoryCount
    let promotion = world.catalogue.promotion(ofCategory: category, at: UInt32(second))
    let factor = world.catalogue.items[item].response * world.catalogue.promotionFactor(ofCategory: category, promotion)
    return min(0.9, world.options.conversion * SyntheticUser.segmentConversion[user.segment] * Double(factor))
  }

  /// Probability that it does within `days` and before the user leaves.
  package func conversion(user number: Int, item: Int, second: Int, withinDays days: Double) -> Double {
    let user = user(number)
    return conversion(user, item, second) * world.reach(user, days: days)
  }

  /// Days within which a view must convert.
  package static let conversionDays = SyntheticOptions.conversionDays

  /// How far a visit has come that may still go further.
  package enum Stage: Sendable { case view, cart, purchase }

  /// Log odds that the user of a visit is fraudulent, by how far it came within `days`.
  package func fraudEvidence(user number: Int, item: Int, second: Int, stage: Stage, days: Double) -> Double {
    let user = user(number)
    let honest = conversion(user, item, second)
    let fraud = SyntheticWorld.fraudConversion
    let cart = min(SyntheticWorld.cartShare, 1 - honest)
    let late = world.options.funnel == .row ? 0 : exp(-max(0, days) / world.meanDelay(user.segment))
    switch stage {
    case .purchase: return log(fraud / max(honest, 1e-12))
    case .cart: return log((cart + fraud * late) / (cart + honest * late))
    case .view: return log((1 - fraud - cart) / max(1 - honest - cart, 1e-12))
    }
  }

  /// Log odds of fraud before anything is known, and by whether there is a burst among so many rows.
  package func fraudPrior(hasBurst: Bool, rows: Int) -> Double {
    let (share, burst, honest) = (world.options.fraud, SyntheticWorld.fraudBurst, SyntheticWorld.honestBurst)
    let prior = log(share / (1 - share))
    guard rows >= SyntheticWorld.burstRows else { return prior }
    return prior + (hasBurst ? log(burst / honest) : log((1 - burst) / (1 - honest)))
  }

  // MARK: Items

  /// The rank from 0, ties half, of an item among what a user has not seen and what is sold, by the true distribution of the next item.
  package func rank(of item: Int, user number: Int, after history: [Int], second: Int) -> Double {
    guard let current = history.last else { return .nan }
    let (seen, taste) = (Set(history), world.model.taste(of: number))
    let score = world.model.score(of: item, after: current, taste: taste)
    var (above, equal) = (0, -1)
    world.model.items(scoring: score, after: current, taste: taste) { other, rival in
      guard !seen.contains(other), world.catalogue.isSold(other, at: UInt32(second)) else { return }
      if rival > score { above += 1 } else { equal += 1 }
    }
    return Double(above) + Double(equal) / 2
  }

  /// Whether an item is sold, which its page tells everyone.
  package func isSold(_ item: Int, second: Int) -> Bool { world.catalogue.isSold(item, at: UInt32(second)) }

  /// The categories' elasticity of conversion by price, from category 1.
  package var elasticity: [Double] { world.catalogue.elasticity }

  /// Days from a view to its purchase in the mean, by number of the user.
  package func meanDelay(ofUser number: Int) -> Double { world.meanDelay(user(number).segment) }
}
