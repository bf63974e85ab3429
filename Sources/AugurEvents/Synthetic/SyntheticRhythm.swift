// When the shop is busy: season, week and hour.
import Glibc

/// Intensity of visits, constant within an hour: lambda(t) = (1 + a sin(2 pi day / 365.25)) (1 + w week[weekday])
/// (1 - d cos(2 pi (hour - 3) / 24)), and its integral, in days of average intensity.
struct SyntheticRhythm: Sendable {
  /// 2020-01-01 00:00 UTC, a Wednesday.
  static let start = 1_577_836_800
  /// Monday to Sunday, sum 0, times the weekly amplitude.
  static let week = [-0.4, -0.5, -0.3, -0.1, 0.1, 0.7, 0.5]

  let days: Int
  private let cumulative: [Double]  // [24 * days + 1]
  private let guide: [Int32]  // the hour in which each of equal pieces of the mass begins
  private let guideScale: Double

  init(_ options: SyntheticOptions) {
    days = options.days
    var sums = [0.0]
    sums.reserveCapacity(24 * days + 1)
    for hour in 0..<24 * days {
      let (day, clock) = (hour / 24, Double(hour % 24) - 3)
      let season = 1 + options.season * sin(2 * Double.pi * Double(day) / 365.25)
      let week = 1 + options.weekly * Self.week[(day + 2) % 7]
      let daily = 1 - options.daily * cos(2 * Double.pi * clock / 24)
      sums.append(sums[hour] + season * week * daily / 24)
    }
    cumulative = sums
    let pieces = 4 * days * 24
    let total = sums[24 * days]
    guideScale = Double(pieces) / total
    var hour = 0
    guide = (0..<pieces).map { piece in
      while sums[hour + 1] <= Double(piece) / Double(pieces) * total, hour < sums.count - 2 { hour += 1 }
      return Int32(hour)
    }
  }

  var total: Double { cumulative[24 * days] }

  /// The integral of lambda from the start to `seconds`.
  func mass(until seconds: Double) -> Double {
    let hours = max(0, min(Double(24 * days), seconds / 3600))
    let hour = min(Int(hours), 24 * days - 1)
    return cumulative[hour] + (hours - Double(hour)) * (cumulative[hour + 1] - cumulative[hour])
  }

  /// The inverse of `mass`, in seconds.
  func time(at mass: Double) -> Double {
    let piece = max(0, min(guide.count - 1, Int(mass * guideScale)))
    var hour = Int(guide[piece])
    while hour > 0, cumulative[hour] > mass { hour -= 1 }
    while hour < 24 * days - 1, cumulative[hour + 1] <= mass { hour += 1 }
    let part = (mass - cumulative[hour]) / (cumulative[hour + 1] - cumulative[hour])
    return (Double(hour) + max(0, min(1, part))) * 3600
  }

  /// The mass of one day.
  func mass(ofDay day: Int) -> Double { cumulative[24 * day + 24] - cumulative[24 * day] }
}
