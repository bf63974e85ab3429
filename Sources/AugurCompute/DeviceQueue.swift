// One device that is not the engine's own CPU: an in-order queue, its memory, its kernels.
import CKernels
import Glibc

/// A device with one in-order queue. Calls from several threads are taken one at a time.
///
/// Nothing here throws once the device is set up: an error that the device reports later ends the process (`DeviceFailure`).
public final class DeviceQueue: @unchecked Sendable {
  /// The device's name, as the driver gives it.
  public var name: String { loader.facts.name }
  /// The platform's name: who carries the work to the device.
  public var platform: String { loader.facts.platform }
  /// How the device is reached: "opencl" or "driver", as `AUGUR_LOADER` takes them.
  public var loaderName: String { loader.facts.loader }
  /// The driver's version.
  public var driver: String { loader.facts.driver }
  /// Whether the device is a CPU: good for tests, slower than the C kernels.
  public var isCPU: Bool { loader.facts.isCPU }
  /// Device memory.
  public var memoryBytes: Int { loader.facts.memoryBytes }
  package var tuning: OpenCLTuning { loader.facts.tuning }

  /// What the queue was asked to do so far.
  package struct Counters: Sendable, Equatable {
    package var launches = 0, groups = 0, allocations = 0, compilations = 0
    package var uploads = 0, uploadedBytes = 0, downloads = 0, downloadedBytes = 0
  }

  private struct ProgramKey: Hashable {
    let module: String, options: String
  }
  private struct KernelKey: Hashable {
    let program: ProgramKey, entry: String
  }
  private struct State {
    var counters = Counters()
    var programs: [ProgramKey: UInt] = [:]
    var kernels: [KernelKey: UInt] = [:]
    var staging = DeviceStaging()
    var lastCall = "set-up"
  }
  // Guarded by `lock`: OpenCL kernels hold their arguments, so setting them and the launch are one step.
  private var state = State()
  private let lock = Guarded(())
  private let loader: any DeviceLoader

  init(_ loader: any DeviceLoader) { self.loader = loader }

  package var counters: Counters {
    withState { state in
      var counters = state.counters
      counters.compilations = loader.compilations
      return counters
    }
  }

  // --- memory ---

  /// Memory with undefined contents.
  package func allocate(bytes: Int) throws(ComputeError) -> DeviceBuffer {
    let bytes = max(bytes, 4)
    guard bytes <= memoryBytes, let memory = loader.allocate(bytes) else { throw .outOfDeviceMemory(bytes: bytes, device: name) }
    withState { $0.counters.allocations += 1 }
    return DeviceBuffer(memory, bytes: bytes, of: loader)
  }

  /// Memory of the host that kernels reach over the bus, with undefined contents.
  package func allocateOutside(bytes: Int) throws(ComputeError) -> DeviceBuffer {
    guard let memory = loader.allocateOutside(max(bytes, 4)) else { throw .outOfHostMemory(bytes: bytes, device: name) }
    return DeviceBuffer(memory, bytes: max(bytes, 4), isOutside: true, of: loader)
  }

  /// Bytes that the device has left; nil where it does not say.
  var freeBytes: Int? { loader.freeBytes }

  /// Copies host memory to the start of `buffer`. The source is free again on return; small ones do not wait for the device, and go
  /// together with those before them when the next work begins.
  package func write(_ buffer: DeviceBuffer, from source: UnsafeRawBufferPointer) {
    precondition(source.count <= buffer.bytes, "write: expected at most \(buffer.bytes) bytes, got \(source.count)")
    guard let base = source.baseAddress, source.count > 0 else { return }
    withState { state in
      if DeviceStaging.isSmall(source.count) {
        if !state.staging.hasRoom(for: buffer, bytes: source.count) { sendUploads(&state) }
        if state.staging.add(buffer, source, loader) { return }
      }
      sendUploads(&state)
      state.counters.uploads += 1
      state.counters.uploadedBytes += source.count
      attempt("write", state) { () throws(LoaderFailure) in try loader.write(buffer.memory, from: base, bytes: source.count) }
    }
  }

  /// Puts what waits to be uploaded in its places, before any work that comes after it.
  private func sendUploads(_ state: inout State) {
    guard let pack = state.staging.pack else { return }
    state.counters.uploads += 1
    state.counters.uploadedBytes += pack.bytes
    attempt("write", state) { () throws(LoaderFailure) in try loader.upload(pack.device, from: pack.host, bytes: pack.bytes) }
    if pack.parts.count == 1 {
      attempt("copy", state) { () throws(LoaderFailure) in
        try loader.copy(pack.parts[0].target.memory, from: pack.device, bytes: pack.bytes)
      }
    } else {
      var (arguments, end): ([KernelArgument], Int) = ([.memory(pack.device)], 0)
      for part in 0..<DeviceStaging.mostParts {
        if part < pack.parts.count { end += pack.parts[part].bytes / 4 }
        arguments += [part < pack.parts.count ? .memory(pack.parts[part].target.memory) : .none, .int(end)]
      }
      do throws(ComputeError) {
        try tryLaunch(DeviceQueue.elementModule, "unpack", tuning.elementGrid(end), arguments, &state)
      } catch { DeviceFailure.end(error) }
    }
    let used = attempt("write", state) { () throws(LoaderFailure) in try loader.mark() }
    state.staging.sent(until: used)
  }

