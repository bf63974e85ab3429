// Gated recurrent units over jagged sequences. Cho et al. 2014; the reset gate acts on h U + c, as in torch.nn.GRU.
import AugurCompute
public import AugurTensors
import CKernels

/// The state of a sequence is in local memory of a fixed size. One wider than a device has room for is refused when its program is built.
private func module(_ D: Int) -> KernelModule {
  KernelModule(name: "gru", options: D <= 256 ? "" : "-D WIDTH=\(max(4096, D))") { String(cString: ck_opencl_gru()) }
}

/// h_t = (1 - z) n + z h_{t-1}, z = sigmoid(x_z + h U_z + c_z), r = sigmoid(x_r + h U_r + c_r), n = tanh(x_n + r (h U_n + c_n)), h before
/// the first row of a sequence being 0. With shares 1 - z becomes share_t (1 - z): a row of share 0 leaves the state as it is (AUGRU, Zhou et
/// al. 2019, equation 16).
///
/// - Parameters:
///   - x: `[T, 3 D]`: what the inputs give to z, r and n, side by side.
///   - weight: U, `[D, 3 D]`.
///   - bias: c, `[3 D]`.
///   - shares: `[T]`; nil where all are 1.
/// - Returns: `[T, D]`. A row has the same bits in any batch.
public func gru(_ x: Tensor, _ rows: Jagged, weight u: Tensor, bias c: Tensor, shares: Tensor? = nil) -> Tensor {
  let (T, D, B, device) = (rows.rows, u.shape.rows, rows.count, x.device)
  precondition(
    x.shape == Shape(T, 3 * D) && u.shape == Shape(D, 3 * D) && c.count == 3 * D,
    "gru: expected x [\(T), 3 D], weight [D, 3 D] and bias [3 D], got \(x.shape), \(u.shape) and \(c.shape)")
  precondition(shares?.count ?? T == T, "gru: expected \(T) shares, got \(shares?.shape ?? [])")
  let (h, tape) = makeOutput(Shape(T, D), of: x, u, c, shares, device: device)
  // On a device the backward pass and this one have the same text: the gates are always kept.
  let gates: Tensor? = tape == nil && device == .cpu ? nil : Tensor(Shape(T, 4 * D), device: device)
  let packed = device == .cpu ? Tensor(Shape(D, ck_gru_columns(3 * D)), device: .cpu) : u
  let back = device == .cpu && tape != nil ? Tensor(Shape(3 * D, ck_gru_columns(D)), device: .cpu) : nil
  switch device {
  case .cpu:
    ck_gru_pack(packed.pointer, back?.pointer, u.pointer, D)
    parallel(B, grain: sequenceGrain, scratch: ck_gru_scratch(D)) { begin, end, scratch in
      ck_gru_forward(
        h.pointer, gates?.pointer, x.pointer, packed.pointer, c.pointer, shares?.pointer, rows.offsets.intPointer, begin, end, D, scratch)
    }
  case .gpu(let queue):
    queue.launch(
      module(D), "gru_forward", queue.tuning.selectGrid(B), h.argument, gates.argument, x.argument, u.argument, c.argument,
      shares.argument, rows.offsets.argument, .int(D))
  }
  if let tape, let slot = h.slot, let gates {
    tape.record(slot) { dh in
      let (dx, du) = (Tensor(x.shape, device: device), Tensor(x.shape, device: device))
      let before = Tensor(h.shape, device: device)
      let dshares = shares.map { Tensor($0.shape, device: device) }
      switch device {
      case .cpu:
        parallel(B, grain: sequenceGrain, scratch: ck_gru_scratch(D)) { begin, end, scratch in
          ck_gru_backward(
            dx.pointer, du.pointer, before.pointer, dshares?.pointer, dh.pointer, h.pointer, gates.pointer, shares?.pointer, back?.pointer,
            rows.offsets.intPointer, begin, end, D, scratch)
        }
      case .gpu(let queue):
        queue.launch(
          module(D), "gru_backward", queue.tuning.selectGrid(B), dx.argument, du.argument, before.argument, dshares.argument,
          dh.argument, h.argument, gates.argument, shares.argument, u.argument, rows.offsets.argument, .int(D))
      }
      x.slot?.collect(dx)
      if let dshares { shares?.slot?.collect(dshares) }
      if let slot = u.slot { addProduct(into: slot.parameterGradient(), before, du) }
      if let slot = c.slot { addColumnSums(into: slot.parameterGradient(), du) }
    }
  }
  return h
}

/// Sequences that one task steps through; a multiple of those that step together.
private let sequenceGrain = 8
