// NVIDIA's driver library, opened while the process runs: no toolkit, nothing to link. The driver API is stable since CUDA 4 (`_v2` names).
import Glibc

typealias DriverCode = Int32
typealias DriverPointer = UInt64
typealias DriverObject = OpaquePointer

/// The calls of libcuda.so.1 that the loader uses.
struct DriverLibrary: @unchecked Sendable {
  let initialize: @convention(c) (UInt32) -> DriverCode
  let version: @convention(c) (UnsafeMutablePointer<Int32>) -> DriverCode
  let errorName: @convention(c) (DriverCode, UnsafeMutablePointer<UnsafePointer<CChar>?>) -> DriverCode
  let deviceCount: @convention(c) (UnsafeMutablePointer<Int32>) -> DriverCode
  let device: @convention(c) (UnsafeMutablePointer<Int32>, Int32) -> DriverCode
  let deviceName: @convention(c) (UnsafeMutablePointer<CChar>, Int32, Int32) -> DriverCode
  let deviceMemory: @convention(c) (UnsafeMutablePointer<Int>, Int32) -> DriverCode
  let deviceAttribute: @convention(c) (UnsafeMutablePointer<Int32>, Int32, Int32) -> DriverCode
  let retainContext: @convention(c) (UnsafeMutablePointer<DriverObject?>, Int32) -> DriverCode
  let setContext: @convention(c) (DriverObject?) -> DriverCode
  let createStream: @convention(c) (UnsafeMutablePointer<DriverObject?>, UInt32) -> DriverCode
  let finishStream: @convention(c) (DriverObject?) -> DriverCode
  let memoryLeft: @convention(c) (UnsafeMutablePointer<Int>, UnsafeMutablePointer<Int>) -> DriverCode
  let allocate: @convention(c) (UnsafeMutablePointer<DriverPointer>, Int) -> DriverCode
  let release: @convention(c) (DriverPointer) -> DriverCode
  let allocateHost: @convention(c) (UnsafeMutablePointer<UnsafeMutableRawPointer?>, Int, UInt32) -> DriverCode
  let deviceAddress: @convention(c) (UnsafeMutablePointer<DriverPointer>, UnsafeMutableRawPointer, UInt32) -> DriverCode
  let releaseHost: @convention(c) (UnsafeMutableRawPointer?) -> DriverCode
  let upload: @convention(c) (DriverPointer, UnsafeRawPointer, Int, DriverObject?) -> DriverCode
  let download: @convention(c) (UnsafeMutableRawPointer, DriverPointer, Int, DriverObject?) -> DriverCode
  let copy: @convention(c) (DriverPointer, DriverPointer, Int, DriverObject?) -> DriverCode
  let createEvent: @convention(c) (UnsafeMutablePointer<DriverObject?>, UInt32) -> DriverCode
  let recordEvent: @convention(c) (DriverObject?, DriverObject?) -> DriverCode
  let queryEvent: @convention(c) (DriverObject?) -> DriverCode
  let waitEvent: @convention(c) (DriverObject?) -> DriverCode
  let waitOnStream: @convention(c) (DriverObject?, DriverObject?, UInt32) -> DriverCode
  let destroyEvent: @convention(c) (DriverObject?) -> DriverCode
  let loadModule:
    @convention(c) (
      UnsafeMutablePointer<DriverObject?>, UnsafeRawPointer, UInt32, UnsafeMutablePointer<Int32>?, UnsafeMutablePointer<UnsafeMutableRawPointer?>?
    ) -> DriverCode
  let function: @convention(c) (UnsafeMutablePointer<DriverObject?>, DriverObject?, UnsafePointer<CChar>) -> DriverCode
  let launch:
    @convention(c) (
      DriverObject?, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, DriverObject?, UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
      UnsafeMutablePointer<UnsafeMutableRawPointer?>?
    ) -> DriverCode

  /// Why the library cannot be used, in words for `augur doctor`.
  struct Missing: Error { let reason: String }

  /// Opens `path`. It is never closed: the driver's threads outlive every queue.
  init(_ path: String) throws(Missing) {
    guard let handle = dlopen(path, RTLD_NOW) else {
      throw Missing(reason: dlerror().map { String(cString: $0) } ?? "\(path) cannot be opened")
    }
    func symbol<Function>(_ name: String, as: Function.Type) throws(Missing) -> Function {
      guard let address = dlsym(handle, name) else { throw Missing(reason: "\(path) has no \(name): the driver is too old") }
      return unsafeBitCast(address, to: Function.self)
    }
    initialize = try symbol("cuInit", as: type(of: initialize))
    version = try symbol("cuDriverGetVersion", as: type(of: version))
    errorName = try symbol("cuGetErrorName", as: type(of: errorName))
    deviceCount = try symbol("cuDeviceGetCount", as: type(of: deviceCount))
    device = try symbol("cuDeviceGet", as: type(of: device))
    deviceName = try symbol("cuDeviceGetName", as: type(of: deviceName))
    deviceMemory = try symbol("cuDeviceTotalMem_v2", as: type(of: deviceMemory))
    deviceAttribute = try symbol("cuDeviceGetAttribute", as: type(of: deviceAttribute))
    retainContext = try symbol("cuDevicePrimaryCtxRetain", as: type(of: retainContext))
    setContext = try symbol("cuCtxSetCurrent", as: type(of: setContext))
    createStream = try symbol("cuStreamCreate", as: type(of: createStream))
    finishStream = try symbol("cuStreamSynchronize", as: type(of: finishStream))
    memoryLeft = try symbol("cuMemGetInfo_v2", as: type(of: memoryLeft))
    allocate = try symbol("cuMemAlloc_v2", as: type(of: allocate))
    release = try symbol("cuMemFree_v2", as: type(of: release))
    allocateHost = try symbol("cuMemHostAlloc", as: type(of: allocateHost))
    deviceAddress = try symbol("cuMemHostGetDevicePointer_v2", as: type(of: deviceAddress))
    releaseHost = try symbol("cuMemFreeHost", as: type(of: releaseHost))
    upload = try symbol("cuMemcpyHtoDAsync_v2", as: type(of: upload))
    download = try symbol("cuMemcpyDtoHAsync_v2", as: type(of: download))
    copy = try symbol("cuMemcpyDtoDAsync_v2", as: type(of: copy))
    createEvent = try symbol("cuEventCreate", as: type(of: createEvent))
    recordEvent = try symbol("cuEventRecord", as: type(of: recordEvent))
    queryEvent = try symbol("cuEventQuery", as: type(of: queryEvent))
    waitEvent = try symbol("cuEventSynchronize", as: type(of: waitEvent))
    waitOnStream = try symbol("cuStreamWaitEvent", as: type(of: waitOnStream))
    destroyEvent = try symbol("cuEventDestroy_v2", as: type(of: destroyEvent))
    loadModule = try symbol("cuModuleLoadDataEx", as: type(of: loadModule))
    function = try symbol("cuModuleGetFunction", as: type(of: function))
    launch = try symbol("cuLaunchKernel", as: type(of: launch))
  }

  /// "error 700: CUDA_ERROR_ILLEGAL_ADDRESS"
  func words(_ code: DriverCode) -> String {
    var name: UnsafePointer<CChar>?
    return errorName(code, &name) == 0 ? "error \(code)\(name.map { ": \(String(cString: $0))" } ?? "")" : "error \(code)"
  }
}
