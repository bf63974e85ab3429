// Cross-entropy over the whole catalogue with a streaming log-sum-exp: logits exist one tile at a time.
import AugurCompute
public import AugurTensors
import CKernels

private let module = KernelModule(name: "softmax_loss") { String(cString: ck_opencl_softmax_loss()) }

/// Items of one tile of logits, and of what is packed at a time on the CPU.
private let tileItems = 256
private let packedItems = 16 * tileItems

/// The mean over T rows of -log softmax(h E^T)[target].
///
/// Memory: one `[T, 256]` tile and a packed piece of the table, never `[T, V]`. Cost: 8 T V D flops forward and backward.
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
  let (m, z) = (Tensor([T], device: device), Tensor([T], device: device))
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
    for v in stride(from: 0, to: V, by: tileItems) {
      let n = min(tileItems, V - v)
      let logits = Tensor([T, n], device: device)
      multiplyRows(queue, logits, h, table, firstRow: v, transposed: true, residual: nil, precision)
      queue.launch(
        module, "softmax_loss_scan", queue.tuning.rowGrid(T), m.argument, z.argument, logits.argument, .int(T), .int(v), .int(n))
    }
    queue.launch(
      module, "softmax_loss_finish", queue.tuning.rowGrid(T), losses.argument, lse.argument, m.argument, z.argument, h.argument,
      table.argument, targets.ids.argument, .int(T), .int(D))
  }
  let weight = 1 / Float(T)
  setTotal(total, losses, weight: weight)
  if let tape, let slot = total.slot {
    tape.record(slot) { _ in
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

/// Recomputes the logits tile by tile: returns dh and adds to the table's gradient.
private func softmaxLossBackward(
  _ h: Tensor, _ table: Tensor, _ lse: Tensor, _ targets: Lookup, weight: Float, _ precision: DataType
) -> Tensor {
  let (T, D, V) = (h.shape.rows, h.shape.columns, table.shape.rows)
  let dh = Tensor(h.shape, device: h.device)
  let dTable = table.slot?.parameterGradient()
  for v in stride(from: 0, to: V, by: tileItems) {
    let n = min(tileItems, V - v)
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
