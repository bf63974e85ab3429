// Learned tensors: how they are named, initialised and listed.
public import AugurTensors
import Glibc

/// A learned tensor with its gradient.
public final class Parameter {
  public let name: String
  /// Replaced only when a checkpoint is loaded; the optimiser writes into its memory.
  public private(set) var value: Tensor
  /// Rows are looked up by id: the optimiser may update only the rows that were touched.
  public let isTable: Bool
  /// Weight decay applies: matrices, but no bias, gain or table.
  public let decays: Bool

  init(_ name: String, _ value: Tensor, isTable: Bool) {
    (self.name, self.value, self.isTable) = (name, value, isTable)
    decays = !isTable && value.shape.rank > 1
  }

  public var count: Int { value.count }

  /// Gives the parameter a zeroed gradient buffer.
  package func prepareForTraining() {
    if value.slot == nil { value = value.asParameter() }
  }
}

/// How a parameter starts.
public enum Initializer: Sendable {
  case zeros, ones
  case constant(Float)
  case normal(deviation: Float)
  /// Normal with variance 2 / (rows + columns) (Glorot and Bengio 2010).
  case xavierNormal
}

/// Makes the parameters of one model, in order, from one stream of random numbers.
public final class ParameterStore {
  public private(set) var parameters: [Parameter] = []
  public let device: Device
  private var random: RandomStream

  public init(device: Device, seed: UInt64) {
    self.device = device
    random = RandomStream(seed: seed)
  }

  /// A new parameter. Precondition: the name is not taken.
  public func make(_ name: String, _ shape: Shape, _ initializer: Initializer, isTable: Bool = false) -> Parameter {
    precondition(!parameters.contains { $0.name == name }, "parameter: \(name) exists already")
    let values: [Float]
    switch initializer {
    case .zeros: values = Array(repeating: 0, count: shape.count)
    case .ones: values = Array(repeating: 1, count: shape.count)
    case .constant(let c): values = Array(repeating: c, count: shape.count)
    case .normal(let deviation): values = normals(shape.count, deviation)
    case .xavierNormal: values = normals(shape.count, (2 / Float(shape.rows + shape.columns)).squareRoot())
    }
    let parameter = Parameter(name, Tensor(values, shape: shape, device: device), isTable: isTable)
    parameters.append(parameter)
    return parameter
  }

  private func normals(_ count: Int, _ deviation: Float) -> [Float] { (0..<count).map { _ in deviation * random.normal() } }
}

/// SplitMix64 (Steele et al. 2014): a small seeded stream, the same on every machine.
package struct RandomStream: RandomNumberGenerator, Sendable {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// Uniform in 0..<1 with 53 bits.
  package mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Uniform in `0 ..< count`, by multiplication: bias below count / 2^64.
  package mutating func index(below count: Int) -> Int { Int(next().multipliedFullWidth(by: UInt64(count)).high) }

  /// Standard normal, Box and Muller 1958.
  package mutating func normal() -> Float {
    let radius = (-2 * log(1 - uniform())).squareRoot()
    return Float(radius * cos(2 * Double.pi * uniform()))
  }
}
