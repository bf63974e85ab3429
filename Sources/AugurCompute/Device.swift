// Where a computation runs: the CPU's own kernels, or one OpenCL queue.

/// A place that owns memory and runs kernels. `.cpu` uses the C kernels on the engine's thread pool; `.openCL` one in-order queue.
public enum Device: Sendable, Equatable, CustomStringConvertible {
  case cpu
  case openCL(OpenCLQueue)

  public static func == (a: Device, b: Device) -> Bool {
    switch (a, b) {
    case (.cpu, .cpu): true
    case (.openCL(let x), .openCL(let y)): x === y
    default: false
    }
  }

  /// Every device of this machine, the CPU first. OpenCL devices come in the order of the ICD.
  public static var available: [Device] { [.cpu] + OpenCLQueue.all().map { .openCL($0) } }

  /// The device that `--device` names: `auto`, `cpu`, `gpu` or `gpu:n`.
  ///
  /// `auto` takes the first real GPU and the CPU where there is none; an OpenCL device that is a CPU is taken only by `gpu`, for tests.
  /// Throws `ComputeError` for a name that is no device of this machine.
  public static func named(_ name: String) throws(ComputeError) -> Device {
    switch name {
    case "cpu": return .cpu
    case "auto": return OpenCLQueue.all().first { !$0.isCPU }.map { .openCL($0) } ?? .cpu
    default:
      let parts = name.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.first == "gpu", parts.count <= 2, let n = parts.count == 2 ? Int(parts[1]) : 0, n >= 0 else {
        throw .unknownDevice(name)
      }
      let queues = OpenCLQueue.all().sorted { !$0.isCPU && $1.isCPU }
      guard !queues.isEmpty else { throw .noPlatform }
      guard n < queues.count else { throw .unknownDevice(name) }
      return .openCL(queues[n])
    }
  }

  public var description: String {
    switch self {
    case .cpu: "cpu"
    case .openCL(let queue): queue.name
    }
  }

  /// Blocks until everything launched so far is done. Nothing to wait for on the CPU.
  public func finish() {
    if case .openCL(let queue) = self { queue.finish() }
  }
}
