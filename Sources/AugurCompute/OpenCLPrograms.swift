// Device programs: built once per process from the disk cache or the text, and their kernels.
import CKernels
import COpenCL

/// The compiled programs and kernels of one queue. Its owner locks.
struct OpenCLPrograms {
  private struct KernelKey: Hashable {
    let module: String, options: String, entry: String
  }
  private struct ModuleKey: Hashable {
    let module: String, options: String
  }
  private var programs: [ModuleKey: cl_program] = [:]
  private var kernels: [KernelKey: cl_kernel] = [:]
  /// Programs compiled from text, because the disk cache did not have them.
  private(set) var compilations = 0

  private let context: cl_context
  private let device: cl_device_id
  private let name: String
  private let driver: String
  private let tuning: OpenCLTuning

  init(context: cl_context, device: cl_device_id, name: String, driver: String, tuning: OpenCLTuning) {
    (self.context, self.device, self.name, self.driver, self.tuning) = (context, device, name, driver, tuning)
  }

  mutating func kernel(_ module: KernelModule, _ entry: String) throws(ComputeError) -> cl_kernel {
    let key = KernelKey(module: module.name, options: module.options, entry: entry)
    if let kernel = kernels[key] { return kernel }
    var error: cl_int = 0
    guard let kernel = clCreateKernel(try program(module), entry, &error), error == CL_SUCCESS else {
      throw .kernelDoesNotBuild(module: module.name, device: name, log: "no kernel named \(entry) (error \(error))")
    }
    kernels[key] = kernel
    return kernel
  }

  mutating func program(_ module: KernelModule) throws(ComputeError) -> cl_program {
    let key = ModuleKey(module: module.name, options: module.options)
    if let program = programs[key] { return program }
    let source = String(cString: ck_opencl_prelude()) + module.source()
    let options = "-cl-std=CL1.2 \(tuning.options) \(module.options)"
    let path = ProgramCache.path(of: [name, driver, source, options])
    if let path, let binary = ProgramCache.load(path), let program = load(binary, options) {
      programs[key] = program
      return program
    }
    let program = try compile(module, source, options)
    if let path, let binary = binary(of: program) { ProgramCache.store(binary, path) }
    compilations += 1
    programs[key] = program
    return program
  }

  private func compile(_ module: KernelModule, _ source: String, _ options: String) throws(ComputeError) -> cl_program {
    var error: cl_int = 0
    let created = source.withCString { text in
      var text: UnsafePointer<CChar>? = text
      return clCreateProgramWithSource(context, 1, &text, nil, &error)
    }
    guard let program = created, error == CL_SUCCESS else {
      throw .kernelDoesNotBuild(module: module.name, device: name, log: "the driver refuses the text (error \(error))")
    }
    guard build(program, options) else {
      let log = OpenCLQueue.text {
        clGetProgramBuildInfo(program, device, cl_program_build_info(CL_PROGRAM_BUILD_LOG), $0, $1, $2)
      }
      clReleaseProgram(program)
      let lines = log.split(separator: "\n").prefix(8).joined(separator: "\n")
      throw .kernelDoesNotBuild(module: module.name, device: name, log: lines)
    }
    return program
  }

  private func load(_ binary: [UInt8], _ options: String) -> cl_program? {
    var (error, status): (cl_int, cl_int) = (0, 0)
    let created = binary.withUnsafeBufferPointer { bytes in
      var (pointer, count, device): (UnsafePointer<UInt8>?, Int, cl_device_id?) = (
        bytes.baseAddress, bytes.count, device
      )
      return clCreateProgramWithBinary(context, 1, &device, &count, &pointer, &status, &error)
    }
    guard let program = created else { return nil }
    guard error == CL_SUCCESS, status == CL_SUCCESS, build(program, options) else {
      clReleaseProgram(program)
      return nil
    }
    return program
  }

  private func build(_ program: cl_program, _ options: String) -> Bool {
    var device: cl_device_id? = device
    return clBuildProgram(program, 1, &device, options, nil, nil) == CL_SUCCESS
  }

  private func binary(of program: cl_program) -> [UInt8]? {
    var bytes = 0
    let size = MemoryLayout<Int>.size
    guard clGetProgramInfo(program, cl_program_info(CL_PROGRAM_BINARY_SIZES), size, &bytes, nil) == CL_SUCCESS,
      bytes > 0
    else { return nil }
    var failed = false
    let binary = [UInt8](unsafeUninitializedCapacity: bytes) { buffer, count in
      var pointer = buffer.baseAddress
      let query = cl_program_info(CL_PROGRAM_BINARIES)
      failed =
        clGetProgramInfo(program, query, MemoryLayout<UnsafeMutablePointer<UInt8>?>.size, &pointer, nil) != CL_SUCCESS
      count = failed ? 0 : bytes
    }
    return failed ? nil : binary
  }
}
