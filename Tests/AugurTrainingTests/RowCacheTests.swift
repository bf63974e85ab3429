// Tables outside of a GPU with some of their rows in its memory: the same results as with all of them there, whatever moves.
import AugurCompute
import AugurEvents
import AugurLayers
@testable import AugurModels
import AugurOps
import AugurTensors
@testable import AugurTraining
import Testing

@Suite struct CachedRowsTests {
  /// Lookups of `count` ids, small ones more likely: the least of `draws`.
  private func lookup(_ count: Int, below V: Int, draws: Int, _ random: inout RandomStream) -> HostLookup {
    var lookup = HostLookup()
    lookup.copy((0..<count).map { _ in Int32((0..<draws).map { _ in random.below(V) }.min() ?? 0) })
    lookup.group(rowCount: V)
    return lookup
  }

  /// Follows the moves: a row enters only from outside, leaves only from its place, and rows of a batch are in their places after it.
  @Test(arguments: [(30, 1, 1), (30, 13, 10), (500, 40, 20), (500, 500, 300), (7, 7, 50)])
  func rowsOfABatchAreInTheirPlaces(_ V: Int, _ S: Int, _ n: Int) {
    var random = RandomStream(seed: UInt64(V + S))
    var (cached, inPlace) = (CachedRows(rowCount: V, count: S), [Int32](repeating: -1, count: S))
    func follow(_ moves: [Int32], empties: Bool = false) {
      #expect(moves.count % 3 == 0)
      for at in stride(from: 0, to: moves.count, by: 3) {
        let (place, leaving, entering) = (Int(moves[at]), moves[at + 1], moves[at + 2])
        #expect(inPlace[place] == leaving && (entering < 0) == empties && (entering < 0 || !inPlace.contains(entering)))
        inPlace[place] = entering
      }
      #expect(Set(stride(from: 0, to: moves.count, by: 3).map { moves[$0] }).count == moves.count / 3)
    }
    for batch in 0..<60 {
      let lookups = [lookup(n / 2, below: V, draws: 3, &random), lookup(n - n / 2, below: V, draws: 1, &random), HostLookup()]
      guard Set(lookups.flatMap(\.ids)).count <= S else { continue }
      follow(cached.admit(lookups))
      for lookup in lookups {
        for (id, place) in zip(lookup.ids, cached.places(of: lookup.ids)) { #expect(inPlace[Int(place)] == id) }
      }
      #expect(cached.admit(lookups) == [])
      if batch % 20 == 19 { follow(cached.empty(), empties: true) }
    }
    follow(cached.empty(), empties: true)
    #expect(inPlace.allSatisfy { $0 < 0 } && cached.empty() == [])
  }

  /// A tenth of 100,000 rows in places; rows by Zipf's law, beside as many drawn evenly, which nobody asks for again. With the 10,000 most
  /// frequent rows in them .337 of the different rows of a batch were missing; where the row that nobody asked for the longest leaves, .622.
  @Test(arguments: [(false, 0.54), (true, 0.40)]) func rowsThatComeOftenStay(_ isKnown: Bool, _ most: Double) {
    let (V, S, n) = (100_000, 10_000, 2000)
    var random = RandomStream(seed: 3)
    let occurrences = isKnown ? (1...V).map { 1_000_000 / $0 } : []
    var (cached, moves, rows) = (CachedRows(rowCount: V, count: S, occurrences: occurrences), 0, 0)
    var sums = [0.0]
    for rank in 1...V { sums.append(sums[rank - 1] + 1 / Double(rank)) }
    for batch in 0..<150 {
      var popular = HostLookup()
      popular.copy(
        (0..<n).map { _ in
          let mass = Double(random.below(1 << 30)) / Double(1 << 30) * sums[V]
          var (low, high) = (0, V - 1)
          while low < high {
            let middle = (low + high) / 2
            if sums[middle + 1] > mass { high = middle } else { low = middle + 1 }
          }
          return Int32(low)
        })
      popular.group(rowCount: V)
      let even = lookup(n, below: V, draws: 1, &random)
      // Where the rows of popular lookups are not in places before their batch, they come over the bus.
      let misses = Set(cached.places(of: popular.distinct).enumerated().filter { $0.element < 0 }.map(\.offset)).count
      _ = cached.admit([popular, even])
      if batch >= 50 { (moves, rows) = (moves + misses, rows + popular.distinct.count) }
    }
    #expect(Double(moves) / Double(rows) < most, "\(Double(moves) / Double(rows)) of rows were not in the cache")
  }
}

@Suite(.serialized) struct RowCacheTests {
  static let devices = Device.available.filter { $0 != .cpu }

