import AugurOps
import AugurTensors

let diceCases: [OpCase] = [(2, 5), (33, 7), (700, 24), (1, 40)].flatMap { B, D in
  let inputs: [OpCase.Input] = [.init([B, D], scale: 2), .init([D], .parameter)]
  let epsilon = 1e-3
  @Sendable func dice(_ x: Double, _ n: Double, _ alpha: Double) -> Double {
    let p = referenceActivation(n, .sigmoid)
    return p * x + alpha * (1 - p) * x
  }
  return [
    OpCase("Dice", "dice \(B)x\(D)", inputs, tolerance: 5e-5, flops: Double(15 * B * D)) { x, _ in
      AugurOps.dice(x[0], alpha: x[1], ColumnStatistics(x[0], epsilon: Float(epsilon)), isOwn: true)
    } reference: { x in
      var y = [Double](repeating: 0, count: B * D)
      for d in 0..<D {
        let column = (0..<B).map { x[0][$0 * D + d] }
        let mean = column.reduce(0, +) / Double(B)
        let variance = column.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(B)
        for b in 0..<B { y[b * D + d] = dice(column[b], (column[b] - mean) / (variance + epsilon).squareRoot(), x[1][d]) }
      }
      return y
    },
    OpCase("Dice", "kept statistics \(B)x\(D)", inputs) { x, _ in
      let mean = Tensor([Float](repeating: 0.25, count: D), shape: [D], device: x[0].device)
      let variance = Tensor([Float](repeating: 0.4, count: D), shape: [D], device: x[0].device)
      return AugurOps.dice(x[0], alpha: x[1], ColumnStatistics(mean: mean, variance: variance, epsilon: 0.05), isOwn: false)
    } reference: { x in
      (0..<B * D).map { dice(x[0][$0], (x[0][$0] - 0.25) / 0.45.squareRoot(), x[1][$0 % D]) }
    },
  ]
}
