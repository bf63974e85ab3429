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

  /// Means of the logarithm of counts of whole weeks, newest last, with weights that halve in so many days; without the weekdays' own levels.
  static func logLevels(_ counts: [Double], halfLives: [Double]) -> [Double] {
    var week = (0..<7).map { weekday in
      log(stride(from: weekday, to: counts.count, by: 7).reduce(1) { $0 + counts[$1] / Double(counts.count / 7) })
    }
    let mean = week.reduce(0, +) / 7
    week = week.map { $0 - mean }
    return halfLives.map { life in
      var (sum, weights) = (0.0, 0.0)
      for (day, count) in counts.enumerated() {
        let weight = exp2(-Double(counts.count - day) / life)
        sum += weight * (log(count + 1) - week[day % 7])
        weights += weight
      }
      return sum / weights
    }
  }

  /// Visits of the whole shop on a day, from the days before it.
  static func dayDemand(_ shop: SyntheticShop, _ folder: String) throws -> SyntheticTable {
    var visits = [Double](repeating: 0, count: shop.oracle.endDay)
    for visit in shop.visits.joined() { visits[visit.day] += 1 }
    let history = 84
    var lines = TableLines("weekday,season_sine,season_cosine,log_level_60,rise_20,rise_5,timestamp,sold")
    var truth: [Double] = []
    for day in history..<visits.count {
      let levels = logLevels(Array(visits[day - history..<day]), halfLives: [60, 20, 5])
      let angle = 2 * Double.pi * Double(day) / 365.25
      lines.add(
        ["d\(day % 7)", cell(sin(angle)), cell(cos(angle)), cell(levels[0]), cell(levels[1] - levels[0]), cell(levels[2] - levels[1])]
          + [time(shop, day), "\(Int(visits[day]))"])
      truth.append(shop.truth.expectedDayVisits[day])
    }
    try lines.write(to: folder + "/table.csv")
    let sessions = shop.truth.parameters["session"] ?? 1
    return SyntheticTable(
      path: folder + "/table.csv", labels: ["sold"], split: .time, judge: .count(truth, dispersion: 2 * sessions - 1),
      protocolText: "visits of the shop on a day, from those of the \(history) days before; the oracle knows the true rhythm and the users "
        + "alive, and how far sessions spread; ours spread as validation days do; split by time 60:15:25")
  }
}
