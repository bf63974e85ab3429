// Every op against its Double reference on every device, and its gradient against central differences of the reference.
import AugurCompute
@testable import AugurOps
import AugurTensors
import OpCases
import Testing

private let devices = Device.available

@Suite struct OpCaseTests {
  @Test(arguments: OpCase.all.indices, devices.indices)
  func forward(_ index: Int, _ deviceIndex: Int) {
    let (op, device) = (OpCase.all[index], devices[deviceIndex])
    guard let worst = op.forward(on: device) else { return }
    #expect(worst.isWithin, "\(op.stem) \(op.name) on \(device): \(worst)")
  }

  @Test(arguments: OpCase.all.indices, devices.indices)
  func backward(_ index: Int, _ deviceIndex: Int) {
    let (op, device) = (OpCase.all[index], devices[deviceIndex])
    for worst in op.backward(on: device) { #expect(worst.isWithin, "\(op.stem) \(op.name) on \(device): \(worst)") }
  }

  /// A check that could not fail would be none: a result that is wrong, not a number, or too short is found.
  @Test func aWrongResultIsFound() throws {
    func made(plus y: Float? = nil, _ reference: @escaping @Sendable ([[Double]]) -> [Double]) -> OpCase {
      OpCase("Test", "x + x, or x + y", [.init([3, 2])]) { x, _ in
        add(x[0], y.map { Tensor([Float](repeating: $0, count: 6), shape: [3, 2], device: x[0].device) } ?? x[0])
      } reference: { reference($0) }
    }
    let right = made { $0[0].map { 2 * $0 } }
    #expect(try #require(right.forward(on: .cpu)).isWithin)
    #expect(right.backward(on: .cpu).map(\.isWithin) == [true])
    let wrong = made { $0[0].map { 2.01 * $0 } }
    #expect(wrong.forward(on: .cpu)?.isWithin == false)
    #expect(wrong.backward(on: .cpu).map(\.isWithin) == [false])
    #expect(made(plus: .nan) { $0[0].map { 2 * $0 } }.forward(on: .cpu)?.share == .infinity)
    #expect(made { _ in [1] }.forward(on: .cpu)?.isWithin == false)
  }
}

@Suite struct AgreementTests {
  /// The largest difference between the CPU and a device, relative to the largest element, by op: printed, and within the tolerances.
  @Test(arguments: devices.indices.dropFirst())
  func devicesDifferWithinTheTolerance(_ deviceIndex: Int) {
    var worst: [String: Double] = [:]
    for op in OpCase.all {
      let inputs = op.inputs.indices.map { op.values($0).map(Float.init) }
      let results = [Device.cpu, devices[deviceIndex]].map { device in
        op.run(op.inputs.indices.map { Tensor(inputs[$0], shape: op.inputs[$0].shape, device: device) }, nil).floats()
      }
      let size = max(1, results[0].map(abs).max() ?? 0)
      let difference = Double((zip(results[0], results[1]).map { abs($0 - $1) }.max() ?? 0) / size)
      #expect(difference <= 2 * op.tolerance, "\(op.stem) \(op.name)")
      let isRounded = op.name.contains("bfloat16")
      worst[op.stem + (isRounded ? " bfloat16" : ""), default: 0] = max(worst[op.stem + (isRounded ? " bfloat16" : ""), default: 0], difference)
    }
    let list = worst.sorted { $0.key < $1.key }.map { "\($0.key) \(Float($0.value))" }.joined(separator: ", ")
    print("cpu against \(devices[deviceIndex]), largest relative difference: \(list)")
  }

