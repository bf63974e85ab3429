// What can go wrong with the machine when a device is set up; a step in flight does not throw.

/// Why a device cannot be used.
public enum ComputeError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Neither OpenCL nor NVIDIA's driver library has a device.
  case noPlatform
  /// A name given to `--device` that is no device of this machine.
  case unknownDevice(String)
  /// A device kernel does not compile; the first lines of the compiler's log.
  case kernelDoesNotBuild(module: String, device: String, log: String)
  /// A kernel that is tried before its first use gives other numbers than the one that it would replace.
  case wrongNumbers(kernel: String, device: String, count: Int)
  /// The device refuses an allocation, also after everything idle was given back.
  case outOfDeviceMemory(bytes: Int, device: String)
  /// The host cannot pin so much memory for the device.
  case outOfHostMemory(bytes: Int, device: String)
  /// The device reports an error in the middle of work.
  case deviceFailed(call: String, device: String, reason: String)

  public var description: String {
    switch self {
    case .noPlatform:
      "no GPU on this machine, by OpenCL or by libcuda.so.1: install the driver (or pocl-opencl-icd for tests), or use --device cpu; augur doctor says more"
    case .unknownDevice(let name):
      "unknown device \"\(name)\": expected auto, cpu, gpu or gpu:n with n below the number of GPUs"
    case .kernelDoesNotBuild(let module, let device, let log):
      "device kernel \(module) does not build for \(device): \(log)"
    case .wrongNumbers(let kernel, let device, let count):
      "\(count) numbers of \(kernel) are wrong on \(device)"
    case .outOfDeviceMemory(let bytes, let device):
      "out of memory on \(device): \(bytes) bytes refused; take a smaller batch, length or dim, --plan says what a run needs"
    case .outOfHostMemory(let bytes, let device):
      "\(bytes) bytes of host memory cannot be pinned for \(device); take fewer items or a smaller dim"
    case .deviceFailed(let call, let device, let reason):
      "\(device) failed in \(call) (\(reason)); the last checkpoint is good: go on with --resume, perhaps on --device cpu"
    }
  }
}
