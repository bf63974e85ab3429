// Learned tensors: how they are named, initialised and listed.
public import AugurTensors

/// A learned tensor with its gradient. It has a shape from the start and memory from `initialize` on.
public final class Parameter {
  public let name: String
  public let shape: Shape
  /// Rows are looked up by id: the optimiser may update only the rows that were touched.
  public let isTable: Bool
  /// False for what a model keeps beside its weights, such as running means: no gradient, no update.
  public let isTrained: Bool
  /// More than 1: a matrix of so many equal blocks along its diagonal; what lies beside them is zero and stays so.
  public let blocks: Int
  /// Kept in memory of the host, beside a GPU that cannot hold it.
  package fileprivate(set) var isOutside = false
  private let initializer: Initializer
  private var memory: Tensor?
  private var cached: (rows: Tensor, cache: any StepRows)?

  init(_ name: String, _ shape: Shape, _ initializer: Initializer, isTable: Bool, isTrained: Bool, blocks: Int) {
    (self.name, self.shape, self.initializer, self.isTable, self.isTrained) = (name, shape, initializer, isTable, isTrained)
    self.blocks = blocks
  }

  /// The optimiser writes into its memory. In a step of a table in a cache its rows in there. Precondition: the model was initialised.
  public var value: Tensor {
    if let cached {
      if cached.cache.isInStep { return cached.rows }
      cached.cache.writeBack()
    }
    guard let memory else { preconditionFailure("parameter: expected \(name) to be initialised before its use") }
    return memory
  }

  public var count: Int { shape.count }
  /// Elements that are learned.
  public var learnedCount: Int { isTrained ? count / blocks : 0 }
  /// 1 in a block, 0 beside; nil where all is one block.
  package var blockMask: [Float]? {
    guard blocks > 1 else { return nil }
    let (rows, columns) = (shape.rows / blocks, shape.columns / blocks)
    return (0..<count).map { $0 / shape.columns / rows == $0 % shape.columns / columns ? 1 : 0 }
  }
  /// Weight decay applies: matrices, but no bias, gain or table.
  public var decays: Bool { !isTable && shape.rank > 1 }

  /// Gives the parameter a zeroed gradient buffer.
  package func prepareForTraining() {
    if value.slot == nil { memory = value.asParameter() }
  }

  /// From now on steps see `rows`, with a gradient of their own, whose places `cache` gives to rows of the table.
  package func keepRows(_ rows: Tensor, in cache: any StepRows) { cached = (rows, cache) }

  fileprivate func initialize(on device: Device, _ random: inout RandomStream) {
    var values: [Float]
    switch initializer {
    case .zeros: values = Array(repeating: 0, count: count)
    case .ones: values = Array(repeating: 1, count: count)
    case .values(let given):
      precondition(given.count == count, "parameter: expected \(count) values for \(name), got \(given.count)")
      values = given
    case .normal(let deviation): values = normals(deviation, &random)
    case .xavierNormal: values = normals((2 / Float(shape.rows + shape.columns)).squareRoot(), &random)
    }
    if let blockMask { for i in values.indices { values[i] *= blockMask[i] } }
    memory = Tensor(values, shape: shape, device: device, isOutside: isOutside)
  }

  private func normals(_ deviation: Float, _ random: inout RandomStream) -> [Float] {
    (0..<count).map { _ in deviation * random.normal() }
  }
}

/// Holds rows of tables while steps use and update them.
package protocol StepRows: AnyObject {
  var isInStep: Bool { get }
  /// Puts all rows back, so that their tables are whole.
  func writeBack()
}

/// Leaves the largest tables in memory of the host, until all else, `copies` times over, fits `room` bytes of the device. Returns the bytes
/// of those tables and their copies.
package func leaveOutside(_ parameters: [Parameter], copies: Int, room: Int) -> Int {
  func bytes(_ parameter: Parameter) -> Int { 4 * copies * parameter.count }
  var (inside, outside) = (parameters.reduce(0) { $0 + bytes($1) }, 0)
  for table in parameters.filter(\.isTable).sorted(by: { $0.count > $1.count }) where inside > room {
    table.isOutside = true
    (inside, outside) = (inside - bytes(table), outside + bytes(table))
  }
  return outside
}

/// Gives every parameter its memory and first values, in order, from one stream of random numbers.
public func initialize(_ parameters: [Parameter], on device: Device, seed: UInt64) {
  var random = RandomStream(seed: seed)
  for parameter in parameters { parameter.initialize(on: device, &random) }
}

/// How a parameter starts.
public enum Initializer: Sendable {
  case zeros, ones
  case normal(deviation: Float)
  /// These, row by row.
  case values([Float])
  /// Normal with variance 2 / (rows + columns) (Glorot and Bengio 2010).
  case xavierNormal
}

/// Collects the parameters of one model in the order in which its layers are made.
public final class ParameterStore {
  public private(set) var parameters: [Parameter] = []
  /// Type of the factors of the linear maps and the attention of the model's layers, and of its losses where the batch shares what they
  /// score; all else is float32.
  public let precision: DataType

  public init(precision: DataType = .float32) { self.precision = precision }

  /// A new parameter. Precondition: the name is not taken; `blocks` divides both sides of a matrix.
  public func make(
    _ name: String, _ shape: Shape, _ initializer: Initializer, isTable: Bool = false, isTrained: Bool = true, blocks: Int = 1
  ) -> Parameter {
    precondition(!parameters.contains { $0.name == name }, "parameter: \(name) exists already")
    precondition(
      blocks == 1 || (shape.rank == 2 && shape.rows % blocks == 0 && shape.columns % blocks == 0),
      "parameter: expected \(name) to be a matrix that \(blocks) blocks divide, got \(shape)")
    let parameter = Parameter(name, shape, initializer, isTable: isTable, isTrained: isTrained, blocks: blocks)
    parameters.append(parameter)
    return parameter
  }
}
