public import AugurOps
public import AugurTensors
import Glibc

/// A loss in Double, as its definition reads: from the outputs and the labels of one row.
public func referenceLoss(_ loss: Loss, _ x: [Double], _ y: [Double]) -> Double {
  switch loss {
  case .binary(let smoothing):
    let target = (1 - Double(smoothing)) * y[0] + Double(smoothing) / 2
    return target * softplus(-x[0]) + (1 - target) * softplus(x[0])
  case .focal(let gamma, let alpha):
    let (m, a) = y[0] == 1 ? (x[0], Double(alpha)) : (-x[0], 1 - Double(alpha))
    return a * pow(1 / (1 + exp(m)), Double(gamma)) * softplus(-m)
  case .squared: return (x[0] - y[0]) * (x[0] - y[0])
  case .absolute: return abs(x[0] - y[0])
  case .huber(let delta):
    let (e, d) = (abs(x[0] - y[0]), Double(delta))
    return e <= d ? e * e / 2 : d * (e - d / 2)
  case .quantile(let q): return max(Double(q) * (y[0] - x[0]), (Double(q) - 1) * (y[0] - x[0]))
  case .poisson: return exp(x[0]) - y[0] * x[0]
  case .ranked: return softplus(-(x[0] - x[1]))
  case .entireSpace(let weight):
    let (both, log) = (y[0] * y[1], -softplus(-x[0]) - softplus(-x[1]))
    let click = y[0] * softplus(-x[0]) + (1 - y[0]) * softplus(x[0])
    return Double(weight) * click - (both == 1 ? log : log1p(-exp(log)))
  case .delayed:
    let rate = exp(x[1])
    if y[0] == 1 { return softplus(-x[0]) - x[1] + rate * y[1] }
    let p = 1 / (1 + exp(-x[0]))
    return -log(1 - p + p * exp(-rate * y[1]))
  case .weibull:
    let (a, b) = (softplus(x[0]), softplus(x[1]))
    let (start, end) = (pow(y[0] / a, b), pow((y[0] + 1) / a, b))
    return y[1] == 1 ? start - log(-expm1(start - end)) : end
  case .lognormal(let share, let penalty):
    let s = min(max(softplus(x[2]), 1e-7.squareRoot()), 5)
    let extra = Double(penalty) * (x[1] * x[1] + x[2] * x[2])
    guard y[0] > 0 else { return softplus(x[0]) + extra }
    let density = log(y[0]) + log(s) + log(2 * Double.pi) / 2 + pow(log(y[0]) - x[1], 2) / (2 * s * s)
    return softplus(-x[0]) + density / Double(share) + extra
  }
}

/// Every loss with labels that fit it: outputs a row, and the labels of row t.
public let lossesWithLabels: [(loss: Loss, outputs: Int, labels: @Sendable (_ t: Int) -> [Double])] = {
  @Sendable func yes(_ t: Int, _ salt: Int) -> Double { fixedValue(t, salt) > 0 ? 1 : 0 }
  @Sendable func real(_ t: Int) -> Double { 3 * fixedValue(t, 41) }
  return [
    (.binary(), 1, { [yes($0, 42)] }),
    (.binary(smoothing: 0.125), 1, { [yes($0, 42)] }),
    (.focal(), 1, { [yes($0, 42)] }),
    (.focal(gamma: 0.5, alpha: 0.75), 1, { [yes($0, 42)] }),
    (.squared, 1, { [real($0)] }),
    (.absolute, 1, { [real($0)] }),
    (.huber(delta: 1.5), 1, { [real($0)] }),
    (.quantile(0.9), 1, { [real($0)] }),
    (.poisson, 1, { [Double($0 % 5)] }),
    (.ranked, 2, { _ in [] }),
    (.entireSpace(), 2, { [yes($0, 42), yes($0, 43)] }),
    (.entireSpace(clickWeight: 0), 2, { [yes($0, 42), yes($0, 43)] }),
    (.delayed, 2, { [yes($0, 42), 4 * abs(fixedValue($0, 44))] }),
    (.weibull, 2, { [Double($0 * 7 % 12), yes($0, 43)] }),
    (.weibull, 2, { [4 * abs(fixedValue($0, 44)), yes($0, 43)] }),
    (.lognormal(positiveShare: 0.5), 3, { [yes($0, 42) * exp(2 * fixedValue($0, 45))] }),
  ]
}()

/// The loss of rows 0 ..< T of a network's outputs on a device, side by side or apart.
public func lossOfRows(
  _ loss: Loss, _ x: [Tensor], labels: [[Float]], weights: RowWeights? = nil, scale: Float = 1
) -> Tensor {
  let given = labels.map { Tensor($0, shape: [$0.count], device: x[0].device) }
  return meanLoss(
    loss, x[0], x.count > 1 ? x[1] : nil, x.count > 2 ? x[2] : nil, labels: given.first, given.count > 1 ? given[1] : nil, weights: weights, scale: scale)
}

/// Labels of T rows, one list for each label.
public func columns(_ T: Int, _ labels: (Int) -> [Double]) -> [[Float]] {
  labels(0).indices.map { label in (0..<T).map { Float(labels($0)[label]) } }
}

let lossCases: [OpCase] = lossesWithLabels.flatMap { loss, outputs, labels in
  [(1, false, false), (7, false, true), (1000, true, false), (1000, true, true), (5000, true, true)].flatMap { (T: Int, isWide: Bool, isWeighted: Bool) in
    [true, false].filter { $0 || outputs > 1 }.map { isTogether in
      let weights = isWeighted ? (0..<T).map { Float($0 % 4) } : [Float](repeating: 1, count: T)
      let shapes: [Shape] = isTogether ? [[T, outputs]] : [Shape](repeating: [T], count: outputs)
      return OpCase(
        "Loss", "\(loss) \(T)\(isWeighted ? " weighted" : "")\(isTogether ? "" : " apart")",
        shapes.map { .init($0, scale: isWide ? 4 : 1) }, isLoss: true
      ) { x, _ in
        lossOfRows(
          loss, x, labels: columns(T, labels), weights: isWeighted ? RowWeights(weights, device: x[0].device) : nil, scale: 0.5)
      } reference: { x in
        let costs = (0..<T).map { t in
          let row = (0..<outputs).map { isTogether ? x[0][t * outputs + $0] : x[$0][t] }
          return Double(weights[t]) * referenceLoss(loss, row, labels(t).map { Double(Float($0)) })
        }
        return [0.5 * costs.reduce(0, +) / weights.reduce(0) { $0 + Double($1) }]
      }
    }
  }
}
