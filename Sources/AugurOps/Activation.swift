// Elementwise activations and the sum of two tensors.
import AugurCompute
public import AugurTensors
import CKernels

/// The activations that an op can fuse. GELU is the tanh form.
public enum Activation: String, Sendable, CaseIterable {
  case none, relu, gelu, silu, sigmoid, softplus

  var code: Int32 {
    switch self {
    case .none: Int32(CK_NONE)
    case .relu: Int32(CK_RELU)
    case .gelu: Int32(CK_GELU)
    case .silu: Int32(CK_SILU)
    case .sigmoid: Int32(CK_SIGMOID)
    case .softplus: Int32(CK_SOFTPLUS)
    }
  }
}

private let module = KernelModule(name: "activation") { String(cString: ck_opencl_activation()) }

/// y = act(x), elementwise; any shape.
public func activation(_ x: Tensor, _ kind: Activation) -> Tensor {
  let (y, tape) = makeOutput(x.shape, of: x, device: x.device)
  switch x.device {
  case .cpu:
    parallel(x.count, grain: elementGrain) { ck_activation_forward(y.pointer, x.pointer, $0, $1, kind.code) }
  case .gpu(let queue): queue.launch(module, "activation_forward", queue.tuning.elementGrid(x.count), y.argument, x.argument, .int(x.count), .int(Int(kind.code)))
  }
  if let tape, let slot = y.slot {
    tape.record(slot) { dy in
      x.slot?.collect(activationGradient(dy, x, kind))
    }
  }
  return y
}

/// dx = dy * act'(x), x the value before the activation.
func activationGradient(_ dy: Tensor, _ x: Tensor, _ kind: Activation) -> Tensor {
  let dx = Tensor(x.shape, device: x.device)
  switch x.device {
  case .cpu:
    parallel(x.count, grain: elementGrain) { ck_activation_backward(dx.pointer, dy.pointer, x.pointer, $0, $1, kind.code) }
  case .gpu(let queue):
    queue.launch(
      module, "activation_backward", queue.tuning.elementGrid(x.count), dx.argument, dy.argument, x.argument, .int(x.count),
      .int(Int(kind.code)))
  }
  return dx
}

/// y = a + b, elementwise. Precondition: equal shapes.
public func add(_ a: Tensor, _ b: Tensor) -> Tensor {
  precondition(a.shape == b.shape, "add: expected equal shapes, got \(a.shape) and \(b.shape)")
  let (y, tape) = makeOutput(a.shape, of: a, b, device: a.device)
  setSum(y, a, b)
  if let tape, let slot = y.slot {
    tape.record(slot) { dy in
      a.slot?.collect(dy, owned: false)
      b.slot?.collect(dy, owned: false)
    }
  }
  return y
}

/// y = a + b.
func setSum(_ y: Tensor, _ a: Tensor, _ b: Tensor) {
  switch y.device {
  case .cpu: parallel(y.count, grain: elementGrain) { ck_sum(y.pointer, a.pointer, b.pointer, $0, $1) }
  case .gpu(let queue):
    queue.launch(module, "add", queue.tuning.elementGrid(y.count), y.argument, a.argument, b.argument, .int(y.count))
  }
}

/// y += x.
func addInPlace(_ y: Tensor, _ x: Tensor) {
  precondition(x.count == y.count, "add: expected \(y.shape), got \(x.shape)")
  switch y.device {
  case .cpu: parallel(y.count, grain: elementGrain) { ck_add(y.pointer, x.pointer, $0, $1) }
  case .gpu: setSum(y, y, x)
  }
}

/// y = a y + b x, outside of any tape.
package func combine(_ y: Tensor, times a: Float, _ x: Tensor, times b: Float) {
  precondition(x.count == y.count, "combine: expected \(y.shape), got \(x.shape)")
  switch y.device {
  case .cpu: parallel(y.count, grain: elementGrain) { ck_combine(y.pointer, a, x.pointer, b, $0, $1) }
  case .gpu(let queue):
    queue.launch(
      module, "combine", queue.tuning.elementGrid(y.count), y.argument, .float(a), x.argument, .float(b), .int(y.count))
  }
}

/// x stored as `dtype`, float32 or bfloat16 (rounded to nearest even); itself where it is already. No gradient passes.
public func converted(_ x: Tensor, to dtype: DataType) -> Tensor {
  guard x.dtype != dtype else { return x }
  precondition(
    Set([x.dtype, dtype]) == [.float32, .bfloat16], "converted: expected float32 and bfloat16, got \(x.dtype) to \(dtype)")
  let y = Tensor(x.shape, dtype: dtype, device: x.device)
  switch (x.device, dtype) {
  case (.cpu, .bfloat16): parallel(x.count, grain: elementGrain) { ck_round_bf16_row(y.halfPointer, x.pointer, $0, $1) }
  case (.cpu, _): parallel(x.count, grain: elementGrain) { ck_widen_bf16(y.pointer, x.halfPointer, $0, $1) }
  case (.gpu(let queue), _):
    let entry = dtype == .bfloat16 ? "round_to_bfloat16" : "widen_bfloat16"
    queue.launch(module, entry, queue.tuning.elementGrid(x.count), y.argument, x.argument, .int(x.count))
  }
  return y
}
