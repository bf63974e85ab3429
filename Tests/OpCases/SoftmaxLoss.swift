import AugurOps
import AugurTensors
import Glibc

let softmaxLossCases = [(1, 1, 1, 1.0), (5, 7, 3, 1.0), (20, 513, 8, 1.0), (130, 40, 20, 1.0), (9, 30, 20, 9.0)].map {
  (T: Int, V: Int, D: Int, scale: Float) in
  let targets = fixedIDs(T, below: V, 5)
  return OpCase(
    "SoftmaxLoss", "T\(T) V\(V) D\(D) scale \(scale)", [.init([T, D], scale: scale), .init([V, D], .parameter, scale: scale)],
    isLoss: true, tolerance: 5e-5
  ) { x, _ in softmaxLoss(x[0], x[1], targets: Lookup(targets, rowCount: V, device: x[0].device)) } reference: { x in
    let total = (0..<T).reduce(0.0) { sum, t in
      let scores = (0..<V).map { v in (0..<D).reduce(0.0) { $0 + x[0][t * D + $1] * x[1][v * D + $1] } }
      let top = scores.max() ?? 0
      return sum + top + log(scores.reduce(0) { $0 + exp($1 - top) }) - scores[Int(targets[t])]
    }
    return [total / Double(T)]
  }
}
