// Scores of the whole catalogue for each user, never stored: the k best, or the rank of one item.
import AugurCompute
public import AugurTensors
import CKernels

private let module = KernelModule(name: "top_k") { String(cString: ck_opencl_top_k()) }

/// Items whose scores a device holds at a time.
private let scoreTile = 4096

/// The k best items of each user: score falling, then the lower index. A missing place has item -1 and score -infinity.
public struct TopItems: Sendable {
  /// `[B, k]`.
  public let items: [Int32]
  public let scores: [Float]
  public let k: Int
}

/// A copy of an item table in 8 bits an element. It bounds every score from above, so that one user's best items are found by
/// reading a quarter of the bytes, and are still exactly the best.
public struct CompactTable: Sendable {
  let codes: Tensor, scales: Tensor, norms: Tensor

  /// Copies `table` `[V, D]`; nil where nothing is gained: off the CPU, for few items or wide rows.
  public init?(_ table: Tensor) {
    let (V, D) = (table.shape.rows, table.shape.columns)
    guard table.device == .cpu, V >= 4096, D <= Int(CK_COMPACT_COLUMNS) else { return nil }
    let padded = (V + 63) / 64 * 64
    let codes = Tensor([(padded * D + 3) / 4], device: .cpu)
    let (scales, norms) = (Tensor([padded], device: .cpu), Tensor([padded], device: .cpu))
    parallel(padded, grain: 64 * 64) {
      ck_compact(CompactTable.bytes(codes), scales.pointer, norms.pointer, table.pointer, $0, $1, V, D)
    }
    (self.codes, self.scales, self.norms) = (codes, scales, norms)
  }

  static func bytes(_ codes: Tensor) -> UnsafeMutablePointer<Int8> { codes.storage.host.assumingMemoryBound(to: Int8.self) }

  /// The best of one user: a list for each thread's share of the items, merged. Scores and their order do not depend on the shares.
  func best(_ h: UnsafePointer<Float>, _ table: Tensor, seen: UnsafeBufferPointer<Int32>, k: Int) -> (items: [Int32], scores: [Float]) {
    let (V, D) = (table.shape.rows, table.shape.columns)
    let shares = ThreadPool.shared.threads
    let share = ((V + shares - 1) / shares + 63) / 64 * 64
    let scores = Tensor([shares, k], device: .cpu)
    let items = Tensor([shares, k], dtype: .int32, device: .cpu)
    nonisolated(unsafe) let (h, seen) = (h, seen)
    parallel(shares) { i in
      ck_top_k_compact(
        scores.pointer + i * k, items.intPointer + i * k, h, table.pointer, CompactTable.bytes(codes), scales.pointer,
        norms.pointer, seen.baseAddress, seen.count, min(V, i * share), min(V, (i + 1) * share), D, k)
    }
    return merged(items.ints(), scores.floats(), lists: shares, k: k)
  }

  /// Shares hold rising items, so an earlier list wins a tie; NaN comes after every number and before places that are empty.
  private func merged(_ items: [Int32], _ scores: [Float], lists: Int, k: Int) -> (items: [Int32], scores: [Float]) {
    var heads = (0..<lists).map { $0 * k }
    var best: (items: [Int32], scores: [Float]) = ([], [])
    for _ in 0..<k {
      var winner: Int?
      for list in 0..<lists where heads[list] < (list + 1) * k && items[heads[list]] >= 0 {
        guard let current = winner else {
          winner = list
          continue
        }
        let (new, old) = (scores[heads[list]], scores[heads[current]])
        if new > old || (old.isNaN && !new.isNaN) { winner = list }
      }
      best.items.append(winner.map { items[heads[$0]] } ?? -1)
      best.scores.append(winner.map { scores[heads[$0]] } ?? -.infinity)
      if let winner { heads[winner] += 1 }
    }
    return best
  }
}

