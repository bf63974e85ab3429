// NVIDIA GPUs by way of the driver library alone, with kernels that were compiled to PTX ahead of time (Kernels/PTX).
import CKernels
import Glibc

/// One GPU with an in-order stream of its own, in the context that all users of the GPU in this process share.
final class DriverLoader: DeviceLoader, @unchecked Sendable {
  let facts: DeviceFacts
  private(set) var compilations = 0
  private let library: DriverLibrary
  private let context: DriverObject
  private let stream: DriverObject, copies: DriverObject

  /// Compute capability that the committed PTX is for, times ten.
  static let leastCapability = 80

  /// Throws what makes the GPU unfit.
  init(_ library: DriverLibrary, ordinal: Int32) throws(DriverLibrary.Missing) {
    self.library = library
    func must(_ code: DriverCode, _ call: String) throws(DriverLibrary.Missing) {
      guard code == 0 else { throw DriverLibrary.Missing(reason: "\(call) fails on GPU \(ordinal): \(library.words(code))") }
    }
    var (device, major, minor, multiprocessors, version): (Int32, Int32, Int32, Int32, Int32) = (0, 0, 0, 0, 0)
    var memory = 0
    try must(library.device(&device, ordinal), "cuDeviceGet")
    var name = [CChar](repeating: 0, count: 256)
    try must(library.deviceName(&name, 255, device), "cuDeviceGetName")
    try must(library.deviceMemory(&memory, device), "cuDeviceTotalMem")
    try must(library.deviceAttribute(&major, 75, device), "cuDeviceGetAttribute")
    try must(library.deviceAttribute(&minor, 76, device), "cuDeviceGetAttribute")
    try must(library.deviceAttribute(&multiprocessors, 16, device), "cuDeviceGetAttribute")
    try must(library.version(&version), "cuDriverGetVersion")
    let title = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    guard 10 * major + minor >= DriverLoader.leastCapability else {
      throw DriverLibrary.Missing(reason: "\(title) has compute capability \(major).\(minor), the kernels need 8.0")
    }
    facts = DeviceFacts(
      loader: "driver", name: title, platform: "NVIDIA driver library", driver: "CUDA \(version / 1000).\(version % 1000 / 10)", isCPU: false,
      memoryBytes: memory, tuning: .of(capability: Int(10 * major + minor), multiprocessors: Int(multiprocessors)))
    var (context, stream, copies): (DriverObject?, DriverObject?, DriverObject?) = (nil, nil, nil)
    try must(library.retainContext(&context, device), "cuDevicePrimaryCtxRetain")
    try must(library.setContext(context), "cuCtxSetCurrent")
    try must(library.createStream(&stream, 1), "cuStreamCreate")
    try must(library.createStream(&copies, 1), "cuStreamCreate")
    guard let context, let stream, let copies else { throw DriverLibrary.Missing(reason: "\(title) gives no context") }
    (self.context, self.stream, self.copies) = (context, stream, copies)
  }

  /// One for every GPU that is fit; the others are told to `note`.
  static func makeAll(_ library: DriverLibrary, note: (String) -> Void) -> [DriverLoader] {
    var count: Int32 = 0
    var code = library.initialize(0)
    if code == 0 { code = library.deviceCount(&count) }
    guard code == 0 else {
      note("cuInit fails: \(library.words(code))")
      return []
    }
    return (0..<count).compactMap { ordinal in
      do throws(DriverLibrary.Missing) { return try DriverLoader(library, ordinal: ordinal) } catch {
        note(error.reason)
        return nil
      }
    }
  }

  // --- memory ---

  func allocate(_ bytes: Int) -> UInt? {
    var pointer: DriverPointer = 0
    return onContext { library.allocate(&pointer, bytes) } == 0 && pointer != 0 ? UInt(pointer) : nil
  }

  func release(_ memory: UInt) { _ = onContext { library.release(DriverPointer(memory)) } }

  /// One address for host and device, as all 64-bit drivers give it.
  func allocateOutside(_ bytes: Int) -> UInt? {
    var (pointer, address): (UnsafeMutableRawPointer?, DriverPointer) = (nil, 0)
    guard onContext({ library.allocateHost(&pointer, bytes, 2) }) == 0, let pointer else { return nil }  // CU_MEMHOSTALLOC_DEVICEMAP
    if onContext({ library.deviceAddress(&address, pointer, 0) }) == 0, address == UInt64(UInt(bitPattern: pointer)) { return UInt(address) }
    releaseOutside(UInt(bitPattern: pointer))
    return nil
  }

  /// Unlike a release of device memory, that of the host's does not wait for kernels that read it.
  func releaseOutside(_ memory: UInt) {
    _ = onContext { library.finishStream(stream) }
    _ = onContext { library.releaseHost(UnsafeMutableRawPointer(bitPattern: memory)) }
  }

  var freeBytes: Int? {
    var (free, total) = (0, 0)
    return onContext { library.memoryLeft(&free, &total) } == 0 ? free : nil
  }

  func write(_ memory: UInt, from source: UnsafeRawPointer, bytes: Int) throws(LoaderFailure) {
    try check(onContext { library.upload(DriverPointer(memory), source, bytes, stream) })
    try check(library.finishStream(stream))
  }

