// Updates have no gradient: their reference is the published formula, one element at a time in Double.
import AugurOps
import AugurTensors

/// Adagrad (Duchi et al. 2011) of one row whose elements keep their own squares, or share their mean.
public struct ReferenceAdagrad {
  public private(set) var w: [Double]
  private var s: [Double]
  private let isByRow: Bool

  public init(w: [Double], isByRow: Bool) { (self.w, s, self.isByRow) = (w, w.map { _ in 0 }, isByRow) }

  public mutating func step(_ g: [Double], rate: Double, epsilon: Double, decay: Double) {
    let mean = g.reduce(0) { $0 + $1 * $1 } / Double(g.count)
    for d in w.indices {
      s[d] += isByRow ? mean : g[d] * g[d]
      w[d] -= rate * decay * w[d]
      w[d] -= rate * g[d] / (s[d].squareRoot() + epsilon)
    }
  }
}

/// Momentum (Polyak 1964), and Nesterov's as it is used (Sutskever et al. 2013), of one element.
public struct ReferenceMomentum {
  public private(set) var w: Double
  private var m = 0.0

  public init(w: Double) { self.w = w }

  public mutating func step(_ gradient: Double, rate: Double, momentum: Double, decay: Double, nesterov: Bool) {
    let g = gradient + decay * w
    m = momentum * m + g
    w -= rate * (nesterov ? g + momentum * m : m)
  }
}

/// Adam (Kingma and Ba 2015) with decoupled decay, state of one element.
public struct ReferenceAdam {
  public var w: Double
  var m = 0.0
  var v = 0.0
  public init(w: Double) { self.w = w }

  public mutating func step(_ g: Double, t: Int, rate: Double, beta1: Double, beta2: Double, epsilon: Double, decay: Double) {
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    var power1 = 1.0
    var power2 = 1.0
    for _ in 0..<t { (power1, power2) = (power1 * beta1, power2 * beta2) }
    w -= rate * decay * w
    w -= rate * (m / (1 - power1)) / ((v / (1 - power2)).squareRoot() + epsilon)
  }
}

/// Three steps of each update on w [V, D], whose gradients are the other inputs; only the rows 0, 2, ... where the update is by rows.
let optimizerCases: [OpCase] = [(1, 1), (5, 7), (70, 64), (129, 33)].flatMap { V, D in
  let rows = stride(from: 0, to: V, by: 2).map { Int32($0) }
  return adamCases(V, D) + adagradCases(V, D, rows) + sgdCases(V, D, rows)
    + [
      OpCase("Optimizer", "sum of squares \(V)x\(D)", [.init([V, D], .constant)]) { x, _ in
        Tensor([Float(sumOfSquares([x[0]]))], shape: [1], device: x[0].device)
      } reference: { [$0[0].reduce(0) { $0 + $1 * $1 }] }
    ]
}

private func updateCase(
  _ name: String, _ V: Int, _ D: Int, _ update: @escaping @Sendable (Tensor, Tensor, Int, [Tensor]) -> Void, states: Int = 2,
  reference: @escaping @Sendable (_ w: [Double], _ gradients: [[Double]]) -> [Double]
) -> OpCase {
  OpCase("Optimizer", "\(name) \(V)x\(D)", Array(repeating: .init([V, D], .constant), count: 4), tolerance: 2e-6) { x, _ in
    let kept = (0..<states).map { _ in Tensor.zeros([V, D], device: x[0].device) }
    for t in 1...3 { update(x[0], x[t], t, kept) }
    return x[0]
  } reference: { x in reference(x[0], Array(x.dropFirst())) }
}

private func adamCases(_ V: Int, _ D: Int) -> [OpCase] {
  @Sendable func step(_ t: Int) -> AdamStep {
    AdamStep(learningRate: 0.01, beta1: 0.9, beta2: 0.98, epsilon: 1e-8, step: t)
  }
  let reference = { @Sendable (w: [Double], gradients: [[Double]], decay: Double) -> [Double] in
    w.indices.map { i in
      var element = ReferenceAdam(w: w[i])
      for t in 1...3 { element.step(gradients[t - 1][i] * 0.5, t: t, rate: 0.01, beta1: 0.9, beta2: 0.98, epsilon: 1e-8, decay: decay) }
      return element.w
    }
  }
  return [
    updateCase("adam", V, D) { w, g, t, kept in
      adam([AdamUpdate(w, g, kept[0], kept[1], decay: 0.1)], clip: ClipFactor(0.5), step(t))
    } reference: { reference($0, $1, Double(Float(0.1))) },
    updateCase("lazy adam", V, D, { w, g, t, kept in
      let last = Tensor([Int32](repeating: Int32(t - 1), count: V), shape: [V], device: w.device)
      let rows = Tensor((0..<Int32(V)).map { $0 }, shape: [V], device: w.device)
      adamRows(w, g, kept[0], kept[1], last: last, rows: rows, clip: ClipFactor(0.5), decay: 0, step(t))
    }) { reference($0, $1, 0) },
  ]
}

private func adagradCases(_ V: Int, _ D: Int, _ rows: [Int32]) -> [OpCase] {
  [false, true].map { isByRow in
    updateCase("adagrad\(isByRow ? " by row" : "")", V, D, { w, g, _, kept in
      let squares = isByRow ? kept[0].reshaped([V * D]).firstRows(V) : kept[0]
      adagrad(
        w, g, squares: squares, rows: Tensor(rows, shape: [rows.count], device: w.device), clip: ClipFactor(0.5), rate: 0.1, epsilon: 1e-8, decay: 0)
    }) { w, gradients in
      (0..<V).flatMap { v -> [Double] in
        let columns = v * D..<(v + 1) * D
        guard rows.contains(Int32(v)) else { return Array(w[columns]) }
        var row = ReferenceAdagrad(w: Array(w[columns]), isByRow: isByRow)
        for g in gradients { row.step(g[columns].map { 0.5 * $0 }, rate: 0.1, epsilon: 1e-8, decay: 0) }
        return row.w
      }
    }
  }
}

private func sgdCases(_ V: Int, _ D: Int, _ rows: [Int32]) -> [OpCase] {
  [false, true].map { nesterov in
    updateCase("sgd momentum\(nesterov ? " nesterov" : "")", V, D, { w, g, _, kept in
      sgd(w, g, momentum: kept[0], clip: ClipFactor(0.5), rate: 0.01, momentum: 0.9, decay: 0.1, nesterov: nesterov)
    }) { w, gradients in
      w.indices.map { i in
        var element = ReferenceMomentum(w: w[i])
        for g in gradients { element.step(g[i] * 0.5, rate: 0.01, momentum: 0.9, decay: 0.1, nesterov: nesterov) }
        return element.w
      }
    }
  } + [
    updateCase("sgd of rows", V, D, { w, g, _, _ in
      sgdRows(w, g, rows: Tensor(rows, shape: [rows.count], device: w.device), clip: ClipFactor(0.5), rate: 0.1, decay: 0)
    }) { w, gradients in
      w.indices.map { i in rows.contains(Int32(i / D)) ? w[i] - gradients.reduce(0) { $0 + 0.05 * $1[i] } : w[i] }
    }
  ]
}
