// The door between a queue and what carries its work to a device: OpenCL's ICD, or NVIDIA's driver library. Ops see neither.

/// The calls of one device. `DeviceQueue` takes them one at a time, counts them, and says which one failed.
///
/// Memory, programs, kernels and events are numbers that only their loader reads. Work runs in the order it came.
protocol DeviceLoader: AnyObject, Sendable {
  var facts: DeviceFacts { get }
  /// Programs compiled from text, because no cache had them.
  var compilations: Int { get }

  /// Memory with undefined contents, there at once; nil where the device refuses.
  func allocate(_ bytes: Int) -> UInt?
  func release(_ memory: UInt)
  /// The same in pinned memory of the host, which kernels read and write over the bus.
  func allocateOutside(_ bytes: Int) -> UInt?
  func releaseOutside(_ memory: UInt)
  /// Bytes that the device has left; nil where it does not say.
  var freeBytes: Int? { get }

  /// `source` is free again on return.
  func write(_ memory: UInt, from source: UnsafeRawPointer, bytes: Int) throws(LoaderFailure)
  /// Copies staging memory beside the work that is there, on a queue for copies; work that comes later begins behind it. Whoever calls it
  /// knows that no work reads or writes `memory`.
  func upload(_ memory: UInt, from source: UnsafeRawPointer, bytes: Int) throws(LoaderFailure)
  /// An event that is done when all work up to here is.
  func mark() throws(LoaderFailure) -> UInt
  /// Waits for everything before it.
  func read(_ memory: UInt, into target: UnsafeMutableRawPointer, bytes: Int) throws(LoaderFailure)
  func copy(_ target: UInt, from source: UInt, bytes: Int) throws(LoaderFailure)
  func finish() throws(LoaderFailure)

  func program(_ module: KernelModule) throws(ComputeError) -> UInt
  /// Nil where the program has no such kernel.
  func kernel(_ entry: String, of program: UInt) -> UInt?
  func launch(_ kernel: UInt, _ grid: LaunchGrid, _ arguments: [KernelArgument]) throws(LoaderFailure)

  /// Host memory that the device copies from without another copy; never given back.
  func allocateStaging(_ bytes: Int) -> UnsafeMutableRawPointer?
  func isDone(_ event: UInt) -> Bool
  /// Waits for `event` and forgets it.
  func retire(_ event: UInt)
}

/// What a device says about itself.
struct DeviceFacts: Sendable {
  /// The loader: "opencl" or "driver".
  let loader: String
  let name: String, platform: String, driver: String
  /// Whether it is a CPU: good for tests, slower than the C kernels.
  let isCPU: Bool
  let memoryBytes: Int
  let tuning: OpenCLTuning
}

/// Why a call failed, in words with the loader's code.
struct LoaderFailure: Error {
  /// The number of the argument that the kernel does not take; nil where it is not about one.
  var argument: Int?
  let reason: String
}