/// The k items with the greatest h . table[v] for each row of `h`, without those in `seen`.
///
/// - Parameters:
///   - h: `[B, D]`.
///   - table: `[V, D]`.
///   - seen: for each row of `h` the items to leave out, sorted; offsets `[B + 1]`.
///   - compact: a copy of `table` that makes the answer for a few users faster and changes no bit of it.
public func topItems(
  _ h: Tensor, _ table: Tensor, seen: [Int32], seenOffsets: [Int32], k: Int, compact: CompactTable? = nil
) -> TopItems {
  let (B, V, D) = (h.shape.rows, table.shape.rows, table.shape.columns)
  precondition(h.shape.columns == D && seenOffsets.count == B + 1 && k > 0, "topItems: expected h [B, \(D)], got \(h.shape)")
  // More users share one reading of the whole table: from there on it is the faster way.
  if let compact, B <= 4 {
    let lists = (0..<B).map { b in
      seen.withUnsafeBufferPointer {
        compact.best(
          h.pointer + b * D, table, seen: UnsafeBufferPointer(rebasing: $0[Int(seenOffsets[b])..<Int(seenOffsets[b + 1])]), k: k)
      }
    }
    return TopItems(items: lists.flatMap(\.items), scores: lists.flatMap(\.scores), k: k)
  }
  let device = h.device
  let seenTensor = Tensor(seen, shape: [seen.count], device: device)
  let offsets = Tensor(seenOffsets, shape: [B + 1], device: device)
  let scores = Tensor([B, k], device: device)
  let items = Tensor([B, k], dtype: .int32, device: device)
  switch device {
  case .cpu:
    parallel(B, grain: 16) {
      ck_top_k(
        scores.pointer, items.intPointer, h.pointer, table.pointer, nil, seenTensor.intPointer, offsets.intPointer, $0, $1,
        V, D, k)
    }
  case .gpu(let queue):
    precondition(k <= queue.tuning.largestK, "topItems: expected k of at most \(queue.tuning.largestK) on \(device), got \(k)")
    let shortlist = Shortlist(queue, h, table, k: k)
    for v in stride(from: 0, to: shortlist == nil ? V : scoreTile, by: scoreTile) {
      let n = min(scoreTile, V - v)
      let tile = Tensor([B, n], device: device)
      multiplyRows(queue, tile, h, table, firstRow: v, transposed: true, residual: nil, .float32)
      queue.launch(
        module, "top_k", queue.tuning.selectGrid(B), scores.argument, items.argument, tile.argument, .none, seenTensor.argument,
        offsets.argument, .int(v), .int(n), .int(k))
    }
    shortlist?.complete(queue, scores, items, seenTensor, offsets, from: scoreTile)
  }
  return TopItems(items: items.ints(), scores: scores.floats(), k: k)
}

/// The best items on tensor cores: products of rounded factors name the few whose exact scores are worth making. No score of the others
/// is in memory. Nil where the device has none, rows are too wide, or the items are few.
private struct Shortlist {
  /// Items that are rounded at a time.
  private static let mostItems = 1 << 20

  private let shortModule: KernelModule
  private let h: Tensor, table: Tensor, k: Int

  init?(_ queue: DeviceQueue, _ h: Tensor, _ table: Tensor, k: Int) {
    let D = h.shape.columns
    guard queue.tuning.tensorCores != .none, (1...128).contains(D), table.shape.rows > scoreTile, h.shape.rows > 0 else { return nil }
    let options = D <= 64 ? "-D WIDTH=64 -D WARPS=8 -D TILE_KEYS=64" : "-D WIDTH=128 -D WARPS=8 -D TILE_KEYS=32"
    shortModule = tensorModule("top_k_sm90", queue.tuning.tensorOptions(options, registers: 128)) {
      String(cString: ck_opencl_top_k_sm90())
    }
    guard queue.builds(shortModule) else { return nil }
    (self.h, self.table, self.k) = (h, table, k)
  }

