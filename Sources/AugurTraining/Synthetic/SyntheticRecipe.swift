// Tasks of synthetic logs, whose best achievable score is known: the log, what is made of it, and how it is learnt.
import AugurEvents
import Foundation

/// A task of a log that is drawn for it, and the model that should come near the oracle.
public struct SyntheticRecipe: Sendable {
  typealias Assembly = @Sendable (SyntheticShop, _ folder: String) throws -> SyntheticTable

  /// Of the truth, or beside it.
  public let name: String
  /// The declaration that it follows.
  public let task: String
  /// The model, where it is another than the task's.
  public var model: String?
  public let knobs: [(name: String, value: String)]
  /// Of its log.
  private let events: Int, users: Int
  private let options: SyntheticOptions
  /// Nil where the events themselves are learnt from.
  private let assemble: Assembly?
  /// The same rows for what the task is better than, and in words what that is.
  private let contrast: (words: String, assemble: Assembly)?

  /// Seed of every log.
  static let seed: UInt64 = 7

  public static let all: [SyntheticRecipe] = [
    SyntheticRecipe(
      "next_item", task: "next-item",
      [
        ("loss", "ce"), ("length", "50"), ("dim", "64"), ("epochs", "4"), ("schedule", "cosine"), ("learning-rate", "0.004"),
        ("patience", "0"), ("evaluate-every", "4"), ("validation-users", "2000"),
      ], events: 1_000_000, users: 20_000),
    SyntheticRecipe(
      "conversion", task: "conversion", [("patience", "2"), ("epochs", "12")],
      events: 600_000, users: 12_000, SyntheticTable.conversion),
    SyntheticRecipe(
      "delayed_conversion", task: "delayed-conversion", [("units", "32-16"), ("batch", "1024"), ("dropout", "0"), ("patience", "6")],
      events: 800_000, users: 32_000, options: shop { ($0.days, $0.delay, $0.fraud) = (60, 10, 0) }, SyntheticTable.delayed,
      contrast: ("learning that what was not bought so far is not bought", SyntheticTable.hasty)),
    SyntheticRecipe("churn", task: "churn", [], events: 2_000_000, users: 40_000, SyntheticTable.churn),
    SyntheticRecipe(
      "churn_time", task: "churn-survival", [("units", "32"), ("batch", "256"), ("dropout", "0.1")],
      events: 2_000_000, users: 40_000, SyntheticTable.churnTime),
    SyntheticRecipe(
      "fraud", task: "fraud", model: "auto", [], events: 2_400_000, users: 60_000, SyntheticTable.fraud),
    SyntheticRecipe(
      "value", task: "value", [("units", "32"), ("batch", "256"), ("dropout", "0.1"), ("learning-rate", "0.0005"), ("patience", "6")],
      events: 2_000_000, users: 40_000, SyntheticTable.value),
    SyntheticRecipe(
      "demand_item_day", task: "demand", [("units", "32-16"), ("batch", "256"), ("dropout", "0")],
      events: 1_000_000, users: 20_000, SyntheticTable.itemDemand),
    SyntheticRecipe(
      "demand_day", task: "demand", model: "logistic-regression",
      // A convex fit, to its end.
      [
        ("batch", "1024"), ("learning-rate", "0.05"), ("schedule", "cosine"), ("epochs", "400"), ("evaluate-every", "400"), ("patience", "0"),
      ],
      events: 2_500_000, users: 50_000, options: shop { $0.days = 1095 }, SyntheticTable.dayDemand),
    SyntheticRecipe(
      "price_response", task: "price-response",
      [("elasticity", "category_id"), ("loss", "poisson"), ("units", "8"), ("metric", "logloss"), ("patience", "6")],
      events: 1_000_000, users: 20_000, SyntheticTable.priceResponse),
  ]

  private init(
    _ name: String, task: String, model: String? = nil, _ knobs: [(name: String, value: String)],
    events: Int, users: Int, options: SyntheticOptions = .shop, _ assemble: Assembly? = nil,
    contrast: (words: String, assemble: Assembly)? = nil
  ) {
    (self.name, self.task, self.model, self.knobs) = (name, task, model, knobs)
    (self.events, self.users, self.options) = (events, users, options)
    (self.assemble, self.contrast) = (assemble, contrast)
  }

  private static func shop(_ change: (inout SyntheticOptions) -> Void) -> SyntheticOptions {
    var options = SyntheticOptions.shop
    change(&options)
    return options
  }

  /// The entry of a name such as `synthetic/churn`.
  public static func named(_ name: String) -> SyntheticRecipe? { all.first { "\(prefix)\($0.name)" == name } }
  public static let prefix = "synthetic/"
  public var fullName: String { Self.prefix + name }

  /// What is learnt from: a table, or events.
  public enum Material {
    case table(SyntheticTable, contrast: (words: String, table: SyntheticTable)?)
    case events(SyntheticEvents)
  }

  /// Draws the log into a folder and makes of it what is learnt from; `log.csv` stays there.
  ///
  /// - Parameter scale: share of the users and their events, from 0.001 on.
  public func material(in folder: String, scale: Double = 1) throws -> Material {
    let (events, users) = (Int((Double(events) * scale).rounded(.up)), Int((Double(users) * scale).rounded(.up)))
    let log = try SyntheticLog(events: events, users: users, items: 1000, seed: Self.seed, options: options)
    let shop = try SyntheticShop(log, folder: folder)
    func make(_ assemble: Assembly, _ name: String) throws -> SyntheticTable {
      let own = "\(folder)/\(name)"
      try FileManager.default.createDirectory(atPath: own, withIntermediateDirectories: true)
      return try assemble(shop, own)
    }
    guard let assemble else { return .events(try SyntheticEvents(shop, folder)) }
    return .table(try make(assemble, "table"), contrast: try contrast.map { ($0.words, try make($0.assemble, "contrast")) })
  }
}
