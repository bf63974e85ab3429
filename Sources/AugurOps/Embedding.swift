// Table lookup with the scale and the position rows that sequence models add to it.
import AugurCompute
public import AugurTensors
import CKernels

private let module = KernelModule(name: "embedding") { String(cString: ck_opencl_embedding()) }

/// y[t] = drop(scale * table[lookup.ids[t]] + positions[places.ids[t]]).
///
/// The gradient adds equal rows together in the order of the batch, so it has the same bits for any number of threads.
/// - Parameters:
///   - table: `[V, D]`.
///   - positions: `[L, D]`, with `places` of as many ids as `lookup`.
///   - tape: records the op; nil at inference.
/// - Returns: `[T, D]`.
public func embedding(
  _ table: Tensor, _ lookup: Lookup, scale: Float = 1, positions: Tensor? = nil, places: Lookup? = nil, _ drop: Dropout? = nil, tape: Tape?
) -> Tensor {
  if let drop, table.isOnCPU {
    return dropout(embedding(table, lookup, scale: scale, positions: positions, places: places, tape: tape), drop)
  }
  let (T, D) = (lookup.count, table.shape.columns)
  precondition(
    positions?.shape.columns ?? D == D && places?.count ?? T == T && (positions == nil) == (places == nil),
    "embedding: expected positions [L, \(D)] with \(T) places, got \(positions?.shape ?? []) and \(places?.count ?? 0)")
  let (y, tape) = makeOutput(Shape(T, D), of: table, positions, device: table.device, on: tape)
  switch table.device {
  case .cpu:
    parallel(T, grain: rowGrain) {
      ck_embedding_forward(
        y.pointer, table.pointer, lookup.ids.intPointer, positions?.pointer, places?.ids.intPointer, $0, $1, D, scale)
    }
  case .gpu(let queue):
    queue.launch(
      module, "embedding_forward", queue.tuning.rowGrid(T), y.argument, table.argument, lookup.ids.argument, positions.argument,
      (places?.ids).argument, .int(T), .int(D), .float(scale), .seed(drop?.seed ?? 0), .float(drop?.rate ?? 0))
  }
  if let tape, let slot = y.slot {
    tape.record(slot) { dy in
      if let slot = table.slot { addRows(into: slot, dy, lookup, scale: scale, drop) }
      if let slot = positions?.slot, let places { addRows(into: slot, dy, places, drop) }
    }
  }
  return y
}

/// y[i] = x[rows[i]], recorded: the gradient of a row that is not chosen is 0.
public func chosenRows(_ x: Tensor, _ rows: Lookup) -> Tensor {
  let (y, tape) = makeOutput(Shape(rows.count, x.shape.columns), of: x, device: x.device)
  switch x.device {
  case .cpu:
    parallel(rows.count, grain: rowGrain) {
      ck_embedding_forward(y.pointer, x.pointer, rows.ids.intPointer, nil, nil, $0, $1, x.shape.columns, 1)
    }
  case .gpu(let queue): gatherRows(queue, y, x, rows)
  }
  if let tape, let slot = y.slot {
    tape.record(slot) { dy in
      let dx = Tensor.zeros(x.shape, device: x.device)
      addRows(into: dx, dy, rows)
      x.slot?.collect(dx)
    }
  }
  return y
}

/// For each lookup i, in groups of equal ids and in order: slot[ids[i]] += scale * coefficients[i] * drop(x)[places[i]]; without places
/// row i / divisor. On the CPU nothing is dropped.
func addRows(
  into slot: GradientSlot, _ x: Tensor, _ lookup: Lookup, places: Tensor? = nil, coefficients: Tensor? = nil, divisor: Int = 1,
  scale: Float = 1, _ drop: Dropout? = nil
) {
  let (table, step) = slot.rowTarget(for: lookup)
  addRows(into: table, x, lookup, places: places, coefficients: coefficients, divisor: divisor, scale: scale * step, drop)
}

/// The same into a tensor.
private func addRows(
  into table: Tensor, _ x: Tensor, _ lookup: Lookup, places: Tensor? = nil, coefficients: Tensor? = nil, divisor: Int = 1,
  scale: Float = 1, _ drop: Dropout? = nil
) {
  guard let groups = lookup.groups else { preconditionFailure("addRows: expected a lookup with its groups") }
  let (U, D) = (groups.count, table.shape.columns)
  switch x.device {
  case .cpu:
    parallel(U, grain: max(1, U / 64)) {
      ck_segment_sum(
        table.pointer, x.pointer, coefficients?.pointer, places?.intPointer, groups.order.intPointer, groups.segments.intPointer,
        groups.rows.intPointer, $0, $1, D, divisor, scale)
    }
  case .gpu(let queue):
    queue.launch(
      module, "segment_sum", queue.tuning.rowGrid(U), table.argument, x.argument, coefficients.argument, places.argument,
      groups.order.argument, groups.segments.argument, groups.rows.argument, .int(U), .int(D), .int(divisor), .float(scale),
      .seed(drop?.seed ?? 0), .float(drop?.rate ?? 0))
  }
}

/// For each (place, leaving, entering) of `moves`, `[U, 3]` int32: outside[leaving] = inside[place], inside[place] = outside[entering]; -1:
/// none. Elements are copied bit by bit, whatever their type. Precondition: as `CachedRows` makes them, rows of one width and 4-byte elements.
package func exchangeRows(_ inside: Tensor, _ outside: Tensor, _ moves: Tensor) {
  let (U, D) = (moves.shape.rows, inside.count / max(1, inside.shape.rows))
  precondition(
    moves.dtype == .int32 && moves.count == 3 * U && inside.dtype == outside.dtype && outside.count == outside.shape.rows * D,
    "exchangeRows: expected moves [U, 3] and rows of one width, got \(moves.shape), \(inside.shape), \(outside.shape)")
  guard U > 0 else { return }
  switch inside.device {
  case .cpu:
    for u in 0..<U {
      let (place, leaving, entering) = (Int(moves.intPointer[3 * u]), Int(moves.intPointer[3 * u + 1]), Int(moves.intPointer[3 * u + 2]))
      if leaving >= 0 { (outside.pointer + leaving * D).update(from: inside.pointer + place * D, count: D) }
      if entering >= 0 { (inside.pointer + place * D).update(from: outside.pointer + entering * D, count: D) }
    }
  case .gpu(let queue):
    queue.launch(
      module, "exchange_rows", queue.tuning.rowGrid(U), inside.argument, outside.argument, moves.argument, .int(U), .int(D))
  }
}

/// y[i] = table[ids[i]] on a device.
func gatherRows(_ queue: DeviceQueue, _ y: Tensor, _ table: Tensor, _ lookup: Lookup) {
  queue.launch(
    module, "embedding_forward", queue.tuning.rowGrid(lookup.count), y.argument, table.argument, lookup.ids.argument, .none, .none,
    .int(lookup.count), .int(table.shape.columns), .float(1), .seed(0), .float(0))
}
