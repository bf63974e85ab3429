// The primitives of Kernels/Common/warp.h: emulated on every device here, on real tensor cores where a device has them. Fragments are
// compared with the maps of the PTX ISA, element by element.
import AugurCompute
@testable import AugurOps
import AugurTensors
import Glibc
import OpCases
import Testing

private let queues = DeviceQueue.all().filter { $0.loaderName == "opencl" }
private let devices = Device.available
/// Devices whose products of rounded factors run by the texts for tensor cores: none, where neither the device nor the tuning is for them.
private let tensorDevices = devices.indices.filter { index in
  guard case .gpu(let queue) = devices[index] else { return false }
  return queue.tuning.tensorCores != .none
}
private let roundedCases = OpCase.all.indices.filter { OpCase.all[$0].name.contains("bfloat16") }
private func isSmall(_ index: Int) -> Bool { OpCase.all[index].inputs.reduce(0) { $0 + $1.shape.count } < 2_000 }

/// The text of a kernel for one warp, built for the device's own tier or emulated.
private func launch(_ queue: DeviceQueue, _ name: String, _ text: String, _ arguments: [KernelArgument]) {
  let module = tensorModule(name, queue.tuning.tensorCores == .none ? "-D WARP_EMULATION" : "") { text }
  queue.launch(module, "test", LaunchGrid(groups: SIMD3(1, 1, 1), local: SIMD3(32, 1, 1)), arguments)
}

/// a[16,16] and b[16,8], small whole numbers, which bfloat16 holds exactly.
private let a = (0..<256).map { Float(Int(fixed($0, 1)) - 8) }
private let b = (0..<128).map { Float(Int(fixed($0, 2)) - 8) }
private func fixed(_ i: Int, _ salt: UInt32) -> UInt32 { ((UInt32(i) &* 2_654_435_761) ^ (salt &* 40_503)) >> 12 & 15 }

/// Two bfloat16 in a word, the first in its low half.
private func word(_ low: Float, _ high: Float) -> Int32 { Int32(bitPattern: low.bitPattern >> 16 | (high.bitPattern & 0xffff_0000)) }

/// The registers that lane `l` holds, by "Matrix Fragments for mma.m16n8k16" of the PTX ISA.
private let aFragments: [Int32] = (0..<128).map { e in
  let (g, q, i) = (e / 4 / 4, e / 4 % 4, e % 4)
  let (row, column) = (i % 2 == 0 ? g : g + 8, 2 * q + (i < 2 ? 0 : 8))
  return word(a[row * 16 + column], a[row * 16 + column + 1])
}
private let bFragments: [Int32] = (0..<64).map { e in
  let (g, q, i) = (e / 2 / 4, e / 2 % 4, e % 2)
  return word(b[(2 * q + 8 * i) * 8 + g], b[(2 * q + 8 * i + 1) * 8 + g])
}

@Suite struct TensorCoreTests {
  /// c[row, column] lies in lane 4 (row mod 8) + column / 2, register 2 (row / 8) + column mod 2.
  @Test(arguments: queues.indices)
  func aProductHasEveryElementInItsPlace(_ index: Int) {
    let device = Device.gpu(queues[index])
    let (x, w) = (Tensor(aFragments, shape: [128], device: device), Tensor(bFragments, shape: [64], device: device))
    let y = Tensor([128], device: device)
    let text = """
      __kernel __attribute__((reqd_work_group_size(32, 1, 1))) void test(__global float *y, __global const uint *x, __global const uint *w) {
        WARP_SCRATCH(1)
        uint a[4], b[2];
        float c[4];
        for (int i = 0; i < 4; i++) { a[i] = x[WARP_LANE * 4 + i]; c[i] = 1000; }
        for (int i = 0; i < 2; i++) b[i] = w[WARP_LANE * 2 + i];
        mma_bf16(c, a, b, scratch);
        for (int i = 0; i < 4; i++) y[WARP_LANE * 4 + i] = c[i];
      }
      """
    launch(queues[index], "test_product", text, [y.argument, x.argument, w.argument])
    let found = y.floats()
    for row in 0..<16 {
      for column in 0..<8 {
        let expected = (0..<16).reduce(1000) { $0 + a[row * 16 + $1] * b[$1 * 8 + column] }
        let at = (row % 8 * 4 + column / 2) * 4 + row / 8 * 2 + column % 2
        #expect(found[at] == expected, "row \(row), column \(column)")
      }
    }
  }

