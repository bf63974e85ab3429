// What a log tells of a user's visits to come, where activity and the end of the life are not known.
import Glibc

/// Visits behind the cut that are expected of users who are there then, given what each did before it.
///
/// All visits of a life are as many as its length and its activity ask for; each but the first begins a session with probability q, and a session
/// lies before the cut with probability f, the share of the rhythm's mass there. With s sessions and n visits behind the cut, those seen have the
/// probability C(sessions + s, s) f^sessions (1 - f)^s C(n - 1, s - 1) q^s (1 - q)^(n - s), summed over s, up to what is the same for all lives.
struct SyntheticPosterior {
  private let world: SyntheticWorld
  private let logFactorials: [Double]
  /// Ends of lives that are told apart.
  private static let pieces = 6

  /// Of one activity and one end of the life.
  private struct Life {
    let logProbability: Double
    /// Of the rhythm.
    let before: Double, after: Double
    let activity: Double
  }

  /// - Parameter most: visits and sessions of a user at most.
  init(_ world: SyntheticWorld, most: Int) {
    self.world = world
    var sums = [0.0]
    for n in 1...max(1, 2 * most) { sums.append(sums[n - 1] + log(Double(n))) }
    logFactorials = sums
  }

  /// - Parameter rate: visits a mass of the rhythm at activity 1, beside the one that every user makes.
  func visitsAfterCut(_ user: SyntheticUser, rate: Double, seen: (visits: Int, sessions: Int)) -> Double {
    let own = lives(user).map { life in
      let visits = Int((1 + rate * life.activity * (life.before + life.after)).rounded()) - seen.visits
      return (weight: life.logProbability + evidence(life, behind: visits, sessions: seen.sessions), visits: Double(max(0, visits)))
    }
    let most = own.map(\.weight).max() ?? 0
    let weights = own.map { exp($0.weight - most) }
    return zip(weights, own).reduce(0) { $0 + $1.0 * $1.1.visits } / weights.reduce(0, +)
  }

  private func lives(_ user: SyntheticUser) -> [Life] {
    let (cut, days) = (Double(world.cut), Double(world.options.days))
    let start = world.rhythm.mass(until: cut * 86_400)
    let before = start - world.rhythm.mass(until: min(cut, user.signup) * 86_400)
    let step = (days - cut) / Double(Self.pieces)
    return SyntheticUser.activities.flatMap { activity in
      let hazard = user.hazard * exp(user.activity - activity)
      let stay = -hazard * max(0, cut - user.signup)
      let ended = (0..<Self.pieces).map { piece in
        let middle = (Double(piece) + 0.5) * step
        return Life(
          logProbability: stay - hazard * Double(piece) * step + log(max(-expm1(-hazard * step), 1e-300)), before: before,
          after: world.rhythm.mass(until: (cut + middle) * 86_400) - start, activity: activity)
      }
      return ended + [
        Life(logProbability: stay - hazard * (days - cut), before: before, after: world.rhythm.total - start, activity: activity)
      ]
    }
  }

  private func evidence(_ life: Life, behind n: Int, sessions: Int) -> Double {
    // Rounding of visits and rows leaves a few too many; how many decides where all lives are too short.
    guard n >= 0, life.before > 0, life.after > 0 else { return Double(10 * min(0, n)) - 100 }
    let (f, q) = (life.before / (life.before + life.after), 1 / max(1, world.options.session))
    let most = logFactorials.count - 1
    func choose(_ n: Int, _ k: Int) -> Double {
      logFactorials[min(most, n)] - logFactorials[min(most, k)] - logFactorials[min(most, n - k)]
    }
    let terms = (min(n, 1)...min(n, most - sessions)).map { s in
      choose(sessions + s, s) + Double(sessions) * log(f) + Double(s) * log((1 - f) * q) + (n > 0 ? choose(n - 1, s - 1) : 0)
        + (n > s ? Double(n - s) * log(max(1 - q, 1e-12)) : 0)
    }
    let largest = terms.max() ?? 0
    return largest + log(terms.reduce(0) { $0 + exp($1 - largest) })
  }
}

extension SyntheticOracle {
  /// Visits that are expected behind the cut of each user who is there then, from visits and sessions before it, given by user.
  package func expectedVisitsAfterCut(seen: [(visits: Int, sessions: Int)]) -> [Double] {
    let most = max(world.mostVisits, seen.map(\.visits).max() ?? 0)
    let posterior = SyntheticPosterior(world, most: most)
    return visitsAfterCut { user, rate in posterior.visitsAfterCut(user, rate: rate, seen: seen[user.number]) }
  }
}