  /// Rows of odd widths and of integers move bit by bit, on the CPU too.
  @Test(arguments: Device.available.indices, [1, 5, 64])
  func rowsAreExchanged(_ index: Int, _ D: Int) {
    let device = Device.available[index]
    // NaN with all kinds of bits among them.
    let values = (0..<9 * D).map { Float(bitPattern: 0x7fa0_0001 &+ UInt32($0) &* 0x0101_0101) }
    let outside = Tensor(values, shape: [9, D], device: device, isOutside: device != .cpu)
    let inside = Tensor.zeros([4, D], device: device)
    func bits(_ tensor: Tensor) -> [UInt32] { tensor.floats().map(\.bitPattern) }
    func row(_ r: Int) -> [UInt32] { values[r * D..<(r + 1) * D].map(\.bitPattern) }
    exchangeRows(inside, outside, Tensor([3, -1, 8, 0, -1, 2] as [Int32], shape: [2, 3], device: device))
    #expect(bits(inside) == row(2) + [UInt32](repeating: 0, count: 2 * D) + row(8))
    inside.assign((0..<4 * D).map { Float($0) })
    exchangeRows(inside, outside, Tensor([3, 8, 1, 0, 2, -1] as [Int32], shape: [2, 3], device: device))
    #expect(bits(inside) == (0..<3 * D).map { Float($0).bitPattern } + row(1))
    let expected = row(0) + row(1) + (0..<D).map { Float($0).bitPattern } + (3..<8).flatMap(row) + (3 * D..<4 * D).map { Float($0).bitPattern }
    #expect(bits(outside) == expected)
    exchangeRows(inside, outside, Tensor([] as [Int32], shape: [0, 3], device: device))
    #expect(bits(outside) == expected)
  }

