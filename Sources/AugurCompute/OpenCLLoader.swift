// Devices by way of OpenCL's ICD.
import CKernels
import COpenCL
import Glibc

/// One OpenCL device with an in-order queue, and one beside it for copies. Errors that it reports have OpenCL's codes.
final class OpenCLLoader: DeviceLoader, @unchecked Sendable {
  let facts: DeviceFacts
  private(set) var compilations = 0
  private let device: cl_device_id
  private let context: cl_context
  private let queue: cl_command_queue, copies: cl_command_queue

  init?(device: cl_device_id, platform: String) {
    let type = OpenCLLoader.number(device, CL_DEVICE_TYPE, as: cl_device_type.self)
    let isCPU = type & cl_device_type(CL_DEVICE_TYPE_CPU) != 0
    facts = DeviceFacts(
      loader: "opencl", name: OpenCLLoader.text { clGetDeviceInfo(device, cl_device_info(CL_DEVICE_NAME), $0, $1, $2) }, platform: platform,
      driver: OpenCLLoader.text { clGetDeviceInfo(device, cl_device_info(CL_DRIVER_VERSION), $0, $1, $2) }, isCPU: isCPU,
      memoryBytes: Int(OpenCLLoader.number(device, CL_DEVICE_GLOBAL_MEM_SIZE, as: cl_ulong.self)),
      tuning: OpenCLTuning.named(getenv("AUGUR_OPENCL_TUNING").map { String(cString: $0) }) ?? (isCPU ? .cpu : OpenCLLoader.tuning(of: device)))
    var error: cl_int = 0
    var id: cl_device_id? = device
    guard let context = clCreateContext(nil, 1, &id, nil, nil, &error) else { return nil }
    guard let queue = clCreateCommandQueue(context, device, 0, &error), let copies = clCreateCommandQueue(context, device, 0, &error) else {
      clReleaseContext(context)
      return nil
    }
    (self.device, self.context, self.queue, self.copies) = (device, context, queue, copies)
  }

  private static func tuning(of device: cl_device_id) -> OpenCLTuning {
    let extensions = text { clGetDeviceInfo(device, cl_device_info(CL_DEVICE_EXTENSIONS), $0, $1, $2) }
    guard extensions.contains("cl_nv_device_attribute_query") else { return .gpu }
    // CL_DEVICE_COMPUTE_CAPABILITY_MAJOR_NV and _MINOR_NV
    let capability = Int(number(device, 0x4000, as: cl_uint.self)) * 10 + Int(number(device, 0x4001, as: cl_uint.self))
    return .of(capability: capability, multiprocessors: Int(number(device, CL_DEVICE_MAX_COMPUTE_UNITS, as: cl_uint.self)))
  }

  // --- memory ---

  func allocate(_ bytes: Int) -> UInt? {
    var error: cl_int = 0
    guard let memory = clCreateBuffer(context, cl_mem_flags(CL_MEM_READ_WRITE), bytes, nil, &error), error == CL_SUCCESS else { return nil }
    // Drivers allocate on first use: touch the memory now, where the error can still be thrown.
    var zero: UInt32 = 0
    guard clEnqueueFillBuffer(queue, memory, &zero, 4, 0, 4, 0, nil, nil) == CL_SUCCESS else {
      clReleaseMemObject(memory)
      return nil
    }
    return UInt(bitPattern: memory)
  }

  func release(_ memory: UInt) { clReleaseMemObject(OpenCLLoader.object(memory)) }

  func allocateOutside(_ bytes: Int) -> UInt? {
    var error: cl_int = 0
    let memory = clCreateBuffer(context, cl_mem_flags(CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR), bytes, nil, &error)
    return error == CL_SUCCESS ? memory.map { UInt(bitPattern: $0) } : nil
  }

  func releaseOutside(_ memory: UInt) { release(memory) }

  var freeBytes: Int? { nil }

  func write(_ memory: UInt, from source: UnsafeRawPointer, bytes: Int) throws(LoaderFailure) {
    try check(clEnqueueWriteBuffer(queue, OpenCLLoader.object(memory), 1, 0, bytes, source, 0, nil, nil))
  }

  func upload(_ memory: UInt, from source: UnsafeRawPointer, bytes: Int) throws(LoaderFailure) {
    var event: cl_event?
    try check(clEnqueueWriteBuffer(copies, OpenCLLoader.object(memory), 0, 0, bytes, source, 0, nil, &event))
    defer { clReleaseEvent(event) }
    try check(clFlush(copies))
    try check(clEnqueueBarrierWithWaitList(queue, 1, &event, nil))
  }

  func mark() throws(LoaderFailure) -> UInt {
    var event: cl_event?
    try check(clEnqueueMarkerWithWaitList(queue, 0, nil, &event))
    return UInt(bitPattern: event)
  }

