import AugurOps
import AugurTensors

/// gelu(x w + b) + r, one element at a time.
private func referenceLinear(_ x: [[Double]], _ T: Int, _ K: Int, _ N: Int, transposed: Bool) -> [Double] {
  var y: [Double] = []
  for t in 0..<T {
    for n in 0..<N {
      var sum = x[2][n]
      for k in 0..<K {
        let w = transposed ? x[1][n * K + k] : x[1][k * N + n]
        sum += x[0][t * K + k] * w
      }
      y.append(referenceActivation(sum, .gelu) + x[3][t * N + n])
    }
  }
  return y
}

/// The reference is the same in bfloat16: its tolerance is what rounding the factors may cost.
private func linearCase(_ T: Int, _ K: Int, _ N: Int, transposed: Bool, _ precision: DataType = .float32) -> OpCase {
  let w: Shape = transposed ? [N, K] : [K, N]
  let inputs: [OpCase.Input] = [.init([T, K]), .init(w, .parameter), .init([N], .parameter), .init([T, N])]
  let name = "linear \(T)x\(K)x\(N)\(transposed ? " transposed" : "") gelu bias residual \(precision)"
  let isRounded = precision == .bfloat16
  return OpCase(
    "Matmul", name, inputs, tolerance: isRounded ? 1e-2 : 2e-5, gradientTolerance: isRounded ? 2e-2 : 2e-3, flops: 2.0 * Double(T * K * N)
  ) { x, _ in
    linear(x[0], x[1], bias: x[2], residual: x[3], activation: .gelu, transposed: transposed, precision: precision)
  } reference: { referenceLinear($0, T, K, N, transposed: transposed) }
}

/// x w^T with all three stored in bfloat16.
private func storedCase(_ T: Int, _ K: Int, _ N: Int) -> OpCase {
  OpCase(
    "Matmul", "linear \(T)x\(K)x\(N) stored in bfloat16", [.init([T, K], .constant), .init([N, K], .constant)], tolerance: 1e-2,
    flops: 2.0 * Double(T * K * N)
  ) { x, _ in
    converted(linear(converted(x[0], to: .bfloat16), converted(x[1], to: .bfloat16), transposed: true), to: .float32)
  } reference: { x in
    (0..<T * N).map { i in (0..<K).reduce(0) { $0 + x[0][i / N * K + $1] * x[1][i % N * K + $1] } }
  }
}

/// Two products of one x, whose gradients meet there; one weight in both.
private func sharedCase(_ T: Int, _ K: Int, _ N: Int) -> OpCase {
  let inputs: [OpCase.Input] = [.init([T, K]), .init([K, N], .parameter), .init([N], .parameter), .init([K, N], .parameter)]
  return OpCase("Matmul", "three products of one x \(T)x\(K)x\(N)", inputs, flops: 6 * Double(T * K * N)) { x, _ in
    add(add(linear(x[0], x[1], bias: x[2]), linear(x[0], x[3])), linear(x[0], x[1], bias: x[2], activation: .silu))
  } reference: { x in
    (0..<T * N).map { i in
      func product(_ w: [Double], _ b: Double) -> Double { (0..<K).reduce(b) { $0 + x[0][i / N * K + $1] * w[$1 * N + i % N] } }
      let first = product(x[1], x[2][i % N])
      return first + product(x[3], 0) + referenceActivation(first, .silu)
    }
  }
}

private let sizes: [(Int, Int, Int)] = [(1, 1, 1), (3, 5, 7), (127, 20, 48), (128, 64, 64), (129, 50, 33), (700, 16, 24), (0, 4, 4), (1, 64, 100), (9, 1056, 40), (200, 544, 33)]

let matmulCases: [OpCase] = sizes.flatMap { T, K, N in
  [DataType.float32, .bfloat16].flatMap { [linearCase(T, K, N, transposed: false, $0), linearCase(T, K, N, transposed: true, $0)] }
    + [storedCase(T, K, N)]
} + [(1, 1, 1), (5, 3, 7), (1300, 20, 33), (0, 4, 4)].map { sharedCase($0, $1, $2) }
