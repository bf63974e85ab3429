import AugurOps
import AugurTensors

let batchNormCases: [OpCase] = [(1, 1), (2, 5), (33, 7), (700, 24)].flatMap { B, D in
  let inputs: [OpCase.Input] = [.init([B, D], scale: 2), .init([D], .parameter), .init([D], .parameter)]
  let epsilon = 1e-3
  return [
    OpCase("BatchNorm", "batch norm \(B)x\(D)", inputs, tolerance: 5e-5, flops: Double(10 * B * D)) { x, _ in
      batchNorm(x[0], gain: x[1], bias: x[2], ColumnStatistics(x[0], epsilon: Float(epsilon)), isOwn: true)
    } reference: { x in
      var y = [Double](repeating: 0, count: B * D)
      for d in 0..<D {
        let column = (0..<B).map { x[0][$0 * D + d] }
        let mean = column.reduce(0, +) / Double(B)
        let variance = column.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(B)
        for b in 0..<B { y[b * D + d] = (column[b] - mean) / (variance + epsilon).squareRoot() * x[1][d] + x[2][d] }
      }
      return y
    },
    OpCase("BatchNorm", "kept statistics \(B)x\(D)", inputs) { x, _ in
      let mean = Tensor([Float](repeating: 0.25, count: D), shape: [D], device: x[0].device)
      let variance = Tensor([Float](repeating: 0.4, count: D), shape: [D], device: x[0].device)
      let kept = ColumnStatistics(mean: mean, variance: variance, epsilon: 0.05)
      return batchNorm(x[0], gain: x[1], bias: x[2], kept, isOwn: false)
    } reference: { x in
      (0..<B * D).map { (x[0][$0] - 0.25) / 0.45.squareRoot() * x[1][$0 % D] + x[2][$0 % D] }
    },
  ]
}