  /// Copies the start of `buffer` to host memory; waits for everything launched before.
  package func read(_ buffer: DeviceBuffer, into target: UnsafeMutableRawBufferPointer) {
    precondition(target.count <= buffer.bytes, "read: expected at most \(buffer.bytes) bytes, got \(target.count)")
    guard let base = target.baseAddress, target.count > 0 else { return }
    withState { state in
      sendUploads(&state)
      state.counters.downloads += 1
      state.counters.downloadedBytes += target.count
      attempt("read", state) { () throws(LoaderFailure) in try loader.read(buffer.memory, into: base, bytes: target.count) }
    }
  }

  /// Copies the first `bytes` bytes; the buffers differ.
  package func copy(_ target: DeviceBuffer, from source: DeviceBuffer, bytes: Int) {
    precondition(
      target !== source && bytes <= min(target.bytes, source.bytes),
      "copy: expected at most \(min(target.bytes, source.bytes)) bytes between two buffers, got \(bytes)")
    guard bytes > 0 else { return }
    withState { state in
      sendUploads(&state)
      attempt("copy", state) { () throws(LoaderFailure) in try loader.copy(target.memory, from: source.memory, bytes: bytes) }
    }
  }

  /// Sets the first `bytes` bytes, a multiple of 4, to zero. By a kernel: clEnqueueFillBuffer fails on large NVIDIA
  /// buffers.
  package func fill(_ storage: Storage, bytes: Int) {
    precondition(bytes <= storage.buffer.bytes && bytes % 4 == 0, "fill: expected at most \(storage.buffer.bytes) bytes, got \(bytes)")
    launch(DeviceQueue.elementModule, "fill", tuning.elementGrid(bytes / 4), .storage(storage), .int(bytes / 4), .float(0))
  }

  private static let elementModule = KernelModule(name: "activation") { String(cString: ck_opencl_activation()) }

  // --- kernels ---

  /// Builds `module` now, where an error can still be thrown, instead of at its first launch.
  package func prepare(_ module: KernelModule) throws(ComputeError) {
    try lock.withLock { _ throws(ComputeError) in _ = try program(module, &state) }
  }

  /// Puts one kernel into the queue. An empty grid is no launch.
  package func launch(_ module: KernelModule, _ entry: String, _ grid: LaunchGrid, _ arguments: KernelArgument...) {
    launch(module, entry, grid, arguments)
  }

  package func launch(_ module: KernelModule, _ entry: String, _ grid: LaunchGrid, _ arguments: [KernelArgument]) {
    do throws(ComputeError) { try tryLaunch(module, entry, grid, arguments) } catch { DeviceFailure.end(error) }
  }

  /// The same for a kernel that there is another for: throws where the device does not take it.
  package func tryLaunch(
    _ module: KernelModule, _ entry: String, _ grid: LaunchGrid, _ arguments: [KernelArgument]
  ) throws(ComputeError) {
    guard grid.groups.min() > 0 else { return }
    try lock.withLock { _ throws(ComputeError) in
      sendUploads(&state)
      try tryLaunch(module, entry, grid, arguments, &state)
    }
  }

  private func tryLaunch(
    _ module: KernelModule, _ entry: String, _ grid: LaunchGrid, _ arguments: [KernelArgument], _ state: inout State
  ) throws(ComputeError) {
    let kernel = try self.kernel(module, entry, &state)
    let last = state.lastCall
    state.lastCall = entry
    state.counters.launches += 1
    state.counters.groups += grid.groups.x * grid.groups.y * grid.groups.z
    do throws(LoaderFailure) { try loader.launch(kernel, grid, arguments) } catch {
      let call = error.argument.map { "argument \($0) of \(module.name).\(entry)" } ?? "\(module.name).\(entry), after \(last)"
      throw .deviceFailed(call: call, device: name, reason: error.reason)
    }
  }

  /// Waits for everything launched so far.
  package func finish() {
    withState { state in
      sendUploads(&state)
      attempt("finish", state) { () throws(LoaderFailure) in try loader.finish() }
    }
  }

  private func program(_ module: KernelModule, _ state: inout State) throws(ComputeError) -> UInt {
    let key = ProgramKey(module: module.name, options: module.options)
    if let program = state.programs[key] { return program }
    let program = try loader.program(module)
    state.programs[key] = program
    return program
  }

  private func kernel(_ module: KernelModule, _ entry: String, _ state: inout State) throws(ComputeError) -> UInt {
    let key = KernelKey(program: ProgramKey(module: module.name, options: module.options), entry: entry)
    if let kernel = state.kernels[key] { return kernel }
    guard let kernel = loader.kernel(entry, of: try program(module, &state)) else {
      throw .kernelDoesNotBuild(module: module.name, device: name, log: "no kernel named \(entry)")
    }
    state.kernels[key] = kernel
    return kernel
  }

  private func withState<Result>(_ body: (inout State) -> Result) -> Result {
    lock.withLock { _ in body(&state) }
  }

  private func attempt<Result>(_ call: String, _ state: State, _ body: () throws(LoaderFailure) -> Result) -> Result {
    do throws(LoaderFailure) { return try body() } catch {
      DeviceFailure.end(.deviceFailed(call: "\(call), after \(state.lastCall)", device: name, reason: error.reason))
    }
  }
}
