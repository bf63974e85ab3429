// What features of behaviour there are: the editable description of a feature table. `BehaviourDescriptionText` reads and writes it.

/// Features of behaviour, all as of an event's time: of what happened strictly before it. Events of the same millisecond are not
/// earlier, so that their order in the log never matters.
public struct BehaviourDescription: Sendable, Equatable {
  /// Kinds of events as the log names them, by the name that features call the group; `any` stands for every event.
  public var groups: [String: [String]]
  /// In the order of the columns.
  public var features: [BehaviourFeature]
  /// IANA zone of hours and weekdays, or a fixed offset such as +02:00.
  public var zoneName: String

  public init(groups: [String: [String]], features: [BehaviourFeature], zoneName: String = "UTC") {
    (self.groups, self.features, self.zoneName) = (groups, features, zoneName)
  }

  static let any = "any"
  /// Groups that money and conversion count.
  static let purchase = "purchase"
  static let view = "view"

  /// The usual names of kinds.
  static let standardGroups = [
    "view": ["view", "click", "detail", "pageview", "page_view", "pv"],
    "cart": ["cart", "add_to_cart", "addtocart", "add-to-cart"],
    "purchase": ["purchase", "buy", "transaction", "order", "checkout"],
  ]

  /// The description that is taken when none is given. What the log cannot have is left out: groups without a kind in `kinds`, and
  /// what needs prices or categories. Without `kinds`, everything.
  public static func standard(kinds: [String]? = nil, hasPrices: Bool = true, hasCategories: Bool = true) -> BehaviourDescription {
    var groups = standardGroups
    if let kinds { groups = groups.mapValues { $0.filter(kinds.contains) }.filter { !$0.value.isEmpty } }
    func known(_ names: [String]) -> [String] { names.filter { $0 == any || groups[$0] != nil } }
    func windows(_ names: String...) -> [BehaviourWindow] { names.compactMap(BehaviourWindow.init) }
    let canBuy = groups[purchase] != nil
    let owners: [BehaviourEntity] = hasCategories ? [.user, .item, .category] : [.user, .item]
    var features: [BehaviourFeature] = [
      .clock(parts: BehaviourClockPart.allCases),
      .event(columns: (hasCategories ? [.category] : []) + (hasPrices ? [.price] : [])),
      .count(of: [.user], events: known([any, view, "cart", purchase]), windows: windows("1h", "1d", "7d", "30d", "ever")),
      .count(of: [.item], events: known([any, purchase]), windows: windows("1d", "7d", "30d", "ever")),
      .frequency(of: [.user], events: known([any, purchase]), windows: windows("30d", "ever")),
    ]
    if canBuy, hasPrices { features.append(.money(of: [.user], statistics: BehaviourMoney.allCases, windows: windows("30d", "ever"))) }
    features += [
      .recency(of: [.user], events: known([any, purchase])), .recency(of: [.item], events: [any]), .age(of: [.user, .item]),
    ]
    if canBuy, groups[view] != nil {
      features.append(.conversion(of: owners, prior: nil, strength: 20, windows: windows("30d", "ever")))
    }
    if hasPrices { features.append(.priceRatio(of: hasCategories ? [.category, .user] : [.user])) }
    let weights = [view: 1.0, "cart": 3, purchase: 10].filter { groups[$0.key] != nil }
    if !weights.isEmpty { features.append(.weight(of: [.user, .item], weights: weights, windows: windows("7d"))) }
    return BehaviourDescription(groups: groups, features: features.filter { !$0.isEmpty })
  }
}

/// One entry of a description; most make several columns.
public enum BehaviourFeature: Sendable, Equatable {
  /// Events of a group in a window.
  case count(of: [BehaviourEntity], events: [String], windows: [BehaviourWindow])
  /// Events a day: over the window, for `ever` over the days since the first event, at least one.
  case frequency(of: [BehaviourEntity], events: [String], windows: [BehaviourWindow])
  /// Price times quantity of purchases; a purchase without a price adds nothing.
  case money(of: [BehaviourEntity], statistics: [BehaviourMoney], windows: [BehaviourWindow])
  /// Seconds since the last event of a group; `any` of the user is the gap to the event before.
  case recency(of: [BehaviourEntity], events: [String])
  /// Seconds since the first event.
  case age(of: [BehaviourEntity])
  /// (purchases + strength x prior) / (views + strength); a nil prior is the rate of the whole log so far.
  case conversion(of: [BehaviourEntity], prior: Double?, strength: Double, windows: [BehaviourWindow])
  /// The event's price over the mean price of earlier events of the same user, item or category.
  case priceRatio(of: [BehaviourEntity])
  /// Sum of weights of the events in a window, by group.
  case weight(of: [BehaviourEntity], weights: [String: Double], windows: [BehaviourWindow])
  case clock(parts: [BehaviourClockPart])
  /// Columns of the event itself.
  case event(columns: [EventAttribute])
  /// The ids of the items, or of the categories, that the user met last, oldest first: a text, not a number.
  case history(of: BehaviourEntity, last: Int)
  /// A table of users or items as of the event's time, or vectors of items.
  case join(BehaviourJoin)

  var isEmpty: Bool {
    if case .event(let columns) = self { return columns.isEmpty }
    return false
  }
}

public enum BehaviourMoney: String, Sendable, CaseIterable { case sum, mean }

/// Hour 0...23 and weekday 0...6 from Monday; the others are points of a circle, a day or a week round, by the minute.
public enum BehaviourClockPart: String, Sendable, CaseIterable {
  case hour, weekday
  case hourSine = "hour_sin"
  case hourCosine = "hour_cos"
  case weekdaySine = "weekday_sin"
  case weekdayCosine = "weekday_cos"
}
