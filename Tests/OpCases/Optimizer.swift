// Updates have no gradient: their reference is the published formula, one element at a time in Double.

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
