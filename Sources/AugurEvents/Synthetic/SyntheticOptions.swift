// The knobs of a synthetic shop: how strong each effect is.

/// Every effect of the generator and its strength; 0 switches it off. A strength is a share or an amplitude unless it says otherwise.
public struct SyntheticOptions: Sendable, Equatable {
  /// How the rows lie in the file.
  public enum Order: String, CaseIterable, Sendable { case user, time, shuffled }

  /// `row`: a row a visit, its event the stage that the visit reached, at once; no honest user repeats an item.
  /// `steps`: view, cart and purchase in rows of their own, the purchase after a delay.
  public enum Funnel: String, CaseIterable, Sendable { case row, steps }

  /// Span of the log in days.
  public var days = 365
  /// Amplitudes of the yearly, weekly and daily rhythm of visits, in 0...0.95.
  public var season = 0.2, weekly = 0.5, daily = 0.7
  /// Mean visits of a session.
  public var session = 5.0
  /// Daily churn hazard of a user with average attributes and activity.
  public var churn = 0.002
  /// Share of the items that appear or retire inside the span.
  public var turnover = 0.1
  /// Share of the category-weeks with a price promotion.
  public var promotion = 0.1
  /// Mean price elasticity of conversion; categories have 0.5 to 1.5 times it.
  public var elasticity = 1.5
  /// Probability that a visit converts, for a regular user at the typical price of the category.
  public var conversion = 0.06
  public var funnel = Funnel.row
  /// Mean days from a view to its purchase, regular users, with `Funnel.steps`.
  public var delay = 2.0
  /// Share of the users that are fraudulent.
  public var fraud = 0.0
  /// Share of the rows that are spoiled.
  public var dirty = 0.0
  public var order = Order.user

  public init() {}

  /// A clean log whose next items can be predicted and whose users never repeat an item.
  public static let nextItem = SyntheticOptions()

  /// All tasks at once: steps with delayed purchases, fraud, more churn and turnover.
  public static let shop: SyntheticOptions = {
    var options = SyntheticOptions()
    (options.funnel, options.fraud, options.churn, options.turnover) = (.steps, 0.02, 0.004, 0.2)
    return options
  }()

  /// Days after the cut over which churn and spend are predicted: the last sixth of the span.
  var horizonDays: Double { Double(days) / 6 }
  /// Days within which a view must convert.
  static let conversionDays = 7.0

  func check() throws(EventsError) {
    func inside(_ name: String, _ value: Double, _ low: Double, _ high: Double) throws(EventsError) {
      guard value >= low, value <= high else {
        throw EventsError(
          file: "synth", field: "--\(name)", problem: "\(value) is not in \(low)...\(high)", advice: "change it")
      }
    }
    try inside("days", Double(days), 1, 3650)
    for (name, value) in [("season", season), ("weekly", weekly), ("daily", daily)] { try inside(name, value, 0, 0.95) }
    try inside("session", session, 1, 1000)
    try inside("churn", churn, 0, 1)
    for (name, value) in [("turnover", turnover), ("fraud", fraud), ("dirty", dirty)] { try inside(name, value, 0, 0.5) }
    try inside("promotion", promotion, 0, 1)
    try inside("elasticity", elasticity, 0, 5)
    try inside("conversion", conversion, 0, 0.5)
    try inside("delay", delay, 0.001, 1000)
  }
}
