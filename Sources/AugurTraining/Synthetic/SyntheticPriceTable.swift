// Whether a visit is bought at its price: how much less at a higher one is what a model of demand says by its form.
import AugurEvents
import Foundation

extension SyntheticTable {
  private static let waitDays = 7

  /// Visits with their price, category, segment and promotion.
  static func priceResponse(_ shop: SyntheticShop, _ folder: String) throws -> SyntheticTable {
    var lines = TableLines("timestamp,category_id,segment,promoted,price,bought")
    let end = shop.oracle.endDay * 86_400
    for visit in shop.honestVisits.sorted(by: { ($0.second, $0.user) < ($1.second, $1.user) }) {
      // Late purchases must have had their time.
      guard visit.second < end - waitDays * 86_400 else { break }
      let item = shop.items[visit.item]
      lines.add([
        "\(SyntheticOracle.start + visit.second)", "\(item.category)", "\(shop.users[visit.user].segment)",
        visit.price < 0.95 * item.basePrice ? "1" : "0", cell(visit.price), visit.isBought(withinDays: Double(waitDays)) ? "1" : "0",
      ])
    }
    try lines.write(to: folder + "/table.csv")
    let elasticity = shop.oracle.elasticity
    return SyntheticTable(
      path: folder + "/table.csv", labels: ["bought"], split: .time, categorical: ["category_id"],
      judge: .elasticity(elasticity.reduce(0, +) / Double(elasticity.count)),
      protocolText: "first views by users that are not fraudulent: bought within \(waitDays) days; the mean over categories of how the "
        + "logarithm of the probability falls with that of the price, which the form of the model says of each test row; inputs: category, "
        + "segment, promotion and price; split by time")
  }
}
