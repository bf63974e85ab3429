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
  ]
}
