// Seeded random numbers, the same on every machine: the n-th draw of a stream is a pure function of (seed, stream, n).
import Glibc

/// SplitMix64 (Steele, Lea, Flood 2014).
package struct RandomStream: RandomNumberGenerator, Sendable {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  /// A stream of its own for each (seed, stream).
  package init(seed: UInt64, stream: UInt64) {
    state = Self.mix(Self.mix(seed &+ 0x9e37_79b9_7f4a_7c15) ^ stream &* 0xd1b5_4a32_d192_ed03)
  }

  /// One value scrambled: every bit of the result depends on every bit of `value`.
  package static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }

  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    return Self.mix(state)
  }

  /// Uniform in `0 ..< bound`, by multiplication: the bias is below bound / 2^64.
  package mutating func below(_ bound: Int) -> Int { Int(next().multipliedFullWidth(by: UInt64(bound)).high) }

  /// Uniform in 0..<1 with 53 bits.
  package mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Standard normal, Box and Muller 1958.
  package mutating func normal() -> Float {
    let radius = (-2 * log(1 - uniform())).squareRoot()
    return Float(radius * cos(2 * Double.pi * uniform()))
  }
}