  /// NaN and infinity reach the row that they are in, or all that depends on it, and no row of another sequence.
  @Test(arguments: devices.indices, [(Float.nan, DataType.float32), (.infinity, .float32), (.nan, .bfloat16), (.infinity, .bfloat16)])
  func whatIsNotFiniteTravels(_ deviceIndex: Int, _ kind: (Float, DataType)) {
    let (value, precision) = kind
    let (device, T, D, row) = (devices[deviceIndex], 40, 16, 25)
    func tensor(_ columns: Int, poisoned: Bool) -> Tensor {
      var x = (0..<T * columns).map { Float(fixedValue($0, 3)) }
      if poisoned { x[row * columns] = value }
      return Tensor(x, shape: [T, columns], device: device)
    }
    let w = Tensor((0..<D * D).map { Float(fixedValue($0, 4)) + 2 }, shape: [D, D], device: device)
    let ones = Tensor([Float](repeating: 1, count: D), shape: [D], device: device)
    let rows = Jagged(offsets: [0, 20, 40], device: device)
    let (queries, distances) = (tensor(D, poisoned: false), Tensor.zeros([20], device: device))
    let ops: [(String, Int, (Tensor) -> Tensor)] = [
      ("linear", D, { linear($0, w, bias: ones, activation: .gelu, precision: precision) }),
      ("feedForward", D, { feedForward($0, w, ones, w, ones, activation: .silu, precision: precision) }),
      ("layerNorm", D, { layerNorm($0, gain: ones, bias: ones, epsilon: 1e-5) }),
      ("attention", 3 * D, { attention(qkv: $0, rows, heads: 2, precision: precision) }),
      ("hstuAttention", 2 * D, { hstuAttention(q: queries, kv: $0, rows, heads: 2, bias: HSTUBias(position: distances), precision: precision) }),
    ]
    for (name, columns, op) in ops {
      let (clean, poisoned) = (op(tensor(columns, poisoned: false)).floats(), op(tensor(columns, poisoned: true)).floats())
      #expect(poisoned[row * D..<(row + 1) * D].contains { !$0.isFinite }, "\(name): row \(row) lost \(value)")
      #expect(poisoned[..<(20 * D)].map(\.bitPattern) == clean[..<(20 * D)].map(\.bitPattern), "\(name): another row changed")
    }
  }
}

@Suite struct WindowMaximumTests {
  /// Central differences say nothing where values are equal: by definition the oldest of them has the gradient.
  @Test(arguments: devices.indices)
  func theOldestOfEqualsHasTheGradient(_ deviceIndex: Int) {
    let (device, tape) = (devices[deviceIndex], Tape())
    let x = Tensor([7, 7, 7, 7, 3, 5, 5] as [Float], shape: [7, 1], device: device).watched(by: tape)
    let y = windowMaximum(x, RowPlaces(Jagged(offsets: [0, 4, 7], device: device)), length: 3)
    tape.backward(from: y, gradient: Tensor([1, 2, 4, 8, 16, 32, 64] as [Float], shape: [7, 1], device: device))
    #expect(y.floats() == [7, 7, 7, 7, 3, 5, 5])
    #expect(x.gradient?.floats() == [7, 8, 0, 0, 16, 96, 0])
  }
}

@Suite struct EmbeddingBagTests {
  private let V = 3001, D = 9, n = 40_000, B = 801

  private func weights(_ w: Tensor, _ device: Device, isStepped: Bool) -> (y: [Float], table: [Float]) {
    let lookup = Lookup((0..<n).map { Int32((fixedValue($0, 5) + 1) / 2 * Double(V - 1)) }, rowCount: V, device: device)
    let bags = Jagged(offsets: (0...B).map { Int32($0 < B ? min(n, $0 * 49) : n) }, device: device)
    let dy = Tensor((0..<B * D).map { Float(fixedValue($0, 6)) }, shape: [B, D], device: device)
    let (table, tape) = (isStepped ? w.asSteppedTable(rate: 0.5) : w.asParameter(), Tape())
    let y = embeddingBag(table, lookup, bags, tape: tape)
    tape.backward(from: y, gradient: dy)
    if let g = table.gradient { sgdRows(w, g, rows: Lookup.union([lookup], rowCount: V), clip: .one, rate: 0.5, decay: 0) }
    return (y.floats(), w.floats())
  }