  func read(_ memory: UInt, into target: UnsafeMutableRawPointer, bytes: Int) throws(LoaderFailure) {
    try check(clEnqueueReadBuffer(queue, OpenCLLoader.object(memory), 1, 0, bytes, target, 0, nil, nil))
  }

  func copy(_ target: UInt, from source: UInt, bytes: Int) throws(LoaderFailure) {
    try check(clEnqueueCopyBuffer(queue, OpenCLLoader.object(source), OpenCLLoader.object(target), 0, 0, bytes, 0, nil, nil))
  }

  func finish() throws(LoaderFailure) { try check(clFinish(queue)) }

  /// Mapped for good: NVIDIA's driver pins such memory, and copies from any other only while the host waits.
  func allocateStaging(_ bytes: Int) -> UnsafeMutableRawPointer? {
    guard let memory = allocateOutside(bytes) else { return nil }
    var error: cl_int = 0
    return clEnqueueMapBuffer(copies, OpenCLLoader.object(memory), 1, cl_map_flags(CL_MAP_WRITE), 0, bytes, 0, nil, nil, &error)
  }

  func isDone(_ event: UInt) -> Bool {
    var status: cl_int = 0
    let query = cl_event_info(CL_EVENT_COMMAND_EXECUTION_STATUS)
    let code = clGetEventInfo(OpenCLLoader.object(event), query, MemoryLayout<cl_int>.size, &status, nil)
    return code == CL_SUCCESS && status <= CL_COMPLETE
  }

  func retire(_ event: UInt) {
    var waited: cl_event? = OpenCLLoader.object(event)
    clWaitForEvents(1, &waited)
    clReleaseEvent(waited)
  }

  // --- kernels ---

  func program(_ module: KernelModule) throws(ComputeError) -> UInt {
    let program = OpenCLProgram(context: context, device: device, facts: facts, module)
    if module.isAssembled, facts.tuning.tensorCores == .sm90 { return UInt(bitPattern: try program.assembled()) }
    let path = program.cachePath
    if let path, let binary = ProgramCache.load(path), let built = program.load(binary) { return UInt(bitPattern: built) }
    let built = try program.compile()
    if let path, let binary = program.binary(of: built) { ProgramCache.store(binary, path) }
    compilations += 1
    return UInt(bitPattern: built)
  }

  func kernel(_ entry: String, of program: UInt) -> UInt? {
    var error: cl_int = 0
    let kernel = clCreateKernel(OpenCLLoader.object(program), entry, &error)
    return error == CL_SUCCESS ? kernel.map { UInt(bitPattern: $0) } : nil
  }

  func launch(_ kernel: UInt, _ grid: LaunchGrid, _ arguments: [KernelArgument]) throws(LoaderFailure) {
    let kernel: cl_kernel = OpenCLLoader.object(kernel)
    for (index, argument) in arguments.enumerated() { try check(OpenCLLoader.set(argument, cl_uint(index), of: kernel), argument: index) }
    var (global, local) = (grid.groups &* grid.local, grid.local)
    try check(
      withUnsafeBytes(of: &global) { global in
        withUnsafeBytes(of: &local) { local in
          clEnqueueNDRangeKernel(
            queue, kernel, 3, nil, global.baseAddress!.assumingMemoryBound(to: Int.self),
            local.baseAddress!.assumingMemoryBound(to: Int.self), 0, nil, nil)
        }
      })
  }

  private static func set(_ argument: KernelArgument, _ index: cl_uint, of kernel: cl_kernel) -> cl_int {
    switch argument {
    case .storage(let storage): return set(.memory(storage.buffer.memory), index, of: kernel)
    case .memory(let number):
      var memory: cl_mem? = object(number)
      return clSetKernelArg(kernel, index, MemoryLayout<cl_mem?>.size, &memory)
    case .int(let value):
      var value = KernelArgument.checked(value)
      return clSetKernelArg(kernel, index, 4, &value)
    case .float(var value): return clSetKernelArg(kernel, index, 4, &value)
    case .seed(var value): return clSetKernelArg(kernel, index, 8, &value)
    case .none: return clSetKernelArg(kernel, index, MemoryLayout<cl_mem?>.size, nil)
    }
  }

  private static func object(_ number: UInt) -> OpaquePointer { OpaquePointer(bitPattern: number)! }

  private func check(_ code: cl_int, argument: Int? = nil) throws(LoaderFailure) {
    guard code != CL_SUCCESS else { return }
    let known: [cl_int: String] = [
      -4: "out of device memory", -5: "out of resources, or lost", -6: "out of host memory", -14: "an earlier kernel failed", -36: "queue lost",
    ]
    throw LoaderFailure(argument: argument, reason: known[code].map { "error \(code): \($0)" } ?? "error \(code)")
  }
}
