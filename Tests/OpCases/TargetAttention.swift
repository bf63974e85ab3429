import AugurOps
import AugurTensors
import Glibc

private let sizes: [([Int32], Int)] = [
  ([0, 1], 1), ([0, 0, 3, 3, 10], 5), ([0, 30, 33, 50], 16), ([0, 0, 0], 4), ([0, 4, 9, 10, 13, 13, 20, 24, 26, 31, 33], 19), ([0, 700], 40),
]

let targetAttentionCases: [OpCase] = sizes.flatMap { offsets, D in
  let (T, B) = (Int(offsets.last ?? 0), offsets.count - 1)
  let histories = (0..<B).flatMap { b in Array(repeating: b, count: Int(offsets[b + 1] - offsets[b])) }
  let (events, targets, column): (OpCase.Input, OpCase.Input, OpCase.Input) = (.init([T, D]), .init([B, D]), .init([T, 1], scale: 4))
  @Sendable func rows(_ x: [Tensor]) -> Jagged { Jagged(offsets: offsets, device: x[0].device) }
  return [
    OpCase("TargetAttention", "pairs \(offsets) D\(D)", [events, targets], flops: Double(2 * T * D)) { x, _ in
      targetPairs(x[0], target: x[1], rows(x))
    } reference: { x in
      (0..<T).flatMap { j -> [Double] in
        let (h, t) = (x[0][j * D..<(j + 1) * D], x[1][histories[j] * D..<(histories[j] + 1) * D])
        return t + h + zip(t, h).map { $0 - $1 } + zip(t, h).map { $0 * $1 }
      }
    },
    OpCase("TargetAttention", "dots \(offsets) D\(D)", [events, targets], flops: Double(2 * T * D)) { x, _ in
      targetDots(x[0], target: x[1], rows(x))
    } reference: { x in
      (0..<T).map { j in (0..<D).reduce(0) { $0 + x[0][j * D + $1] * x[1][histories[j] * D + $1] } }
    },
    OpCase("TargetAttention", "weighted sums \(offsets) D\(D)", [events, column], flops: Double(2 * T * D)) { x, _ in
      weightedSums(x[0], weights: x[1], rows(x))
    } reference: { x in
      var y = [Double](repeating: 0, count: B * D)
      for j in 0..<T { for d in 0..<D { y[histories[j] * D + d] += x[1][j] * x[0][j * D + d] } }
      return y
    },
    OpCase("TargetAttention", "shares \(offsets) D\(D)", [column]) { x, _ in
      historyShares(x[0], rows(x))
    } reference: { x in
      var sums = [Double](repeating: 0, count: B)
      for j in 0..<T { sums[histories[j]] += exp(x[0][j]) }
      return (0..<T).map { exp(x[0][$0]) / sums[histories[$0]] }
    },
  ]
}
