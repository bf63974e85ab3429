// Updates have no gradient: their reference is the published formula, one element at a time in Double.

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
