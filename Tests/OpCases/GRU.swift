import AugurOps
import AugurTensors
import Glibc

private func referenceGRU(
  _ x: [Double], _ offsets: [Int], _ u: [Double], _ c: [Double], shares: [Double]? = nil, D: Int
) -> [Double] {
  var out = [Double](repeating: 0, count: (offsets.last ?? 0) * D)
  for (begin, end) in zip(offsets, offsets.dropFirst()) {
    var h = [Double](repeating: 0, count: D)
    for t in begin..<end {
      let own = (0..<3 * D).map { q in c[q] + (0..<D).reduce(0.0) { $0 + h[$1] * u[$1 * 3 * D + q] } }
      let input = { (q: Int) in x[t * 3 * D + q] }
      h = (0..<D).map { d in
        let z = referenceActivation(input(d) + own[d], .sigmoid)
        let r = referenceActivation(input(D + d) + own[D + d], .sigmoid)
        let n = tanh(input(2 * D + d) + r * own[2 * D + d])
        let step = (1 - z) * (shares?[t] ?? 1)
        return h[d] + step * (n - h[d])
      }
      for d in 0..<D { out[t * D + d] = h[d] }
    }
  }
  return out
}

private let sizes: [([Int], Int)] = [
  ([0, 1], 1), ([0, 0, 3, 3, 10], 5), ([0, 30, 33, 50], 16), ([0], 4), ([0, 4, 9, 10, 13, 13, 20, 24, 26, 31, 33], 11), ([0, 20], 50),
]

let gruCases: [OpCase] = sizes.flatMap { offsets, D in
  let T = offsets.last ?? 0
  let inputs: [OpCase.Input] = [.init([T, 3 * D], scale: 2), .init([D, 3 * D], .parameter, scale: 0.5), .init([3 * D], .parameter)]
  @Sendable func rows(_ x: [Tensor]) -> Jagged { Jagged(offsets: offsets.map(Int32.init), device: x[0].device) }
  return [
    OpCase("GRU", "\(offsets) D\(D)", inputs) { x, _ in
      gru(x[0], rows(x), weight: x[1], bias: x[2])
    } reference: { x in
      referenceGRU(x[0], offsets, x[1], x[2], D: D)
    },
    OpCase("GRU", "shares \(offsets) D\(D)", inputs + [.init([T, 1], scale: 1)]) { x, _ in
      gru(x[0], rows(x), weight: x[1], bias: x[2], shares: x[3])
    } reference: { x in
      referenceGRU(x[0], offsets, x[1], x[2], shares: x[3], D: D)
    },
    OpCase("GRU", "shares of 1 \(offsets) D\(D)", inputs) { x, _ in
      gru(x[0], rows(x), weight: x[1], bias: x[2], shares: Tensor([Float](repeating: 1, count: T), shape: [T], device: x[0].device))
    } reference: { x in
      referenceGRU(x[0], offsets, x[1], x[2], D: D)
    },
    OpCase("GRU", "shares of 0 \(offsets) D\(D)", [inputs[0]]) { x, _ in
      let u = Tensor([Float](repeating: 0.3, count: 3 * D * D), shape: [D, 3 * D], device: x[0].device)
      let c = Tensor([Float](repeating: 0.1, count: 3 * D), shape: [3 * D], device: x[0].device)
      return gru(x[0], rows(x), weight: u, bias: c, shares: Tensor.zeros([T], device: x[0].device))
    } reference: { _ in [Double](repeating: 0, count: T * D) },
  ]
}