  /// Takes the items from `start` on into the best so far. A piece has as many items as all before it: of items in no special order it
  /// holds about k of the best, and room is for eight times as many; where that does not do, all of a user's piece are scored.
  func complete(_ queue: DeviceQueue, _ scores: Tensor, _ items: Tensor, _ seen: Tensor, _ offsets: Tensor, from start: Int) {
    let (B, V, D) = (h.shape.rows, table.shape.rows, h.shape.columns)
    let (capacity, most) = (max(1024, 8 * k), min(V - start, Shortlist.mostItems))
    let counts = Tensor([Int32](repeating: 0, count: B), shape: [B], device: h.device)
    let candidates = Tensor([B, capacity], dtype: .int32, device: h.device)
    let own = (states: Tensor(h.shape, dtype: .bfloat16, device: h.device), norms: Tensor([B], device: h.device))
    let piece = (items: Tensor([most, D], dtype: .bfloat16, device: h.device), norms: Tensor([most], device: h.device))
    func round(_ x: Tensor, from first: Int, _ n: Int, to rounded: Tensor, _ norms: Tensor) {
      queue.launch(
        module, "top_k_round", queue.tuning.rowGrid(n), rounded.argument, norms.argument, x.argument, .int(first), .int(n), .int(D))
    }
    round(h, from: 0, B, to: own.states, own.norms)
    var first = start
    while first < V {
      let n = min(V - first, first, most)
      let splits = RowSplits(n, groups: queue.tuning.lossGrid(B).groups.x, atLeast: 1024, on: h.device)
      round(table, from: first, n, to: piece.items, piece.norms)
      queue.launch(
        shortModule, "top_k_candidates", queue.tuning.lossGrid(B, chunks: splits.count), counts.argument, candidates.argument,
        own.states.argument, piece.items.argument, own.norms.argument, piece.norms.argument, scores.argument, .int(B), .int(n), .int(D),
        .int(k), .int(first), .int(splits.chunk), .int(capacity), .float(0.0079 + Float(D) * 0x1p-20))
      queue.launch(
        module, "top_k_of_candidates", queue.tuning.selectGrid(B), scores.argument, items.argument, counts.argument,
        candidates.argument, h.argument, table.argument, seen.argument, offsets.argument, .int(first), .int(n), .int(D), .int(k),
        .int(capacity))
      first += n
    }
  }
}

/// How many unseen candidates have a greater score than `targets[b]`, and how many an equal one (the target excepted).
///
/// A score has the same bits as in `topItems` and for any batch.
public func targetRanks(
  _ h: Tensor, _ table: Tensor, targets: [Int32], seen: [Int32], seenOffsets: [Int32]
) -> (greater: [Int32], equal: [Int32]) {
  let (B, V, D) = (h.shape.rows, table.shape.rows, table.shape.columns)
  precondition(targets.count == B && seenOffsets.count == B + 1, "targetRanks: expected \(B) targets, got \(targets.count)")
  let device = h.device
  let targetTensor = Tensor(targets, shape: [B], device: device)
  let seenTensor = Tensor(seen, shape: [seen.count], device: device)
  let offsets = Tensor(seenOffsets, shape: [B + 1], device: device)
  let greater = Tensor([B], dtype: .int32, device: device)
  let equal = Tensor([B], dtype: .int32, device: device)
  switch device {
  case .cpu:
    parallel(B, grain: 16) {
      ck_rank(
        greater.intPointer, equal.intPointer, h.pointer, table.pointer, nil, targetTensor.intPointer, seenTensor.intPointer,
        offsets.intPointer, $0, $1, V, D)
    }
  case .gpu(let queue):
    let own = Tensor([B], device: device)
    queue.launch(
      module, "rank_targets", queue.tuning.itemGrid(B), own.argument, h.argument, table.argument, .none, targetTensor.argument,
      .int(B), .int(D))
    for v in stride(from: 0, to: V, by: scoreTile) {
      let n = min(scoreTile, V - v)
      let tile = Tensor([B, n], device: device)
      multiplyRows(queue, tile, h, table, firstRow: v, transposed: true, residual: nil, .float32)
      queue.launch(
        module, "rank", queue.tuning.rowGrid(B), greater.argument, equal.argument, tile.argument, own.argument, .none,
        targetTensor.argument, seenTensor.argument, offsets.argument, .int(B), .int(v), .int(n))
    }
  }
  return (greater.ints(), equal.ints())
}

/// Rows `rows[b]` of x, as a new tensor without gradient: the last states of a batch.
public func selectedRows(_ x: Tensor, _ rows: Lookup) -> Tensor { embedding(x, rows, tape: nil) }