  /// Several chunks of the sort and several tasks of every loop.
  @Test(arguments: devices.indices, [false, true])
  func aStepHasTheSameBitsOnAnyNumberOfThreads(_ deviceIndex: Int, _ isStepped: Bool) {
    let before = ThreadPool.shared.threads
    defer { ThreadPool.shared.threads = before }
    let results = [1, 2, 3].map { threads in
      ThreadPool.shared.threads = threads
      let w = Tensor((0..<V * D).map { Float(fixedValue($0, 7)) }, shape: [V, D], device: devices[deviceIndex])
      return weights(w, devices[deviceIndex], isStepped: isStepped)
    }
    for result in results.dropFirst() {
      #expect(result.y.map(\.bitPattern) == results[0].y.map(\.bitPattern))
      #expect(result.table.map(\.bitPattern) == results[0].table.map(\.bitPattern))
    }
  }

  @Test(arguments: devices.indices)
  func aSteppedTableMovesAsByItsGradient(_ deviceIndex: Int) {
    let device = devices[deviceIndex]
    func made() -> Tensor { Tensor((0..<V * D).map { Float(fixedValue($0, 7)) }, shape: [V, D], device: device) }
    let (stepped, plain, start) = (
      weights(made(), device, isStepped: true).table, weights(made(), device, isStepped: false).table, made().floats())
    #expect(zip(stepped, plain).allSatisfy { abs($0 - $1) <= 2e-6 * max(1, abs($1)) })
    #expect(zip(stepped, start).contains { $0 != $1 })
    #expect(Array(stepped.suffix(D)) == Array(start.suffix(D)), "the last row is in no bag")
  }
}

@Suite struct RankingOpTests {
  @Test(arguments: devices.indices, [1, 20, 50, 64])
  func topItemsAreThoseOfASort(_ deviceIndex: Int, _ D: Int) {
    let device = devices[deviceIndex]
    let (B, V) = (5, 300)
    let h = (0..<B * D).map { Float(fixedValue($0, 1)) }
    let table = (0..<V * D).map { Float(fixedValue($0, 2)) }
    let seen: [Int32] = [0, 7, 299]
    let best = topItems(
      Tensor(h, shape: [B, D], device: device), Tensor(table, shape: [V, D], device: device),
      seen: (0..<B).flatMap { _ in seen }, seenOffsets: (0...B).map { Int32($0 * 3) }, k: 10)
    for b in 0..<B {
      let expected = referenceTopItems(Array(h[b * D..<(b + 1) * D]), table, seen: seen, D: D, k: 10)
      #expect(Array(best.items[b * 10..<(b + 1) * 10]) == expected)
    }
  }

  @Test(arguments: devices.indices)
  func aConstantScorerTiesWithEveryone(_ deviceIndex: Int) {
    let device = devices[deviceIndex]
    let ranks = targetRanks(
      Tensor([Float](repeating: 0, count: 8), shape: [2, 4], device: device), Tensor.zeros([50, 4], device: device), targets: [3, 9],
      seen: [1, 2], seenOffsets: [0, 2, 2])
    #expect(ranks.greater == [0, 0])
    #expect(ranks.equal == [47, 49])
  }

  /// Equal scores, NaN and infinite rows, rows of zero, seen items, a share without items: the same lists to the bit.
  @Test(arguments: [(1, 4096, 20), (2, 5000, 64), (5, 4160, 1), (2, 4097, 33)])
  func aCompactTableChangesNoBit(_ threads: Int, _ V: Int, _ D: Int) throws {
    let before = ThreadPool.shared.threads
    defer { ThreadPool.shared.threads = before }
    ThreadPool.shared.threads = threads
    var table = (0..<V * D).map { Float(fixedValue($0, 2)) }
    for d in 0..<D {
      (table[7 * D + d], table[9 * D + d], table[4000 * D + d]) = (table[11 * D + d], 0, table[11 * D + d])
      table[4090 * D + d] *= 1e-20
    }
    (table[100 * D], table[200 * D], table[300 * D]) = (.nan, .infinity, -.infinity)
    let tensor = Tensor(table, shape: [V, D])
    let compact = try #require(CompactTable(tensor))
    for (salt, k) in [(1, 10), (3, 1), (4, 200), (5, 4096)] {
      let h = Tensor((0..<D).map { salt == 3 ? 0 : Float(fixedValue($0, salt)) }, shape: [1, D])
      let seen: [Int32] = [0, 11, 200, Int32(V - 1)]
      let plain = topItems(h, tensor, seen: seen, seenOffsets: [0, 4], k: k)
      let fast = topItems(h, tensor, seen: seen, seenOffsets: [0, 4], k: k, compact: compact)
      #expect(plain.items == fast.items)
      #expect(plain.scores.map(\.bitPattern) == fast.scores.map(\.bitPattern))
    }
  }

