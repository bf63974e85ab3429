import AugurOps
import AugurTensors
import Glibc

func referenceActivation(_ x: Double, _ kind: Activation) -> Double {
  switch kind {
  case .none: x
  case .relu: max(0, x)
  case .gelu: 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
  case .silu: x / (1 + exp(-x))
  case .sigmoid: 1 / (1 + exp(-x))
  case .softplus: max(x, 0) + log1p(exp(-abs(x)))
  }
}

let activationCases =
  Activation.allCases.flatMap { kind in
    [[0, 3], [1, 1], [7, 19], [33, 65]].map { (shape: [Int]) in
      OpCase("Activation", "\(kind) \(shape)", [.init(.init(shape), scale: 3)]) { x, _ in activation(x[0], kind)
      } reference: { $0[0].map { referenceActivation($0, kind) } }
    }
  } + [
    OpCase("Activation", "add", [.init([5, 7]), .init([5, 7])]) { x, _ in add(x[0], x[1]) } reference: { zip($0[0], $0[1]).map(+) },
    OpCase("Activation", "add of itself", [.init([5, 7])]) { x, _ in add(x[0], x[0]) } reference: { $0[0].map { 2 * $0 } },
  ]
