import AugurOps
import AugurTensors
import Glibc

func softplus(_ x: Double) -> Double { max(x, 0) + log1p(exp(-abs(x))) }

/// The loss of one row from its score s+ and the scores of its negatives, those equal to the target left out.
private func rowLoss(_ positive: Double, _ negatives: [Double], _ objective: SampledObjective, count N: Int) -> Double {
  switch objective {
  case .bce: return softplus(-positive) + negatives.reduce(0) { $0 + softplus($1) }
  case .gbce(let beta): return (Double(beta) * softplus(-positive) + negatives.reduce(0) { $0 + softplus($1) }) / Double(N + 1)
  case .softmax:
    let top = max(positive, negatives.max() ?? positive)
    return top + log(negatives.reduce(exp(positive - top)) { $0 + exp($1 - top) }) - positive
  }
}

private enum Sharing: CaseIterable { case batch, sequence, row }

let sampledLossCases = Sharing.allCases.flatMap { cases($0, .float32) } + cases(.batch, .bfloat16)

/// The reference is the same in bfloat16: its tolerances are what rounding the factors may cost.
private func cases(_ sharing: Sharing, _ precision: DataType) -> [OpCase] {
  let isRounded = precision == .bfloat16
  return [SampledObjective.bce, .gbce(beta: 0.3), .softmax].flatMap { objective in
    [(7, 1, 1.0, false), (20, 3, 1.0, true), (50, 40, 1.0, false), (20, 9, 9.0, true)].filter { !isRounded || $0.2 == 1 }.map {
      (D: Int, N: Int, scale: Float, hasShares: Bool) in
      let offsets = [0, 5, 5, 6, 20]
      let (T, V) = (20, 30)
      let group = (0..<T).map { t in sharing == .batch ? 0 : sharing == .row ? t : offsets.lastIndex { $0 <= t } ?? 0 }
      let lists = sharing == .batch ? 1 : sharing == .row ? T : offsets.count - 1
      let logQ = (0..<V).map { hasShares ? log(Float($0 + 1) / 465) : 0 }
      let (targets, negatives) = (fixedIDs(T, below: V, 3), fixedIDs(lists * N, below: V, 4))
      return OpCase(
        "SampledLoss", "\(objective) shared by \(sharing) D\(D) N\(N) scale \(scale)\(hasShares ? " logQ" : "")\(isRounded ? " bfloat16" : "")",
        [.init([T, D], scale: scale), .init([V, D], .parameter, scale: scale)], isLoss: true, tolerance: isRounded ? 1e-2 : 5e-5,
        gradientTolerance: isRounded ? 3e-2 : 2e-3
      ) { x, _ in
        let device = x[0].device
        let kind: Negatives.Sharing =
          sharing == .batch ? .batch : sharing == .row ? .row : .sequence(Jagged(offsets: offsets.map(Int32.init), device: device))
        return sampledLoss(
          x[0], x[1], targets: Lookup(targets, rowCount: V, device: device),
          negatives: Negatives(Lookup(negatives, rowCount: V, device: device), count: N, sharing: kind), objective,
          logQ: hasShares ? Tensor(logQ, shape: [V], device: device) : nil, precision: precision)
      } reference: { x in
        func score(_ t: Int, _ item: Int32) -> Double {
          (0..<D).reduce(-Double(logQ[Int(item)])) { $0 + x[0][t * D + $1] * x[1][Int(item) * D + $1] }
        }
        let total = (0..<T).reduce(0.0) { sum, t in
          let own = negatives[group[t] * N..<(group[t] + 1) * N].filter { $0 != targets[t] }
          return sum + rowLoss(score(t, targets[t]), own.map { score(t, $0) }, objective, count: N)
        }
        return [total / Double(T)]
      }
    }
  }
}
