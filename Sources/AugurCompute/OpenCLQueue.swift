// One OpenCL device: an in-order queue, its memory, its kernels.
import CKernels
import COpenCL
import Glibc

/// An OpenCL device with one in-order queue. Calls from several threads are taken one at a time.
///
/// Nothing here throws once the device is set up: an error that the device reports later ends the process (`DeviceFailure`).
public final class OpenCLQueue: @unchecked Sendable {
  /// The device's name, as the driver gives it.
  public let name: String
  /// The platform's name.
  public let platform: String
  /// The driver's version.
  public let driver: String
  /// Whether the device is a CPU: good for tests, slower than the C kernels.
  public let isCPU: Bool
  /// Device memory.
  public let memoryBytes: Int
  package let tuning: OpenCLTuning

  /// What the queue was asked to do so far.
  package struct Counters: Sendable, Equatable {
    package var launches = 0, allocations = 0, compilations = 0
    package var uploads = 0, uploadedBytes = 0, downloads = 0, downloadedBytes = 0
  }

  private struct State {
    var counters = Counters()
    var programs: OpenCLPrograms
    var staging = OpenCLStaging()
    var lastCall = "set-up"
  }
  // Guarded by `lock`: OpenCL kernels hold their arguments, so setting them and the launch are one step.
  private var state: State
  private let lock = Guarded(())
  private let context: cl_context
  private let queue: cl_command_queue

  init?(device: cl_device_id, platform: String) {
    self.platform = platform
    name = OpenCLQueue.text { clGetDeviceInfo(device, cl_device_info(CL_DEVICE_NAME), $0, $1, $2) }
    driver = OpenCLQueue.text { clGetDeviceInfo(device, cl_device_info(CL_DRIVER_VERSION), $0, $1, $2) }
    memoryBytes = Int(OpenCLQueue.number(device, CL_DEVICE_GLOBAL_MEM_SIZE, as: cl_ulong.self))
    let type = OpenCLQueue.number(device, CL_DEVICE_TYPE, as: cl_device_type.self)
    isCPU = type & cl_device_type(CL_DEVICE_TYPE_CPU) != 0
    tuning = OpenCLTuning.named(getenv("AUGUR_OPENCL_TUNING").map { String(cString: $0) }) ?? .of(device, isCPU: isCPU)
    var error: cl_int = 0
    var id: cl_device_id? = device
    guard let context = clCreateContext(nil, 1, &id, nil, nil, &error) else { return nil }
    guard let queue = clCreateCommandQueue(context, device, 0, &error) else {
      clReleaseContext(context)
      return nil
    }
    (self.context, self.queue) = (context, queue)
    state = State(
      programs: OpenCLPrograms(context: context, device: device, name: name, driver: driver, tuning: tuning))
  }

  package var counters: Counters {
    withState { state in
      var counters = state.counters
      counters.compilations = state.programs.compilations
      return counters
    }
  }

  // --- memory ---

  /// Memory with undefined contents.
  package func allocate(bytes: Int) throws(ComputeError) -> OpenCLBuffer {
    let bytes = max(bytes, 4)
    guard bytes <= memoryBytes else { throw .outOfDeviceMemory(bytes: bytes, device: name) }
    var error: cl_int = 0
    guard let memory = clCreateBuffer(context, cl_mem_flags(CL_MEM_READ_WRITE), bytes, nil, &error), error == CL_SUCCESS
    else { throw .outOfDeviceMemory(bytes: bytes, device: name) }
    let buffer = OpenCLBuffer(memory, bytes: bytes)
    // Drivers allocate on first use: touch the memory now, where the error can still be thrown.
    var zero: UInt32 = 0
    guard clEnqueueFillBuffer(queue, memory, &zero, 4, 0, 4, 0, nil, nil) == CL_SUCCESS else {
      throw .outOfDeviceMemory(bytes: bytes, device: name)
    }
    withState { $0.counters.allocations += 1 }
    return buffer
  }

  /// Copies host memory to the start of `buffer`. The source is free again on return; small ones do not wait for the
  /// device.
  package func write(_ buffer: OpenCLBuffer, from source: UnsafeRawBufferPointer) {
    precondition(source.count <= buffer.bytes, "write: expected at most \(buffer.bytes) bytes, got \(source.count)")
    guard let base = source.baseAddress, source.count > 0 else { return }
    withState { state in
      state.counters.uploads += 1
      state.counters.uploadedBytes += source.count
      if let (copy, place) = state.staging.copy(source) {
        var event: cl_event?
        check(clEnqueueWriteBuffer(queue, buffer.memory, 0, 0, source.count, copy, 0, nil, &event), "write", state)
        state.staging.inUse(place, until: event)
      } else {
        check(clEnqueueWriteBuffer(queue, buffer.memory, 1, 0, source.count, base, 0, nil, nil), "write", state)
      }
    }
  }

