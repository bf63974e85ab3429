// Next items of a synthetic log: what is learnt from, and the oracle's rank on the same targets.
public import AugurEvents
import AugurMetrics
public import AugurModels
import Foundation

/// First views of items, the last one of a user to be found among what the user has not seen and what is sold.
public struct SyntheticEvents {
  /// CSV of events, in their order.
  public let path: String
  public let protocolText: String
  private let shop: SyntheticShop

  init(_ shop: SyntheticShop, _ folder: String) throws {
    (self.shop, path) = (shop, folder + "/visits.csv")
    var lines = TableLines("user_id,item_id,timestamp,category_id")
    for visit in shop.visits.joined() {
      lines.add(["\(visit.user + 1)", "\(visit.item + 1)", "\(SyntheticOracle.start + visit.second)", "\(shop.items[visit.item].category)"])
    }
    try lines.write(to: path)
    protocolText =
      "last visit of each user, all items ranked but those seen and those not sold at the time, which the item table tells; the oracle "
      + "ranks by the true distribution, on the same visits"
  }

  /// Of a mixture, and of a model alone.
  public func scores(
    _ mixture: NextItemMixture, _ model: any SequenceModel, on data: Dataset
  ) -> (mixture: [SyntheticScore], model: [SyntheticScore]) {
    let split = SequenceSplit(data)
    let users = split.evaluatedUsers(.test)
    let numbers = (0..<data.itemCount).map { (Int(data.itemID($0)) ?? 1) - 1 }
    func visits(_ user: Int) -> [SyntheticShop.Visit] { shop.visits[(Int(data.userID(user)) ?? 1) - 1] }
    func unsold(_ user: Int) -> [Int32] {
      let second = visits(user).last?.second ?? 0
      return numbers.indices.filter { !shop.oracle.isSold(numbers[$0], second: second) }.map(Int32.init)
    }
    let mixed = rankPositions(of: mixture.mixture, on: split, .test, users: users, unavailable: unsold)
    let alone = rankPositions(of: model, on: split, .test, users: users, unavailable: unsold)
    let best = users.map { user in
      let visits = visits(user)
      guard let last = visits.last else { return RankPosition(greater: data.itemCount, equal: 0) }
      let rank = shop.oracle.rank(of: last.item, user: last.user, after: visits.dropLast().map(\.item), second: last.second)
      return RankPosition(greater: Int(rank), equal: 0)
    }
    func scores(_ positions: [RankPosition]) -> RankingReport { RankingReport(positions: positions, cutoffs: [10]) }
    let oracle = scores(best)
    func compared(_ positions: [RankPosition]) -> [SyntheticScore] {
      let own = scores(positions)
      return ["HR@10", "NDCG@10"].map { name in
        SyntheticScore(metric: name, ours: own[name]?.mean ?? .nan, best: oracle[name]?.mean ?? .nan, isMore: true)
      }
    }
    return (compared(mixed), compared(alone))
  }
}
