// Sums (or means) of table rows over jagged bags of ids, each row with a weight of its own where weights are given.
import AugurCompute
public import AugurTensors
import CKernels

private let module = KernelModule(name: "embedding_bag") { String(cString: ck_opencl_embedding_bag()) }

/// y[b] = sum over the lookups i of bag b, in order, of weights[i] * table[lookup.ids[i]]; an empty bag gives 0.
///
/// The gradient of a table row sums dy of the bags that hold it, in the order of the lookups: the same bits for any number of
/// threads, and no array of `[n, D]`.
/// - Parameters:
///   - table: `[V, D]`.
///   - bags: bag b owns lookups `offsets[b] ..< offsets[b+1]`; as many rows as `lookup` has ids.
///   - weights: `[n]`, one for each lookup; nil is 1.
///   - isMean: divides each sum by the number of lookups in its bag.
///   - tape: records the op; nil at inference.
/// - Returns: `[B, D]`.
public func embeddingBag(
  _ table: Tensor, _ lookup: Lookup, _ bags: Jagged, weights: Tensor? = nil, isMean: Bool = false, tape: Tape? = nil
) -> Tensor {
  let (n, B, D) = (lookup.count, bags.count, table.shape.columns)
  precondition(bags.rows == n, "embeddingBag: expected bags of \(n) lookups, got \(bags.rows)")
  precondition(weights?.count ?? n == n, "embeddingBag: expected \(n) weights, got \(weights?.shape ?? [])")
  let (y, tape) = makeOutput(Shape(B, D), of: table, weights, device: table.device, on: tape)
  switch table.device {
  case .cpu:
    parallel(B, grain: bagGrain(bags)) {
      ck_embedding_bag_forward(
        y.pointer, table.pointer, lookup.ids.intPointer, bags.offsets.intPointer, weights?.pointer, $0, $1, D, isMean ? 1 : 0)
    }
  case .gpu(let queue):
    queue.launch(
      module, "embedding_bag_forward", queue.tuning.rowGrid(B), y.argument, table.argument, lookup.ids.argument,
      bags.offsets.argument, weights.argument, .int(B), .int(D), .int(isMean ? 1 : 0))
  }
  if let tape, let slot = y.slot {
    tape.record(slot) { dy in
      let dx = isMean ? meanGradient(dy, bags) : dy
      let places = bagPlaces(bags)
      // The weights' gradient reads the table, which a stepped table changes in addRows.
      if let slot = weights?.slot { slot.collect(weightGradient(dx, table, lookup, places)) }
      if let slot = table.slot { addRows(into: slot, dx, lookup, places: places, coefficients: weights) }
    }
  }
  return y
}

/// Bags of about 4,096 lookups in all.
private func bagGrain(_ bags: Jagged) -> Int { max(1, 4096 * bags.count / max(1, bags.rows)) }

/// The bag of each lookup, `[n]` int32.
func bagPlaces(_ bags: Jagged) -> Tensor {
  let places = Tensor([bags.rows], dtype: .int32, device: bags.offsets.device)
  switch places.device {
  case .cpu:
    parallel(bags.count, grain: 8 * bagGrain(bags)) { ck_bag_places(places.intPointer, bags.offsets.intPointer, $0, $1) }
  case .gpu(let queue):
    queue.launch(
      module, "bag_places", queue.tuning.rowGrid(bags.count), places.argument, bags.offsets.argument, .int(bags.count))
  }
  return places
}

/// dy[b] / (lookups of b).
private func meanGradient(_ dy: Tensor, _ bags: Jagged) -> Tensor {
  let (dx, B, D) = (Tensor(dy.shape, device: dy.device), bags.count, dy.shape.columns)
  switch dy.device {
  case .cpu:
    parallel(B, grain: rowGrain) { ck_bag_mean_backward(dx.pointer, dy.pointer, bags.offsets.intPointer, $0, $1, D) }
  case .gpu(let queue):
    queue.launch(
      module, "bag_mean_backward", queue.tuning.rowGrid(B), dx.argument, dy.argument, bags.offsets.argument, .int(B), .int(D))
  }
  return dx
}

/// dweights[i] = dy[bag of i] . table[ids[i]].
private func weightGradient(_ dy: Tensor, _ table: Tensor, _ lookup: Lookup, _ places: Tensor) -> Tensor {
  let (n, D) = (lookup.count, table.shape.columns)
  let dweights = Tensor([n], device: dy.device)
  switch dy.device {
  case .cpu:
    parallel(n, grain: 4096) {
      ck_bag_weights_backward(
        dweights.pointer, dy.pointer, table.pointer, lookup.ids.intPointer, places.intPointer, $0, $1, D)
    }
  case .gpu(let queue):
    queue.launch(
      module, "bag_weights_backward", queue.tuning.rowGrid(n), dweights.argument, dy.argument, table.argument,
      lookup.ids.argument, places.argument, .int(n), .int(D))
  }
  return dweights
}
