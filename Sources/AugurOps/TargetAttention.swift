// What the rows of a history have to do with the target that stands beside it: the parts of target attention (Zhou et al. 2018, DIN).
import AugurCompute
public import AugurTensors
import CKernels

private let module = KernelModule(name: "target_attention") { String(cString: ck_opencl_target_attention()) }

/// y[j] = [t_b, h_j, t_b - h_j, t_b * h_j] for the rows j of history b.
///
/// - Parameters:
///   - h: `[T, D]`, the rows of all histories.
///   - t: `[B, D]`, a target for each.
/// - Returns: `[T, 4 D]`.
public func targetPairs(_ h: Tensor, target t: Tensor, _ rows: Jagged) -> Tensor {
  let (T, B, D) = check("targetPairs", h, t, rows)
  let (y, tape) = makeOutput(Shape(T, 4 * D), of: h, t, device: h.device)
  switch h.device {
  case .cpu:
    parallel(B, grain: historyGrain(rows)) {
      ck_target_pairs_forward(y.pointer, h.pointer, t.pointer, rows.offsets.intPointer, $0, $1, D)
    }
  case .gpu(let queue):
    queue.launch(
      module, "target_pairs_forward", queue.tuning.rowGrid(T), y.argument, h.argument, t.argument, bagPlaces(rows).argument, .int(T), .int(D))
  }
  if let tape, let slot = y.slot {
    tape.record(slot) { dy in
      let (dh, dt) = (Tensor(h.shape, device: h.device), Tensor(t.shape, device: h.device))
      switch h.device {
      case .cpu:
        parallel(B, grain: historyGrain(rows)) {
          ck_target_pairs_backward(dh.pointer, dt.pointer, dy.pointer, h.pointer, t.pointer, rows.offsets.intPointer, $0, $1, D)
        }
      case .gpu(let queue):
        queue.launch(
          module, "target_pairs_backward", queue.tuning.rowGrid(B), dh.argument, dt.argument, dy.argument, h.argument, t.argument,
          rows.offsets.argument, .int(B), .int(D))
      }
      h.slot?.collect(dh)
      t.slot?.collect(dt)
    }
  }
  return y
}

/// s_j = h_j . t_b for the rows j of history b.
///
/// - Parameters: as in `targetPairs`.
/// - Returns: `[T, 1]`.
public func targetDots(_ h: Tensor, target t: Tensor, _ rows: Jagged) -> Tensor {
  let (T, _, _) = check("targetDots", h, t, rows)
  let (s, tape) = makeOutput(Shape(T, 1), of: h, t, device: h.device)
  dots(s, h, t, rows)
  if let tape, let slot = s.slot {
    tape.record(slot) { ds in
      h.slot?.collect(spread(t, ds, rows))
      let dt = Tensor(t.shape, device: t.device)
      sums(dt, h, ds, rows)
      t.slot?.collect(dt)
    }
  }
  return s
}

/// y_b = sum over the rows j of history b, in order, of a_j h_j; an empty history gives 0.
///
/// - Parameters:
///   - h: `[T, D]`.
///   - a: `[T]`.
/// - Returns: `[B, D]`.
public func weightedSums(_ h: Tensor, weights a: Tensor, _ rows: Jagged) -> Tensor {
  let (T, D) = (rows.rows, h.shape.columns)
  precondition(
    h.shape.rows == T && a.count == T, "weightedSums: expected \(T) rows and weights, got \(h.shape) and \(a.shape)")
  let (y, tape) = makeOutput(Shape(rows.count, D), of: h, a, device: h.device)
  sums(y, h, a, rows)
  if let tape, let slot = y.slot {
    tape.record(slot) { dy in
      h.slot?.collect(spread(dy, a, rows))
      guard let slot = a.slot else { return }
      let da = Tensor(a.shape, device: a.device)
      dots(da, h, dy, rows)
      slot.collect(da)
    }
  }
  return y
}

