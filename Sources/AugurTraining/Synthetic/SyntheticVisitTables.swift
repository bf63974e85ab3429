// Tables with a row a visit: whether it converts, and whether it ever will where some purchases are still to come.
import AugurEvents
import Foundation

extension SyntheticTable {
  private static let horizonDays = SyntheticOracle.conversionDays

  /// Cart and purchase within the horizon, by behaviour as of the visit, as `augur features` gives it.
  static func conversion(_ shop: SyntheticShop, _ folder: String) throws -> SyntheticTable {
    var state = try BehaviourState(visitFeatures(shop.folder))
    let behaviour = folder + "/behaviour.csv"
    let task = OutcomeTask(outcome: "purchase", impressions: ["view"], horizon: BehaviourWindow("\(Int(horizonDays))d") ?? .ever)
    _ = try writeBehaviourTable(shop.data, state: &state, task: task, output: behaviour)
    var open: [Int: SyntheticShop.Visit] = [:]
    for visit in shop.honestVisits { open[visit.user * shop.items.count + visit.item] = visit }
    let text = String(decoding: FileManager.default.contents(atPath: behaviour) ?? Data(), as: UTF8.self)
    var (lines, truth) = (TableLines(""), [Double]())
    for (line, row) in text.split(separator: "\n").enumerated() {
      let fields = row.split(separator: ",", maxSplits: 5, omittingEmptySubsequences: false)
      guard fields.count == 6 else { continue }
      if line == 0 {
        lines = TableLines("item_id,timestamp,label_known,discount,\(fields[5]),carted,bought")
        continue
      }
      // The first view of an item is the visit; lines are in order of time.
      guard let user = Int(fields[0]), let item = Int(fields[1]), let visit = open.removeValue(forKey: (user - 1) * shop.items.count + item - 1)
      else { continue }
      let carted = visit.cart.map { Double($0 - visit.second) <= horizonDays * 86_400 } ?? false
      lines.add([
        "\(fields[1])", "\(fields[2])", "\(fields[4])", cell(1 - visit.price / shop.items[visit.item].basePrice), "\(fields[5])",
        carted ? "1" : "0", visit.isBought(withinDays: horizonDays) ? "1" : "0",
      ])
      truth.append(shop.oracle.conversion(user: visit.user, item: visit.item, second: visit.second, withinDays: horizonDays))
    }
    try lines.write(to: folder + "/table.csv")
    return SyntheticTable(
      path: folder + "/table.csv", labels: ["carted", "bought"], split: .time, categorical: ["item_id", "category"],
      judge: .probability(truth, answer: 1),
      protocolText: "first views of an item by users that are not fraudulent, whose \(Int(horizonDays)) days lie inside the log: bought "
        + "within them; the oracle knows user, price, promotion and hazard; inputs: behaviour before the view, user and item table; split by time 60:15:25")
  }

  /// Without what tells the future: the day on which an item retires.
  private static func visitFeatures(_ folder: String) throws -> BehaviourDescription {
    try BehaviourDescription(
      json: """
        {"format": "augur-behaviour", "version": 1,
         "groups": {"view": ["view"], "purchase": ["purchase"]},
         "features": [
          {"feature": "event", "columns": ["category", "price"]},
          {"feature": "count", "of": ["user"], "events": ["view", "purchase"], "windows": ["1d", "30d", "ever"]},
          {"feature": "recency", "of": ["user"], "events": ["any"]},
          {"feature": "age", "of": ["user"]},
          {"feature": "conversion", "of": ["user", "item", "category"], "strength": 20, "windows": ["30d", "ever"]},
          {"feature": "price-ratio", "of": ["category", "user"]},
          {"feature": "table", "of": "user", "file": "\(folder)/log.users.csv", "columns": ["segment", "age_band", "country", "signup_day"]},
          {"feature": "table", "of": "item", "file": "\(folder)/log.items.csv", "columns": ["brand", "base_price"]}]}
        """, place: "synthetic")
  }

  /// Whether visits of the last 30 days are ever bought, seen from the end of the log.
  static func delayed(_ shop: SyntheticShop, _ folder: String) throws -> SyntheticTable {
    try openConversions(shop, folder, isDelayed: true)
  }

  /// The same rows, where what was not bought so far counts as not bought.
  static func hasty(_ shop: SyntheticShop, _ folder: String) throws -> SyntheticTable {
    try openConversions(shop, folder, isDelayed: false)
  }

  private static let openDays = 30

  private static func openConversions(_ shop: SyntheticShop, _ folder: String, isDelayed: Bool) throws -> SyntheticTable {
    let (end, path) = (shop.oracle.endDay * 86_400, folder + "/table.csv")
    let labels = ["bought"] + (isDelayed ? ["days"] : [])
    var lines = TableLines("segment,category_id,log_price,log_base_price,discount," + labels.joined(separator: ","))
    var truth: [Double] = []
    for visit in shop.honestVisits where visit.second >= end - openDays * 86_400 {
      let item = shop.items[visit.item]
      let days = Double((visit.purchase ?? end) - visit.second) / 86_400
      lines.add(
        ["\(shop.users[visit.user].segment)", "\(item.category)", cell(log(visit.price)), cell(log(item.basePrice))]
          + [cell(1 - visit.price / item.basePrice), visit.purchase == nil ? "0" : "1"] + (isDelayed ? [cell(days)] : []))
      truth.append(shop.oracle.conversion(user: visit.user, item: visit.item, second: visit.second, withinDays: .infinity))
    }
    try lines.write(to: path)
    return SyntheticTable(
      path: path, labels: labels, split: .random, categorical: ["category_id"], judge: .rate(truth),
      protocolText: "first views of the last \(openDays) days by users that are not fraudulent, seen from the end of the log: the mean "
        + "promise that they are ever bought, before churn; the oracle knows the probabilities; inputs: segment, category and price; rows drawn 60:15:25")
  }
}
