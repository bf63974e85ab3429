import AugurOps
import AugurTensors

/// Rows less their mean, over their deviation.
private func normalized(_ x: [Double], _ T: Int, _ D: Int) -> [Double] {
  (0..<T).flatMap { t -> [Double] in
    let row = x[t * D..<(t + 1) * D]
    let mean = row.reduce(0, +) / Double(D)
    let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(D)
    return row.map { ($0 - mean) / (variance + 1e-3).squareRoot() }
  }
}

let normCases: [OpCase] = [(1, 2), (3, 7), (20, 64), (600, 20), (0, 4)].flatMap { (T: Int, D: Int) in
  [
    OpCase("Norm", "layer norm \(T)x\(D)", [.init([T, D], scale: 2), .init([D], .parameter), .init([D], .parameter)], tolerance: 1e-4) { x, _ in
      layerNorm(x[0], gain: x[1], bias: x[2], epsilon: 1e-3)
    } reference: { x in
      normalized(x[0], T, D).enumerated().map { x[1][$0 % D] * $1 + x[2][$0 % D] }
    },
    OpCase("Norm", "layer norm without gain \(T)x\(D)", [.init([T, D], scale: 2)], tolerance: 1e-4) { x, _ in
      layerNorm(x[0], epsilon: 1e-3)
    } reference: { x in normalized(x[0], T, D) },
    OpCase("Norm", "rms norm \(T)x\(D)", [.init([T, D], scale: 2), .init([D], .parameter)], tolerance: 1e-4) { x, _ in
      rmsNorm(x[0], gain: x[1], epsilon: 1e-3)
    } reference: { x in
      (0..<T).flatMap { t -> [Double] in
        let square = x[0][t * D..<(t + 1) * D].reduce(0) { $0 + $1 * $1 } / Double(D)
        return (0..<D).map { x[1][$0] * x[0][t * D + $0] / (square + 1e-3).squareRoot() }
      }
    },
  ] + sumCases(T, D)
}

/// Layer norm of a sum, through its norm, its sum, and both.
private func sumCases(_ T: Int, _ D: Int) -> [OpCase] {
  let kinds: [(String, Dropout?, Double, Double)] = [
    ("its norm", Dropout(rate: 0.2, seed: 99), 0, 1), ("its norm without dropout", nil, 0, 1),
    ("the sum", Dropout(rate: 0.2, seed: 99), 1, 0), ("both", Dropout(rate: 0.2, seed: 99), 1, 1), ("both without dropout", nil, 1, 1),
  ]
  return kinds.map { name, drop, sums, norms in
    let inputs: [OpCase.Input] = [.init([T, D], scale: 2), .init([T, D]), .init([D], .parameter), .init([D], .parameter)]
    return OpCase("Norm", "layer norm of a sum \(T)x\(D): \(name)", inputs, tolerance: 1e-4) { x, _ in
      let (h, n) = layerNorm(sumOf: x[0], drop, residual: x[1], gain: x[2], bias: x[3], epsilon: 1e-3)
      return sums > 0 && norms > 0 ? add(h, n) : sums > 0 ? h : n
    } reference: { x in
      let h = zip(drop.map { dropped(x[0], $0) } ?? x[0], x[1]).map(+)
      return normalized(h, T, D).enumerated().map { sums * h[$0] + norms * (x[2][$0 % D] * $1 + x[3][$0 % D]) }
    }
  }
}