/// p = softmax(s) over the rows of each history.
///
/// - Parameter s: `[T, 1]`.
/// - Returns: `[T, 1]`.
public func historyShares(_ s: Tensor, _ rows: Jagged) -> Tensor {
  let B = rows.count
  precondition(s.count == rows.rows, "historyShares: expected \(rows.rows) scores, got \(s.shape)")
  let (p, tape) = makeOutput(s.shape, of: s, device: s.device)
  switch s.device {
  case .cpu:
    parallel(B, grain: 8 * historyGrain(rows)) { ck_history_shares(p.pointer, s.pointer, rows.offsets.intPointer, $0, $1) }
  case .gpu(let queue):
    queue.launch(module, "history_shares", queue.tuning.itemGrid(B), p.argument, s.argument, rows.offsets.argument, .int(B))
  }
  if let tape, let slot = p.slot {
    tape.record(slot) { dp in
      let ds = Tensor(s.shape, device: s.device)
      switch s.device {
      case .cpu:
        parallel(B, grain: 8 * historyGrain(rows)) {
          ck_history_shares_backward(ds.pointer, dp.pointer, p.pointer, rows.offsets.intPointer, $0, $1)
        }
      case .gpu(let queue):
        queue.launch(
          module, "history_shares_backward", queue.tuning.itemGrid(B), ds.argument, dp.argument, p.argument, rows.offsets.argument, .int(B))
      }
      s.slot?.collect(ds)
    }
  }
  return p
}

private func check(_ op: String, _ h: Tensor, _ t: Tensor, _ rows: Jagged) -> (T: Int, B: Int, D: Int) {
  let (T, B, D) = (rows.rows, rows.count, h.shape.columns)
  precondition(
    h.shape == Shape(T, D) && t.shape == Shape(B, D), "\(op): expected rows [\(T), D] and targets [\(B), D], got \(h.shape) and \(t.shape)")
  return (T, B, D)
}

/// Histories of about 1,024 rows in all.
private func historyGrain(_ rows: Jagged) -> Int { max(1, 1024 * rows.count / max(1, rows.rows)) }

/// s_j = h_j . t_b.
private func dots(_ s: Tensor, _ h: Tensor, _ t: Tensor, _ rows: Jagged) {
  let (T, D) = (rows.rows, h.shape.columns)
  switch h.device {
  case .cpu:
    parallel(rows.count, grain: historyGrain(rows)) {
      ck_target_dots(s.pointer, h.pointer, t.pointer, rows.offsets.intPointer, $0, $1, D)
    }
  case .gpu(let queue):
    queue.launch(
      module, "target_dots", queue.tuning.rowGrid(T), s.argument, h.argument, t.argument, bagPlaces(rows).argument, .int(T), .int(D))
  }
}

/// y_j = a_j t_b, `[T, D]`.
private func spread(_ t: Tensor, _ a: Tensor, _ rows: Jagged) -> Tensor {
  let (T, D) = (rows.rows, t.shape.columns)
  let y = Tensor([T, D], device: t.device)
  switch t.device {
  case .cpu:
    parallel(rows.count, grain: historyGrain(rows)) {
      ck_target_spread(y.pointer, t.pointer, a.pointer, rows.offsets.intPointer, $0, $1, D)
    }
  case .gpu(let queue):
    queue.launch(
      module, "target_spread", queue.tuning.rowGrid(T), y.argument, t.argument, a.argument, bagPlaces(rows).argument, .int(T), .int(D))
  }
  return y
}

/// y_b = sum of a_j h_j.
private func sums(_ y: Tensor, _ h: Tensor, _ a: Tensor, _ rows: Jagged) {
  let (B, D) = (rows.count, h.shape.columns)
  switch h.device {
  case .cpu:
    parallel(B, grain: historyGrain(rows)) {
      ck_weighted_sums(y.pointer, h.pointer, a.pointer, rows.offsets.intPointer, $0, $1, D)
    }
  case .gpu(let queue):
    queue.launch(
      module, "weighted_sums", queue.tuning.rowGrid(B), y.argument, h.argument, a.argument, rows.offsets.argument, .int(B), .int(D))
  }
}
