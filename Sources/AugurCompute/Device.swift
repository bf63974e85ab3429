// Where a computation runs: the CPU's own kernels, or the queue of a GPU.

/// A place that owns memory and runs kernels. `.cpu` uses the C kernels on the engine's thread pool; `.gpu` one in-order queue, on a
/// GPU or whatever else speaks OpenCL.
public enum Device: Sendable, Equatable, CustomStringConvertible {
  case cpu
  case gpu(DeviceQueue)

  public static func == (a: Device, b: Device) -> Bool {
    switch (a, b) {
    case (.cpu, .cpu): true
    case (.gpu(let x), .gpu(let y)): x === y
    default: false
    }
  }

  /// Every device of this machine, the CPU first. The others come in the order of their driver.
  public static var available: [Device] { [.cpu] + DeviceQueue.all().map { .gpu($0) } }

  /// The device that `--device` names: `auto`, `cpu`, `gpu` or `gpu:n`.
  ///
  /// `auto` takes the first real GPU and the CPU where there is none; an OpenCL device that is a CPU is taken only by `gpu`, for tests.
  /// Throws `ComputeError` for a name that is no device of this machine.
  public static func named(_ name: String) throws(ComputeError) -> Device {
    switch name {
    case "cpu": return .cpu
    case "auto": return DeviceQueue.all().first { !$0.isCPU }.map { .gpu($0) } ?? .cpu
    default:
      let parts = name.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.first == "gpu", parts.count <= 2, let n = parts.count == 2 ? Int(parts[1]) : 0, n >= 0 else {
        throw .unknownDevice(name)
      }
      let queues = DeviceQueue.all().sorted { !$0.isCPU && $1.isCPU }
      guard !queues.isEmpty else { throw .noPlatform }
      guard n < queues.count else { throw .unknownDevice(name) }
      return .gpu(queues[n])
    }
  }

  public var description: String {
    switch self {
    case .cpu: "cpu"
    case .gpu(let queue): queue.name
    }
  }

  /// Blocks until everything launched so far is done. Nothing to wait for on the CPU.
  public func finish() {
    if case .gpu(let queue) = self { queue.finish() }
  }
}
