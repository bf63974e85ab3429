// Gated units: SwiGLU (Shazeer 2020) and the gated residual of LiGR (Borisyuk et al. 2025).
import AugurCompute
public import AugurTensors
import CKernels

private let module = KernelModule(name: "gate") { String(cString: ck_opencl_gate()) }

/// y = silu(a) * b, where `ab` holds a and b side by side.
///
/// - Parameter ab: `[T, 2F]`.
/// - Returns: `[T, F]`.
public func swiglu(_ ab: Tensor) -> Tensor {
  let (T, F) = (ab.shape.rows, ab.shape.columns / 2)
  precondition(ab.shape.columns == 2 * F, "swiglu: expected an even number of columns, got \(ab.shape)")
  let (y, tape) = makeOutput(Shape(T, F), of: ab, device: ab.device)
  switch ab.device {
  case .cpu: parallel(T, grain: rowGrain) { ck_swiglu_forward(y.pointer, ab.pointer, $0, $1, F) }
  case .gpu(let queue): queue.launch(module, "swiglu_forward", queue.tuning.rowGrid(T), y.argument, ab.argument, .int(T), .int(F))
  }
  if let tape, let slot = y.slot {
    tape.record(slot) { dy in
      let dab = Tensor(ab.shape, device: ab.device)
      switch ab.device {
      case .cpu: parallel(T, grain: rowGrain) { ck_swiglu_backward(dab.pointer, dy.pointer, ab.pointer, $0, $1, F) }
      case .gpu(let queue):
        queue.launch(
          module, "swiglu_backward", queue.tuning.rowGrid(T), dab.argument, dy.argument, ab.argument, .int(T), .int(F))
      }
      ab.slot?.collect(dab)
    }
  }
  return y
}

/// y = x + sigmoid(gate) * drop(z), elementwise; all of one shape.
public func gatedResidual(_ x: Tensor, gate g: Tensor, _ z: Tensor, _ dropout: Dropout?) -> Tensor {
  precondition(x.shape == g.shape && x.shape == z.shape, "gatedResidual: expected one shape, got \(x.shape), \(g.shape), \(z.shape)")
  let (seed, rate) = (dropout?.seed ?? 0, dropout?.rate ?? 0)
  let (y, tape) = makeOutput(x.shape, of: x, g, z, device: x.device)
  switch x.device {
  case .cpu:
    parallel(x.count, grain: elementGrain) {
      ck_gated_residual_forward(y.pointer, x.pointer, g.pointer, z.pointer, $0, $1, seed, rate)
    }
  case .gpu(let queue):
    queue.launch(
      module, "gated_residual_forward", queue.tuning.elementGrid(x.count), y.argument, x.argument, g.argument, z.argument,
      .int(x.count), .seed(seed), .float(rate))
  }
  if let tape, let slot = y.slot {
    tape.record(slot) { dy in
      let (dg, dz) = (Tensor(x.shape, device: x.device), Tensor(x.shape, device: x.device))
      switch x.device {
      case .cpu:
        parallel(x.count, grain: elementGrain) {
          ck_gated_residual_backward(dg.pointer, dz.pointer, dy.pointer, g.pointer, z.pointer, $0, $1, seed, rate)
        }
      case .gpu(let queue):
        queue.launch(
          module, "gated_residual_backward", queue.tuning.elementGrid(x.count), dg.argument, dz.argument, dy.argument, g.argument,
          z.argument, .int(x.count), .seed(seed), .float(rate))
      }
      x.slot?.collect(dy, owned: false)
      g.slot?.collect(dg)
      z.slot?.collect(dz)
    }
  }
  return y
}
