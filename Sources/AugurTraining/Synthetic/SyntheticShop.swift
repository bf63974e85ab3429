// A synthetic log, drawn and read back: what an observer has of it, and beside it what is true of it.
import AugurEvents
import Foundation

/// A log with its tables of users, items and labels. Users and items by number, from 0; times in seconds since the start of the log.
final class SyntheticShop {
  struct User {
    let segment: Substring, ageBand: Substring, country: Substring
    let signupDay: Int
    // Labels: no input of any model.
    let isAtRisk: Bool, hasChurned: Bool, isFraud: Bool
    let churnDay: Int?
    let spend: Double
  }

  struct Item {
    let category: Substring, brand: Substring
    let basePrice: Double
  }

  /// A user's first view of an item, and when the user put it into the cart and bought it, if at all.
  struct Visit {
    let user: Int
    let item: Int
    let second: Int
    let price: Double
    var cart: Int?
    var purchase: Int?
    var day: Int { second / 86_400 }

    /// Whether it was bought within so many days.
    func isBought(withinDays days: Double) -> Bool { purchase.map { Double($0 - second) <= days * 86_400 } ?? false }
  }

  /// Where the log and its tables lie.
  let folder: String
  let truth: SyntheticTruth
  let oracle: SyntheticOracle
  /// The log as `augur prepare` makes it, repeated events included: a burst is one.
  let data: Dataset
  let users: [User]
  let items: [Item]
  /// By user, in the order of time.
  private(set) var visits: [[Visit]]
  /// Views of items that their user had seen before, by user, and when.
  private(set) var repeats: [[Int]]

  /// Draws the log into a folder.
  convenience init(_ log: SyntheticLog, folder: String) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try self.init(log, truth: try log.write(to: folder + "/log.csv"), folder: folder)
  }

  /// Reads the log and the tables that lie in a folder.
  init(_ log: SyntheticLog, truth: SyntheticTruth, folder: String) throws {
    (self.folder, self.truth) = (folder, truth)
    oracle = SyntheticOracle(log)
    var options = PrepareOptions()
    options.rules.dropsExactDuplicates = false
    try prepareDataset(input: folder + "/log.csv", output: folder + "/events", options: options)
    data = try Dataset(path: folder + "/events")
    let labels = try Self.rows(folder + "/log.labels.csv")
    users = try zip(Self.rows(folder + "/log.users.csv"), labels).map { user, label in
      User(
        segment: user[1], ageBand: user[2], country: user[3], signupDay: Int(user[4]) ?? 0, isAtRisk: label[1] == "1",
        hasChurned: label[2] == "1", isFraud: label[4] == "1", churnDay: Int(label[3]), spend: Double(label[5]) ?? 0)
    }
    items = try Self.rows(folder + "/log.items.csv").map { Item(category: $0[1], brand: $0[2], basePrice: Double($0[3]) ?? 0) }
    visits = Array(repeating: [], count: users.count)
    repeats = Array(repeating: [], count: users.count)
    for user in 0..<data.userCount { readVisits(user) }
  }

  /// Fields of the lines behind the head; none of these files has quotes.
  private static func rows(_ path: String) throws -> [[Substring]] {
    guard let bytes = FileManager.default.contents(atPath: path) else {
      throw TrainingError.run(path: path, problem: "cannot be read", advice: "free some space and try again")
    }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").dropFirst().map {
      $0.split(separator: ",", omittingEmptySubsequences: false)
    }
  }

  private func readVisits(_ index: Int) {
    guard let number = Int(data.userID(index)), let times = data.timestamps(index), let kinds = data.labels(index, .kind),
      let prices = data.numbers(index, .price)
    else { return }
    let user = number - 1
    var places: [Int32: Int] = [:]
    for (event, item) in data.history(index).enumerated() {
      let second = Int(times[event] / 1000) - SyntheticOracle.start
      let kind = data.label(.kind, Int(kinds[event]))
      guard let place = places[item] else {
        guard kind == "view" else { continue }
        places[item] = visits[user].count
        let number = (Int(data.itemID(Int(item))) ?? 1) - 1
        visits[user].append(Visit(user: user, item: number, second: second, price: Double(prices[event])))
        continue
      }
      switch kind {
      case "view": repeats[user].append(second)
      case "cart": visits[user][place].cart = visits[user][place].cart ?? second
      default: visits[user][place].purchase = visits[user][place].purchase ?? second
      }
    }
  }

  /// Visits of users that are not fraudulent, by user and time.
  var honestVisits: [Visit] { visits.indices.flatMap { users[$0].isFraud ? [] : visits[$0] } }

  /// Visits of a user before a day, and their sessions: half an hour without one ends a session.
  func seen(ofUser user: Int, before day: Int) -> (visits: Int, sessions: Int) {
    var (visits, sessions, last) = (0, 0, -1801)
    for visit in self.visits[user] where visit.day < day {
      visits += 1
      if visit.second - last > 1800 { sessions += 1 }
      last = visit.second
    }
    return (visits, sessions)
  }

  /// Events of a user.
  func rowCount(_ user: Int) -> Int {
    repeats[user].count + visits[user].reduce(0) { $0 + 1 + ($1.cart == nil ? 0 : 1) + ($1.purchase == nil ? 0 : 1) }
  }

  /// Epoch milliseconds of the beginning of a day.
  func moment(ofDay day: Int) -> Int64 { Int64(SyntheticOracle.start + day * 86_400) * 1000 }
}
