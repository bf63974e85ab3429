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

/// The k items with the greatest h . table[v] for each row of `h`, without those in `seen`.
///
/// - Parameters:
///   - h: `[B, D]`.
///   - table: `[V, D]`.
///   - seen: for each row of `h` the items to leave out, sorted; offsets `[B + 1]`.
public func topItems(_ h: Tensor, _ table: Tensor, seen: [Int32], seenOffsets: [Int32], k: Int) -> TopItems {
  let (B, V, D) = (h.shape.rows, table.shape.rows, table.shape.columns)
  precondition(h.shape.columns == D && seenOffsets.count == B + 1 && k > 0, "topItems: expected h [B, \(D)], got \(h.shape)")
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
  case .openCL(let queue):
    precondition(k <= queue.tuning.largestK, "topItems: expected k of at most \(queue.tuning.largestK) on \(device), got \(k)")
    for v in stride(from: 0, to: V, by: scoreTile) {
      let n = min(scoreTile, V - v)
      let tile = Tensor([B, n], device: device)
      multiplyRows(queue, tile, h, table, firstRow: v, transposed: true, residual: nil)
      queue.launch(
        module, "top_k", queue.tuning.selectGrid(B), scores.argument, items.argument, tile.argument, .none, seenTensor.argument,
        offsets.argument, .int(v), .int(n), .int(k))
    }
  }
  return TopItems(items: items.ints(), scores: scores.floats(), k: k)
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
  case .openCL(let queue):
    let own = Tensor([B], device: device)
    queue.launch(
      module, "rank_targets", queue.tuning.itemGrid(B), own.argument, h.argument, table.argument, .none, targetTensor.argument,
      .int(B), .int(D))
    for v in stride(from: 0, to: V, by: scoreTile) {
      let n = min(scoreTile, V - v)
      let tile = Tensor([B, n], device: device)
      multiplyRows(queue, tile, h, table, firstRow: v, transposed: true, residual: nil)
      queue.launch(
        module, "rank", queue.tuning.rowGrid(B), greater.argument, equal.argument, tile.argument, own.argument, .none,
        targetTensor.argument, seenTensor.argument, offsets.argument, .int(B), .int(v), .int(n))
    }
  }
  return (greater.ints(), equal.ints())
}

/// Rows `rows[b]` of x, as a new tensor without gradient: the last states of a batch.
public func selectedRows(_ x: Tensor, _ rows: Lookup) -> Tensor { embedding(x, rows, tape: nil) }
