// Logs for the tests of behaviour features, and the features computed a second time, from the definitions alone.
import AugurEvents
import AugurTensors

/// A row of a log as text and as values.
struct LoggedEvent {
  var user: String
  var item: String
  var time: Int64  // seconds
  var kind: String
  var category: String
  var price: String
  var quantity: String

  var line: String { "\(user),\(item),\(time),\(kind),\(category),\(price),\(quantity)" }
  static let header = "user_id,item_id,timestamp,event,category_id,price,quantity\n"

  static func log(_ events: [LoggedEvent]) -> String { header + events.map(\.line).joined(separator: "\n") + "\n" }

  /// Events with many ties, missing kinds, categories, prices and quantities.
  static func random(_ count: Int, seed: UInt64, users: Int = 25, items: Int = 12, span: Int = 40 * 86_400) -> [LoggedEvent] {
    var random = RandomStream(seed: seed, stream: 9)
    var seen: Set<String> = []
    return (0..<count).compactMap { _ in
      let item = random.below(items)
      let event = LoggedEvent(
        user: "u\(random.below(users))", item: "i\(item)", time: 1_700_000_000 + Int64(random.below(span) / 400 * 400),
        kind: ["view", "view", "view", "cart", "purchase", "other", ""][random.below(7)],
        category: item % 4 == 3 ? "" : "c\(item % 4)",
        price: ["", "NaN", "9.99", "20", "3.5", "120.25"][random.below(6)], quantity: ["", "1", "2", "3"][random.below(4)])
      return seen.insert(event.line).inserted ? event : nil
    }
  }
}

/// The features of one event by their definitions: every earlier event is looked at again for every column.
struct BehaviourReference {
  let events: [LoggedEvent]

  func value(_ column: String, of event: LoggedEvent) -> Float {
    let parts = column.split(separator: "_").map(String.init)
    let owner: (LoggedEvent) -> String? = { other in
      switch parts[0] {
      case "user": other.user
      case "item": other.item
      default: other.category.isEmpty ? nil : other.category
      }
    }
    guard let own = owner(event) else { return .nan }
    let past = events.filter { $0.time < event.time && owner($0) == own }
    let rest = parts.dropFirst().joined(separator: "_")
    func window(_ name: String) -> [LoggedEvent] {
      let lengths: [String: Int64] = ["1h": 3600, "1d": 86_400, "7d": 7 * 86_400, "30d": 30 * 86_400]
      guard let length = lengths[name] else { return name == "ever" ? past : [] }
      return past.filter { $0.time >= event.time - length }
    }
    func kinds(_ group: String, _ list: [LoggedEvent]) -> [LoggedEvent] { list.filter { group == "any" || $0.kind == group } }
    func since(_ time: Int64?) -> Float { time.map { Float(event.time - $0) } ?? .nan }
    let span = parts.last ?? ""
    if rest.contains("_count_") { return Float(kinds(parts[1], window(span)).count) }
    if rest.contains("_per_day_") {
      let first = past.map(\.time).min() ?? event.time
      let days = span == "ever" ? max(1, Double(event.time - first) / 86_400) : 30
      return Float(Double(kinds(parts[1], window(span)).count) / days)
    }
    if rest.hasPrefix("money") {
      let amounts = kinds("purchase", window(span)).compactMap { Self.amount($0) }
      let sum = amounts.reduce(0, +)
      if parts[2] == "sum" { return Float(Double(sum) / 65_536) }
      return amounts.isEmpty ? .nan : Float(Double(sum) / (65_536 * Double(amounts.count)))
    }
    if rest == "seconds_since_first" { return since(past.map(\.time).min()) }
    if rest.hasPrefix("seconds_since_") { return since(kinds(parts[3], past).map(\.time).max()) }
    if rest.hasPrefix("conversion") {
      let log = events.filter { $0.time < event.time }
      let (views, purchases) = (Double(kinds("view", log).count), Double(kinds("purchase", log).count))
      let prior = views > 0 ? purchases / views : 0
      let mine = window(span)
      return Float((Double(kinds("purchase", mine).count) + 20 * prior) / (Double(kinds("view", mine).count) + 20))
    }
    if rest == "price_ratio" {
      let prices = past.compactMap { Self.price($0.price) }.map { Int64(($0 * 65_536).rounded()) }
      guard let price = Self.price(event.price), !prices.isEmpty else { return .nan }
      return Float(price / (Double(prices.reduce(0, +)) / (65_536 * Double(prices.count))))
    }
    let weighed = window(span)
    let (carts, purchases, views) = (kinds("cart", weighed).count, kinds("purchase", weighed).count, kinds("view", weighed).count)
    return Float(3 * carts + 10 * purchases + views)
  }

  static func price(_ text: String) -> Double? { Float(text).flatMap { $0.isFinite ? Double($0) : nil } }

  private static func amount(_ event: LoggedEvent) -> Int64? {
    price(event.price).map { Int64(($0 * (price(event.quantity) ?? 1) * 65_536).rounded()) }
  }
}

/// Two rows agree in every bit; a missing number equals another.
func sameRow(_ a: [Float], _ b: [Float]) -> Bool {
  a.count == b.count && zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern || $0.isNaN && $1.isNaN }
}
