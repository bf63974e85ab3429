// Cross-entropy over the whole catalogue with a streaming log-sum-exp: logits exist one tile at a time.
import AugurCompute
public import AugurTensors
import CKernels

private let module = KernelModule(name: "softmax_loss") { String(cString: ck_opencl_softmax_loss()) }

/// Items of one tile of logits.
private let tileItems = 256

/// The mean over T rows of -log softmax(h E^T)[target].
///
/// Memory: one `[T, 256]` tile, never `[T, V]`. Cost: 8 T V D flops forward and backward.
/// - Parameters:
///   - h: `[T, D]`.
///   - table: `[V, D]`.
///   - targets: T ids.
/// - Returns: `[1]`.
public func softmaxLoss(_ h: Tensor, _ table: Tensor, targets: Lookup) -> Tensor {
  let (T, D, V) = (h.shape.rows, h.shape.columns, table.shape.rows)
  precondition(targets.count == T && T > 0, "softmaxLoss: expected \(T) > 0 targets, got \(targets.count)")
  let device = h.device
  let (total, tape) = makeOutput([1], of: h, table, device: device)
  let (m, z) = (Tensor([T], device: device), Tensor([T], device: device))
  let (losses, lse) = (Tensor([T], device: device), Tensor([T], device: device))
  switch device {
  case .cpu:
    parallel((T + rowGrain - 1) / rowGrain, scratch: Int(CK_ROW_BLOCK) * tileItems) { task, scratch in
      let (begin, end) = (task * rowGrain, min(T, (task + 1) * rowGrain))
      for v in stride(from: 0, to: V, by: tileItems) {
        ck_softmax_loss_scan(m.pointer, z.pointer, h.pointer, table.pointer, begin, end, v, min(tileItems, V - v), D, scratch)
      }
      ck_softmax_loss_finish(
        losses.pointer, lse.pointer, m.pointer, z.pointer, h.pointer, table.pointer, targets.ids.intPointer, begin, end, D)
    }
  case .openCL(let queue):
    for v in stride(from: 0, to: V, by: tileItems) {
      let n = min(tileItems, V - v)
      let logits = Tensor([T, n], device: device)
      multiplyRows(queue, logits, h, table, firstRow: v, transposed: true, residual: nil)
      queue.launch(
        module, "softmax_loss_scan", queue.tuning.rowGrid(T), m.argument, z.argument, logits.argument, .int(T), .int(v), .int(n))
    }
    queue.launch(
      module, "softmax_loss_finish", queue.tuning.rowGrid(T), losses.argument, lse.argument, m.argument, z.argument, h.argument,
      table.argument, targets.ids.argument, .int(T), .int(D))
  }
  let weight = 1 / Float(T)
  total.fillWithZeros()
  addColumnSums(into: total, losses, weight: weight)
  if let tape, let slot = total.slot {
    tape.record(slot) { _ in
      let dh = softmaxLossBackward(h, table, lse, targets, weight: weight)
      h.slot?.collect(dh)
    }
  }
  return total
}

/// Recomputes the logits tile by tile: returns dh and adds to the table's gradient.
private func softmaxLossBackward(_ h: Tensor, _ table: Tensor, _ lse: Tensor, _ targets: Lookup, weight: Float) -> Tensor {
  let (T, D, V) = (h.shape.rows, h.shape.columns, table.shape.rows)
  let dh = Tensor(h.shape, device: h.device)
  let dTable = table.slot?.parameterGradient()
  switch h.device {
  case .cpu:
    for v in stride(from: 0, to: V, by: tileItems) {
      let n = min(tileItems, V - v)
      let p = Tensor([T, n], device: .cpu)
      parallel(T, grain: rowGrain) { begin, end in
        ck_softmax_loss_tile(
          p.pointer, dh.pointer, h.pointer, table.pointer, lse.pointer, targets.ids.intPointer, begin, end, v, n, D, weight)
      }
      if let dTable { addTileProduct(into: dTable.pointer + v * D, p, h) }
    }
  case .openCL(let queue):
    for v in stride(from: 0, to: V, by: tileItems) {
      let n = min(tileItems, V - v)
      let p = Tensor([T, n], device: h.device)
      multiplyRows(queue, p, h, table, firstRow: v, transposed: true, residual: nil)
      queue.launch(
        module, "softmax_loss_tile", queue.tuning.rowGrid(T), p.argument, lse.argument, targets.ids.argument, .int(T), .int(v),
        .int(n), .float(weight))
      multiplyRows(queue, dh, p, table, firstRow: v, transposed: false, residual: v > 0 ? dh : nil)
      if let dTable { addProductOnQueue(queue, into: dTable, p, h, firstRow: v) }
    }
  }
  return dh
}

/// rows[n, D] += p[T, n]^T h[T, D] on the CPU, as fixed splits of T added in order.
private func addTileProduct(into rows: UnsafeMutablePointer<Float>, _ p: Tensor, _ h: Tensor) {
  let (n, D) = (p.shape.columns, h.shape.columns)
  let splits = RowSplits(h.shape.rows)
  let partials = Tensor([splits.count, n * D], device: .cpu)
  parallel(splits.count) { split in
    let (begin, end) = splits.range(split)
    ck_matmul_tn(partials.pointer + split * n * D, nil, p.pointer, h.pointer, begin, end, n, D, 0)
  }
  sumPartials(into: rows, partials.pointer, splits: splits.count, count: n * D)
}
