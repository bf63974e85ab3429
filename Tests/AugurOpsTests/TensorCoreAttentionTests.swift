// Attention on tensor cores: the tiles that are started and their order, that no bit depends on it, buckets of time to the second.
import AugurCompute
@testable import AugurOps
@testable import AugurTensors
import Glibc
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

  @Test func shortSequencesHaveSmallTiles() {
    func size(_ lengths: [Int], isCausal: Bool = true) -> Int { RowTile.size(of: [16, 64], offsets(lengths), isCausal: isCausal) }
    #expect((size([]), size([0, 0]), size([1, 16, 9]), size([17])) == (16, 16, 16, 64))
    // 16 rows of 9 beside a few longer ones, as in logs of reviews; reading 50 rows in tiles of 16 is reading 2.3 times as much.
    let reviews = [Int](repeating: 9, count: 60) + [20, 30, 50]
    #expect((size(reviews), size([50]), size(skewed)) == (16, 64, 64))
    // Both ways a tile of 16 reads all 30 rows again.
    #expect((size([30] + [Int](repeating: 9, count: 12)), size([30] + [Int](repeating: 9, count: 12), isCausal: false)) == (16, 16))
    #expect((size([30]), size([30], isCausal: false)) == (64, 64))
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

  /// Rows of sequences of those lengths, behind each other
  private func gathered(_ sequences: [Int], of lengths: [Int], _ columns: Int, _ salt: Int, _ device: Device) -> Tensor {
    let offsets = offsets(lengths).map(Int.init)
    let values = sequences.flatMap { fixed(offsets[$0]..<offsets[$0 + 1], columns, salt, .cpu).floats() }
    return Tensor(values, shape: Shape(values.count / columns, columns), device: device)
  }
  /// The bits of each sequence's rows
  private func bits(_ tensor: Tensor?, _ rows: Jagged) -> [[UInt32]] {
    let (bits, columns) = ((tensor?.floats() ?? []).map(\.bitPattern), tensor?.shape.columns ?? 1)
    return zip(rows.hostOffsets, rows.hostOffsets.dropFirst()).map { Array(bits[Int($0) * columns..<Int($1) * columns]) }
  }

  /// Two tiles of two sequences and one of two others, for each head and pass.
  @Test(arguments: tensorDevices)
  func aPassStartsOneGroupForEachTileAndHead(_ deviceIndex: Int) {
    // Other suites use the shared queue at the same time.
    let queue = DeviceQueue.makeAll()[deviceIndex - 1]
    let device = Device.gpu(queue)
    let rows = Jagged(offsets: offsets(lengths), device: device)
    let (q, kv) = (converted(fixed(0..<158, 16, 1, device), to: .bfloat16), converted(fixed(0..<158, 32, 2, device), to: .bfloat16))
    let bias = HSTUBias(position: fixed(0..<1, 80, 3, device))
    let groups = { (pass: () -> Void) in
      let before = queue.counters.groups
      pass()
      return queue.counters.groups - before
    }
    for sizes in [[OpenCLTuning.tileRows], [OpenCLTuning.smallTileRows, OpenCLTuning.tileRows]] { _ = rows.tiles(of: sizes, isCausal: true) }
    queue.finish()
    let uploads = queue.counters.uploads
    #expect(groups { _ = attention(q: q, kv: kv, rows, heads: 2, precision: .bfloat16) } == 6 * 2)
    #expect(groups { _ = hstuAttention(q: q, kv: kv, rows, heads: 2, bias: bias, precision: .bfloat16) } == 6 * 2)
    #expect(queue.counters.uploads == uploads, "the tiles of a batch are made once")
  }

  /// Among short sequences one of 33 has three work-groups of one warp, among long ones one of four warps.
  @Test(arguments: tensorDevices, [false, true])
  func aSequenceHasTheSameBitsInAnyBatchOfAttention(_ deviceIndex: Int, _ isCausal: Bool) {
    let (device, D) = (devices[deviceIndex], 24)
    let lengths = [16, 9, 0, 200, 33, 1, 129]
    /// Output and gradients of the sequences
    func results(_ sequences: [Int]) -> [[[UInt32]]] {
      let (rows, tape) = (Jagged(offsets: offsets(sequences.map { lengths[$0] }), device: device), Tape())
      func made(_ columns: Int, _ salt: Int) -> Tensor { gathered(sequences, of: lengths, columns, salt, device) }
      let (q, kv) = (made(D, 1).watched(by: tape), made(2 * D, 2).watched(by: tape))
      let o = attention(q: q, kv: kv, rows, heads: 2, precision: .bfloat16, isCausal: isCausal)
      tape.backward(from: o, gradient: made(D, 3))
      return [o, q.gradient, kv.gradient].map { bits($0, rows) }
    }
    let sizes = [OpenCLTuning.smallTileRows, OpenCLTuning.tileRows]
    func size(_ sequences: [Int]) -> Int { RowTile.size(of: sizes, offsets(sequences.map { lengths[$0] }), isCausal: isCausal) }
    let (all, short) = ([0, 1, 2, 3, 4, 5, 6], [0, 2, 5] + [Int](repeating: 1, count: 14) + [4])
    #expect((size(all), size(short)) == (64, 16))
    let (together, beside) = (results(all), results(short))
    for i in [0, 1, 3, 4, 5, 6] {
      for (alone, found) in zip(results([i]), together) { #expect(alone[0] == found[i] && !alone[0].isEmpty) }
    }
    for (place, i) in short.enumerated() {
      for (few, found) in zip(beside, together) { #expect(few[place] == found[i]) }
    }
  }

  @Test(arguments: tensorDevices, [false, true])
  func aSequenceHasTheSameBitsInAnyBatchOfHSTU(_ deviceIndex: Int, _ hasTimes: Bool) {
    let (device, D, offsets, times) = (devices[deviceIndex], 24, offsets(lengths).map(Int.init), fixedTimes(158))
    /// Output and gradients of the sequences
    func results(_ sequences: [Int]) -> [[[UInt32]]] {
      let (rows, tape) = (Jagged(offsets: AugurOpsTests.offsets(sequences.map { lengths[$0] }), device: device), Tape())
      func made(_ columns: Int, _ salt: Int) -> Tensor { gathered(sequences, of: lengths, columns, salt, device) }
      let time = sequences.flatMap { times[offsets[$0]..<offsets[$0 + 1]] }
      let bias = HSTUBias(
        position: fixed(0..<1, 90, 4, device).asParameter(),
        time: hasTimes ? fixed(0..<1, HSTUBias.buckets, 5, device).asParameter() : nil,
        times: hasTimes ? Tensor(time, shape: [time.count], device: device) : nil)
      let (q, kv) = (made(D, 1).watched(by: tape), made(2 * D, 2).watched(by: tape))
      let o = hstuAttention(q: q, kv: kv, rows, heads: 2, bias: bias, precision: .bfloat16)
      tape.backward(from: o, gradient: made(D, 3))
      return [o, q.gradient, kv.gradient].map { bits($0, rows) }
    }
    let (all, backwards) = (results([0, 1, 2, 3, 4]), results([4, 3, 2, 1, 0]))
    for i in [0, 1, 3, 4] {
      for ((alone, together), reversed) in zip(zip(results([i]), all), backwards) {
        #expect(alone[0] == together[i] && together[i] == reversed[4 - i] && !alone[0].isEmpty)
      }
    }
  }

  /// A pair of rows for the first second of every bucket and the last one before it, and for the ends of int32.
  @Test(arguments: tensorDevices)
  func aBucketBeginsOnItsSecond(_ deviceIndex: Int) {
    let starts = (1..<72).map { Int32(ceil(exp(0.301 * Double($0)))) }
    var pairs: [(Int32, Int32)] = [(5, 5), (.min, .max), (0, .max), (.max, 0), (9, 2)]
    for start in starts { pairs += [(0, start), (0, start - 1), (7 - start, 7)] }
    let times = pairs.flatMap { [$0.0, $0.1] }
    func results(_ device: Device) -> [[Float]] {
      let (T, tape) = (2 * pairs.count, Tape())
      let time = Tensor((0..<HSTUBias.buckets).map { 1 + Float($0) / 8 }, shape: [HSTUBias.buckets], device: device).asParameter()
      let bias = HSTUBias(
        position: Tensor.zeros([2], device: device), time: time, times: Tensor(times, shape: [T], device: device))
      let q = Tensor.zeros([T, 8], device: device).watched(by: tape)
      let kv = Tensor([Float](repeating: 1, count: 16 * T), shape: [T, 16], device: device)
      let rows = Jagged(offsets: (0...Int32(pairs.count)).map { 2 * $0 }, device: device)
      let o = hstuAttention(q: q, kv: kv, rows, heads: 1, bias: bias, precision: .bfloat16)
      tape.backward(from: o, gradient: Tensor((0..<8 * T).map { Float(1 + $0 / 16 % 5) }, shape: [T, 8], device: device))
      return [o.floats(), time.gradient?.floats() ?? []]
    }
    // SiLU of neighbouring buckets differs by .05 at least.
    for ((found, expected), tolerance) in zip(zip(results(devices[deviceIndex]), results(.cpu)), [Float(0.025), 0.2]) {
      #expect(found.count == expected.count && !found.isEmpty)
      for i in found.indices { #expect(abs(found[i] - expected[i]) <= tolerance, "\(i): \(found[i]), not \(expected[i])") }
    }
  }
}
