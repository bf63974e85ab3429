// The products of Kernels/Common/warpgroup.h, which no text of a test can ask of a real device: emulated everywhere, from
// descriptors to fragments, element by element; and what `linear` makes of them.
import AugurCompute
@testable import AugurOps
import AugurTensors
import OpCases
import Testing

private let emulating = DeviceQueue.all().filter { $0.loaderName == "opencl" && $0.tuning.tensorCores != .sm90 }
private let warpgroupQueues = DeviceQueue.all().filter { $0.tuning.hasWarpgroups }

/// What the tuning does not say already
private func emulation(_ queue: DeviceQueue) -> String { queue.tuning.tensorCores == .none ? "-D WARP_EMULATION" : "" }

/// Small whole numbers, which bfloat16 holds exactly, as their sums.
private func wholeNumbers(_ count: Int, _ salt: UInt32) -> [Float] {
  (0..<count).map { Float(Int((UInt32($0) &* 2_654_435_761) ^ (salt &* 40_503)) >> 12 & 15) - 8 }
}

@Suite struct TensorCoreWarpgroupTests {
  /// Tiles as copy_tile lays them, of 64 columns; the product of columns 16 k ..< 16 k + 16. y takes sums[i] of work-item t at
  /// 128 t + i.
  @Test(arguments: emulating.indices, [128, 256])
  func aProductHasEveryElementInItsPlace(_ index: Int, _ columns: Int) {
    let (queue, k) = (emulating[index], 2)
    let device = Device.gpu(queue)
    let (a, b) = (wholeNumbers(64 * 64, 1), wholeNumbers(columns * 64, 2))
    let x = converted(Tensor(a, shape: [64, 64], device: device), to: .bfloat16)
    let w = converted(Tensor(b, shape: [columns, 64], device: device), to: .bfloat16)
    let y = Tensor([128, columns / 2], device: device)
    let text = """
      __kernel __attribute__((reqd_work_group_size(32, 4, 1))) void test(__global float *y, __global const ushort *x,
                                                                         __global const ushort *w) {
        __local uint memory[(64 + \(columns)) * 32] __attribute__((aligned(1024)));
        WGMMA_QUEUE(memory)
        float sums[\(columns / 2)];
        for (int i = 0; i < \(columns / 2); i++) sums[i] = 1000;
        const int item = WARP * 32 + WARP_LANE;
        for (int e = item; e < 64 * 8; e += 128) copy_async(memory, tile_place(e / 8, e % 8, 64), x + e * 8, 16);
        for (int e = item; e < \(columns) * 8; e += 128)
          copy_async(memory, 64 * 32 + tile_place(e / 8, e % 8, 64), w + e * 8, 16);
        copies_commit();
        copies_wait(0);
        tiles_written();
        barrier(CLK_LOCAL_MEM_FENCE);
        wgmma_begin(queue);
        wgmma_\(columns)(sums, tile_descriptor(memory, 0) + 2 * \(k), tile_descriptor(memory, 64 * 32) + 2 * \(k), queue);
        wgmma_commit(queue);
        wgmma_wait(sums, queue, 0);
        for (int i = 0; i < \(columns / 2); i++) y[item * \(columns / 2) + i] = sums[i];
      }
      """
    let module = warpgroupModule("test_warpgroup_\(columns)", emulation(queue)) { text }
    let grid = LaunchGrid(groups: SIMD3(1, 1, 1), local: SIMD3(32, 4, 1))
    queue.launch(module, "test", grid, y.argument, x.argument, w.argument)
    let found = y.floats()
    var wrong = 0
    for row in 0..<64 {
      for column in 0..<columns {
        let expected = (16 * k..<16 * k + 16).reduce(1000) { $0 + a[row * 64 + $1] * b[column * 64 + $1] }
        // The PTX ISA: warp row / 16, lane 4 (row mod 8) + column mod 8 / 2; pairs of columns, rows + 8, eights of columns.
        let item = row / 16 * 32 + row % 8 * 4 + column % 8 / 2
        let register = column / 8 * 4 + row % 16 / 8 * 2 + column % 2
        if found[item * columns / 2 + register] != expected { wrong += 1 }
      }
    }
    #expect(wrong == 0)
  }

  /// Fields of a descriptor: a matrix without swizzle, whose chunks of 8 x 8 lie 128 bytes apart along k and 256 along rows, is
  /// the same matrix.
  @Test(arguments: emulating.indices)
  func descriptorsNameMatricesWithoutSwizzleToo(_ index: Int) {
    let queue = emulating[index]
    let device = Device.gpu(queue)
    let values = wholeNumbers(64 * 16, 3)
    let x = converted(Tensor(values, shape: [64, 16], device: device), to: .bfloat16)
    let y = Tensor([64 * 16], device: device)
    let text = """
      __kernel __attribute__((reqd_work_group_size(32, 4, 1))) void test(__global float *y, __global const ushort *x) {
        __local uint memory[64 * 8] __attribute__((aligned(1024)));
        const int row = (WARP * 32 + WARP_LANE) / 2, high = WARP_LANE % 2;
        copy_async(memory, row / 8 * 64 + high * 32 + row % 8 * 4, x + row * 16 + high * 8, 16);
        barrier(CLK_LOCAL_MEM_FENCE);
        const ulong matrix = (ulong)(LOCAL_ADDRESS(memory, 0) >> 4) | 8ul << 16 | 16ul << 32;
        for (int k = 8 * high; k < 8 * high + 8; k += 2) {
          y[row * 16 + k] = low_half(described_word(memory, matrix, row, k));
          y[row * 16 + k + 1] = high_half(described_word(memory, matrix, row, k));
        }
      }
      """
    let module = warpgroupModule("test_descriptor", emulation(queue)) { text }
    queue.launch(module, "test", LaunchGrid(groups: SIMD3(1, 1, 1), local: SIMD3(32, 4, 1)), y.argument, x.argument)
    #expect(y.floats() == values)
  }
}

