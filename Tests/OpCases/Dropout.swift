import AugurOps
import AugurTensors

/// The mask of `ck_hash`, written from its definition: two rounds of multiply and xorshift over the counter, keyed by the seed.
func isKept(_ index: Int, _ dropout: Dropout) -> Bool {
  func mix(_ value: UInt32) -> UInt32 {
    var x = value
    x ^= x >> 16
    x = x &* 0x21f0_aaad
    x ^= x >> 15
    x = x &* 0xd35a_2d97
    return x ^ x >> 15
  }
  let high = UInt32(truncatingIfNeeded: index >> 32)
  let key = mix(UInt32(truncatingIfNeeded: dropout.seed) ^ mix(UInt32(truncatingIfNeeded: dropout.seed >> 32) &+ 0x9e37_79b9 &* (high &+ 1)))
  return mix(UInt32(truncatingIfNeeded: index) ^ key) >= UInt32(Double(dropout.rate) * 4_294_967_296)
}

func dropped(_ x: [Double], _ dropout: Dropout) -> [Double] {
  x.indices.map { isKept($0, dropout) ? x[$0] / (1 - Double(dropout.rate)) : 0 }
}

let dropoutCases = [0.1, 0.5, 0.9].map { (rate: Float) in
  let setting = Dropout(rate: rate, seed: 0x1234_5678_9abc_def0)
  return OpCase("Dropout", "rate \(rate) with residual", [.init([9, 31]), .init([9, 31])]) { x, _ in
    dropout(x[0], setting, residual: x[1])
  } reference: { x in zip(dropped(x[0], setting), x[1]).map(+) }
}
