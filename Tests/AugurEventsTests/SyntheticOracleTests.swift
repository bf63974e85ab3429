// The oracle of single examples says what the truth of the whole log says.
import Foundation
import Testing

@testable import AugurEvents

@Suite struct SyntheticOracleTests {
  let folder = TestFolder()

  private func drawn(_ folder: TestFolder, users: Int = 4000, _ change: (inout SyntheticOptions) -> Void = { _ in }) throws -> (
    SyntheticShop, SyntheticOracle
  ) {
    var options = SyntheticOptions.shop
    change(&options)
    let shop = try SyntheticShop(folder, events: 30 * users, users: users, items: 500, seed: 3, options)
    return (shop, SyntheticOracle(try SyntheticLog(events: 30 * users, users: users, items: 500, seed: 3, options: options)))
  }

  @Test func conversionsAreThoseOfTheTables() throws {
    let (shop, oracle) = try drawn(folder) { $0.promotion = 0.3 }
    for row in shop.rows.prefix(2000) {
      let p = oracle.conversion(user: row.user, item: row.item, second: row.time)
      #expect(abs(p - shop.conversion(row)) < 2e-4 + 0.02 * p)
      let soon = oracle.conversion(user: row.user, item: row.item, second: row.time, withinDays: 7)
      #expect(soon > 0 && soon < oracle.conversion(user: row.user, item: row.item, second: row.time, withinDays: .infinity))
    }
  }

  @Test func usersLeaveAndSpendAsTheTruthExpects() throws {
    let (shop, oracle) = try drawn(folder, users: 6000)
    let there = shop.labels.indices.filter { shop.labels[$0].isAtRisk }
    let expected = there.reduce(0) { $0 + oracle.churnProbability(ofUser: $1) } / Double(there.count)
    #expect(abs(expected - (try #require(shop.truth.tasks["churn"]?.best["expected_rate"]))) < 1e-9)
    // Bins of the truth hold probabilities that differ by a 128th of an octave: the loss is that of their means.
    let loss = there.reduce(0) { sum, user in
      let p = oracle.churnProbability(ofUser: user)
      return sum - log(shop.labels[user].churnDay != nil ? p : 1 - p)
    }
    #expect(abs(loss / Double(there.count) - (try #require(shop.truth.tasks["churn"]?.best["logloss"]))) < 1e-4)
    let visits = oracle.expectedVisitsAfterCut()
    #expect(visits.count == 6000 && visits.allSatisfy { $0.isFinite && $0 >= 0 })
    var sums: [Int: (spend: Double, visits: Double)] = [:]
    for row in shop.rows where row.event == "view" && !shop.labels[row.user].isFraud {
      let p = oracle.conversion(user: row.user, item: row.item, second: row.time, withinDays: .infinity)
      let old = sums[shop.users[row.user].segment] ?? (0, 0)
      sums[shop.users[row.user].segment] = (old.spend + p * row.price, old.visits + 1)
    }
    let honest = there.filter { !shop.labels[$0].isFraud }
    let squares = honest.reduce(0) { sum, user in
      let mean = sums[shop.users[user].segment].map { $0.spend / $0.visits } ?? 0
      let error = shop.labels[user].spend - visits[user] * mean
      return sum + error * error
    }
    // Bursts are views of no visit; they change the means a little.
    let best = try #require(shop.truth.tasks["value"]?.best["RMSE"])
    #expect(abs((squares / Double(honest.count)).squareRoot() / best - 1) < 2e-3)
  }

  @Test func ranksAreThoseOfTheTruth() throws {
    let (shop, oracle) = try drawn(folder, users: 1000) { ($0.fraud, $0.funnel) = (0, .row) }
    var hits = 0
    for (user, rows) in Dictionary(grouping: shop.rows, by: \.user) where rows.count >= 3 {
      let last = rows[rows.count - 1]
      #expect(oracle.isSold(last.item, second: last.time))
      if oracle.rank(of: last.item, user: user, after: rows.dropLast().map(\.item), second: last.time) < 10 { hits += 1 }
    }
    let best = try #require(shop.truth.best["HR@10"])
    #expect(abs(Double(hits) / Double(shop.truth.bestUsers) - best) < 1e-9)
  }

  @Test func fraudIsToldByWhatItDoes() throws {
    let (shop, oracle) = try drawn(folder) { $0.fraud = 0.1 }
    var logits = [Double](repeating: 0, count: shop.users.count)
    for (user, rows) in Dictionary(grouping: shop.rows, by: \.user) {
      var stages: [Int: (SyntheticOracle.Stage, SyntheticShop.Row)] = [:]
      var isBurst = false
      for row in rows {
        isBurst = isBurst || (row.event == "view" && stages[row.item] != nil)
        let first = stages[row.item]?.1 ?? row
        stages[row.item] = (row.event == "purchase" ? .purchase : row.event == "cart" ? .cart : stages[row.item]?.0 ?? .view, first)
      }
      logits[user] = oracle.fraudPrior(hasBurst: isBurst, rows: rows.count)
      for (stage, row) in stages.values {
        logits[user] += oracle.fraudEvidence(
          user: user, item: row.item, second: row.time, stage: stage, days: Double(oracle.endDay) - Double(row.time) / 86_400)
      }
    }
    let loss = logits.indices.reduce(0) { sum, user in
      let p = 1 / (1 + exp(-logits[user]))
      return sum - log(shop.labels[user].isFraud ? max(p, 1e-12) : max(1 - p, 1e-12))
    }
    // The truth also knows purchases that the end of the log, or churn, cuts off.
    let best = try #require(shop.truth.tasks["fraud"]?.best["logloss"])
    #expect(loss / Double(logits.count) < 1.25 * best && loss / Double(logits.count) > 0.9 * best)
  }

  @Test func daysAddUp() throws {
    let (shop, _) = try drawn(folder)
    let (expected, came) = (shop.truth.expectedDayVisits, shop.truth.dayVisits)
    #expect(expected.count == 365 && came.count == 365)
    let (sum, all) = (expected.reduce(0, +), Double(came.reduce(0, +)))
    #expect(abs(sum / all - 1) < 0.01)
  }
}