@Suite(.enabled(if: !warpgroupQueues.isEmpty, "AUGUR_OPENCL_TUNING=tensor emulates them")) struct TensorCoreStoredTests {
  private func stored(_ rows: Int, _ columns: Int, _ salt: Int, _ device: Device) -> Tensor {
    let values = (0..<rows * columns).map { Float(fixedValue($0, salt)) }
    return converted(Tensor(values, shape: [rows, columns], device: device), to: .bfloat16)
  }

  /// Odd sizes, ends inside a block, fewer and more steps than tiles in local memory, several strips of blocks, no k at all; rows
  /// that do not begin at multiples of 16 bytes go another way.
  @Test(arguments: warpgroupQueues.indices, [
    SIMD3(1, 1, 8), SIMD3(1, 1, 1), SIMD3(3, 5, 0), SIMD3(65, 129, 64), SIMD3(129, 257, 72), SIMD3(129, 257, 65),
    SIMD3(300, 520, 200), SIMD3(70, 2600, 40), SIMD3(257, 100, 648),
  ])
  func productsAreRight(_ index: Int, _ size: SIMD3<Int>) {
    let (M, N, K) = (size.x, size.y, size.z)
    let device = Device.gpu(warpgroupQueues[index])
    let (x, w) = (stored(M, K, 1, device), stored(N, K, 2, device))
    #expect((warpgroupKernels(warpgroupQueues[index], M, N, K) == nil) == (K % 8 != 0))
    let found = converted(linear(x, w, transposed: true), to: .float32).floats()
    let (a, b) = (converted(x, to: .float32).floats().map(Double.init), converted(w, to: .float32).floats().map(Double.init))
    var worst = -Double.infinity
    for m in 0..<M {
      for n in 0..<N {
        var (sum, magnitude) = (0.0, 0.0)
        for k in 0..<K {
          let product = a[m * K + k] * b[n * K + k]
          (sum, magnitude) = (sum + product, magnitude + abs(product))
        }
        worst = max(worst, abs(Double(found[m * N + n]) - sum) - 0x1p-8 * abs(sum) - 1e-6 * magnitude)
      }
    }
    #expect(worst <= 0, "beyond half a step of bfloat16 by \(worst)")
  }

  /// Few rows run in small blocks, many in large ones; N decides how they are written.
  @Test(arguments: warpgroupQueues.indices, [264, 261])
  func aRowHasTheSameBitsInAnyBatch(_ index: Int, _ N: Int) {
    let (device, T, K) = (Device.gpu(warpgroupQueues[index]), 150, 136)
    let x = (0..<T * K).map { Float(fixedValue($0, 1)) }
    let w = stored(N, K, 2, device)
    func product(_ rows: Range<Int>) -> [UInt32] {
      let part = Tensor(Array(x[rows.lowerBound * K..<rows.upperBound * K]), shape: [rows.count, K], device: device)
      return converted(linear(converted(part, to: .bfloat16), w, transposed: true), to: .float32).floats().map(\.bitPattern)
    }
    let whole = product(0..<T)
    for rows in [0..<1, 3..<67, 20..<149, 149..<150] {
      #expect(product(rows) == Array(whole[rows.lowerBound * N..<rows.upperBound * N]), "rows \(rows)")
    }
  }

  /// The trial passes with the kernels as they are, and fails with one that takes a tile for swizzled otherwise, or does not build.
  @Test(arguments: warpgroupQueues.indices)
  func aKernelIsTriedBeforeItIsTaken(_ index: Int) throws {
    let queue = warpgroupQueues[index]
    let (M, N, _) = queue.tuning.trialShape
    let (block, reference) = (ProductBlock.warpgroups[1], try #require(tensorKernels(queue, M, N)))
    func passes(_ module: KernelModule) -> Bool {
      queue.passes("test of \(module.name)", else: "without wgmma, by mma.sync") { () throws(ComputeError) in
        try WarpgroupTrial.compare([(module, queue.tuning.warpgroupGrid(block, M, N))], with: reference, on: queue)
      }
    }
    #expect(passes(WarpgroupTrial.module(block)))
    // Of the driver's texts all were compiled ahead of time.
    guard queue.loaderName == "opencl" else { return }
    let text = WarpgroupTrial.module(block).source
    #expect(!passes(KernelModule(name: "wrong_warpgroup", options: block.options) { text().replacing("1ul << 62", with: "2ul << 62") }))
    #expect(!passes(KernelModule(name: "broken_warpgroup") { "__kernel void matmul_stored(" }))
  }
}
