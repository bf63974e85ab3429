// An op on a device against its reference, forward and by central differences backward: what the tests and `verify ops` call.
public import AugurCompute
import AugurOps
import AugurTensors

/// The element of one result that lies furthest from its reference.
public struct Deviation: Sendable, CustomStringConvertible {
  /// The result: `y`, or `d input 1`.
  public let place: String
  public let index: Int
  public let value: Double, expected: Double
  /// What the tolerance allows between them: it is relative to the largest element of the result.
  public let allowed: Double

  /// Their distance as a share of what is allowed; infinite where either is not a number.
  public var share: Double {
    let distance = abs(value - expected)
    return distance.isNaN ? .infinity : distance / allowed
  }
  public var isWithin: Bool { share <= 1 }
  public var description: String { "\(place)[\(index)] is \(Float(value)), not \(expected) within \(Float(allowed))" }

  public init(place: String, index: Int, value: Double, expected: Double, allowed: Double) {
    (self.place, self.index, self.value, self.expected, self.allowed) = (place, index, value, expected, allowed)
  }

  static func count(_ place: String, _ value: Int, _ expected: Int) -> Deviation {
    Deviation(place: "elements of \(place)", index: 0, value: Double(value), expected: Double(expected), allowed: 0.5)
  }
}

extension OpCase {
  /// Input i in Double, rounded to what a float32 tensor holds.
  public func values(_ i: Int) -> [Double] {
    (0..<inputs[i].shape.count).map { Double(Float(fixedValue($0, i)) * inputs[i].scale) }
  }

  /// Whether any input has a gradient.
  public var hasGradient: Bool { inputs.contains { $0.role != .constant } }

  /// The worst element of the output on `device`; nil where the output is empty, as it is to be.
  public func forward(on device: Device) -> Deviation? {
    let inputs = self.inputs.indices.map(values)
    let y = run(self.inputs.indices.map { tensor($0, inputs[$0], device) }, nil).floats()
    let expected = reference(inputs)
    guard y.count == expected.count else { return .count("y", y.count, expected.count) }
    let size = max(1, expected.map(abs).max() ?? 0)
    return y.indices.lazy.map {
      Deviation(place: "y", index: $0, value: Double(y[$0]), expected: expected[$0], allowed: tolerance * size)
    }.max { $0.share < $1.share }
  }

  /// The worst element of each gradient on `device`: of a dozen against central differences of the reference, or of all against the CPU.
  public func backward(on device: Device) -> [Deviation] {
    guard hasGradient else { return [] }
    let inputs = self.inputs.indices.map(values)
    guard let gradients = gradients(on: device, inputs) else { return [] }
    let expected = comparesWithCPU ? self.gradients(on: .cpu, inputs) : nil
    return self.inputs.indices.filter { self.inputs[$0].role != .constant }.compactMap { i in
      if let expected { return worst(of: gradients[i], beside: expected[i], input: i) }
      return worst(of: gradients[i], at: inputs, input: i)
    }
  }

  /// dL/dx of every input, empty where there is none; nil where the output is empty.
  private func gradients(on device: Device, _ inputs: [[Double]]) -> [[Float]]? {
    let tape = Tape()
    let tensors = self.inputs.indices.map { i in
      let plain = tensor(i, inputs[i], device)
      return switch self.inputs[i].role {
      case .activation: plain.watched(by: tape)
      case .parameter: plain.asParameter()
      case .constant: plain
      }
    }
    let y = run(tensors, tape)
    guard y.count > 0 else { return nil }
    let target = Tensor((0..<y.count).map { Float(fixedValue($0, 77)) }, shape: y.shape, device: device)
    tape.backward(from: isLoss ? y : meanSquaredError(y, target))
    return tensors.map { $0.gradient?.floats() ?? [] }
  }

  private func tensor(_ i: Int, _ values: [Double], _ device: Device) -> Tensor {
    Tensor(values.map(Float.init), shape: inputs[i].shape, device: device)
  }

  private func worst(of gradient: [Float], beside expected: [Float], input i: Int) -> Deviation? {
    guard gradient.count == expected.count else { return .count("d input \(i)", gradient.count, expected.count) }
    let size = expected.reduce(Float(1e-30)) { max($0, abs($1)) }
    return gradient.indices.lazy.map {
      Deviation(
        place: "d input \(i)", index: $0, value: Double(gradient[$0]), expected: Double(expected[$0]),
        allowed: gradientTolerance * Double(size))
    }.max { $0.share < $1.share }
  }

  /// A dozen elements of the gradient of input `i`, by central differences in Double.
  private func worst(of gradient: [Float], at inputs: [[Double]], input i: Int) -> Deviation? {
    guard gradient.count == inputs[i].count else { return .count("d input \(i)", gradient.count, inputs[i].count) }
    let size = gradient.reduce(Float(1e-3)) { max($0, abs($1)) }
    let picks = (0..<min(12, gradient.count)).map { $0 * 7919 % gradient.count }
    var objectives = [Double](repeating: 0, count: 2 * picks.count)
    let step = 1e-5
    objectives.withUnsafeMutableBufferPointer { results in
      nonisolated(unsafe) let results = results
      parallel(results.count) { task in
        var moved = inputs
        moved[i][picks[task / 2]] += task % 2 == 0 ? step : -step
        results[task] = objective(reference(moved))
      }
    }
    return picks.indices.map { p in
      Deviation(
        place: "d input \(i)", index: picks[p], value: Double(gradient[picks[p]]),
        expected: (objectives[2 * p] - objectives[2 * p + 1]) / (2 * step), allowed: gradientTolerance * Double(size) + 1e-6)
    }.max { $0.share < $1.share }
  }

  /// The scalar that gradients are taken of: the loss itself, or the mean square of y - target.
  private func objective(_ y: [Double]) -> Double {
    isLoss ? y[0] : y.indices.reduce(0) { $0 + (y[$1] - fixedValue($1, 77)) * (y[$1] - fixedValue($1, 77)) } / Double(max(1, y.count))
  }
}