  /// From tiles as they lie in memory, by rows and by columns, come the fragments of a and b; copies leave 0 behind their end.
  @Test(arguments: queues.indices, [false, true])
  func matricesAreLoadedAsFragments(_ index: Int, _ byColumns: Bool) {
    let device = Device.gpu(queues[index])
    // Two matrices of 16 x 16, of which the second holds b in columns 0 ..< 8 and is copied only so far.
    func tile(_ x: [Float], columns: Int, transposed: Bool) -> [Int32] {
      (0..<128).map { e in
        let (row, column) = (e / 8, e % 8 * 2)
        func at(_ row: Int, _ column: Int) -> Float {
          let (i, j) = transposed ? (column, row) : (row, column)
          return i * columns + j < x.count && j < columns ? x[i * columns + j] : 99
        }
        return word(at(row, column), at(row, column + 1))
      }
    }
    let tiles = tile(a, columns: 16, transposed: byColumns) + tile(b, columns: 8, transposed: !byColumns)
    let x = Tensor(tiles, shape: [256], device: device)
    let y = Tensor([32 * 8], dtype: .int32, device: device)
    let load = byColumns ? "ldmatrix_transposed" : "ldmatrix"
    let text = """
      __kernel __attribute__((reqd_work_group_size(32, 1, 1))) void test(__global int *y, __global const uint *x) {
        __local uint tile[256] __attribute__((aligned(128)));
        WARP_SCRATCH(1)
        uint r[8];
        for (int e = WARP_LANE; e < 64; e += 32) copy_async(tile, e * 4, x + e * 4, e < 32 || e % 2 == 0 || \(byColumns ? 0 : 1) ? 16 : 0);
        copies_commit();
        copies_wait(0);
        barrier(CLK_LOCAL_MEM_FENCE);
        const int i = WARP_LANE % 8, low = WARP_LANE / 8 % 2, high = WARP_LANE / 16;
        \(load)(r, tile, (\(byColumns ? "8 * high + i) * 8 + 4 * low" : "8 * low + i) * 8 + 4 * high"), scratch);
        \(load)(r + 4, tile, 128 + (\(byColumns ? "8 * low + i) * 8 + 4 * high" : "8 * high + i) * 8 + 4 * low"), scratch);
        for (int j = 0; j < 8; j++) y[WARP_LANE * 8 + j] = r[j];
      }
      """
    launch(queues[index], "test_\(load)", text, [y.argument, x.argument])
    let found = y.ints()
    for lane in 0..<32 {
      let registers = found.dropFirst(lane * 8).prefix(6)
      let (a, b) = (Array(registers.prefix(4)), Array(registers.suffix(2)))
      #expect(a == Array(aFragments.dropFirst(lane * 4).prefix(4)), "a of lane \(lane)")
      #expect(b == Array(bFragments.dropFirst(lane * 2).prefix(2)), "b of lane \(lane)")
      if byColumns { #expect(found[lane * 8 + 6] == 0 && found[lane * 8 + 7] == 0, "behind b, lane \(lane)") }
    }
  }

  /// Rounding to nearest even, NaN that stays NaN; 2^x; and the exchange between lanes.
  @Test(arguments: queues.indices)
  func floatsAreRoundedRaisedAndExchanged(_ index: Int) {
    let device = Device.gpu(queues[index])
    var values = (0..<32).map { Float($0) * 0.37 - 6 }
    values[1] = Float(bitPattern: 0x3f80_8000)
    values[2] = Float(bitPattern: 0x3f81_8000)
    values[3] = Float(bitPattern: 0x7f80_0001)
    values[4] = .infinity
    values[5] = -.infinity
    let (x, y) = (Tensor(values, shape: [32], device: device), Tensor([128], device: device))
    let text = """
      __kernel __attribute__((reqd_work_group_size(32, 1, 1))) void test(__global float *y, __global const float *x) {
        WARP_SCRATCH(1)
        const float value = x[WARP_LANE];
        const uint word = pack_bf16(value, -value);
        y[WARP_LANE] = low_half(word);
        y[96 + WARP_LANE] = high_half(word);
        y[32 + WARP_LANE] = exp2_fast(value);
        y[64 + WARP_LANE] = shuffle_xor((float)WARP_LANE, 5, scratch);
      }
      """
    launch(queues[index], "test_floats", text, [y.argument, x.argument])
    let found = y.floats()
    #expect(found[1] == 1 && found[2] == Float(bitPattern: 0x3f82_0000) && found[3].isNaN && found[4] == .infinity && found[5] == -.infinity)
    #expect(found[37] == 0 && found[36] == .infinity)
    for i in 6..<32 {
      #expect(found[96 + i] == -found[i])
      #expect(abs(found[i] - values[i]) <= abs(values[i]) * 0x1p-8 && found[i].bitPattern & 0xffff == 0)
      #expect(abs(found[32 + i] / exp2(values[i]) - 1) < 1e-6)
    }
    for i in 0..<32 { #expect(found[64 + i] == Float(i ^ 5)) }
  }
}

@Suite(.enabled(if: !tensorDevices.isEmpty, "AUGUR_OPENCL_TUNING=tensor emulates them")) struct TensorCoreOpTests {
  /// What oclgrind can interpret in minutes.
  @Test(arguments: roundedCases.filter(isSmall), tensorDevices)
  func everySmallCaseIsRight(_ index: Int, _ deviceIndex: Int) {
    OpCaseTests().forward(index, deviceIndex)
    OpCaseTests().backward(index, deviceIndex)
  }
  @Test(arguments: roundedCases.filter { !isSmall($0) }, tensorDevices)
  func everyLargeCaseIsRight(_ index: Int, _ deviceIndex: Int) {
    OpCaseTests().forward(index, deviceIndex)
    OpCaseTests().backward(index, deviceIndex)
  }

  /// Few rows run in small blocks, many in large ones.
  @Test(arguments: tensorDevices, [false, true])
  func aRowHasTheSameBitsInAnyBatch(_ deviceIndex: Int, _ transposed: Bool) {
    let (device, T, K, N) = (devices[deviceIndex], 150, 72, 140)
    let x = (0..<T * K).map { Float(fixedValue($0, 1)) }
    let w = Tensor((0..<K * N).map { Float(fixedValue($0, 2)) }, shape: transposed ? [N, K] : [K, N], device: device)
    func product(_ rows: Range<Int>) -> [UInt32] {
      let part = Tensor(Array(x[rows.lowerBound * K..<rows.upperBound * K]), shape: [rows.count, K], device: device)
      return linear(part, w, activation: .silu, transposed: transposed, precision: .bfloat16).floats().map(\.bitPattern)
    }
    let whole = product(0..<T)
    for rows in [0..<1, 3..<67, 20..<149, 149..<150] {
      #expect(product(rows) == Array(whole[rows.lowerBound * N..<rows.upperBound * N]), "rows \(rows)")
    }
  }

  /// A result that products alone read is stored as they round it, and its gradients are those of one that is not.
  @Test(arguments: tensorDevices, [(1, 3, 5), (70, 24, 132), (0, 8, 8), (65, 17, 33), (130, 64, 192)])
  func aFactorIsStoredAsProductsRoundIt(_ deviceIndex: Int, _ shape: (T: Int, K: Int, N: Int)) {
    let (device, (T, K, N)) = (devices[deviceIndex], shape)
    func fixed(_ rows: Int, _ columns: Int, _ salt: Int) -> Tensor {
      Tensor((0..<rows * columns).map { Float(fixedValue($0, salt)) }, shape: [rows, columns], device: device)
    }
    for activation in [Activation.none, .silu] {
      func results(_ isFactor: Bool) -> (y: Tensor, bits: [[UInt32]]) {
        let tape = Tape()
        let (x, w, b) = (fixed(T, K, 1).watched(by: tape), fixed(K, N, 2).asParameter(), fixed(1, N, 3).asParameter())
        let y = linear(x, w, bias: b, activation: activation, precision: .bfloat16, isFactor: isFactor)
        tape.backward(from: y, gradient: fixed(T, N, 4))
        return (y, [x.gradient, w.gradient, b.gradient].map { ($0?.floats() ?? []).map(\.bitPattern) })
      }
      let (plain, stored) = (results(false), results(true))
      #expect((plain.y.dtype, stored.y.dtype) == (.float32, .bfloat16))
      let rounded = converted(converted(plain.y, to: .bfloat16), to: .float32)
      #expect(converted(stored.y, to: .float32).floats() == rounded.floats())
      #expect(stored.bits == plain.bits && (T == 0 || !plain.bits[0].isEmpty))
    }
    #expect(linear(fixed(T, K, 1), fixed(K, N, 2), precision: .float32, isFactor: true).dtype == .float32)
  }

  /// The portable kernels take over then.
  @Test(arguments: tensorDevices)
  func aTextThatDoesNotBuildIsNotTaken(_ deviceIndex: Int) {
    guard case .gpu(let queue) = devices[deviceIndex] else { return }
    let module = KernelModule(name: "broken") { "__kernel void broken(" }
    #expect(!queue.builds(module) && !queue.builds(module))
    // Of the driver's texts all were compiled ahead of time.
    guard queue.loaderName == "opencl" else { return }
    #expect(queue.builds(KernelModule(name: "whole") { "__kernel void whole(int n) {}" }))
  }
}
