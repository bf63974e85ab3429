// A synthetic log and its tables, read by plain splitting: independent of the readers and of the generator.
import Foundation

@testable import AugurEvents

struct SyntheticShop {
  struct Row {
    let user: Int, item: Int, event: String, time: Int, category: Int, price: Double
    var day: Int { time / 86_400 }
  }
  struct User { let segment: Int, ageBand: Int, signup: Int }
  struct Item { let category: Int, price: Double, launch: Int?, retire: Int? }
  struct Label { let isAtRisk: Bool, churnDay: Int?, isFraud: Bool, spend: Double }

  let truth: SyntheticTruth
  let rows: [Row]  // times count from the start of the log
  let users: [User]
  let items: [Item]
  let labels: [Label]

  /// A clean log only.
  init(_ folder: TestFolder, events: Int, users: Int, items: Int, seed: UInt64 = 1, _ options: SyntheticOptions) throws {
    let log = try SyntheticLog(events: events, users: users, items: items, seed: seed, options: options)
    truth = try log.write(to: "\(folder.path)/shop.csv")
    rows = Self.table(folder, "shop.csv").map { field in
      Row(
        user: Int(field[0])! - 1, item: Int(field[1])! - 1, event: field[2], time: Int(field[3])! - SyntheticRhythm.start,
        category: Int(field[4])! - 1, price: Double(field[5])!)
    }
    self.users = Self.table(folder, "shop.users.csv").map { field in
      User(
        segment: SyntheticUser.segments.firstIndex(of: field[1])!, ageBand: SyntheticUser.ageBands.firstIndex(of: field[2])!,
        signup: Int(field[4])!)
    }
    self.items = Self.table(folder, "shop.items.csv").map { field in
      Item(category: Int(field[1])! - 1, price: Double(field[3])!, launch: Int(field[4]), retire: Int(field[5]))
    }
    labels = Self.table(folder, "shop.labels.csv").map { field in
      Label(isAtRisk: field[1] == "1", churnDay: Int(field[3]), isFraud: field[4] == "1", spend: Double(field[5])!)
    }
  }

  static func table(_ folder: TestFolder, _ name: String) -> [[String]] {
    String(decoding: folder.read(name), as: UTF8.self).split(separator: "\n").dropFirst().map { line in
      line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
  }

  /// P(purchase | visit) from the tables and the published parameters alone.
  func conversion(_ row: Row) -> Double {
    let item = items[row.item]
    let discount = (10 * (1 - row.price / item.price)).rounded() / 10
    let elasticity = truth.elasticity[row.category]
    let price = item.price * (1 - discount) / truth.typicalPrice[row.category]
    let segment = truth.parameters["conversion_\(SyntheticUser.segments[users[row.user].segment])"]!
    let lift = discount > 0 ? truth.parameters["promotion_lift"]! : 1
    return min(0.9, truth.parameters["conversion"]! * segment * pow(price, -elasticity) * lift)
  }
}

/// Of all pairs of a positive and a negative, the share in which the positive has the larger score, ties half.
func bruteForceAUC(_ examples: [(score: Double, label: Bool)]) -> Double {
  var (below, wins, first) = (0.0, 0.0, 0)
  let order = examples.sorted { $0.score < $1.score }
  while first < order.count {
    var next = first
    while next < order.count, order[next].score == order[first].score { next += 1 }
    let ones = Double(order[first..<next].count { $0.label })
    let zeros = Double(next - first) - ones
    wins += ones * (below + zeros / 2)
    below += zeros
    first = next
  }
  return wins / (below * (Double(order.count) - below))
}
