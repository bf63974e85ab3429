// One event as behaviour is counted from: indices of a `BehaviourState`, not of a data set.

/// An event, or a candidate to be scored as if it happened at `time`.
public struct BehaviourEvent: Sendable, Equatable {
  /// Stands for an unknown category.
  public static let none: Int32 = -1

  /// Epoch milliseconds.
  public var time: Int64
  public var user: Int32
  public var item: Int32
  /// `none` where it is missing.
  public var category: Int32
  /// A code of `BehaviourState.kind(_:)`.
  public var kind: Int32
  /// NaN where it is missing.
  public var price: Float
  /// NaN where it is missing; it then counts as 1.
  public var quantity: Float

  public init(
    user: Int32, item: Int32, time: Int64, kind: Int32, category: Int32 = none, price: Float = .nan, quantity: Float = .nan
  ) {
    (self.user, self.item, self.time, self.kind) = (user, item, time, kind)
    (self.category, self.price, self.quantity) = (category, price, quantity)
  }
}

/// Whose behaviour is counted; raw values as descriptions and column names write them.
public enum BehaviourEntity: String, Sendable, CaseIterable {
  case user, item, category
  /// All events together.
  case log
}

/// A span of time before an event.
public struct BehaviourWindow: Sendable, Hashable {
  /// `1h`, `30d`, `ever`.
  public let name: String
  /// nil reaches back to the first event.
  let milliseconds: Int64?

  public static let ever = BehaviourWindow(name: "ever", milliseconds: nil)
  private static let units: [Character: Int64] = ["s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000]

  private init(name: String, milliseconds: Int64?) { (self.name, self.milliseconds) = (name, milliseconds) }

  /// Parses `ever`, or a whole number and s, m, h, d or w, up to a hundred years.
  public init?(_ text: String) {
    if text == "ever" {
      self = .ever
      return
    }
    guard let last = text.last, let unit = Self.units[last], let count = Int64(text.dropLast()), count > 0, text.first != "+",
      count <= 36_500 * 86_400_000 / unit
    else { return nil }
    self.init(name: text, milliseconds: count * unit)
  }
}