  @Test func aCatalogueSmallerThanTheListLeavesPlacesEmpty() {
    let best = topItems(
      Tensor([1 as Float], shape: [1, 1]), Tensor([2 as Float, 3, .nan], shape: [3, 1]), seen: [], seenOffsets: [0, 0], k: 5)
    #expect(best.items.prefix(2) == [1, 0])
    #expect(best.items.suffix(2) == [-1, -1])
  }

  @Test func aRowHasTheSameBitsInAnyBatchAndOnAnyNumberOfThreads() {
    let (T, K, N) = (300, 50, 50)
    let x = (0..<T * K).map { Float(fixedValue($0, 1)) }
    let w = Tensor((0..<K * N).map { Float(fixedValue($0, 2)) }, shape: [K, N])
    let whole = linear(Tensor(x, shape: [T, K]), w, activation: .gelu).floats()
    let threads = ThreadPool.shared.threads
    defer { ThreadPool.shared.threads = threads }
    for (begin, end) in [(0, 1), (5, 200), (299, 300), (17, 145)] {
      ThreadPool.shared.threads = end % 2 + 1
      let part = linear(Tensor(Array(x[begin * K..<end * K]), shape: [end - begin, K]), w, activation: .gelu).floats()
      #expect(part.map(\.bitPattern) == whole[begin * N..<end * N].map(\.bitPattern))
    }
  }
}

@Suite struct LaunchTests {
  /// Memory that is given back before its kernel is in the queue may be filled by another thread first.
  @Test(arguments: devices.indices.dropFirst())
  func anArgumentOwnsItsMemory(_ deviceIndex: Int) {
    weak var storage: Storage?
    func temporaryArgument() -> KernelArgument {
      let tensor = Tensor.zeros([1000], device: devices[deviceIndex])
      storage = tensor.storage
      return tensor.argument
    }
    let argument = temporaryArgument()
    withExtendedLifetime(argument) { #expect(storage != nil) }
  }
}

@Suite struct OptimizerOpTests {
  @Test(arguments: devices.indices)
  func adamFollowsThePaper(_ deviceIndex: Int) {
    let device = devices[deviceIndex]
    let n = 37
    let start = (0..<n).map { Float(fixedValue($0, 1)) }
    let w = Tensor(start, shape: [n], device: device)
    let (g, m, v) = (Tensor.zeros([n], device: device), Tensor.zeros([n], device: device), Tensor.zeros([n], device: device))
    var reference = start.map { ReferenceAdam(w: Double($0)) }
    for t in 1...5 {
      let gradient = (0..<n).map { Float(fixedValue($0, t + 10)) }
      g.assign(gradient)
      adam([AdamUpdate(w, g, m, v, decay: 0.1)], clip: ClipFactor(0.5), AdamStep(learningRate: 0.01, beta1: 0.9, beta2: 0.98, epsilon: 1e-8, step: t))
      for i in 0..<n {
        reference[i].step(Double(gradient[i]) * 0.5, t: t, rate: 0.01, beta1: 0.9, beta2: 0.98, epsilon: 1e-8, decay: 0.1)
      }
    }
    let worst = zip(w.floats(), reference).map { abs(Double($0) - $1.w) }.max() ?? 0
    #expect(worst < 2e-6)
    #expect(g.floats().allSatisfy { $0 == 0 })
  }

