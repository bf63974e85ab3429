// How features meet: products element by element, and all pairs of fields (Rendle 2010).
import AugurCompute
public import AugurTensors
import CKernels

private let module = KernelModule(name: "interaction") { String(cString: ck_opencl_interaction()) }

/// y = scale * a * b + c, elementwise; all of one shape, c may be absent.
public func product(_ a: Tensor, _ b: Tensor, plus c: Tensor? = nil, scale: Float = 1) -> Tensor {
  precondition(a.shape == b.shape && c?.shape ?? a.shape == a.shape, "product: expected one shape, got \(a.shape), \(b.shape), \(c?.shape ?? [])")
  let (y, tape) = makeOutput(a.shape, of: a, b, c, device: a.device)
  switch a.device {
  case .cpu:
    parallel(a.count, grain: elementGrain) { ck_product_forward(y.pointer, a.pointer, b.pointer, c?.pointer, scale, $0, $1) }
  case .gpu(let queue):
    queue.launch(
      module, "product_forward", queue.tuning.elementGrid(a.count), y.argument, a.argument, b.argument, c.argument, .float(scale),
      .int(a.count))
  }
  if let tape, let slot = y.slot {
    tape.record(slot) { dy in
      let (da, db) = (Tensor(a.shape, device: a.device), Tensor(a.shape, device: a.device))
      switch a.device {
      case .cpu:
        parallel(a.count, grain: elementGrain) {
          ck_product_backward(da.pointer, db.pointer, dy.pointer, a.pointer, b.pointer, scale, $0, $1)
        }
      case .gpu(let queue):
        queue.launch(
          module, "product_backward", queue.tuning.elementGrid(a.count), da.argument, db.argument, dy.argument, a.argument, b.argument,
          .float(scale), .int(a.count))
      }
      c?.slot?.collect(dy, owned: false)
      a.slot?.collect(da)
      b.slot?.collect(db)
    }
  }
  return y
}

/// y[r] = sum over pairs of fields f < g of e[r,f] . e[r,g], in O(F D) a row.
///
/// - Parameter e: `[B, F * D]`, the fields of a row side by side.
/// - Returns: `[B, 1]`.
public func fieldPairs(_ e: Tensor, fields F: Int) -> Tensor {
  let (B, D) = (e.shape.rows, e.shape.columns / max(1, F))
  precondition(F > 0 && F * D == e.shape.columns, "fieldPairs: expected \(F) fields of one width, got \(e.shape)")
  let (y, tape) = makeOutput([B, 1], of: e, device: e.device)
  let sums = Tensor([B, D], device: e.device)
  switch e.device {
  case .cpu: parallel(B, grain: rowGrain) { ck_field_pairs_forward(y.pointer, sums.pointer, e.pointer, $0, $1, F, D) }
  case .gpu(let queue):
    queue.launch(
      module, "field_pairs_forward", queue.tuning.rowGrid(B), y.argument, sums.argument, e.argument, .int(B), .int(F), .int(D))
  }
  if let tape, let slot = y.slot {
    tape.record(slot) { dy in
      let de = Tensor(e.shape, device: e.device)
      switch e.device {
      case .cpu:
        parallel(B, grain: rowGrain) { ck_field_pairs_backward(de.pointer, dy.pointer, sums.pointer, e.pointer, $0, $1, F, D) }
      case .gpu(let queue):
        queue.launch(
          module, "field_pairs_backward", queue.tuning.rowGrid(B), de.argument, dy.argument, sums.argument, e.argument, .int(B), .int(F),
          .int(D))
      }
      e.slot?.collect(de)
    }
  }
  return y
}

/// The same elements as rows of another width: nothing is copied.
public func rows(_ x: Tensor, as shape: Shape) -> Tensor {
  precondition(x.count == shape.count, "rows: expected \(x.count) elements, got \(shape)")
  let view = x.reshaped(shape)
  guard let tape = x.tape else { return view }
  let y = view.watched(by: tape)
  if let slot = y.slot { tape.record(slot) { dy in x.slot?.collect(dy.reshaped(x.shape), owned: false) } }
  return y
}

/// y[b] = the one row of x, B times over.
///
/// - Parameter x: `[1, D]`.
/// - Returns: `[B, D]`.
public func repeated(_ x: Tensor, _ B: Int) -> Tensor {
  let D = x.shape.columns
  precondition(x.shape.rows == 1, "repeated: expected one row, got \(x.shape)")
  let (y, tape) = makeOutput([B, D], of: x, device: x.device)
  switch x.device {
  case .cpu:
    parallel(B, grain: rowGrain) { begin, end in
      for b in begin..<end { (y.pointer + b * D).update(from: x.pointer, count: D) }
    }
  case .gpu(let queue):
    queue.launch(module, "repeated", queue.tuning.rowGrid(B), y.argument, x.argument, .int(B), .int(D))
  }
  if let tape, let slot = y.slot {
    tape.record(slot) { dy in
      let dx = Tensor.zeros(x.shape, device: x.device)
      addColumnSums(into: dx, dy)
      x.slot?.collect(dx)
    }
  }
  return y
}

/// y[b] = the rows b of all parts, one behind the other.
///
/// - Parameter parts: `[B, D]` each, of any widths; at least one.
/// - Returns: `[B, sum of D]`.
public func sideBySide(_ parts: [Tensor]) -> Tensor {
  precondition(!parts.isEmpty, "sideBySide: expected parts, got none")
  if parts.count == 1 { return parts[0] }
  let (B, device) = (parts[0].shape.rows, parts[0].device)
  precondition(
    parts.allSatisfy { $0.shape.rows == B && $0.device == device },
    "sideBySide: expected parts of \(B) rows on \(device), got \(parts.map(\.shape))")
  let (y, tape) = makeOutput(
    Shape(B, parts.reduce(0) { $0 + $1.shape.columns }), of: parts.first { $0.tape != nil } ?? parts[0], device: device)
  var (places, end): ([Int], Int) = ([], 0)
  for part in parts {
    places.append(end)
    placeColumns(y, end, part, 0, part.shape.columns)
    end += part.shape.columns
  }
  if let tape, let slot = y.slot {
    tape.record(slot) { dy in
      for (part, place) in zip(parts, places) {
        guard let slot = part.slot else { continue }
        let dx = Tensor(part.shape, device: device)
        placeColumns(dx, 0, dy, place, part.shape.columns)
        slot.collect(dx)
      }
    }
  }
  return y
}

/// Columns `to ..< to + D` of y are columns `from ..< from + D` of x.
private func placeColumns(_ y: Tensor, _ to: Int, _ x: Tensor, _ from: Int, _ D: Int) {
  let (B, X, Y) = (x.shape.rows, x.shape.columns, y.shape.columns)
  switch y.device {
  case .cpu:
    parallel(B, grain: rowGrain) { begin, end in
      for b in begin..<end { (y.pointer + b * Y + to).update(from: x.pointer + b * X + from, count: D) }
    }
  case .gpu(let queue):
    queue.launch(
      module, "place_columns", queue.tuning.rowGrid(B), y.argument, x.argument, .int(B), .int(D), .int(Y), .int(to), .int(X), .int(from))
  }
}
