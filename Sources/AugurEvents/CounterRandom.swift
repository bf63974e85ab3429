// Counter-based random numbers: the n-th draw of a stream is a pure function of (seed, stream, n).

/// SplitMix64 (Steele, Lea, Flood 2014) over a counter; equal keys give equal numbers on every machine.
struct CounterRandom {
  private let key: UInt64
  private var counter: UInt64 = 0

  init(seed: UInt64, stream: UInt64) {
    key = Self.mix(Self.mix(seed &+ 0x9e37_79b9_7f4a_7c15) ^ stream &* 0xd1b5_4a32_d192_ed03)
  }

  static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }

  mutating func next() -> UInt64 {
    counter &+= 0x9e37_79b9_7f4a_7c15
    return Self.mix(key &+ counter)
  }

  /// Uniform in `0..<bound`; the bias is below bound / 2^64.
  mutating func below(_ bound: Int) -> Int { Int(next().multipliedFullWidth(by: UInt64(bound)).high) }

  /// Uniform in [0, 1).
  mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }
}
