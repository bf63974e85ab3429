// Which devices this machine has, and through which loader each is reached.
import CKernels
import Glibc

extension DeviceQueue {
  private static let found = DeviceDiscovery()

  /// A new queue for every device, with counters and memory of its own.
  package static func makeAll() -> [DeviceQueue] { DeviceDiscovery().queues }

  /// The options that every committed PTX was made with; they are those of `OpenCLTuning.gpu`.
  package static var driverTuningOptions: String { String(cString: ck_ptx_tuning()) }

  /// A queue for every device, in the order of its loader; always the same objects.
  package static func all() -> [DeviceQueue] { found.queues }

  /// How the devices were found, a line for each loader: what it offers, or why it is not used.
  package static var loaderNotes: [String] { found.notes }
}

/// OpenCL first. A GPU counts when a throw-away kernel has built, run and given the right numbers on it: nothing that a driver says about
/// itself settles that. NVIDIA's driver library is taken where OpenCL offers no NVIDIA GPU; `AUGUR_LOADER` (`opencl` or `driver`) takes one
/// alone.
struct DeviceDiscovery {
  private(set) var queues: [DeviceQueue] = []
  private(set) var notes: [String] = []

  init() {
    let only = DeviceDiscovery.variable("AUGUR_LOADER")
    if only == "driver" { notes.append("OpenCL: not asked, AUGUR_LOADER=driver") } else { addOpenCL() }
    let hasNVIDIA = queues.contains { !$0.isCPU && $0.platform.contains("NVIDIA") }
    if only == "opencl" {
      notes.append("driver library: not asked, AUGUR_LOADER=opencl")
    } else if hasNVIDIA {
      notes.append("driver library: not needed, OpenCL has the NVIDIA GPU; AUGUR_LOADER=driver takes it")
    } else {
      addDriver()
    }
  }

  private mutating func addOpenCL() {
    let loaders = OpenCLLoader.makeAll()
    if loaders.isEmpty { notes.append("OpenCL: no device") }
    for loader in loaders { add(loader, "OpenCL") }
  }

  private mutating func addDriver() {
    let path = DeviceDiscovery.variable("AUGUR_LIBCUDA") ?? "libcuda.so.1"
    let library: DriverLibrary
    do throws(DriverLibrary.Missing) { library = try DriverLibrary(path) } catch {
      notes.append("driver library: \(error.reason)")
      return
    }
    var unfit: [String] = []
    let loaders = DriverLoader.makeAll(library) { unfit.append("driver library: \($0)") }
    notes += unfit
    if loaders.isEmpty && unfit.isEmpty { notes.append("driver library: \(path) has no GPU") }
    for loader in loaders { add(loader, "driver library") }
  }

  /// A CPU is no GPU to be doubted: it is there for tests, and its first program takes long to build.
  private mutating func add(_ loader: any DeviceLoader, _ way: String) {
    let facts = loader.facts
    if facts.isCPU {
      notes.append("\(way): \(facts.name), a CPU, for tests")
      queues.append(DeviceQueue(loader))
      return
    }
    if let problem = DeviceDiscovery.problem(of: loader) {
      notes.append("\(way): \(facts.name) is not used: \(problem)")
    } else {
      notes.append("\(way): \(facts.name), \(facts.platform), \(facts.driver): a kernel was built, ran and gave the right numbers")
      queues.append(DeviceQueue(loader))
    }
  }

  /// Fills memory by a kernel and reads it back; nil where the numbers are right.
  static func problem(of loader: any DeviceLoader) -> String? {
    let module = KernelModule(name: "activation") { String(cString: ck_opencl_activation()) }
    let count = 1000
    let numbers = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
    numbers.initialize(repeating: 0)
    defer { numbers.deallocate() }
    do throws(ComputeError) {
      let program = try loader.program(module)
      guard let kernel = loader.kernel("fill", of: program) else { return "the program has no kernel fill" }
      guard let memory = loader.allocate(4 * count) else { return "4000 bytes are refused" }
      defer { loader.release(memory) }
      do throws(LoaderFailure) {
        try loader.launch(kernel, loader.facts.tuning.elementGrid(count), [.memory(memory), .int(count), .float(1.5)])
        try loader.read(memory, into: numbers.baseAddress!, bytes: 4 * count)
      } catch { return error.reason }
    } catch { return "\(error)" }
    return numbers.allSatisfy { $0 == 1.5 } ? nil : "its numbers are wrong"
  }

  private static func variable(_ name: String) -> String? {
    guard let value = getenv(name), value[0] != 0 else { return nil }
    return String(cString: value)
  }
}
