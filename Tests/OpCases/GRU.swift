import AugurOps
import AugurTensors
import Glibc

private func referenceGRU(_ x: [Double], _ offsets: [Int], _ u: [Double], _ c: [Double], D: Int) -> [Double] {
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
        return (1 - z) * n + z * h[d]
      }
      for d in 0..<D { out[t * D + d] = h[d] }
    }
  }
  return out
}

private let sizes: [([Int], Int)] = [
  ([0, 1], 1), ([0, 0, 3, 3, 10], 5), ([0, 30, 33, 50], 16), ([0], 4), ([0, 4, 9, 10, 13, 13, 20, 24, 26, 31, 33], 11), ([0, 20], 50),
]

let gruCases = sizes.map { offsets, D in
  OpCase(
    "GRU", "\(offsets) D\(D)",
    [.init([offsets.last ?? 0, 3 * D], scale: 2), .init([D, 3 * D], .parameter, scale: 0.5), .init([3 * D], .parameter)]
  ) { x, _ in
    gru(x[0], Jagged(offsets: offsets.map(Int32.init), device: x[0].device), weight: x[1], bias: x[2])
  } reference: { x in
    referenceGRU(x[0], offsets, x[1], x[2], D: D)
  }
}
