import AugurOps
import AugurTensors
import Glibc

/// softmax(q k^T / sqrt(K)) v over earlier rows, or all, of the same sequence; `row` reads row t of q, k or v of one head.
func referenceAttention(
  _ offsets: [Int], _ H: Int, _ K: Int, isCausal: Bool = true, q: (Int, Int) -> Double, k: (Int, Int) -> Double, v: (Int, Int) -> Double
) -> [Double] {
  var o = [Double](repeating: 0, count: (offsets.last ?? 0) * H * K)
  for (begin, end) in zip(offsets, offsets.dropFirst()) {
    for t in begin..<end {
      for h in 0..<H {
        let columns = h * K..<(h + 1) * K
        let keys = begin..<(isCausal ? t + 1 : end)
        let scores = keys.map { j in columns.reduce(0.0) { $0 + q(t, $1) * k(j, $1) } / Double(K).squareRoot() }
        let top = scores.max() ?? 0
        let weights = scores.map { exp($0 - top) }
        let total = weights.reduce(0, +)
        for c in columns { o[t * H * K + c] = zip(keys, weights).reduce(0.0) { $0 + $1.1 * v($1.0, c) } / total }
      }
    }
  }
  return o
}

private let sizes: [([Int], Int, Int)] = [
  ([0, 1], 1, 1), ([0, 0, 3, 3, 10], 2, 5), ([0, 65, 66, 130], 1, 32), ([0, 64, 127], 2, 8), ([0], 1, 4), ([0, 200], 1, 50),
  ([0, 33, 300], 2, 24), ([0, 20, 45], 1, 200), ([0, 40, 101], 1, 100),
]

let attentionCases = sizes.flatMap { offsets, H, K in
  cases(offsets, H, K, .float32) + cases(offsets, H, K, .bfloat16)
}

/// The reference is the same in bfloat16: its tolerances are what rounding the factors may cost.
private func cases(_ offsets: [Int], _ H: Int, _ K: Int, _ precision: DataType) -> [OpCase] {
  let (T, D) = (offsets.last ?? 0, H * K)
  let rows = { @Sendable (device: Device) in Jagged(offsets: offsets.map(Int32.init), device: device) }
  let isRounded = precision == .bfloat16
  let (tolerance, gradientTolerance) = isRounded ? (1e-2, 2e-2) : (5e-5, 2e-3)
  return [
    OpCase(
      "Attention", "packed \(offsets) H\(H) K\(K) \(precision)", [.init([T, 3 * D], scale: 1.5)], tolerance: tolerance,
      gradientTolerance: gradientTolerance
    ) { x, _ in
      attention(qkv: x[0], rows(x[0].device), heads: H, precision: precision)
    } reference: { x in
      referenceAttention(
        offsets, H, K, q: { x[0][$0 * 3 * D + $1] }, k: { x[0][$0 * 3 * D + D + $1] }, v: { x[0][$0 * 3 * D + 2 * D + $1] })
    },
  ] + [true, false].map { isCausal in
    OpCase(
      "Attention", "q, kv \(offsets) H\(H) K\(K) \(precision)\(isCausal ? "" : " both ways")",
      [.init([T, D], scale: 1.5), .init([T, 2 * D])],
      tolerance: tolerance, gradientTolerance: gradientTolerance
    ) { x, _ in
      attention(q: x[0], kv: x[1], rows(x[0].device), heads: H, precision: precision, isCausal: isCausal)
    } reference: { x in
      referenceAttention(
        offsets, H, K, isCausal: isCausal, q: { x[0][$0 * D + $1] }, k: { x[1][$0 * 2 * D + $1] }, v: { x[1][$0 * 2 * D + D + $1] })
    }
  }
}