  /// Steps with a cache that is barely large enough, read in between, end at the same bits as steps on whole tables on the device.
  @Test(
    arguments: devices.indices,
    [
      ["model": "sasrec", "optimizer": "lazy-adam"], ["model": "sasrec", "optimizer": "sgd", "output-table": "separate"],
      ["model": "gru4rec", "optimizer": "rowwise-adagrad"], ["model": "gsasrec", "optimizer": "lazy-adam"],
      ["model": "esasrec", "loss": "sampled", "drawn": "in-batch", "optimizer": "adagrad", "sharing": "batch"],
    ])
  func stepsDoNotDependOnTheCache(_ index: Int, _ settings: [String: String]) throws {
    let (V, device) = (300, Self.devices[index])
    let entry = try ModelEntry.named(settings["model"] ?? "")
    var knobs = Hyperparameters(entry.hyperparameters + TrainingPlan.knobs)
    let common = ["dim": "12", "length": "8", "blocks": "1", "heads": "1", "negatives": "5", "learning-rate": "0.05"]
    for (name, value) in common.merging(settings, uniquingKeysWith: { $1 }) where name != "model" && knobs.knows(name) {
      try knobs.set(name, value)
    }
    #expect(Optimizer.updatesRowsAlone(knobs))
    func run(places: Int?) throws -> [[UInt32]] {
      let model = try entry.make(knobs, V)
      if places != nil { _ = leaveOutside(model.parameters, copies: 1, room: 0) }
      initialize(model.parameters, on: device, seed: 4)
      let shares = Tensor((0..<V).map { -Float($0) / 100 }, shape: [V], device: device)
      let maker = BatchMaker(
        itemCount: V, device: device, knobs: knobs, seed: 1, fillsMasks: false, logShares: knobs.drawsInBatch ? shares : nil)
      let cache = places.map { RowCache(rowCount: V, places: $0, device: device, logShares: maker.logShares) }
      let optimizer = Optimizer(model.parameters, knobs, cache: cache)
      var (losses, random): ([UInt32], RandomStream) = ([], RandomStream(seed: 9))
      for step in 0..<24 {
        var batch = SequenceBatch()
        batch.users = [0, 1, 2]
        batch.offsets = [0, 8, 9, 14]
        batch.inputs = (0..<14).map { _ in Int32(random.below(1 + random.below(V))) }
        batch.targets = (0..<14).map { _ in Int32(random.below(V)) }
        batch.positions = (0..<14).map { Int32($0 % 8) }
        let made = maker.make(batch, step: step, cache)
        let tape = Tape()
        let loss = made.loss(of: model, Pass(training: tape, seed: UInt64(step)), knobs)
        tape.backward(from: loss)
        optimizer.update(step: step + 1, learningRate: 0.05)
        cache?.endStep()
        losses.append(loss.floats()[0].bitPattern)
        if step == 10 { #expect(model.outputTable.value.shape.rows >= V) }
      }
      let state = optimizer.state.map { $0.tensor.dtype == .int32 ? $0.tensor.ints().map { UInt32(bitPattern: $0) } : $0.tensor.floats().map(\.bitPattern) }
      return [losses] + model.parameters.map { $0.value.floats().map(\.bitPattern) } + state
    }
    let whole = try run(places: nil)
    #expect(try run(places: 100) == whole)
    #expect(try run(places: V) == whole)
  }

  /// So many histories take so much, and so much takes so many.
  @Test(arguments: [1, 2, 9, 400]) func stepsThatFitAreTold(_ count: Int) throws {
    var knobs = Hyperparameters(try ModelEntry.named("sasrec").hyperparameters + TrainingPlan.knobs)
    for (name, value) in ["dim": "16", "length": "100", "heads": "1"] { try knobs.set(name, value) }
    // The memory of the CPU is that of all tests that run at the same time.
    let device = DeviceQueue.makeAll().first.map(Device.gpu) ?? .cpu
    let model = try ModelEntry.named("sasrec").makeModel(knobs, itemCount: 30, device: device, seed: 1)
    let maker = BatchMaker(itemCount: 30, device: device, knobs: knobs, seed: 1, fillsMasks: false)
    for mean in [3, 64, 100] {
      let memory = StepMemory(model, maker, mean: mean)
      let bytes = memory.bytes(tokens: 100 * count, sequences: count)
      let found = memory.histories(in: bytes, length: 100)
      // A history of 100 rows is counted as whole ones of fewer.
      #expect(found <= count && found >= count * 3 / 4, "\(found) of \(count)")
      #expect(memory.bytes(tokens: 100 * found, sequences: found) <= bytes && memory.histories(in: 100, length: 100) == 0)
    }
  }

  /// Who reads or writes whole tables gets none.
  @Test func plansThatNeedWholeTablesHaveNoCache() throws {
    func updatesRowsAlone(_ settings: [String: String]) throws -> Bool {
      var knobs = Hyperparameters(TrainingPlan.knobs)
      for (name, value) in settings { try knobs.set(name, value) }
      return Optimizer.updatesRowsAlone(knobs)
    }
    for optimizer in TrainingPlan.optimizers {
      #expect(try updatesRowsAlone(["optimizer": optimizer]) == (optimizer != "adam"))
      #expect(try !updatesRowsAlone(["optimizer": optimizer, "clip": "1"]))
      #expect(try !updatesRowsAlone(["optimizer": optimizer, "ema": "0.9"]))
    }
    #expect(try !updatesRowsAlone(["optimizer": "sgd", "momentum": "0.9"]))
    #expect(try updatesRowsAlone(["optimizer": "lazy-adam", "momentum": "0.9"]))
  }
}
