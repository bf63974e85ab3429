// Softly gated mixtures of experts (Jacobs et al. 1991), as in MMoE (Ma et al. 2018) and PLE (Tang et al. 2020).
import AugurCompute
public import AugurTensors
import CKernels

private let module = KernelModule(name: "mixture") { String(cString: ck_opencl_mixture()) }

/// y[r] = sum over experts e of softmax(gates[r])_e experts[e][r].
///
/// - Parameters:
///   - experts: E of `[B, D]`; at least one.
///   - gates: `[B, E]`, logits.
/// - Returns: `[B, D]`.
public func mixture(_ experts: [Tensor], gates g: Tensor) -> Tensor {
  precondition(!experts.isEmpty, "mixture: expected experts, got none")
  let (E, shape) = (experts.count, experts[0].shape)
  let (B, D) = (shape.rows, shape.columns)
  precondition(
    experts.allSatisfy { $0.shape == shape } && g.shape == Shape(B, E),
    "mixture: expected experts of one shape and gates [\(B), \(E)], got \(experts.map(\.shape)) and \(g.shape)")
  let (y, tape) = makeOutput(shape, of: g, experts.first { $0.tape != nil }, device: g.device)
  let p = Tensor(g.shape, device: g.device)
  switch g.device {
  case .cpu:
    parallel(B, grain: rowGrain) { begin, end in
      ck_mixture_shares(p.pointer, g.pointer, begin, end, E)
      for (e, x) in experts.enumerated() {
        ck_mixture_forward(y.pointer, x.pointer, p.pointer + e, e == 0 ? 1 : 0, begin, end, E, D)
      }
    }
  case .gpu(let queue):
    queue.launch(module, "mixture_shares", queue.tuning.itemGrid(B), p.argument, g.argument, .int(B), .int(E))
    for (e, x) in experts.enumerated() {
      queue.launch(
        module, "mixture_forward", queue.tuning.rowGrid(B), y.argument, x.argument, p.argument, .int(e), .int(B), .int(E), .int(D))
    }
  }
  if let tape, let slot = y.slot {
    tape.record(slot) { dy in
      let (dx, dp) = (experts.map { Tensor($0.shape, device: g.device) }, Tensor(g.shape, device: g.device))
      let dg = Tensor(g.shape, device: g.device)
      switch g.device {
      case .cpu:
        parallel(B, grain: rowGrain) { begin, end in
          for (e, x) in experts.enumerated() {
            ck_mixture_backward(dx[e].pointer, dp.pointer + e, dy.pointer, x.pointer, p.pointer + e, begin, end, E, D)
          }
          ck_mixture_gates(dg.pointer, dp.pointer, p.pointer, begin, end, E)
        }
      case .gpu(let queue):
        for (e, x) in experts.enumerated() {
          queue.launch(
            module, "mixture_backward", queue.tuning.rowGrid(B), dx[e].argument, dp.argument, dy.argument, x.argument, p.argument, .int(e),
            .int(B), .int(E), .int(D))
        }
        queue.launch(module, "mixture_gates", queue.tuning.itemGrid(B), dg.argument, dp.argument, p.argument, .int(B), .int(E))
      }
      for (x, dx) in zip(experts, dx) { x.slot?.collect(dx) }
      g.slot?.collect(dg)
    }
  }
  return y
}