  func upload(_ memory: UInt, from source: UnsafeRawPointer, bytes: Int) throws(LoaderFailure) {
    try check(onContext { library.upload(DriverPointer(memory), source, bytes, copies) })
    let event = try record(on: copies)
    try check(library.waitOnStream(stream, event, 0))
    _ = library.destroyEvent(event)
  }

  func mark() throws(LoaderFailure) -> UInt { UInt(bitPattern: try record(on: stream)) }

  private func record(on stream: DriverObject) throws(LoaderFailure) -> DriverObject? {
    var event: DriverObject?
    try check(onContext { library.createEvent(&event, 2) })  // without times
    try check(library.recordEvent(event, stream))
    return event
  }

  func read(_ memory: UInt, into target: UnsafeMutableRawPointer, bytes: Int) throws(LoaderFailure) {
    try check(onContext { library.download(target, DriverPointer(memory), bytes, stream) })
    try check(library.finishStream(stream))
  }

  func copy(_ target: UInt, from source: UInt, bytes: Int) throws(LoaderFailure) {
    try check(onContext { library.copy(DriverPointer(target), DriverPointer(source), bytes, stream) })
  }

  func finish() throws(LoaderFailure) { try check(onContext { library.finishStream(stream) }) }

  func allocateStaging(_ bytes: Int) -> UnsafeMutableRawPointer? {
    var pointer: UnsafeMutableRawPointer?
    return onContext { library.allocateHost(&pointer, bytes, 0) } == 0 ? pointer : nil
  }

  func isDone(_ event: UInt) -> Bool { onContext { library.queryEvent(DriverObject(bitPattern: event)) } == 0 }

  func retire(_ event: UInt) {
    let event = DriverObject(bitPattern: event)
    _ = onContext { library.waitEvent(event) }
    _ = library.destroyEvent(event)
  }

  // --- kernels ---

  func program(_ module: KernelModule) throws(ComputeError) -> UInt {
    guard let text = ck_ptx(module.name, module.options) else {
      throw .kernelDoesNotBuild(module: module.name, device: facts.name, log: "no PTX for it with options \"\(module.options)\"")
    }
    let log = UnsafeMutableBufferPointer<CChar>.allocate(capacity: 4096)
    defer { log.deallocate() }
    log.initialize(repeating: 0)
    // CU_JIT_ERROR_LOG_BUFFER and its size
    var options: [Int32] = [5, 6]
    var values: [UnsafeMutableRawPointer?] = [UnsafeMutableRawPointer(log.baseAddress), UnsafeMutableRawPointer(bitPattern: log.count - 1)]
    var loaded: DriverObject?
    let code = onContext { library.loadModule(&loaded, text, UInt32(options.count), &options, &values) }
    guard code == 0, let loaded else {
      let said = String(cString: log.baseAddress!).split(separator: "\n").prefix(8).joined(separator: "\n")
      let advice = code == 222 ? "; the driver is too old for it, CUDA 11.5 is the oldest" : ""
      throw .kernelDoesNotBuild(module: module.name, device: facts.name, log: "\(library.words(code))\(advice) \(said)")
    }
    compilations += 1
    return UInt(bitPattern: loaded)
  }

  func kernel(_ entry: String, of program: UInt) -> UInt? {
    var function: DriverObject?
    let code = onContext { library.function(&function, DriverObject(bitPattern: program), entry) }
    return code == 0 ? function.map { UInt(bitPattern: $0) } : nil
  }

  func launch(_ kernel: UInt, _ grid: LaunchGrid, _ arguments: [KernelArgument]) throws(LoaderFailure) {
    let code = withUnsafeTemporaryAllocation(of: UInt64.self, capacity: max(1, arguments.count)) { values in
      withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer?.self, capacity: max(1, arguments.count)) { places in
        for (index, argument) in arguments.enumerated() {
          values.initializeElement(at: index, to: DriverLoader.bits(argument))
          places.initializeElement(at: index, to: UnsafeMutableRawPointer(values.baseAddress! + index))
        }
        let (groups, local) = (SIMD3<UInt32>(truncatingIfNeeded: grid.groups), SIMD3<UInt32>(truncatingIfNeeded: grid.local))
        return onContext {
          library.launch(
            DriverObject(bitPattern: kernel), groups.x, groups.y, groups.z, local.x, local.y, local.z, 0, stream, places.baseAddress, nil)
        }
      }
    }
    try check(code)
  }

  /// An argument in the low bytes of a word, as the driver reads it: a little-endian machine.
  private static func bits(_ argument: KernelArgument) -> UInt64 {
    switch argument {
    case .storage(let storage): UInt64(storage.buffer.memory)
    case .memory(let memory): UInt64(memory)
    case .int(let value): UInt64(UInt32(bitPattern: KernelArgument.checked(value)))
    case .float(let value): UInt64(value.bitPattern)
    case .seed(let value): value
    case .none: 0
    }
  }

  /// Contexts belong to threads, and calls come from any.
  private func onContext(_ call: () -> DriverCode) -> DriverCode {
    let code = library.setContext(context)
    return code == 0 ? call() : code
  }

  private func check(_ code: DriverCode) throws(LoaderFailure) {
    if code != 0 { throw LoaderFailure(reason: library.words(code)) }
  }
}
