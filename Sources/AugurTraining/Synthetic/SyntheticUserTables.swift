// Tables with a row a user as of a day: who leaves, when, what a user will spend, who is fraudulent.
import AugurEvents
import Foundation

/// Behaviour of all users before a day, as `augur features --as-of` gives it, beside what the user table says.
struct UserTable {
  let shop: SyntheticShop
  let day: Int
  /// By user number; users without an event by then have none.
  private var behaviour: [Int: Substring] = [:]
  private var columns: Substring = ""

  init(_ shop: SyntheticShop, asOf day: Int, folder: String) throws {
    (self.shop, self.day) = (shop, day)
    var state = try BehaviourState(BehaviourDescription.standard(for: shop.data).ofUsers)
    let path = folder + "/behaviour.csv"
    _ = try writeBehaviourTable(shop.data, state: &state, asOf: shop.moment(ofDay: day), output: path)
    let text = String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
    for (line, row) in text.split(separator: "\n").enumerated() {
      let fields = row.split(separator: ",", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      if line == 0 { columns = fields[2] } else if let user = Int(fields[0]) { behaviour[user - 1] = fields[2] }
    }
  }

  /// Writes the rows of those users of a population who have behaviour, and returns them.
  ///
  /// - Parameter cells: labels of a user.
  func write(_ users: [Int], labels: [String], to path: String, cells: (Int) -> [String]) throws -> [Int] {
    var lines = TableLines(
      "segment,age_band,country,days_since_signup,visits_per_day,repeated_views,\(columns)," + labels.joined(separator: ","))
    var written: [Int] = []
    let end = day * 86_400
    for number in users {
      guard let own = behaviour[number] else { continue }
      let user = shop.users[number]
      let (age, visits) = (Double(day - user.signupDay), shop.visits[number].count { $0.second < end })
      lines.add(
        ["\(user.segment)", "\(user.ageBand)", "\(user.country)", cell(age), cell(Double(visits) / (age + 0.5))]
          + ["\(shop.repeats[number].count { $0 < end })", "\(own)"] + cells(number))
      written.append(number)
    }
    try lines.write(to: path)
    return written
  }
}

extension SyntheticTable {
  private static let known =
    "; inputs: the user table and the behaviour before the day, of users with an event by then; rows drawn 60:15:25"

  /// Who of those that are there at the cut leaves by the end.
  static func churn(_ shop: SyntheticShop, _ folder: String) throws -> SyntheticTable {
    let (table, path) = (try UserTable(shop, asOf: shop.oracle.cutDay, folder: folder), folder + "/table.csv")
    let rows = try table.write(shop.users.indices.filter { shop.users[$0].isAtRisk }, labels: ["churned"], to: path) {
      [shop.users[$0].hasChurned ? "1" : "0"]
    }
    return SyntheticTable(
      path: path, labels: ["churned"], split: .random,
      judge: .probability(rows.map { shop.oracle.churnProbability(ofUser: $0) }, answer: 0),
      protocolText: "users signed up and not churned on day \(shop.oracle.cutDay) (at_risk): churned in the "
        + "\(shop.oracle.endDay - shop.oracle.cutDay) days to the end; the oracle knows the hazard, whose part by activity shows only as the rate of visits\(known)")
  }

  /// When they leave, in days from the cut.
  static func churnTime(_ shop: SyntheticShop, _ folder: String) throws -> SyntheticTable {
    let (table, path) = (try UserTable(shop, asOf: shop.oracle.cutDay, folder: folder), folder + "/table.csv")
    let (cut, end) = (shop.oracle.cutDay, shop.oracle.endDay)
    // The label table has whole days: their middle.
    let rows = try table.write(shop.users.indices.filter { shop.users[$0].isAtRisk }, labels: ["days", "churned"], to: path) {
      let day = shop.users[$0].churnDay.map { Double($0 - cut) + 0.5 }
      return [cell(day ?? Double(end - cut)), day == nil ? "0" : "1"]
    }
    return SyntheticTable(
      path: path, labels: ["days", "churned"], split: .random, judge: .risk(rows.map { shop.oracle.hazard(ofUser: $0) }),
      protocolText: "users signed up and not churned on day \(cut) (at_risk): days from then until churn, censored at the end; the oracle ranks by "
        + "the hazard\(known)")
  }

  /// What honest users who are there at the cut spend on visits behind it.
  static func value(_ shop: SyntheticShop, _ folder: String) throws -> SyntheticTable {
    let (table, path) = (try UserTable(shop, asOf: shop.oracle.cutDay, folder: folder), folder + "/table.csv")
    let population = shop.users.indices.filter { shop.users[$0].isAtRisk && !shop.users[$0].isFraud }
    let rows = try table.write(population, labels: ["spend"], to: path) {
      [cell(shop.users[$0].spend)]
    }
    var spend: [Substring: (sum: Double, visits: Double)] = [:]
    for visit in shop.honestVisits {
      let p = shop.oracle.conversion(user: visit.user, item: visit.item, second: visit.second, withinDays: .infinity)
      let segment = shop.users[visit.user].segment
      let old = spend[segment] ?? (0, 0)
      spend[segment] = (old.sum + p * visit.price, old.visits + 1)
    }
    func spending(_ visits: [Double]) -> [Double] { rows.map { visits[$0] * (spend[shop.users[$0].segment].map { $0.sum / $0.visits } ?? 0) } }
    let seen = shop.users.indices.map { shop.seen(ofUser: $0, before: shop.oracle.cutDay) }
    let (expected, knowable) = (shop.oracle.expectedVisitsAfterCut(), shop.oracle.expectedVisitsAfterCut(seen: seen))
    return SyntheticTable(
      path: path, labels: ["spend"], split: .random, judge: .value(spending(expected), knowable: spending(knowable)),
      protocolText: "at_risk users that are not fraudulent: spend that follows from visits after day \(shop.oracle.cutDay); the oracle "
        + "expects the true rate of visits, thinned by the true hazard, times the mean of probability times price of the segment; that rate "
        + "shows in the log only as the visits so far: knowable is the mean of the visits to come over all activities and lives, each weighed by "
        + "how well it explains visits and sessions before the cut\(known)")
  }

