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
    let queues = OpenCLQueue.all()
    let names = queues.map { "\($0.name)\($0.isCPU ? " (a CPU: for tests, never chosen by auto)" : "")" }
    let chosen = (try? Device.named("auto"))?.description ?? "cpu"
    var missing: [String] = []
    if queues.isEmpty { missing.append("no OpenCL device: install a GPU driver's ICD, or pocl-opencl-icd for tests") }
    if json {
      printJSON([
        "instruction_set": String(cString: ck_isa_name()), "blas_core": String(cString: ck_blas_core()),
        "threads": ThreadPool.shared.threads, "memory_bytes": memory, "opencl_devices": queues.map(\.name), "auto": chosen,
        "missing": missing,
      ])
      return
    }
    print("instruction set  \(String(cString: ck_isa_name()))")
    print("OpenBLAS core    \(String(cString: ck_blas_core()))")
    print("threads          \(ThreadPool.shared.threads)")
    print("memory           \(memory >> 30) GiB")
    print("OpenCL devices   \(names.isEmpty ? "none" : names.joined(separator: ", "))")
    print("--device auto    \(chosen)")
    for line in missing { print("missing          \(line)") }
  }
}