  @Test(arguments: devices.indices)
  func lazyAdamOnAllRowsIsAdam(_ deviceIndex: Int) {
    let device = devices[deviceIndex]
    let (V, D) = (6, 5)
    func run(lazily: Bool) -> [Float] {
      let w = Tensor((0..<V * D).map { Float(fixedValue($0, 1)) }, shape: [V, D], device: device)
      let (m, v) = (Tensor.zeros([V, D], device: device), Tensor.zeros([V, D], device: device))
      let last = Tensor([Int32](repeating: 0, count: V), shape: [V], device: device)
      let rows = Tensor((0..<Int32(V)).map { $0 }, shape: [V], device: device)
      for t in 1...4 {
        let g = Tensor((0..<V * D).map { Float(fixedValue($0, t + 10)) }, shape: [V, D], device: device)
        let step = AdamStep(learningRate: 0.01, beta1: 0.9, beta2: 0.98, epsilon: 1e-8, step: t)
        if lazily {
          adamRows(w, g, m, v, last: last, rows: rows, clip: .one, decay: 0, step)
        } else {
          adam([AdamUpdate(w, g, m, v, decay: 0)], clip: .one, step)
        }
      }
      return w.floats()
    }
    let worst = zip(run(lazily: true), run(lazily: false)).map { abs($0 - $1) }.max() ?? 0
    #expect(worst < 1e-6)
  }

  @Test(arguments: devices.indices, [(false, 0), (true, 0), (false, 0.2), (true, 0.2)])
  func adagradFollowsThePaper(_ deviceIndex: Int, _ kind: (isByRow: Bool, decay: Double)) {
    let (device, isByRow, decay) = (devices[deviceIndex], kind.isByRow, kind.decay)
    for (V, D) in [(1, 1), (5, 3), (4, 37)] {
      let start = (0..<V * D).map { Float(fixedValue($0, 1)) }
      let w = Tensor(start, shape: [V, D], device: device)
      let s = Tensor.zeros(isByRow ? [V] : [V, D], device: device)
      var reference = (0..<V).map { ReferenceAdagrad(w: start[$0 * D..<($0 + 1) * D].map(Double.init), isByRow: isByRow) }
      // Every second step touches the rows 0, 2, ... only.
      for t in 1...6 {
        let touched = (0..<V).filter { t % 2 == 1 || $0 % 2 == 0 }
        let gradient = (0..<V * D).map { touched.contains($0 / D) ? Float(fixedValue($0, t + 10)) : 0 }
        let g = Tensor(gradient, shape: [V, D], device: device)
        let rows = Tensor(touched.map { Int32($0) }, shape: [touched.count], device: device)
        adagrad(w, g, squares: s, rows: t % 3 == 0 ? nil : rows, clip: ClipFactor(0.5), rate: 0.1, epsilon: 1e-8, decay: Float(decay))
        // Rows without a gradient decay too where all are asked for.
        for row in t % 3 == 0 ? Array(0..<V) : touched {
          reference[row].step(gradient[row * D..<(row + 1) * D].map { 0.5 * Double($0) }, rate: 0.1, epsilon: 1e-8, decay: decay)
        }
        #expect(g.floats().allSatisfy { $0 == 0 })
      }
      let worst = zip(w.floats(), reference.flatMap(\.w)).map { abs(Double($0) - $1) }.max() ?? 0
      #expect(worst < 2e-6, "\(V) x \(D)")
    }
  }

