// One device program of OpenCL: from the disk cache or from its text.
import CKernels
import COpenCL

struct OpenCLProgram {
  private let context: cl_context
  private let device: cl_device_id
  private let facts: DeviceFacts
  private let module: KernelModule
  private let source: String, options: String

  init(context: cl_context, device: cl_device_id, facts: DeviceFacts, _ module: KernelModule) {
    (self.context, self.device, self.facts, self.module) = (context, device, facts, module)
    source = String(cString: ck_opencl_prelude()) + module.source()
    options = "-cl-std=CL1.2 \(facts.tuning.options) \(module.options)"
  }

  /// Where its binary is kept; nil where there is no place.
  var cachePath: String? { ProgramCache.path(of: [facts.name, facts.driver, source, options]) }

  func compile() throws(ComputeError) -> cl_program {
    var error: cl_int = 0
    let created = source.withCString { text in
      var text: UnsafePointer<CChar>? = text
      return clCreateProgramWithSource(context, 1, &text, nil, &error)
    }
    guard let program = created, error == CL_SUCCESS else {
      throw .kernelDoesNotBuild(module: module.name, device: facts.name, log: "the driver refuses the text (error \(error))")
    }
    guard build(program) else {
      let log = OpenCLLoader.text {
        clGetProgramBuildInfo(program, device, cl_program_build_info(CL_PROGRAM_BUILD_LOG), $0, $1, $2)
      }
      clReleaseProgram(program)
      let lines = log.split(separator: "\n").prefix(8).joined(separator: "\n")
      throw .kernelDoesNotBuild(module: module.name, device: facts.name, log: lines)
    }
    return program
  }

  /// The program of the committed PTX, whose target lacks the mark of OpenCL. The driver keeps what it makes of it.
  func assembled() throws(ComputeError) -> cl_program {
    let target = ".target sm_90a"
    guard let text = ck_ptx(module.name, module.options) else {
      throw .kernelDoesNotBuild(module: module.name, device: facts.name, log: "no PTX for it with options \"\(module.options)\"")
    }
    let marked = String(cString: text).replacing(target, with: "\(target), texmode_independent", maxReplacements: 1)
    guard let program = load(Array(marked.utf8)) else {
      throw .kernelDoesNotBuild(module: module.name, device: facts.name, log: "the driver refuses its PTX")
    }
    return program
  }

  /// The program of a binary that was kept; nil where the driver no longer takes it.
  func load(_ binary: [UInt8]) -> cl_program? {
    var (error, status): (cl_int, cl_int) = (0, 0)
    let created = binary.withUnsafeBufferPointer { bytes in
      var (pointer, count, device): (UnsafePointer<UInt8>?, Int, cl_device_id?) = (bytes.baseAddress, bytes.count, device)
      return clCreateProgramWithBinary(context, 1, &device, &count, &pointer, &status, &error)
    }
    guard let program = created else { return nil }
    guard error == CL_SUCCESS, status == CL_SUCCESS, build(program) else {
      clReleaseProgram(program)
      return nil
    }
    return program
  }

  func binary(of program: cl_program) -> [UInt8]? {
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

  private func build(_ program: cl_program) -> Bool {
    var device: cl_device_id? = device
    return clBuildProgram(program, 1, &device, options, nil, nil) == CL_SUCCESS
  }
}