  /// Who is fraudulent, from the whole log.
  static func fraud(_ shop: SyntheticShop, _ folder: String) throws -> SyntheticTable {
    let (path, rates) = (folder + "/table.csv", ConversionRates(shop))
    // Few and telling: the rare class trains no more.
    var lines = TableLines("repeats,visits,bought,bought_expected,log_rate_of_bought,log_rate_of_viewed,fraud")
    for (user, visits) in shop.visits.enumerated() {
      var (expected, ofBought, ofViewed) = (0.0, 0.0, 0.0)
      for visit in visits {
        let rate = rates.rate(visit)
        expected += rate
        if visit.purchase != nil { ofBought -= log(rate) } else { ofViewed -= log(1 - rate) }
      }
      let bought = Double(visits.count { $0.purchase != nil })
      lines.add(
        [shop.repeats[user].isEmpty ? "0" : "1"] + [Double(visits.count), bought, expected, ofBought, ofViewed].map(cell)
          + [shop.users[user].isFraud ? "1" : "0"])
    }
    try lines.write(to: path)
    return SyntheticTable(
      path: path, labels: ["fraud"], split: .random, judge: .probability(shop.users.indices.map { fraudProbability(shop, $0) }, answer: 0),
      protocolText: "all users, by their whole log; the oracle adds the log odds of each visit's stage, as far as the log shows it, of a burst "
        + "and of the prior; inputs: views again of an item, visits, purchases beside those that counted rates of item, discount and segment let "
        + "expect; rows drawn 60:15:25")
  }

  private static func fraudProbability(_ shop: SyntheticShop, _ user: Int) -> Double {
    let end = shop.oracle.endDay * 86_400
    var logit = shop.oracle.fraudPrior(hasBurst: !shop.repeats[user].isEmpty, rows: shop.rowCount(user))
    for visit in shop.visits[user] {
      logit += shop.oracle.fraudEvidence(
        user: user, item: visit.item, second: visit.second, stage: visit.purchase != nil ? .purchase : visit.cart != nil ? .cart : .view,
        days: Double(end - visit.second) / 86_400)
    }
    return 1 / (1 + exp(-logit))
  }
}

/// How often visits convert, as counted in the log: by item, drawn towards its category, times factors of the discount and of the segment.
struct ConversionRates {
  private var byItem: [Double]
  private var bySegment: [Substring: Double] = [:]
  private var byDiscount: [Int: Double] = [:]
  private let shop: SyntheticShop
  /// Visits that draw an item towards its category.
  private static let strength = 20.0

  init(_ shop: SyntheticShop) {
    self.shop = shop
    var (bought, visits) = ([Double](repeating: 0, count: shop.items.count), [Double](repeating: 0, count: shop.items.count))
    var (ofCategory, all): ([Substring: (Double, Double)], (Double, Double)) = ([:], (0, 0))
    for visit in shop.visits.joined() {
      let isBought = visit.purchase == nil ? 0.0 : 1
      bought[visit.item] += isBought
      visits[visit.item] += 1
      let old = ofCategory[shop.items[visit.item].category] ?? (0, 0)
      ofCategory[shop.items[visit.item].category] = (old.0 + isBought, old.1 + 1)
      all = (all.0 + isBought, all.1 + 1)
    }
    let mean = all.0 / max(1, all.1)
    byItem = shop.items.indices.map { item in
      let (sum, count) = ofCategory[shop.items[item].category] ?? (0, 0)
      let prior = (sum + Self.strength * mean) / (count + Self.strength)
      return (bought[item] + Self.strength * prior) / (visits[item] + Self.strength)
    }
    bySegment = factors { shop.users[$0.user].segment }
    byDiscount = factors { Self.discount($0, shop) }
  }

  /// Purchases over those that the rates so far expect.
  private func factors<Key: Hashable>(_ key: (SyntheticShop.Visit) -> Key) -> [Key: Double] {
    var sums: [Key: (bought: Double, expected: Double)] = [:]
    for visit in shop.visits.joined() {
      let old = sums[key(visit)] ?? (0, 0)
      sums[key(visit)] = (old.bought + (visit.purchase == nil ? 0 : 1), old.expected + rate(visit))
    }
    return sums.mapValues { ($0.bought + 1) / ($0.expected + 1) }
  }

  /// In steps of 5 %.
  private static func discount(_ visit: SyntheticShop.Visit, _ shop: SyntheticShop) -> Int {
    Int(((1 - visit.price / shop.items[visit.item].basePrice) * 20).rounded())
  }

  func rate(_ visit: SyntheticShop.Visit) -> Double {
    let factor = (bySegment[shop.users[visit.user].segment] ?? 1) * (byDiscount[Self.discount(visit, shop)] ?? 1)
    return min(0.95, max(1e-4, byItem[visit.item] * factor))
  }
}
