import AugurOps
import AugurTensors

let gateCases: [OpCase] = [(1, 1), (5, 7), (130, 24), (0, 3)].flatMap { T, F in
  let setting = Dropout(rate: 0.3, seed: 99)
  return [
    OpCase("Gate", "swiglu \(T)x\(F)", [.init([T, 2 * F], scale: 3)]) { x, _ in swiglu(x[0]) } reference: { x in
      (0..<T * F).map { i in
        let (t, f) = (i / F, i % F)
        return referenceActivation(x[0][t * 2 * F + f], .silu) * x[0][t * 2 * F + F + f]
      }
    },
    OpCase("Gate", "gated residual \(T)x\(F)", [.init([T, F]), .init([T, F], scale: 3), .init([T, F])]) { x, _ in
      gatedResidual(x[0], gate: x[1], x[2], setting)
    } reference: { x in
      let z = dropped(x[2], setting)
      return (0..<T * F).map { x[0][$0] + referenceActivation(x[1][$0], .sigmoid) * z[$0] }
    },
  ]
}
