import AugurOps
import AugurTensors
import Glibc

private func gelu(_ x: Double) -> Double { 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x))) }

/// y[T, N] = x[T, K] w[K, N] + b.
private func product(_ x: [Double], _ w: [Double], _ b: [Double], _ T: Int, _ K: Int, _ N: Int) -> [Double] {
  (0..<T * N).map { i in (0..<K).reduce(b[i % N]) { $0 + x[i / N * K + $1] * w[$1 * N + i % N] } }
}

private let sizes = [(1, 1, 1), (3, 5, 7), (130, 8, 33), (300, 20, 48), (2, 64, 256)]

let feedForwardCases =
  sizes.map { feedForwardCase($0, $1, $2, .float32) } + sizes.map { feedForwardCase($0, $1, $2, .bfloat16) }
  + sizes.flatMap { T, D, F in [true, false].map { droppedCase(T, D, F, addsInput: $0) } }

/// All that the op can add: dropout inside and outside, and a residual, its own input or another.
private func droppedCase(_ T: Int, _ D: Int, _ F: Int, addsInput: Bool) -> OpCase {
  let (inner, outer) = (Dropout(rate: 0.3, seed: 77), Dropout(rate: 0.2, seed: 0x1_0000_0007))
  return OpCase(
    "FeedForward", "[\(T), \(D)] hidden \(F), dropout, residual \(addsInput ? "its input" : "another")",
    [
      .init([T, D]), .init([D, F], .parameter), .init([F], .parameter), .init([F, D], .parameter), .init([D], .parameter),
    ] + (addsInput ? [] : [.init([T, D])]), tolerance: 5e-5, flops: 4 * Double(T * D * F)
  ) { x, _ in
    feedForward(x[0], x[1], x[2], x[3], x[4], activation: .gelu, inner, residual: addsInput ? x[0] : x[5], output: outer)
  } reference: { x in
    let hidden = dropped(product(x[0], x[1], x[2], T, D, F).map(gelu), inner)
    return zip(dropped(product(hidden, x[3], x[4], T, F, D), outer), addsInput ? x[0] : x[5]).map(+)
  }
}

private func feedForwardCase(_ T: Int, _ D: Int, _ F: Int, _ precision: DataType) -> OpCase {
  let isRounded = precision == .bfloat16
  return OpCase(
    "FeedForward", "[\(T), \(D)] hidden \(F) \(precision)",
    [
      .init([T, D]), .init([D, F], .parameter), .init([F], .parameter), .init([F, D], .parameter), .init([D], .parameter),
    ], tolerance: isRounded ? 2e-2 : 5e-5, gradientTolerance: isRounded ? 3e-2 : 2e-3, flops: 4 * Double(T * D * F)
  ) { x, _ in
    feedForward(x[0], x[1], x[2], x[3], x[4], activation: .gelu, precision: precision)
  } reference: { x in
    product(product(x[0], x[1], x[2], T, D, F).map(gelu), x[3], x[4], T, F, D)
  }
}
