import AugurOps
import AugurTensors
import Glibc

private let sizes: [(Int, Int, Int, Float)] = [
  (1, 1, 1, 1), (5, 7, 3, 1), (20, 513, 8, 1), (130, 40, 20, 1), (9, 30, 20, 9), (3, 4200, 5, 1),
]

/// Around the tiles of tensor cores, of 128 rows by 64 or 32, and with rows of up to 128 columns, or more than they take.
private let wideSizes: [(Int, Int, Int, Float)] = [(2, 1100, 64, 1), (129, 65, 72, 1), (1030, 33, 12, 1), (5, 40, 136, 1)]

let softmaxLossCases =
  sizes.map { softmaxCase($0, $1, $2, $3, .float32) }
  + (sizes + wideSizes).filter { $3 == 1 }.map { softmaxCase($0, $1, $2, $3, .bfloat16) }

private func softmaxCase(_ T: Int, _ V: Int, _ D: Int, _ scale: Float, _ precision: DataType) -> OpCase {
  let isRounded = precision == .bfloat16
  let targets = fixedIDs(T, below: V, 5)
  return OpCase(
    "SoftmaxLoss", "T\(T) V\(V) D\(D) scale \(scale) \(precision)", [.init([T, D], scale: scale), .init([V, D], .parameter, scale: scale)],
    isLoss: true, tolerance: isRounded ? 1e-2 : 5e-5, gradientTolerance: isRounded ? 3e-2 : 2e-3
  ) { x, _ in
    softmaxLoss(x[0], x[1], targets: Lookup(targets, rowCount: V, device: x[0].device), precision: precision)
  } reference: { x in
    let total = (0..<T).reduce(0.0) { sum, t in
      let scores = (0..<V).map { v in (0..<D).reduce(0.0) { $0 + x[0][t * D + $1] * x[1][v * D + $1] } }
      let top = scores.max() ?? 0
      return sum + top + log(scores.reduce(0) { $0 + exp($1 - top) }) - scores[Int(targets[t])]
    }
    return [total / Double(T)]
  }
}
