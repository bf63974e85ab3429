// What can go wrong with the machine when a device is set up; a step in flight does not throw.

/// Why a device cannot be used.
public enum ComputeError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The OpenCL loader finds no platform.
  case noPlatform
  /// A name given to `--device` that is no device of this machine.
  case unknownDevice(String)
  /// A device kernel does not compile; the first lines of the compiler's log.
  case kernelDoesNotBuild(module: String, device: String, log: String)
  /// The device refuses an allocation, also after everything idle was given back.
  case outOfDeviceMemory(bytes: Int, device: String)
  /// The device reports an error in the middle of work; the code is OpenCL's.
  case deviceFailed(call: String, device: String, code: Int)

  public var description: String {
    switch self {
    case .noPlatform:
      "no OpenCL platform on this machine: install the driver's OpenCL library (or pocl-opencl-icd for tests), or use --device cpu"
    case .unknownDevice(let name):
      "unknown device \"\(name)\": expected auto, cpu, gpu or gpu:n with n below the number of OpenCL devices"
    case .kernelDoesNotBuild(let module, let device, let log):
      "device kernel \(module) does not build for \(device): \(log)"
    case .outOfDeviceMemory(let bytes, let device):
      "out of memory on \(device): \(bytes) bytes refused; take a smaller batch, length or dim, --plan says what a run needs"
    case .deviceFailed(let call, let device, let code):
      "\(device) failed in \(call) (\(ComputeError.words(code))); the last checkpoint is good: go on with --resume, perhaps on --device cpu"
    }
  }

  /// The codes of OpenCL that a device under way can report.
  private static func words(_ code: Int) -> String {
    let known = [-4: "out of device memory", -5: "out of resources, or lost", -6: "out of host memory", -14: "an earlier kernel failed", -36: "queue lost"]
    return known[code].map { "error \(code): \($0)" } ?? "error \(code)"
  }
}