  /// Copies the start of `buffer` to host memory; waits for everything launched before.
  package func read(_ buffer: OpenCLBuffer, into target: UnsafeMutableRawBufferPointer) {
    precondition(target.count <= buffer.bytes, "read: expected at most \(buffer.bytes) bytes, got \(target.count)")
    guard let base = target.baseAddress, target.count > 0 else { return }
    withState { state in
      state.counters.downloads += 1
      state.counters.downloadedBytes += target.count
      check(clEnqueueReadBuffer(queue, buffer.memory, 1, 0, target.count, base, 0, nil, nil), "read", state)
    }
  }

  /// Copies the first `bytes` bytes; the buffers differ.
  package func copy(_ target: OpenCLBuffer, from source: OpenCLBuffer, bytes: Int) {
    precondition(
      target !== source && bytes <= min(target.bytes, source.bytes),
      "copy: expected at most \(min(target.bytes, source.bytes)) bytes between two buffers, got \(bytes)")
    guard bytes > 0 else { return }
    withState { state in
      check(clEnqueueCopyBuffer(queue, source.memory, target.memory, 0, 0, bytes, 0, nil, nil), "copy", state)
    }
  }

  /// Sets the first `bytes` bytes, a multiple of 4, to zero. By a kernel: clEnqueueFillBuffer fails on large NVIDIA
  /// buffers.
  package func fill(_ storage: Storage, bytes: Int) {
    precondition(bytes <= storage.buffer.bytes && bytes % 4 == 0, "fill: expected at most \(storage.buffer.bytes) bytes, got \(bytes)")
    launch(OpenCLQueue.fillModule, "fill", tuning.elementGrid(bytes / 4), .storage(storage), .int(bytes / 4), .float(0))
  }

  private static let fillModule = KernelModule(name: "activation") { String(cString: ck_opencl_activation()) }

  // --- kernels ---

  /// Builds `module` now, where an error can still be thrown, instead of at its first launch.
  package func prepare(_ module: KernelModule) throws(ComputeError) {
    try lock.withLock { _ throws(ComputeError) in _ = try state.programs.program(module) }
  }

  /// Puts one kernel into the queue. An empty grid is no launch.
  package func launch(_ module: KernelModule, _ entry: String, _ grid: LaunchGrid, _ arguments: KernelArgument...) {
    launch(module, entry, grid, arguments)
  }

  package func launch(_ module: KernelModule, _ entry: String, _ grid: LaunchGrid, _ arguments: [KernelArgument]) {
    guard grid.groups.min() > 0 else { return }
    withState { state in
      let kernel: cl_kernel
      do throws(ComputeError) { kernel = try state.programs.kernel(module, entry) } catch { DeviceFailure.end(error) }
      for (index, argument) in arguments.enumerated() {
        let code = OpenCLQueue.set(argument, cl_uint(index), of: kernel)
        guard code == CL_SUCCESS else {
          DeviceFailure.end(.deviceFailed(call: "argument \(index) of \(module.name).\(entry)", device: name, code: Int(code)))
        }
      }
      state.lastCall = entry
      state.counters.launches += 1
      var (global, local) = (grid.groups &* grid.local, grid.local)
      let code = withUnsafeBytes(of: &global) { global in
        withUnsafeBytes(of: &local) { local in
          clEnqueueNDRangeKernel(
            queue, kernel, 3, nil, global.baseAddress!.assumingMemoryBound(to: Int.self),
            local.baseAddress!.assumingMemoryBound(to: Int.self), 0, nil, nil)
        }
      }
      check(code, entry, state)
    }
  }

  private static func set(_ argument: KernelArgument, _ index: cl_uint, of kernel: cl_kernel) -> cl_int {
    switch argument {
    case .storage(let storage):
      var memory: cl_mem? = storage.buffer.memory
      return clSetKernelArg(kernel, index, MemoryLayout<cl_mem?>.size, &memory)
    case .int(let value):
      guard var value = cl_int(exactly: value) else {
        preconditionFailure("launch: expected sizes below 2^31, got \(value)")
      }
      return clSetKernelArg(kernel, index, 4, &value)
    case .float(var value): return clSetKernelArg(kernel, index, 4, &value)
    case .seed(var value): return clSetKernelArg(kernel, index, 8, &value)
    case .local(let bytes): return clSetKernelArg(kernel, index, bytes, nil)
    case .none: return clSetKernelArg(kernel, index, MemoryLayout<cl_mem?>.size, nil)
    }
  }

  /// Waits for everything launched so far.
  package func finish() {
    withState { state in check(clFinish(queue), "finish", state) }
  }

  private func withState<Result>(_ body: (inout State) -> Result) -> Result {
    lock.withLock { _ in body(&state) }
  }

  private func check(_ code: cl_int, _ call: String, _ state: State) {
    guard code != CL_SUCCESS else { return }
    DeviceFailure.end(.deviceFailed(call: "\(call), after \(state.lastCall)", device: name, code: Int(code)))
  }
}
