// A device that fails under way: one line, an exit code, and memory that is given back before anything is refused.
import AugurCompute
import AugurOps
import AugurTensors
import Foundation
import Testing

@Suite struct DeviceFailureTests {
  /// The driver library takes no text of a test, only PTX that was committed.
  private static let hasOpenCL = DeviceQueue.all().first.map { $0.loaderName == "opencl" } ?? false

  private func line(_ result: ExitTest.Result?) -> String { String(decoding: result?.standardErrorContent ?? [], as: UTF8.self) }

  @Test func memoryThatNobodyHasIsOneLine() async {
    let result = await #expect(processExitsWith: .exitCode(1), observing: [\.standardErrorContent]) {
      _ = Storage(bytes: 1 << 46, device: .cpu)
    }
    #expect(line(result).contains("augur: out of memory on cpu: \(1 << 46) bytes refused; take a smaller batch"))
  }

  @Test(.enabled(if: hasOpenCL)) func aKernelThatIsNotThereIsOneLine() async {
    let result = await #expect(processExitsWith: .exitCode(1), observing: [\.standardErrorContent]) {
      let module = KernelModule(name: "nothing") { "__kernel void something(int n) {}" }
      DeviceQueue.makeAll()[0].launch(module, "other", LaunchGrid(groups: SIMD3(1, 1, 1), local: SIMD3(1, 1, 1)), .int(1))
    }
    #expect(line(result).contains("augur: device kernel nothing does not build for") && line(result).contains("no kernel named other"))
  }

  @Test(.enabled(if: hasOpenCL)) func anArgumentThatDoesNotFitIsOneLine() async {
    let result = await #expect(processExitsWith: .exitCode(1), observing: [\.standardErrorContent]) {
      let module = KernelModule(name: "short") { "__kernel void short_one(int n) {}" }
      DeviceQueue.makeAll()[0].launch(module, "short_one", LaunchGrid(groups: SIMD3(1, 1, 1), local: SIMD3(1, 1, 1)), .int(1), .int(2))
    }
    #expect(line(result).contains("failed in argument 1 of short.short_one"))
    #expect(line(result).contains("the last checkpoint is good: go on with --resume"))
  }

  @Test func theHostMayHaveItsOwnLastWords() async {
    await #expect(processExitsWith: .exitCode(7)) {
      DeviceFailure.handle { _ in exit(7) }
      _ = Storage(bytes: 1 << 46, device: .cpu)
    }
  }

  @Test(.enabled(if: hasOpenCL)) func idleMemoryIsGivenBack() {
    let device = Device.gpu(DeviceQueue.makeAll()[0])
    let arena = Arena.of(device)
    let kept = Tensor([1000], device: device)
    do { _ = (0..<4).map { Tensor([100_000 * ($0 + 1)], device: device) } }
    #expect(arena.bytes > arena.bytesInUse)
    arena.giveBackIdle()
    #expect(arena.bytes == arena.bytesInUse && arena.bytesInUse >= 4000)
    _ = kept
    let before = arena.allocations
    _ = Tensor([100_000], device: device)
    #expect(arena.allocations == before + 1)
  }

  @Test func committedKernelsAreTunedForAGPU() { #expect(DeviceQueue.driverTuningOptions == OpenCLTuning.gpu.options) }

  /// A GPU takes 65535 groups along its second axis: 262140 rows.
  @Test(.enabled(if: !DeviceQueue.all().isEmpty)) func moreRowsThanAnAxisHasGroupsFor() {
    #expect(OpenCLTuning.gpu.rowGrid(262_140).groups == SIMD3(1, 65535, 1))
    #expect(OpenCLTuning.gpu.rowGrid(300_001).groups == SIMD3(1, 37_501, 2))
    #expect(OpenCLTuning.cpu.rowGrid(1_000_000).groups.z == 1)
    let device = Device.gpu(DeviceQueue.makeAll()[0])
    let table = Tensor([1 as Float, 2, 3], shape: [3, 1], device: device)
    let ids = (0..<300_001).map { Int32($0 % 3) }
    let rows = chosenRows(table, Lookup(ids, rowCount: 3, device: device))
    #expect(rows.floats() == ids.map { Float($0 + 1) })
  }
}
