// Every effect of the synthetic shop is found again in a generated log, within statistical bounds (four to five sigma, fixed seeds).
import Foundation
import Testing

@testable import AugurEvents

@Suite struct SyntheticEffectTests {
  let folder = TestFolder()

  private func options(_ change: (inout SyntheticOptions) -> Void) -> SyntheticOptions {
    var options = SyntheticOptions.nextItem
    change(&options)
    return options
  }

  /// Conversion follows price, segment and promotion, and the best AUC and log loss are those of brute force.
  @Test func conversionAndItsBestScore() throws {
    let shop = try SyntheticShop(folder, events: 200_000, users: 8000, items: 2000, options { $0.promotion = 0.3 })
    let examples = shop.rows.map { (row: $0, p: shop.conversion($0), bought: $0.event == "purchase") }
    let ratio = { (row: SyntheticShop.Row) in row.price / shop.truth.typicalPrice[row.category] }
    let order = examples.sorted { ratio($0.row) < ratio($1.row) }
    var rates: [Double] = []
    for fifth in 0..<5 {
      let part = order[fifth * 40_000..<(fifth + 1) * 40_000]
      let (expected, bought) = (part.reduce(0) { $0 + $1.p }, Double(part.count { $0.bought }))
      let sigma = part.reduce(0) { $0 + $1.p * (1 - $1.p) }.squareRoot()
      #expect(abs(bought - expected) < 4 * sigma, "fifth \(fifth): \(bought) purchases, \(expected) expected")
      rates.append(bought / 40_000)
    }
    #expect(rates == rates.sorted(by: >) && rates[0] > 3 * rates[4])
    let best = try #require(shop.truth.tasks["conversion"]?.best)
    let exact = bruteForceAUC(examples.map { ($0.p, $0.bought) })
    let loss = examples.reduce(0) { $0 - log($1.bought ? $1.p : 1 - $1.p) } / 200_000
    #expect(abs(try #require(best["AUC"]) - exact) < 2e-4, "brute force \(exact)")
    #expect(abs(try #require(best["logloss"]) - loss) < 2e-5, "brute force \(loss)")
    #expect(abs(try #require(best["rate"]) - Double(examples.count { $0.bought }) / 200_000) < 1e-12)
  }

  @Test func bestNextItemByBruteForce() throws {
    let shop = try SyntheticShop(folder, events: 4000, users: 200, items: 300, seed: 5, options { $0.turnover = 0.3 })
    let model = SyntheticModel(items: 300, seed: 5)
    var ranks: [Double] = []
    for (user, rows) in Dictionary(grouping: shop.rows, by: \.user) where rows.count >= 3 {
      var scores: [Double] = []
      let (target, seen) = (rows[rows.count - 1], Set(rows.dropLast().map(\.item)))
      model.score(after: rows[rows.count - 2].item, taste: model.taste(of: user), into: &scores)
      var rank = 0.0
      for item in 0..<300 where item != target.item && !seen.contains(item) {
        guard shop.items[item].launch ?? 0 <= target.day, target.day <= shop.items[item].retire ?? .max else { continue }
        rank += scores[item] > scores[target.item] ? 1 : scores[item] == scores[target.item] ? 0.5 : 0
      }
      ranks.append(rank)
    }
    #expect(ranks.count == shop.truth.bestUsers)
    // The table gives days, the generator knows seconds: an item that changes on the very day may move a rank by one.
    let hits = Double(ranks.count { $0 < 10 }) / Double(ranks.count)
    #expect(abs(hits - (try #require(shop.truth.best["HR@10"]))) < 0.006)
    let reciprocal = ranks.reduce(0) { $0 + 1 / ($1 + 1) } / Double(ranks.count)
    #expect(abs(reciprocal - (try #require(shop.truth.best["MRR"]))) < 0.003)
  }

  /// The items that score at least as much as a bound are those of the dense scores, and have their scores to the bit.
  @Test func rivalsAreThoseOfTheDenseScores() {
    let model = SyntheticModel(items: 700, seed: 9)
    var scores: [Double] = []
    for (current, taste) in [(3, [1, 5, 9]), (650, [13, 13, 2]), (0, [0, 0, 0])] {
      model.score(after: current, taste: taste, into: &scores)
      #expect(scores.indices.allSatisfy { model.score(of: $0, after: current, taste: taste) == scores[$0] })
      for bound in [0, scores[699], scores[20], scores[3], scores.max() ?? 0, 2] {
        var found: [Int] = []
        model.items(scoring: bound, after: current, taste: taste) { item, score in
          #expect(score == scores[item])
          found.append(item)
        }
        #expect(found.sorted() == scores.indices.filter { scores[$0] >= bound })
      }
    }
  }

