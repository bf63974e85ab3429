// Tables of demand: purchases of an item from the visits of a day, and visits of the shop on a day.
import AugurEvents
import Foundation

extension SyntheticTable {
  /// Days within which purchases count: a later one is rare, and a label must be known some day.
  private static let waitDays = 30
  private static let followedItems = 64

  /// Purchases that follow from an item's visits of a day, given these visits.
  static func itemDemand(_ shop: SyntheticShop, _ folder: String) throws -> SyntheticTable {
    var cells: [Int: [SyntheticShop.Visit]] = [:]
    let days = shop.oracle.endDay - waitDays
    for visit in shop.honestVisits where visit.item < followedItems && visit.day < days {
      cells[visit.day * followedItems + visit.item, default: []].append(visit)
    }
    var lines = TableLines("timestamp,label_known,item_id,category_id,weekday,log_base_price,discount,log_visits,bargain,regular,premium,sold")
    var truth: [Double] = []
    for key in cells.keys.sorted() {
      let (visits, day) = (cells[key] ?? [], key / followedItems)
      let item = shop.items[visits[0].item]
      func share(_ segment: String) -> String {
        cell(Double(visits.count { shop.users[$0.user].segment == segment }) / Double(visits.count))
      }
      // Prices change between days only.
      lines.add([
        time(shop, day), time(shop, day + waitDays + 1), "\(visits[0].item + 1)", "\(item.category)", "d\(day % 7)", cell(log(item.basePrice)),
        cell(1 - visits[0].price / item.basePrice), cell(log(Double(visits.count))), share("bargain"), share("regular"), share("premium"),
        "\(visits.count { $0.isBought(withinDays: Double(waitDays)) })",
      ])
      truth.append(
        visits.reduce(0) {
          $0 + shop.oracle.conversion(user: $1.user, item: $1.item, second: $1.second, withinDays: Double(waitDays))
        })
    }
    try lines.write(to: folder + "/table.csv")
    return SyntheticTable(
      path: folder + "/table.csv", labels: ["sold"], split: .time, categorical: ["item_id", "category_id"],
      judge: .count(truth, dispersion: 1),
      protocolText: "purchases within \(waitDays) days from the visits of a day, for each of the first \(followedItems) items and each day "
        + "with a visit, given the day's visits, their users' segments, price and discount; fraudulent users left out; the oracle adds true "
        + "probabilities; "
        + "quantiles of a Poisson, or of a negative binomial where validation rows spread more; split by time 60:15:25")
  }

  private static func time(_ shop: SyntheticShop, _ day: Int) -> String { "\(shop.moment(ofDay: day) / 1000)" }

  /// Days in which half of the users of two kinds go, and in which a day's weight in the level halves: chosen on logs of other seeds.
  private static let (userHalfLives, levelHalfLife) = ([120.0, 350], 60.0)

  /// What sign-ups leave of users, as many of either kind: at the beginning of each day, and in the middle of it.
  static func expectedUsers(signups: [Double]) -> (before: [Double], during: [Double]) {
    var (users, before, during): ([Double], [Double], [Double]) = (userHalfLives.map { _ in 0 }, [], [])
    for new in signups {
      before.append(users.reduce(0, +))
      during.append(users.reduce(new / 2, +))
      for (kind, halfLife) in userHalfLives.enumerated() {
        users[kind] = (users[kind] + new / Double(users.count)) * exp2(-1 / halfLife)
      }
    }
    return (before, during)
  }

  /// The logarithm of a mean of rates, newest last, that counts new ones more; without the weekdays' own levels.
  static func logLevel(_ rates: [Double]) -> Double {
    let week = (0..<7).map { weekday in
      let own = stride(from: weekday, to: rates.count, by: 7).map { rates[$0] }
      return own.reduce(0, +) / Double(own.count)
    }
    let mean = week.reduce(0, +) / 7
    var (sum, weights) = (0.0, 0.0)
    for (day, rate) in rates.enumerated() {
      let weight = exp2(-Double(rates.count - day) / levelHalfLife)
      sum += weight * rate * mean / max(week[day % 7], 1e-12)
      weights += weight
    }
    return log(max(sum / weights, 1e-12))
  }

  /// Visits of the whole shop on a day over what the users and visits of the days before make expect, and that as the weight of the row: with
  /// the loss of a Poisson count, the same as counts with an offset. A level of visits would lag behind the sign-ups; that of visits a user
  /// does not.
  static func dayDemand(_ shop: SyntheticShop, _ folder: String) throws -> SyntheticTable {
    var (visits, signups) = ([Double](repeating: 0, count: shop.oracle.endDay), [Double](repeating: 0, count: shop.oracle.endDay))
    for visit in shop.visits.joined() { visits[visit.day] += 1 }
    for user in shop.users where user.signupDay < signups.count { signups[user.signupDay] += 1 }
    let (users, history) = (expectedUsers(signups: signups), 84)
    let rates = zip(visits, users.during).map { $0 / max($1, 1) }
    var lines = TableLines("weekday,year_sine,year_cosine,half_year_sine,half_year_cosine,timestamp,exposure,sold")
    var (truth, exposures): ([Double], [Double]) = ([], [])
    for day in history..<visits.count {
      let angle = 2 * Double.pi * Double(day) / 365.25
      let exposure = exp(logLevel(Array(rates[day - history..<day]))) * max(users.before[day], 1)
      lines.add(
        ["d\(day % 7)"] + [sin(angle), cos(angle), sin(2 * angle), cos(2 * angle)].map(cell)
          + [time(shop, day), cell(exposure), cell(visits[day] / exposure)])
      truth.append(shop.truth.expectedDayVisits[day])
      exposures.append(exposure)
    }
    try lines.write(to: folder + "/table.csv")
    let sessions = shop.truth.parameters["session"] ?? 1
    return SyntheticTable(
      path: folder + "/table.csv", labels: ["sold"], split: .time, weight: "exposure",
      judge: .count(truth, dispersion: 2 * sessions - 1, exposures: exposures),
      protocolText: "visits of the shop on a day, from those of the \(history) days before and the sign-ups before; the oracle knows the true "
        + "rhythm and the users alive, and how far sessions spread; ours spread as validation days do; split by time 60:15:25")
  }
}
