// What cleaning does to a log. Every rule is off or does what loses nothing but copies; `RuleNames.swift` names the rules for
// options and files.

/// What becomes of a missing kind, category, price or quantity.
public enum MissingPolicy: Sendable, Equatable {
  /// It stays missing: NaN, or the empty word.
  case keep
  /// The event is left out and counted.
  case drop
  /// The value takes its place and is counted.
  case fill(String)
}

/// What becomes of an event with an impossible value.
public enum ImpossiblePolicy: String, Sendable, CaseIterable {
  /// A bad row: it goes to the quarantine file and counts for `--max-bad-rows`.
  case reject
  /// The event is left out and counted.
  case drop
  /// An impossible price or quantity becomes a missing one; an event at an impossible time is left out. Both are counted.
  case missing
  /// It stays, and is counted.
  case keep
}

/// More than `events` events of one user within `seconds`, the first and the last included.
public struct BurstRule: Sendable, Equatable {
  public enum Action: String, Sendable, CaseIterable {
    /// Counts them, changes nothing.
    case flag
    /// Leaves out the events of the burst.
    case dropBurst = "drop-burst"
    /// Leaves out the user with all events.
    case dropUser = "drop-user"
  }
  public var events: Int
  public var seconds: Double
  public var action: Action

  public init(events: Int, seconds: Double, action: Action = .flag) {
    (self.events, self.seconds, self.action) = (events, seconds, action)
  }
}

/// The rules of cleaning, in the order in which they are applied to a user: impossible values, missing values, exact
/// duplicates, repeats within a window, bursts, the newest events; then over all users the core filter, and the clipping of
/// prices.
public struct CleaningRules: Sendable, Equatable {
  /// Prices and quantities below these are impossible. 0 by default: things given away and views without a quantity are real,
  /// negative ones are returns and corrections.
  public var leastPrice: Float = 0
  public var leastQuantity: Float = 0
  /// Larger ones are impossible; by default only numbers that are not finite.
  public var largestPrice: Float = .greatestFiniteMagnitude
  public var largestQuantity: Float = .greatestFiniteMagnitude
  /// Epoch milliseconds; times outside are impossible. Off by default, so that a result never depends on the day of the run.
  public var earliestTime: Int64?
  public var latestTime: Int64?
  public var impossible = ImpossiblePolicy.reject
  public var missingKind = MissingPolicy.keep
  public var missingCategory = MissingPolicy.keep
  public var missingPrice = MissingPolicy.keep
  public var missingQuantity = MissingPolicy.keep
  /// Leaves out events that equal another in every column that is read. On by default, for logs with times only: without times, a
  /// repeat is a new event.
  public var dropsExactDuplicates = true
  /// Seconds in which the same item and kind of a user count once, the first; 0 is off.
  public var duplicateWindow: Double = 0
  public var burst: BurstRule?
  /// The newest events that a user keeps; off by default.
  public var maximumHistory: Int?
  /// Users with fewer events and items with fewer events are left out, again and again until all that stay have enough. 1 is off.
  public var minimumUserEvents = 1
  public var minimumItemEvents = 1
  /// Prices outside these quantiles of the training part take the value at the quantile; 0 and 1 are off.
  public var lowPriceQuantile: Double = 0
  public var highPriceQuantile: Double = 1
  public var sessions = SessionRules()

  public init() {}

  var filtersCore: Bool { minimumUserEvents > 1 || minimumItemEvents > 1 }
  var clipsPrices: Bool { lowPriceQuantile > 0 || highPriceQuantile < 1 }

  /// Refuses rules that need what the log does not have.
  package func check(hasTimes: Bool, hasPrices: Bool, hasKinds: Bool) throws(EventsError) {
    func refuse(_ option: String, _ lack: String) -> EventsError {
      EventsError(
        file: "--\(option)", problem: "needs \(lack), which the log does not have",
        advice: "leave it out, or name the column with --columns")
    }
    if !hasTimes {
      if duplicateWindow > 0 { throw refuse("duplicate-window", "times") }
      if burst != nil { throw refuse("burst", "times") }
      if earliestTime != nil { throw refuse("earliest-time", "times") }
      if latestTime != nil { throw refuse("latest-time", "times") }
      if sessions.cutsAtMidnight { throw refuse("session-midnight", "times") }
    }
    if !hasPrices, clipsPrices { throw refuse("clip-price", "prices") }
    if !hasKinds, !sessions.endKinds.isEmpty { throw refuse("session-end", "kinds of events") }
  }

  /// What is impossible about a time, price or quantity, nil when nothing is; NaN is missing, not impossible.
  package func problem(time: Int64) -> String? {
    if let earliestTime, time < earliestTime { return "is before --earliest-time" }
    if let latestTime, time > latestTime { return "is after --latest-time" }
    return nil
  }
  package func problem(price: Float) -> String? { Self.problem(price, leastPrice, largestPrice, "price") }
  package func problem(quantity: Float) -> String? { Self.problem(quantity, leastQuantity, largestQuantity, "quantity") }

  private static func problem(_ value: Float, _ least: Float, _ largest: Float, _ column: String) -> String? {
    if value < least { return least == 0 ? "is negative (a return?)" : "is below the least --\(column)-range" }
    if value.isInfinite { return "is too large for a number" }
    if value > largest { return "is above the largest --\(column)-range" }
    return nil
  }
}