  /// Churn minus accumulated hazard is a martingale: it is near 0 in every segment, and what happens stays inside lives.
  @Test func livesOfUsersAndItems() throws {
    let options = options { ($0.churn, $0.turnover, $0.funnel) = (0.004, 0.4, .steps) }
    let shop = try SyntheticShop(folder, events: 200_000, users: 10_000, items: 2000, options)
    #expect(shop.rows.count == 200_000)
    for row in shop.rows {
      let (user, label, item) = (shop.users[row.user], shop.labels[row.user], shop.items[row.item])
      #expect(row.day >= user.signup && row.day <= label.churnDay ?? 364)
      // A cart or a purchase may follow after the item has gone.
      if row.event == "view" { #expect(row.day >= item.launch ?? 0 && row.day <= item.retire ?? 364) }
    }
    #expect(shop.items.contains { $0.launch != nil } && shop.items.contains { $0.retire != nil })
    for segment in SyntheticUser.segments.indices {
      var (churned, hazard) = (0.0, 0.0)
      for number in shop.users.indices where shop.users[number].segment == segment {
        let (user, label) = (shop.users[number], shop.labels[number])
        let activity = SyntheticUser(number, seed: 1, options: options).activity
        let daily = 0.004 * SyntheticUser.segmentHazard[segment] * SyntheticUser.ageHazard[user.ageBand] * exp(1 - activity)
        hazard += daily * (Double(label.churnDay ?? 365) + (label.churnDay == nil ? -0.5 : 0) - Double(user.signup))
        if label.churnDay != nil { churned += 1 }
      }
      #expect(abs(churned - hazard) < 4 * hazard.squareRoot(), "segment \(segment): \(churned) churned, \(hazard) expected")
    }
    let survivors = shop.labels.enumerated().filter { $0.element.isAtRisk }
    #expect(shop.truth.tasks["churn"]?.examples == survivors.count)
    let exact = bruteForceAUC(
      survivors.map { (SyntheticUser($0.offset, seed: 1, options: options).hazard, $0.element.churnDay != nil) })
    #expect(abs(try #require(shop.truth.tasks["churn"]?.best["AUC"]) - exact) < 1e-3)
  }

  @Test func rhythm() throws {
    let options = options { ($0.churn, $0.season) = (0, 0) }
    let shop = try SyntheticShop(folder, events: 200_000, users: 5000, items: 2000, options)
    let model = SyntheticRhythm(options)
    // Visits of a day against the true rate, by weekday; sessions of mean 5 multiply the variance by 9. All lives end with the log,
    // so the last 36 days have all users.
    var (visits, mass) = ([Double](repeating: 0, count: 7), [Double](repeating: 0, count: 7))
    for day in 330..<365 { mass[(day + 2) % 7] += model.mass(ofDay: day) }
    for row in shop.rows where row.day >= 330 { visits[(row.day + 2) % 7] += 1 }
    let perMass = visits.reduce(0, +) / mass.reduce(0, +)
    for weekday in 0..<7 {
      let expected = perMass * mass[weekday]
      #expect(abs(visits[weekday] - expected) < 4 * (9 * expected).squareRoot(), "weekday \(weekday)")
    }
    #expect(visits[5] > 1.5 * visits[1])
    let night = shop.rows.count { $0.time % 86_400 / 3600 == 3 }
    let noon = shop.rows.count { $0.time % 86_400 / 3600 == 15 }
    #expect(abs(Double(noon) / Double(night) - 1.7 / 0.3) < 0.8)
    let days = try #require(shop.truth.tasks["demand_day"]?.best)
    // The absolute error of a normal is .8 sigma.
    let sigma = (try #require(days["mean_visits"]) * 9).squareRoot()
    #expect(abs(try #require(days["pinball@0.5"]) - 0.4 * sigma) < 0.12 * sigma)
  }

  /// The first item of a user has a distribution in closed form; its ranks inside a category fall with slope -1.
  @Test func popularityIsZipf() throws {
    let shop = try SyntheticShop(folder, events: 100_000, users: 100_000, items: 2000, options { $0.turnover = 0 })
    var counts = [Double](repeating: 0, count: 50)
    for row in shop.rows { counts[row.item / 40] += 1 }
    let (zipf, global) = (AliasTable(zipf: 50, exponent: 1), AliasTable(zipf: 2000, exponent: 1))
    var squares = 0.0
    for rank in 0..<50 {
      let popular = global.probabilities[rank * 40..<rank * 40 + 40].reduce(0, +)
      let expected = 1e5 * (0.5 * zipf.probabilities[rank] + 0.1 * popular) / 0.6
      squares += (counts[rank] - expected) * (counts[rank] - expected) / expected
    }
    #expect(squares < 49 + 5 * 98.squareRoot(), "chi square \(squares) of 49 degrees")
    let x = (0..<20).map { log(Double($0 + 1)) }
    let y = (0..<20).map { log(counts[$0]) }
    let (meanX, meanY) = (x.reduce(0, +) / 20, y.reduce(0, +) / 20)
    var (both, square) = (0.0, 0.0)
    for rank in 0..<20 {
      both += (x[rank] - meanX) * (y[rank] - meanY)
      square += (x[rank] - meanX) * (x[rank] - meanX)
    }
    let slope = both / square
    #expect(abs(slope + 1.1) < 0.12, "slope \(slope)")
  }

  @Test func purchasesComeLate() throws {
    let options = options { ($0.funnel, $0.churn, $0.conversion) = (.steps, 0, 0.15) }
    let shop = try SyntheticShop(folder, events: 200_000, users: 8000, items: 2000, options)
    var views: [Int: SyntheticShop.Row] = [:]
    var delays = [[Double]](repeating: [], count: 3)
    for row in shop.rows {
      let key = row.user * 2000 + row.item
      if row.event == "view" { views[key] = row }
      guard row.event == "purchase", let view = views[key], view.day < 320 else { continue }
      delays[shop.users[row.user].segment].append(Double(row.time - view.time) / 86_400)
    }
    for (segment, mean) in [4.0, 2.0, 1.0].enumerated() {
      let count = Double(delays[segment].count)
      let found = delays[segment].reduce(0, +) / count
      #expect(count > 500 && abs(found - mean) < 4 * mean / count.squareRoot(), "segment \(segment): \(found) days")
    }
    let best = try #require(shop.truth.tasks["conversion"]?.best)
    let (rate, logged, expected) = (try #require(best["rate"]), try #require(best["rate_in_log"]), try #require(best["expected_rate"]))
    #expect(logged < rate && abs(rate - expected) < 0.01 * expected)
  }

  @Test func fraudHasItsSignature() throws {
    let shop = try SyntheticShop(folder, events: 200_000, users: 8000, items: 2000, options { $0.fraud = 0.1 })
    var users = [0.0, 0.0]
    var (bursts, visits, bought) = (users, users, users)
    for (user, rows) in Dictionary(grouping: shop.rows, by: \.user) where rows.count >= SyntheticWorld.burstRows {
      let kind = shop.labels[user].isFraud ? 1 : 0
      users[kind] += 1
      let repeated = rows.count - Set(rows.map(\.item)).count
      if repeated >= 3 { bursts[kind] += 1 }
      visits[kind] += Double(rows.count - repeated)
      bought[kind] += Double(rows.count { $0.event == "purchase" })
    }
    let share = users[1] / (users[0] + users[1])
    func isNear(_ found: Double, _ truth: Double, of count: Double) -> Bool {
      abs(found - truth) < 4 * (truth * (1 - truth) / count).squareRoot()
    }
    #expect(isNear(share, 0.1, of: users[0] + users[1]))
    #expect(isNear(bursts[1] / users[1], 0.7, of: users[1]))
    #expect(isNear(bursts[0] / users[0], 0.01, of: users[0]))
    #expect(isNear(bought[1] / visits[1], 0.35, of: visits[1]))
    let best = try #require(shop.truth.tasks["fraud"]?.best)
    #expect(abs(try #require(best["expected_rate"]) - (try #require(best["rate"]))) < 0.01)
    #expect(abs(try #require(best["AUC"]) - (try #require(best["expected_AUC"]))) < 0.006)
  }

  @Test func concordanceByBruteForce() {
    var examples: [(days: Double, hazard: Double, churned: Bool)] = []
    for index in 0..<80 { examples.append((Double(index * 37 % 23), Double(index * 29 % 11), index % 3 > 0)) }
    var (wins, pairs) = (0.0, 0.0)
    for a in examples where a.churned {
      for b in examples where b.days > a.days {
        pairs += 1
        wins += a.hazard > b.hazard ? 1 : a.hazard == b.hazard ? 0.5 : 0
      }
    }
    #expect(concordance(examples) == wins / pairs && concordance([]) == nil)
  }
}