  @Test(arguments: devices.indices, [false, true])
  func momentumFollowsItsDefinition(_ deviceIndex: Int, _ nesterov: Bool) {
    let device = devices[deviceIndex]
    let n = 37
    let start = (0..<n).map { Float(fixedValue($0, 1)) }
    let (w, m) = (Tensor(start, shape: [n], device: device), Tensor.zeros([n], device: device))
    var reference = start.map { ReferenceMomentum(w: Double($0)) }
    for t in 1...5 {
      let gradient = (0..<n).map { Float(fixedValue($0, t + 10)) }
      let g = Tensor(gradient, shape: [n], device: device)
      sgd(w, g, momentum: m, clip: ClipFactor(0.5), rate: 0.01, momentum: 0.9, decay: 0.1, nesterov: nesterov)
      for i in 0..<n {
        reference[i].step(Double(gradient[i]) * 0.5, rate: 0.01, momentum: 0.9, decay: 0.1, nesterov: nesterov)
      }
    }
    let worst = zip(w.floats(), reference).map { abs(Double($0) - $1.w) }.max() ?? 0
    #expect(worst < 1e-6)
  }

  @Test(arguments: devices.indices)
  func sgdMovesOnlyTheRowsItIsGiven(_ deviceIndex: Int) {
    let device = devices[deviceIndex]
    let w = Tensor([1 as Float, 2, 3, 4], shape: [2, 2], device: device)
    let g = Tensor([1 as Float, 1, 1, 1], shape: [2, 2], device: device)
    sgdRows(w, g, rows: Tensor([1 as Int32], shape: [1], device: device), clip: .one, rate: 0.5, decay: 0)
    #expect(w.floats() == [1, 2, 2.5, 3.5])
    #expect(g.floats() == [1, 1, 0, 0])
  }

  @Test(arguments: devices.indices)
  func sumOfSquaresIsExactOnSmallIntegers(_ deviceIndex: Int) {
    let x = Tensor((0..<100_000).map { Float($0 % 7) }, shape: [100_000], device: devices[deviceIndex])
    let expected = (0..<100_000).map { ($0 % 7) * ($0 % 7) }.reduce(0, +)
    #expect(sumOfSquares([x]) == Double(expected))
  }

  /// More tensors than one launch takes, of sizes on both sides of a work-group, one of them empty: each has its own decay, and the clip
  /// factor of all of them together.
  @Test(arguments: devices.indices, [Float(0.5), 1e9])
  func manyTensorsAreUpdatedTogether(_ deviceIndex: Int, _ limit: Float) {
    let device = devices[deviceIndex]
    let sizes = [1, 37, 4096, 0, 5000, 64, 255, 256, 257, 9000, 3, 8, 0, 31, 1024, 4097, 2, 300, 1]
    let (starts, gradients) = (sizes.enumerated().map(values(salt: 1)), sizes.enumerated().map(values(salt: 50)))
    let norm = gradients.joined().reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
    let factor = min(1, Double(limit) / norm)
    let (w, g) = (starts.map { Tensor($0, shape: [$0.count], device: device) }, gradients.map { Tensor($0, shape: [$0.count], device: device) })
    let updates = w.indices.map { i in
      AdamUpdate(w[i], g[i], .zeros(w[i].shape, device: device), .zeros(w[i].shape, device: device), decay: Float(i % 3) / 10)
    }
    adam(updates, clip: ClipFactor(g, limit: limit), AdamStep(learningRate: 0.01, beta1: 0.9, beta2: 0.98, epsilon: 1e-2, step: 1))
    for (i, tensor) in w.enumerated() {
      let expected = zip(starts[i], gradients[i]).map { start, gradient in
        var reference = ReferenceAdam(w: Double(start))
        reference.step(factor * Double(gradient), t: 1, rate: 0.01, beta1: 0.9, beta2: 0.98, epsilon: 1e-2, decay: Double(i % 3) / 10)
        return reference.w
      }
      let worst = zip(tensor.floats(), expected).map { abs(Double($0) - $1) }.max() ?? 0
      #expect(worst < 2e-6, "tensor \(i)")
      #expect(g[i].floats().allSatisfy { $0 == 0 })
    }
  }

  private func values(salt: Int) -> (_ tensor: (offset: Int, element: Int)) -> [Float] {
    { tensor in (0..<tensor.element).map { Float(fixedValue($0, salt + tensor.offset)) } }
  }
}
