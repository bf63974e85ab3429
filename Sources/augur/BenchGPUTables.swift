// The works of `bench ops --of gpu` that read large tables: lookups and their updates, losses over the catalogue, the best items.
import AugurCompute
import AugurOps
import AugurTensors
import Glibc

/// Ids whose r-th most frequent is drawn about as often as 1 / r, scattered over the table.
private func zipfIDs(_ n: Int, below V: Int) -> [Int32] {
  var generator = RandomStream(seed: 1)
  return (0..<n).map { _ in
    let rank = min(V - 1, Int(exp(generator.uniform() * log(Double(V + 1)))) - 1)
    return Int32(rank * 7919 % V)
  }
}

extension OpSizes {
  /// What one update of the rows that a batch touched does. Ids are grouped before, as in training, where the host does it beside the step.
  private enum Update: String { case sgd = "SGD", adagrad = "Adagrad by row", adam = "lazy Adam" }

  func lookupWorks(_ s: [Int]) -> [OpWork] {
    let (V, D, n) = (s[0], s[1], s[2])
    let row = 4 * Double(n * D)
    let forward = OpWork(op: "embedding lookup", shape: s, dtype: .float32, bytes: 2 * row, memory: 4 * (V + n) * D) { device in
      let (table, ids) = (random([V, D], device), Lookup(zipfIDs(n, below: V), rowCount: V, device: device, isGrouped: false))
      return { _ = selectedRows(table, ids) }
    }
    let grouping = OpWork(op: "embedding ids grouped", shape: [n, V], dtype: .float32, memory: 16 * n) { device in
      let ids = zipfIDs(n, below: V)
      return { _ = Lookup(ids, rowCount: V, device: device) }
    }
    return [forward] + [Update.sgd, .adagrad, .adam].map { updateWork($0, V, D, n, bytes: 4 * row) } + [grouping, exchangeWork(V, D, n / 8)]
  }

  /// Rows of a cache and as many others of a table in memory of the host change places. Half of the bytes cross the bus each way.
  private func exchangeWork(_ V: Int, _ D: Int, _ n: Int) -> OpWork {
    OpWork(op: "rows exchanged with the host", shape: [V, D, n], dtype: .float32, bytes: 2 * 4 * Double(n * D), memory: 4 * n * D) { device in
      let ones = [Float](repeating: 1, count: V * D)
      let (table, rows) = (Tensor(ones, shape: [V, D], device: device, isOutside: device != .cpu), random([n, D], device))
      // The primes scatter them; the two halves of the table do not meet.
      let half = V / 2
      let moves = (0..<n).flatMap { place in
        let row = place * 7919 % half
        return [Int32(place), Int32(row), Int32(half + row)]
      }
      let list = Tensor(moves, shape: [n, 3], device: device)
      return { exchangeRows(rows, table, list) }
    }
  }

  private func updateWork(_ update: Update, _ V: Int, _ D: Int, _ n: Int, bytes: Double) -> OpWork {
    OpWork(
      op: "embedding forward+backward+\(update.rawValue)", shape: [V, D, n], dtype: .float32, bytes: bytes,
      memory: 4 * D * ((update == .adam ? 4 : 2) * V + 2 * n)
    ) { device in
      let table = random([V, D], device)
      let lookup = Lookup(zipfIDs(n, below: V), rowCount: V, device: device)
      let (rows, dy) = (Lookup.union([lookup], rowCount: V), random([n, D], device))
      let watched = update == .sgd ? table.asSteppedTable(rate: 0.01) : table.asParameter()
      let states = (0..<(update == .adam ? 2 : 1)).map { _ in Tensor.zeros(update == .adam ? [V, D] : [V], device: device) }
      let last = Tensor([Int32](repeating: 0, count: V), shape: [V], device: device)
      var step = 0
      return {
        step += 1
        let tape = Tape()
        tape.backward(from: embedding(watched, lookup, tape: tape), gradient: dy)
        watched.slot?.touchedRows = []
        guard let g = watched.gradient else { return }
        if update == .adagrad {
          adagrad(watched, g, squares: states[0], rows: rows, clip: .one, rate: 0.01, epsilon: 1e-8, decay: 0)
        } else {
          let adam = AdamStep(learningRate: 0.001, beta1: 0.9, beta2: 0.98, epsilon: 1e-8, step: step)
          adamRows(watched, g, states[0], states[1], last: last, rows: rows, clip: .one, decay: 0, adam)
        }
      }
    }
  }

  /// Softmax over the whole catalogue.
  func softmaxWork(_ s: [Int]) -> OpWork {
    let (T, V, D) = (s[0], s[1], s[2])
    return OpWork(
      op: "softmax cross-entropy forward+backward", shape: s, dtype: .bfloat16, flops: 6 * Double(T * V) * Double(D),
      memory: 10 * (V + T) * D + 16384 * T
    ) { device in
      let (h, table) = (random([T, D], device), random([V, D], device).asParameter())
      let targets = Lookup((0..<T).map { Int32($0 * 7919 % V) }, rowCount: V, device: device)
      return {
        let tape = Tape()
        tape.backward(from: softmaxLoss(h.watched(by: tape), table, targets: targets, precision: .bfloat16))
      }
    }
  }

  /// Softmax against negatives that the batch shares.
  func sampledWork(_ s: [Int]) -> OpWork {
    let (T, D, N, V) = (s[0], s[1], s[2], s[3])
    return OpWork(
      op: "sampled softmax forward+backward", shape: s, dtype: .bfloat16, flops: 6 * Double(T * D) * Double(N),
      memory: 8 * (V + T) * D + 8 * T * N
    ) { device in
      let (h, table) = (random([T, D], device), random([V, D], device).asParameter())
      let targets = Lookup(zipfIDs(T, below: V), rowCount: V, device: device)
      let drawn = Lookup((0..<N).map { Int32($0 * 104_729 % V) }, rowCount: V, device: device)
      let negatives = Negatives(drawn, count: N, sharing: .batch)
      return {
        let tape = Tape()
        let h = h.watched(by: tape)
        tape.backward(from: sampledLoss(h, table, targets: targets, negatives: negatives, .softmax, precision: .bfloat16))
        table.slot?.touchedRows = []
      }
    }
  }

  /// The k best of V items for B users, exactly; reads the lists back.
  func scoresWork(_ s: [Int]) -> OpWork {
    let (B, V, D, k) = (s[0], s[1], s[2], s[3])
    return OpWork(
      op: "scores and top k", shape: s, dtype: .float32, flops: 2 * Double(B * V) * Double(D), bytes: 4 * Double(V * D),
      memory: 4 * (V + B) * D
    ) { device in
      let (h, table) = (random([B, D], device), random([V, D], device))
      let offsets = [Int32](repeating: 0, count: B + 1)
      return { _ = topItems(h, table, seen: [], seenOffsets: offsets, k: k) }
    }
  }
}
