// Decimal text of numbers, written into memory that the caller has made room for.
import Glibc

enum NumberText {
  /// Bytes that any number takes at most.
  static let longest = 32
  private static let tens: [Double] = (0...17).map { pow(10, Double($0)) }
  private static let wholeTens: [UInt64] = tens.map { UInt64($0) }
  /// Powers of ten without a bounds check or an initialiser on the way.
  private static let tables = (tens: PlanTable(tens), whole: PlanTable(wholeTens))

  /// Writes the shortest of 7, 8 or 9 significant digits that reads back to the same bits; nothing for NaN and infinity. Returns the end.
  @inline(__always)
  static func write(_ value: Float, to start: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
    let size = value.magnitude
    guard size < 1e9 else { return size.isFinite ? description(of: value, to: start) : start }
    var at = start
    if value < 0 {
      at[0] = UInt8(ascii: "-")
      at += 1
    }
    let whole = UInt32(size)
    if whole < 10, Float(whole) == size {
      at[0] = UInt8(truncatingIfNeeded: 0x30 + whole)
      return at + 1
    }
    return Float(whole) == size ? digits(whole, width: width(whole), to: at) : fraction(size, to: at)
  }

  private static func description(of value: Float, to start: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
    var at = start
    for byte in value.description.utf8 {
      at[0] = byte
      at += 1
    }
    return at
  }

  private static func fraction(_ size: Float, to start: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
    guard size >= 1e-6 else { return description(of: size, to: start) }
    let (tens, wholeTens) = tables
    let exact = Double(size)
    // Digits behind the point for nine significant ones, by which any float is told from its neighbours.
    var places = 8 - (Int(size.exponent) * 1233) >> 12
    places = max(0, min(places, 15))
    if exact * tens[places] >= 1e9 { places -= 1 } else if exact * tens[places] < 1e8, places < 15 { places += 1 }
    let scaled = exact * tens[places]
    var number = UInt64(scaled + 0.5)
    // Fewer digits do where they are nearer than half the way to a neighbour: any reader rounds to the same float.
    let reach = Double(size.ulp) * (size.significandBitPattern == 0 ? 0.2475 : 0.495) * tens[places]
    let (seven, eight) = (UInt64(scaled * 0.01 + 0.5), UInt64(scaled * 0.1 + 0.5))
    if places >= 2, abs(Double(seven * 100) - scaled) < reach {
      (number, places) = (seven, places - 2)
    } else if places >= 1, abs(Double(eight * 10) - scaled) < reach {
      (number, places) = (eight, places - 1)
    }
    while places > 0 {
      let (rest, digit) = number.quotientAndRemainder(dividingBy: 10)
      if digit != 0 { break }
      (number, places) = (rest, places - 1)
    }
    let (whole, rest) = number.quotientAndRemainder(dividingBy: wholeTens[places])
    var at = digits(UInt32(whole), width: width(UInt32(whole)), to: start)
    guard places > 0 else { return at }
    at[0] = UInt8(ascii: ".")
    at += 1
    if places > 9 {
      let zeros = places - 9
      at = digits(0, width: zeros, to: at)
      return digits(UInt32(rest), width: 9, to: at)
    }
    return digits(UInt32(rest), width: places, to: at)
  }

  /// Decimal digits, with zeros in front up to `width`.
  @inline(__always)
  static func digits(_ value: UInt32, width: Int, to start: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
    var rest = value
    var place = width
    while place > 0 {
      place -= 1
      let next = rest / 10
      start[place] = UInt8(truncatingIfNeeded: 0x30 + rest - 10 * next)
      rest = next
    }
    return start + width
  }

  @inline(__always)
  static func width(_ value: UInt32) -> Int {
    if value < 10 { return 1 }
    if value < 100 { return 2 }
    if value < 1000 { return 3 }
    if value < 10_000 { return 4 }
    if value < 100_000 { return 5 }
    if value < 1_000_000 { return 6 }
    if value < 10_000_000 { return 7 }
    if value < 100_000_000 { return 8 }
    return value < 1_000_000_000 ? 9 : 10
  }
}
