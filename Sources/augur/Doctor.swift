// What this machine offers, and what is missing.
import ArgumentParser
import AugurCompute
import CKernels
import Foundation

struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Devices, instruction sets, BLAS, memory, and what is missing.")
  @Flag(help: "One JSON object.") var json = false

  func run() throws {
    let memory = Int(ProcessInfo.processInfo.physicalMemory)
    let queues = DeviceQueue.all()
    let names = queues.map { "\($0.name)\($0.isCPU ? " (a CPU: for tests, never chosen by auto)" : "")" }
    let chosen = (try? Device.named("auto"))?.description ?? "cpu"
    var missing: [String] = []
    if queues.isEmpty { missing.append("no GPU: install its driver (OpenCL's ICD, or libcuda.so.1 of NVIDIA's), or pocl-opencl-icd for tests") }
    if json {
      printJSON([
        "instruction_set": String(cString: ck_isa_name()), "blas_core": String(cString: ck_blas_core()),
        "threads": ThreadPool.shared.threads, "memory_bytes": memory, "opencl_devices": queues.map(\.name), "auto": chosen,
        "loaders": DeviceQueue.loaderNotes,
        "missing": missing,
      ])
      return
    }
    print("instruction set  \(String(cString: ck_isa_name()))")
    print("OpenBLAS core    \(String(cString: ck_blas_core()))")
    print("threads          \(ThreadPool.shared.threads)")
    print("memory           \(memory >> 30) GiB")
    print("devices          \(names.isEmpty ? "none" : names.joined(separator: ", "))")
    for note in DeviceQueue.loaderNotes { print("loader           \(note)") }
    for queue in queues { print("products         \(queue.name): \(queue.products)") }
    print("--device auto    \(chosen)")
    for line in missing { print("missing          \(line)") }
  }
}
