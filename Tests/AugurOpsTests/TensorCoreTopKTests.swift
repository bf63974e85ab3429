// The best items by way of tensor cores are those of the CPU, to the bit, whatever the scores are.
import AugurCompute
@testable import AugurOps
import AugurTensors
import OpCases
import Testing

private let devices = Device.available
private let tensorDevices = devices.indices.filter { index in
  guard case .gpu(let queue) = devices[index] else { return false }
  return queue.tuning.tensorCores != .none
}

@Suite(.enabled(if: !tensorDevices.isEmpty, "AUGUR_OPENCL_TUNING=tensor emulates them")) struct TensorCoreTopKTests {
  /// Items and bits of the scores, of the CPU and of the device; every third user has seen some items.
  private func check(_ h: [Float], _ table: [Float], D: Int, k: Int, _ deviceIndex: Int, seen: [Int32] = [5, 4096, 7000]) {
    let (B, V) = (h.count / D, table.count / D)
    var (all, offsets): ([Int32], [Int32]) = ([], [0])
    for b in 0..<B {
      all += b % 3 == 0 ? seen : []
      offsets.append(Int32(all.count))
    }
    func best(_ device: Device) -> TopItems {
      topItems(
        Tensor(h, shape: [B, D], device: device), Tensor(table, shape: [V, D], device: device), seen: all, seenOffsets: offsets, k: k)
    }
    let (ours, theirs) = (best(devices[deviceIndex]), best(.cpu))
    #expect(ours.items == theirs.items)
    #expect(zip(ours.scores, theirs.scores).allSatisfy { $0 == $1 || ($0.isNaN && $1.isNaN) })
  }
  private func values(_ count: Int, _ salt: Int) -> [Float] { (0..<count).map { Float(fixedValue($0, salt)) } }

  @Test(arguments: [(1, 4097, 1, 1), (5, 20_000, 20, 10), (130, 9000, 100, 100), (2, 9000, 128, 1536)], tensorDevices)
  func theBestAreThoseOfTheCPU(_ sizes: (B: Int, V: Int, D: Int, k: Int), _ deviceIndex: Int) {
    let (B, V, D, k) = sizes
    check(values(B * D, 1), values(V * D, 2), D: D, k: k, deviceIndex)
  }

  /// A sixth of the items rounds to 1, below the best of those before it.
  @Test(arguments: tensorDevices)
  func scoresThatRoundingMakesEqualAreToldApart(_ deviceIndex: Int) {
    let table = values(9000, 6).enumerated().map { v, x in v % 6 == 0 ? 1 + abs(x) / 600 : x / 2 }
    check([1, -1, 3], table, D: 1, k: 7, deviceIndex)
  }

  /// Each piece of the items is better than all before it: more candidates than have a place.
  @Test(arguments: tensorDevices)
  func risingScoresAreFoundToo(_ deviceIndex: Int) {
    let (V, D) = (9000, 3)
    check([1, 0, 0, 0, 2, 1], (0..<V * D).map { Float($0 / D) / Float(V) + Float(fixedValue($0, 3)) / 100 }, D: D, k: 7, deviceIndex)
  }

  /// Equal scores, numbers that squares lose or that bfloat16 takes for infinite, and what is no number.
  @Test(arguments: [0, 1e-25, 1e25, 3e38, .infinity, .nan] as [Float], tensorDevices)
  func extremeNumbersAreOrderedAsOnTheCPU(_ extreme: Float, _ deviceIndex: Int) {
    let (B, V, D, k) = (4, 9000, 6, 5)
    let scale: Float = extreme == 1e-25 ? 1e-25 : extreme == 0 ? 0 : 1
    var (h, table) = (values(B * D, 4), values(V * D, 5).map { $0 * scale })
    for v in stride(from: 4500, to: V, by: 997) { table[v * D + 2] = extreme }
    if extreme == 1e-25 { h = h.map { $0 * 1e-12 } } else { h[D + 2] = extreme }
    check(h, table, D: D, k: k, deviceIndex)
  }
}
