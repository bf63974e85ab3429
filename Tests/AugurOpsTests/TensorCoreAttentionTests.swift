// Attention on tensor cores: which tiles are started and in which order, and that they are made once.
import AugurCompute
@testable import AugurOps
@testable import AugurTensors
import OpCases
import Testing

private let devices = Device.available
private let tensorDevices = devices.indices.filter { index in
  guard case .gpu(let queue) = devices[index] else { return false }
  return queue.tuning.tensorCores != .none
}
private func offsets(_ lengths: [Int]) -> [Int32] { lengths.reduce(into: [0]) { $0.append($0[$0.count - 1] + Int32($1)) } }
/// Lengths from 8 to 512, few of them long, as in `bench ops --of gpu`.
private let skewed = (0..<128).map { b in 8 + 504 * (b * 7919 % 128) * (b * 7919 % 128) * (b * 7919 % 128) / (127 * 127 * 127) }

@Suite struct RowTileTests {
  @Test(arguments: [[], [0, 0], [1], [64, 65, 0, 128, 1], skewed], [true, false])
  func everyRowIsInOneTileAndTheHeaviestComeFirst(_ lengths: [Int], _ isCausal: Bool) {
    let offsets = offsets(lengths)
    let tiles = RowTile.heaviestFirst(offsets, of: 64, isCausal: isCausal)
    #expect(tiles.count == lengths.reduce(0) { $0 + ($1 + 63) / 64 })
    let byRows = tiles.sorted { $0.first < $1.first }
    #expect(byRows.map(\.number) == (0..<Int32(tiles.count)).map { $0 })
    #expect(byRows.flatMap { Array($0.first..<min($0.end, $0.first + 64)) } == (0..<(offsets.last ?? 0)).map { $0 })
    #expect(byRows.allSatisfy { ($0.first - $0.start) % 64 == 0 && $0.first < $0.end })
    let met = tiles.map { isCausal ? ($0.first - $0.start) / 64 : $0.end - $0.start }
    #expect(met == met.sorted(by: >))
  }

  /// What was started before: a place for every 64 rows of the batch and one for each sequence.
  @Test func aSkewedBatchStartsNoEmptyTile() {
    let rows = skewed.reduce(0, +)
    let tiles = RowTile.heaviestFirst(offsets(skewed), of: 64, isCausal: true)
    #expect((rows / 64 + skewed.count, skewed.count * 8, tiles.count) == (397, 1024, 344))
  }
}

@Suite(.enabled(if: !tensorDevices.isEmpty, "AUGUR_OPENCL_TUNING=tensor emulates them")) struct TensorCoreAttentionTests {
  private let lengths = [7, 73, 0, 70, 8]

  private func fixed(_ rows: Range<Int>, _ columns: Int, _ salt: Int, _ device: Device) -> Tensor {
    let values = (rows.lowerBound * columns..<rows.upperBound * columns).map { Float(fixedValue($0, salt)) }
    return Tensor(values, shape: [rows.count, columns], device: device)
  }

  /// Two tiles of two sequences and one of two others, for each head and pass.
  @Test(arguments: tensorDevices)
  func aPassStartsOneGroupForEachTileAndHead(_ deviceIndex: Int) {
    // Other suites use the shared queue at the same time.
    let queue = DeviceQueue.makeAll()[deviceIndex - 1]
    let device = Device.gpu(queue)
    let rows = Jagged(offsets: offsets(lengths), device: device)
    let (q, kv) = (fixed(0..<158, 16, 1, device), fixed(0..<158, 32, 2, device))
    let groups = { (pass: () -> Void) in
      let before = queue.counters.groups
      pass()
      return queue.counters.groups - before
    }
    _ = rows.tiles(of: OpenCLTuning.tileRows, isCausal: true)
    let uploads = queue.counters.uploads
    #expect(groups { _ = attention(q: q, kv: kv, rows, heads: 2, precision: .bfloat16) } == 6 * 2)
    #expect(queue.counters.uploads == uploads, "the tiles of a batch are made once")
  }
}
