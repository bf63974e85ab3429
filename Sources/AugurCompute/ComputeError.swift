// What can go wrong with the machine when a device is set up; a step in flight does not throw.

/// Why a device cannot be used.
public enum ComputeError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The OpenCL loader finds no platform.
  case noPlatform
  /// A name given to `--device` that is no device of this machine.
  case unknownDevice(String)
  /// A device kernel does not compile; the first lines of the compiler's log.
  case kernelDoesNotBuild(module: String, device: String, log: String)
  /// The device refuses an allocation.
  case outOfDeviceMemory(bytes: Int, device: String)

  public var description: String {
    switch self {
    case .noPlatform:
      "no OpenCL platform on this machine: install the driver's OpenCL library (or pocl-opencl-icd for tests), or use --device cpu"
    case .unknownDevice(let name):
      "unknown device \"\(name)\": expected auto, cpu, gpu or gpu:n with n below the number of OpenCL devices"
    case .kernelDoesNotBuild(let module, let device, let log):
      "device kernel \(module) does not build for \(device): \(log)"
    case .outOfDeviceMemory(let bytes, let device):
      "out of memory on \(device): \(bytes) bytes refused; use a smaller --batch or model"
    }
  }
}
