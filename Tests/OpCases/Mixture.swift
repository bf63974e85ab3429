import AugurOps
import AugurTensors
import Glibc

let mixtureCases: [OpCase] = [(1, 1, 1), (5, 3, 7), (130, 4, 40), (0, 2, 3), (3, 2, 17)].map { B, E, D in
  let inputs = [OpCase.Input([B, E], scale: 3)] + (0..<E).map { _ in OpCase.Input([B, D]) }
  return OpCase("Mixture", "mixture \(B)x\(D) of \(E)", inputs, flops: Double(2 * B * E * D)) { x, _ in
    mixture(Array(x[1...]), gates: x[0])
  } reference: { x in
    (0..<B * D).map { (i: Int) -> Double in
      let shares = (0..<E).map { exp(x[0][(i / D) * E + $0]) }
      var (sum, all) = (0.0, 0.0)
      for e in 0..<E {
        sum += shares[e] * x[e + 1][i]
        all += shares[e]
      }
      return sum / all
    }
  }
}
