// Who shops: attributes, activity, arrival and churn, each a pure function of (seed, user).
import AugurTensors
import Glibc

/// One user. The attributes stand in the user table; activity and hazard show only in what the user does.
///   signup = 0.9 days u^2, activity a = 0.4 + 1.2 u
///   hazard a day = churn * segment * age * exp(1 - a), constant over the life; churn day = signup + Exp(1) / hazard
struct SyntheticUser: Sendable {
  static let segments = ["bargain", "regular", "premium"]
  static let segmentShares = [0.3, 0.5, 0.2]
  static let segmentHazard = [1.6, 1.0, 0.5]
  static let segmentConversion = [0.8, 1.0, 1.4]
  static let segmentDelay = [2.0, 1.0, 0.5]
  static let ageBands = ["18-24", "25-34", "35-44", "45-54", "55-64", "65+"]
  static let ageHazard = [1.5, 1.2, 1.0, 0.9, 0.8, 0.7]
  static let countries = ["DE", "FR", "GB", "US", "PL", "ES", "IT", "SE"]

  let number: Int
  let segment: Int
  let ageBand: Int
  let country: Int
  /// Days since the start of the log.
  let signup: Double
  let activity: Double
  /// Of churn, a day.
  let hazard: Double
  /// Infinite without churn; may lie behind the end of the log.
  let churnDay: Double
  let isFraud: Bool

  init(_ user: Int, seed: UInt64, options: SyntheticOptions) {
    number = user
    var random = RandomStream(seed: seed ^ 0x7573_6572, stream: UInt64(user))
    let unit = random.uniform()
    segment = unit < Self.segmentShares[0] ? 0 : unit < Self.segmentShares[0] + Self.segmentShares[1] ? 1 : 2
    ageBand = random.below(Self.ageBands.count)
    country = min(random.below(Self.countries.count), random.below(Self.countries.count))
    let arrival = random.uniform()
    signup = 0.9 * Double(options.days) * arrival * arrival
    activity = 0.4 + 1.2 * random.uniform()
    let factor = Self.segmentHazard[segment] * Self.ageHazard[ageBand] * exp(1 - activity)
    hazard = options.churn * factor
    let life = -log(1 - random.uniform())
    churnDay = hazard > 0 ? signup + life / hazard : .infinity
    isFraud = random.uniform() < options.fraud
  }

  /// First and last second at which the user can act.
  func life(days: Int) -> ClosedRange<Int> {
    let first = Int(signup * 86_400)
    let end = min(churnDay, Double(days)) * 86_400
    return first...max(first, Int(end.rounded(.up)) - 1)
  }

  /// A line of the user table.
  func appendLine(to text: inout [UInt8]) {
    append(number + 1, to: &text)
    for word in [Self.segments[segment], Self.ageBands[ageBand], Self.countries[country]] {
      text.append(UInt8(ascii: ","))
      text.append(contentsOf: word.utf8)
    }
    text.append(UInt8(ascii: ","))
    append(Int(signup), to: &text)
    text.append(UInt8(ascii: "\n"))
  }

  static let header = "user_id,segment,age_band,country,signup_day\n"

  /// Middles of equally likely pieces of what activity can be.
  static let activities = (0..<24).map { 0.4 + 1.2 * (Double($0) + 0.5) / 24 }
}

/// Decimal digits of a number that is not negative.
func append(_ number: Int, to text: inout [UInt8]) {
  withUnsafeTemporaryAllocation(byteCount: 20, alignment: 1) { digits in
    var (rest, at) = (UInt64(truncatingIfNeeded: number), 20)
    repeat {
      at -= 1
      digits[at] = UInt8(truncatingIfNeeded: 0x30 + rest % 10)
      rest /= 10
    } while rest > 0
    text.append(contentsOf: UnsafeRawBufferPointer(rebasing: digits[at...]))
  }
}

/// `1234` cents as `12.34`.
func append(cents: Int, to text: inout [UInt8]) {
  append(cents / 100, to: &text)
  text.append(UInt8(ascii: "."))
  text.append(UInt8(0x30 + cents / 10 % 10))
  text.append(UInt8(0x30 + cents % 10))
}
