// Cross-entropy over the whole catalogue with a streaming log-sum-exp: logits exist one tile at a time.
import AugurCompute
public import AugurTensors
import CKernels

private let module = KernelModule(name: "softmax_loss") { String(cString: ck_opencl_softmax_loss()) }

/// Items of one tile of logits, and of what is packed at a time on the CPU.
private let tileItems = 256
private let packedItems = 16 * tileItems
/// Items of one tile of logits on a device, where launches cost more than cache misses.
private let deviceTile = 4096

/// The mean over T rows of -log softmax(h E^T)[target].
///
/// Memory: one tile of logits and a packed piece of the table, never `[T, V]`; on tensor cores no logit, but h and the table in bfloat16. Cost: 8 T V D flops forward and backward.
/// - Parameters:
///   - h: `[T, D]`.
///   - table: `[V, D]`.
///   - targets: T ids.
///   - precision: of the factors of every product, as in `linear`.
/// - Returns: `[1]`.
public func softmaxLoss(_ h: Tensor, _ table: Tensor, targets: Lookup, precision: DataType = .float32) -> Tensor {
  let (T, D, V) = (h.shape.rows, h.shape.columns, table.shape.rows)
  precondition(targets.count == T && T > 0, "softmaxLoss: expected \(T) > 0 targets, got \(targets.count)")
  let device = h.device
  let (total, tape) = makeOutput([1], of: h, table, device: device)
  let fused = FusedLoss(h, table, targets, precision)
  let parts = fused?.itemSplits.count ?? 1
  let (m, z) = (Tensor([parts, T], device: device), Tensor([parts, T], device: device))
  let (losses, lse) = (Tensor([T], device: device), Tensor([T], device: device))
  switch device {
  case .cpu:
    for first in stride(from: 0, to: V, by: packedItems) {
      scanItems(first..<min(V, first + packedItems), m, z, h, table, precision)
    }
    parallel(T, grain: rowGrain) {
      ck_softmax_loss_finish(
        losses.pointer, lse.pointer, m.pointer, z.pointer, h.pointer, table.pointer, targets.ids.intPointer, $0, $1, D)
    }
  case .gpu(let queue):
    if let fused {
      fused.scan(queue, m, z)
    } else {
      scanTiles(queue, m, z, h, table, precision)
    }
    queue.launch(
      module, "softmax_loss_finish", queue.tuning.rowGrid(T), losses.argument, lse.argument, m.argument, z.argument, h.argument,
      table.argument, targets.ids.argument, .int(T), .int(D), .int(parts))
  }
  let weight = 1 / Float(T)
  setTotal(total, losses, weight: weight)
  if let tape, let slot = total.slot {
    tape.record(slot) { _ in
      if let fused { return fused.backward(h, table, lse, weight: weight, tape) }
      let dh = softmaxLossBackward(h, table, lse, targets, weight: weight, precision)
      h.slot?.collect(dh)
    }
  }
  return total
}

/// The running maximum m and sum z of every row over the scores of some items.
private func scanItems(_ items: Range<Int>, _ m: Tensor, _ z: Tensor, _ h: Tensor, _ table: Tensor, _ precision: DataType) {
  let D = h.shape.columns
  let panels = Panels(table.pointer + items.lowerBound * D, D, items.count, transposed: true, precision)
  parallel(h.shape.rows, grain: rowGrain, scratch: rowGrain * tileItems + panels.scratch(rowGrain)) { begin, end, logits in
    for v in stride(from: 0, to: items.count, by: tileItems) {
      let tile = v..<min(items.count, v + tileItems)
      panels.multiply(
        logits, h.pointer + begin * D, 0, end - begin, columns: tile, scratch: logits + rowGrain * tileItems)
      ck_softmax_loss_scan(m.pointer, z.pointer, logits, begin, end, tile.count, items.lowerBound + v == 0 ? 1 : 0)
    }
  }
}

/// The same over all items on a device, a tile of logits at a time.
private func scanTiles(_ queue: DeviceQueue, _ m: Tensor, _ z: Tensor, _ h: Tensor, _ table: Tensor, _ precision: DataType) {
  let (T, V) = (h.shape.rows, table.shape.rows)
  for v in stride(from: 0, to: V, by: deviceTile) {
    let n = min(deviceTile, V - v)
    let logits = Tensor([T, n], device: h.device)
    multiplyRows(queue, logits, h, table, firstRow: v, transposed: true, residual: nil, precision)
    queue.launch(
      module, "softmax_loss_scan", queue.tuning.rowGrid(T), m.argument, z.argument, logits.argument, .int(T), .int(v), .int(n))
  }
}

