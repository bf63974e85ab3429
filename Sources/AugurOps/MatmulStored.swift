// Products of factors stored in bfloat16 by warpgroups (Kernels/Matmul/Matmul.sm90a.cl), and the trial that comes before their
// first use.
import AugurCompute
import AugurTensors
import CKernels

/// The kernel of y[M,N] = x[M,K] w[N,K]^T and its grid; nil where the device has no warpgroups, where its kernels failed their
/// trial, or where rows do not begin at multiples of 16 bytes. Nothing of that depends on M, as the bits of a row may not.
func warpgroupKernels(_ queue: DeviceQueue, _ M: Int, _ N: Int, _ K: Int) -> (module: KernelModule, grid: LaunchGrid)? {
  guard queue.tuning.hasWarpgroups, K % 8 == 0, WarpgroupTrial.isPassed(on: queue) else { return nil }
  let block = queue.tuning.warpgroupBlock(M, N)
  return (WarpgroupTrial.module(block), queue.tuning.warpgroupGrid(block, M, N))
}

/// Both blocks against the kernel that they replace, bit by bit: small whole numbers, whose sums are exact in any order. Every group has
/// several blocks, every block more steps than there are tiles in local memory, and M, N and K end inside a block.
enum WarpgroupTrial {
  typealias Kernel = (module: KernelModule, grid: LaunchGrid)

  static func module(_ block: ProductBlock) -> KernelModule {
    warpgroupModule("matmul_sm90a", block.options) { String(cString: ck_opencl_matmul_sm90a()) }
  }

  /// Emulated, they need none: tests compare every number.
  static func isPassed(on queue: DeviceQueue) -> Bool {
    let (M, N, _) = queue.tuning.trialShape
    guard queue.tuning.tensorCores == .sm90 else { return true }
    guard let reference = tensorKernels(queue, M, N) else { return false }
    return queue.passes("matmul_sm90a", else: "without wgmma, by mma.sync") { () throws(ComputeError) in
      try compare(ProductBlock.warpgroups.map { (module($0), queue.tuning.warpgroupGrid($0, M, N)) }, with: reference, on: queue)
    }
  }

  static func compare(_ kernels: [Kernel], with reference: Kernel, on queue: DeviceQueue) throws(ComputeError) {
    let (M, N, K) = queue.tuning.trialShape
    func numbers(_ rows: Int, _ salt: Int) -> Tensor {
      let values = (0..<rows * K).map { Float(($0 + salt) &* 2_654_435_761 >> 13 & 15) - 8 }
      return converted(Tensor(values, shape: [rows, K], device: .gpu(queue)), to: .bfloat16)
    }
    let (x, w) = (numbers(M, 1), numbers(N, 2))
    func product(_ kernel: Kernel) throws(ComputeError) -> [Float] {
      // In memory that was cleared: it may have held the right numbers.
      let y = converted(Tensor.zeros([M, N], device: .gpu(queue)), to: .bfloat16)
      try queue.tryLaunch(
        kernel.module, "matmul_stored", kernel.grid, [y.argument, x.argument, w.argument, .int(M), .int(N), .int(K)])
      return converted(y, to: .float32).floats()
    }
    let expected = try product(reference)
    for kernel in kernels {
      let found = try product(kernel)
      let wrong = zip(found, expected).reduce(0) { $0 + ($1.0 == $1.1 ? 0 : 1) }
      guard wrong == 0 else {
        throw .wrongNumbers(kernel: "\(kernel.module.name) \(kernel.module.options)", device: queue.name, count: wrong)
      }
    }
  }
}
