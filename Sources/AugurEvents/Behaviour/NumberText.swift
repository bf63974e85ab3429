// Decimal text of numbers, written into memory that the caller has made room for.
import Glibc

/// Powers of ten at hand for the writing of many numbers.
struct NumberText {
  /// Bytes that any number takes at most.
  static let longest = 32
  private static let powers = (0...17).map { pow(10, Double($0)) }
  private let tens = PlanTable(powers)
  private let wholeTens = PlanTable(powers.map { Int64($0) })
  /// `00` to `99`, the first digit in the low byte.
  private let pairs = PlanTable(
    (0..<100).map { (number: Int) -> UInt16 in
      let (tens, ones) = number.quotientAndRemainder(dividingBy: 10)
      return UInt16(0x3030 + tens + 256 * ones)
    })

  /// Writes the shortest of 7, 8 or 9 significant digits that reads back to the same bits; nothing for NaN and infinity. Returns the end.
  @inline(__always)
  func write(_ value: Float, to start: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
    let size = value.magnitude
    guard size < 1e9 else { return size.isFinite ? Self.description(of: value, to: start) : start }
    var at = start
    if value < 0 {
      at[0] = UInt8(ascii: "-")
      at += 1
    }
    let whole = Int32(size)
    guard Float(whole) == size else { return fraction(size, to: at) }
    if whole < 10 {
      at[0] = UInt8(truncatingIfNeeded: 0x30 + whole)
      return at + 1
    }
    let value = UInt32(truncatingIfNeeded: whole)
    return digits(value, width: Self.width(value), to: at)
  }

  private static func description(of value: Float, to start: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
    var at = start
    for byte in value.description.utf8 {
      at[0] = byte
      at += 1
    }
    return at
  }

  private func fraction(_ size: Float, to start: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
    guard size >= 1e-6 else { return Self.description(of: size, to: start) }
    let exact = Double(size)
    let exponent = Int(size.bitPattern >> 23) - 127  // size is normal
    // Digits behind the point for nine significant ones, by which any float is told from its neighbours.
    var places = max(0, min(8 - (exponent * 1233) >> 12, 15))
    var scaled = exact * tens[places]
    if scaled >= 1e9 { places -= 1 } else if scaled < 1e8, places < 15 { places += 1 }
    scaled = exact * tens[places]
    var number = Int64(scaled + 0.5)
    // Fewer digits do where they are nearer than half the way to a neighbour: any reader rounds to the same float. Below a power of two
    // the neighbours are twice as near.
    let ulp = Double(Float(bitPattern: UInt32(exponent + 127 - 23) << 23))
    let reach = ulp * (size.bitPattern & 0x7f_ffff == 0 ? 0.2475 : 0.495) * tens[places]
    let (seven, eight) = (Int64(scaled * 0.01 + 0.5), Int64(scaled * 0.1 + 0.5))
    if places >= 2, abs(Double(seven * 100) - scaled) < reach {
      (number, places) = (seven, places - 2)
    } else if places >= 1, abs(Double(eight * 10) - scaled) < reach {
      (number, places) = (eight, places - 1)
    }
    let power = wholeTens[places]
    let whole = UInt32(truncatingIfNeeded: number / power)
    var rest = UInt32(truncatingIfNeeded: number - Int64(whole) * power)  // below 1e9
    while rest != 0, rest % 10 == 0 { (rest, places) = (rest / 10, places - 1) }
    var at = digits(whole, width: Self.width(whole), to: start)
    guard rest > 0 else { return at }
    at[0] = UInt8(ascii: ".")
    at += 1
    while places > 9 {
      at[0] = 0x30
      (at, places) = (at + 1, places - 1)
    }
    return digits(rest, width: places, to: at)
  }

  /// Decimal digits, with zeros in front up to `width`.
  @inline(__always)
  func digits(_ value: UInt32, width: Int, to start: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
    var rest = value
    var place = width
    while place > 1 {
      place &-= 2
      let next = rest / 100
      UnsafeMutableRawPointer(start + place).storeBytes(of: pairs[Int(rest &- 100 &* next)].littleEndian, as: UInt16.self)
      rest = next
    }
    if place == 1 { start[0] = UInt8(truncatingIfNeeded: 0x30 &+ rest % 10) }
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
