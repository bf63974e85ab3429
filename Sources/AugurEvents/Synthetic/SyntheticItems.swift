// What is sold: price, brand, life and promotions of every item.
import AugurCompute
import AugurTensors
import CKernels
import Glibc

/// One item; its category is its number modulo the categories, its rank in the category the quotient.
struct SyntheticItem: Sendable {
  let cents: Int32
  /// Seconds since the start of the log; sold in `launch..<retire`.
  let launch: UInt32
  let retire: UInt32
  /// (price / typical price of the category)^-elasticity.
  let response: Float
}

/// The catalogue. With the typical price m_c of a category log-uniform in 5...120 and its elasticity e_c:
///   price = m_c exp(0.4 z), response = (price / m_c)^-e_c
///   a promoted category-week sells at 10, 20, 30 or 40 % less; its visits convert 1.2 (1 - discount)^-e_c times as often
///   an item of limited life appears in the first 60 % of the span, or retires in the last 60 %
final class SyntheticCatalogue: Sendable {
  static let spread = 0.4
  static let promotionLift = 1.2
  static let discounts = [0, 10, 20, 30, 40]  // per cent; 0 is no promotion

  let items: [SyntheticItem]
  /// A bit for each item of limited life: the cache holds it where it cannot hold the items.
  private let limited: [UInt64]
  let categoryCount: Int
  /// Median price of each category, in cents.
  let typicalCents: [Double]
  let elasticity: [Double]
  private let promotions: [UInt8]  // [C, weeks], index into discounts
  private let promotionFactors: [Float]  // [C, discounts]
  private let weeks: Int
  private let seed: UInt64

  /// Whether an item is always sold; the rest is the turnover.
  static func isPermanent(_ item: Int, seed: UInt64, turnover: Double) -> Bool {
    Double(RandomStream.mix(seed ^ 0x6c69_6665 &+ UInt64(item) &* 0x9e37_79b9_7f4a_7c15) >> 11) * 0x1p-53 >= turnover
  }

  init(items count: Int, categories: Int, seed: UInt64, options: SyntheticOptions) {
    (categoryCount, self.seed) = (categories, seed)
    var random = RandomStream(seed: seed, stream: 2)
    let typical = (0..<categories).map { _ in 500 * exp(random.uniform() * log(24)) }
    let responses = (0..<categories).map { _ in options.elasticity * (0.5 + random.uniform()) }
    (typicalCents, elasticity) = (typical, responses)
    let weekCount = options.days / 7 + 1
    weeks = weekCount
    promotions = (0..<categories * weekCount).map { _ in
      let promoted = random.uniform() < options.promotion
      let discount = 1 + random.below(Self.discounts.count - 1)
      return promoted ? UInt8(discount) : 0
    }
    promotionFactors = responses.flatMap { elasticity in
      Self.discounts.map { $0 == 0 ? 1 : Float(Self.promotionLift * pow(1 - Double($0) / 100, -elasticity)) }
    }
    let span = Double(options.days) * 86_400
    items = [SyntheticItem](unsafeUninitializedCapacity: count) { buffer, written in
      adviseLargePages(UnsafeMutableRawBufferPointer(buffer))
      nonisolated(unsafe) let base = buffer.baseAddress
      parallel(count, grain: 4096) { begin, end in
        for item in begin..<end {
          let category = item % categories
          var random = RandomStream(seed: seed ^ 0x6974_656d, stream: UInt64(item))
          let cents = max(99, (typical[category] * exp(Self.spread * Double(random.normal()))).rounded())
          let response = Float(pow(cents / typical[category], -responses[category]))
          var (launch, retire) = (UInt32(0), UInt32.max)
          if !Self.isPermanent(item, seed: seed, turnover: options.turnover) {
            let part = random.uniform() * 0.6 * span
            if random.below(2) == 0 { launch = UInt32(part) } else { retire = UInt32(0.4 * span + part) }
          }
          (base! + item).initialize(
            to: SyntheticItem(cents: Int32(cents), launch: launch, retire: retire, response: response))
        }
      }
      written = count
    }
    var limited = [UInt64](repeating: 0, count: (count + 63) / 64)
    for item in 0..<count where items[item].launch > 0 || items[item].retire < .max { limited[item >> 6] |= 1 << UInt64(item & 63) }
    self.limited = limited
  }

  /// Index into `discounts` at a second of the log.
  @inline(__always) func promotion(ofCategory category: Int, at time: UInt32) -> Int {
    Int(promotions[category * weeks + Int(time) / 604_800])
  }

  func promotionFactor(ofCategory category: Int, _ promotion: Int) -> Float {
    promotionFactors[category * Self.discounts.count + promotion]
  }

  /// A hint that the price of an item is needed soon.
  @inline(__always) func prefetchPrice(of item: Int) {
    items.withUnsafeBufferPointer { ck_prefetch($0.baseAddress.map { $0 + item }) }
  }

  /// What the item costs at a second of the log.
  @inline(__always) func cents(_ item: Int, at time: UInt32) -> Int {
    let promotion = promotion(ofCategory: item % categoryCount, at: time)
    return Int(items[item].cents) * (100 - Self.discounts[promotion]) / 100
  }

  @inline(__always) func isSold(_ item: Int, at time: UInt32) -> Bool {
    limited[item >> 6] >> UInt64(item & 63) & 1 == 0 || (items[item].launch <= time && time < items[item].retire)
  }

  static let header = "item_id,category_id,brand,base_price,launch_day,retire_day,item_name\n"

  /// A line of the item table; a bound of the life that the log does not reach stays empty.
  func appendLine(_ item: Int, to text: inout [UInt8]) {
    let entry = items[item]
    append(item + 1, to: &text)
    text.append(UInt8(ascii: ","))
    append(item % categoryCount + 1, to: &text)
    text.append(contentsOf: ",brand-".utf8)
    append(1 + Int(RandomStream.mix(seed &+ UInt64(item) &* 3) % 20), to: &text)
    text.append(UInt8(ascii: ","))
    append(cents: Int(entry.cents), to: &text)
    text.append(UInt8(ascii: ","))
    if entry.launch > 0 { append(Int(entry.launch) / 86_400, to: &text) }
    text.append(UInt8(ascii: ","))
    if entry.retire < .max { append(Int(entry.retire) / 86_400, to: &text) }
    text.append(UInt8(ascii: ","))
    SyntheticNames.appendName(item: item, category: item % categoryCount, to: &text)
    text.append(UInt8(ascii: "\n"))
  }
}