/// Recomputes the logits tile by tile: returns dh and adds to the table's gradient.
private func softmaxLossBackward(
  _ h: Tensor, _ table: Tensor, _ lse: Tensor, _ targets: Lookup, weight: Float, _ precision: DataType
) -> Tensor {
  let (T, D, V) = (h.shape.rows, h.shape.columns, table.shape.rows)
  let dh = Tensor(h.shape, device: h.device)
  let dTable = table.slot?.parameterGradient()
  let tile = h.isOnCPU ? tileItems : deviceTile
  for v in stride(from: 0, to: V, by: tile) {
    let n = min(tile, V - v)
    let p = Tensor([T, n], device: h.device)
    switch h.device {
    case .cpu:
      let rows = table.pointer + v * D
      let (scores, back) = (Panels(rows, D, n, transposed: true, precision), Panels(rows, n, D, transposed: false, precision))
      parallel(T, grain: rowGrain, scratch: max(scores.scratch(rowGrain), back.scratch(rowGrain))) { begin, end, scratch in
        scores.multiply(p.pointer, h.pointer, begin, end, scratch: scratch)
        ck_softmax_loss_gradient(p.pointer, lse.pointer, targets.ids.intPointer, begin, end, v, n, weight)
        back.multiply(dh.pointer, p.pointer, begin, end, accumulate: v > 0, scratch: scratch)
      }
      if let dTable { addTileProduct(into: dTable.pointer + v * D, p, h, precision) }
    case .gpu(let queue):
      multiplyRows(queue, p, h, table, firstRow: v, transposed: true, residual: nil, precision)
      queue.launch(
        module, "softmax_loss_tile", queue.tuning.rowGrid(T), p.argument, lse.argument, targets.ids.argument, .int(T), .int(v),
        .int(n), .float(weight))
      multiplyRows(queue, dh, p, table, firstRow: v, transposed: false, residual: v > 0 ? dh : nil, precision)
      if let dTable { addProductOnQueue(queue, into: dTable, p, h, precision, firstRow: v) }
    }
  }
  return dh
}

/// rows[n, D] += p[T, n]^T h[T, D] on the CPU, as fixed splits of T added in order.
private func addTileProduct(into rows: UnsafeMutablePointer<Float>, _ p: Tensor, _ h: Tensor, _ precision: DataType) {
  let (n, D) = (p.shape.columns, h.shape.columns)
  let splits = RowSplits(h.shape.rows)
  let partials = Tensor([splits.count, n * D], device: .cpu)
  parallel(splits.count, scratch: productScratch(n, D, precision)) { split, scratch in
    let (begin, end) = splits.range(split)
    addProductRows(
      partials.pointer + split * n * D, nil, p.pointer, h.pointer, begin, end, n, D, accumulate: false, precision, scratch: scratch)
  }
  sumPartials(into: rows, partials.pointer, splits: splits.count, count: n * D)
}

/// The loss on tensor cores, which keeps no logits: nil where the device has none, the factors are not rounded, or rows are too wide.
private struct FusedLoss {
  private let module: KernelModule
  private let h: Tensor, table: Tensor
  private let targets: Lookup
  /// Chunks of the items that work-groups of rows walk over, and of the rows that those of items do.
  let itemSplits: RowSplits, rowSplits: RowSplits

  init?(_ h: Tensor, _ table: Tensor, _ targets: Lookup, _ precision: DataType) {
    let (T, D, V) = (h.shape.rows, h.shape.columns, table.shape.rows)
    guard case .gpu(let queue) = h.device, precision == .bfloat16, D <= 128, V > 0, queue.tuning.tensorCores != .none else { return nil }
    let options = D <= 64 ? "-D WIDTH=64 -D WARPS=8 -D TILE_KEYS=64" : "-D WIDTH=128 -D WARPS=8 -D TILE_KEYS=32"
    module = tensorModule("softmax_loss_sm90", queue.tuning.tensorOptions(options, registers: D <= 64 ? 168 : 255)) {
      String(cString: ck_opencl_softmax_loss_sm90())
    }
    guard queue.builds(module) else { return nil }
    (self.h, self.table, self.targets) = (converted(h, to: .bfloat16), converted(table, to: .bfloat16), targets)
    itemSplits = RowSplits(V, groups: queue.tuning.lossGrid(T).groups.x, atLeast: 1024, on: h.device)
    rowSplits = RowSplits(T, groups: queue.tuning.lossGrid(V).groups.x, atLeast: 1024, on: h.device)
  }

  private var sizes: [KernelArgument] { [.int(h.shape.rows), .int(table.shape.rows), .int(h.shape.columns)] }

  /// m and z `[splits, T]`: largest score and sum of exponentials of each chunk of items.
  func scan(_ queue: DeviceQueue, _ m: Tensor, _ z: Tensor) {
    queue.launch(
      module, "softmax_loss_rows", queue.tuning.lossGrid(h.shape.rows, chunks: itemSplits.count),
      [m.argument, z.argument, h.argument, table.argument] + sizes + [.int(itemSplits.chunk)])
  }

  /// Adds to the gradients of `states` and `items`, whose rounded forms these are.
  func backward(_ states: Tensor, _ items: Tensor, _ lse: Tensor, weight: Float, _ tape: Tape) {
    guard case .gpu(let queue) = h.device else { return }
    let inputs = [h.argument, table.argument, lse.argument, targets.ids.argument] + sizes
    func partials(_ splits: RowSplits, of x: Tensor) -> Tensor { Tensor([splits.count, x.count], device: x.device) }
    let parts = partials(itemSplits, of: states)
    queue.launch(
      module, "softmax_loss_backward_rows", queue.tuning.lossGrid(h.shape.rows, chunks: itemSplits.count),
      [parts.argument] + inputs + [.int(itemSplits.chunk), .float(weight)])
    var dh = parts.reshaped(states.shape.with(rows: itemSplits.count * states.shape.rows))
    if itemSplits.count > 1 {
      dh = .zeros(states.shape, device: h.device)
      sumPartials(queue, into: dh, parts)
    }
    states.slot?.collect(dh)
    guard let dTable = items.slot?.parameterGradient() else { return }
    let isWhole = rowSplits.count == 1
    let sums = isWhole ? dTable : partials(rowSplits, of: items)
    queue.launch(
      module, "softmax_loss_backward_items", queue.tuning.lossGrid(table.shape.rows, chunks: rowSplits.count),
      [sums.argument] + inputs + [.int(rowSplits.chunk), .float(weight), .int(isWhole ? 1 : 0)])
    if !isWhole { sumPartials(queue, into: dTable, sums, on: tape) }
  }
}
