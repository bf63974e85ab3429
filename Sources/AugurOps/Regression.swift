// Squared error.
import AugurCompute
public import AugurTensors
import CKernels

private let module = KernelModule(name: "regression") { String(cString: ck_opencl_regression()) }

/// The mean of (x - y)^2 over all elements.
///
/// - Returns: `[1]`.
public func meanSquaredError(_ x: Tensor, _ y: Tensor) -> Tensor {
  precondition(x.count == y.count && x.count > 0, "meanSquaredError: expected equal shapes, got \(x.shape) and \(y.shape)")
  let (total, tape) = makeOutput([1], of: x, device: x.device)
  let (losses, dx) = (Tensor([x.count], device: x.device), Tensor(x.shape, device: x.device))
  let weight = 1 / Float(x.count)
  switch x.device {
  case .cpu:
    parallel(x.count, grain: elementGrain) { ck_mse(losses.pointer, dx.pointer, x.pointer, y.pointer, $0, $1, weight) }
  case .openCL(let queue):
    queue.launch(
      module, "mse", queue.tuning.elementGrid(x.count), losses.argument, dx.argument, x.argument, y.argument, .int(x.count),
      .float(weight))
  }
  total.fillWithZeros()
  addColumnSums(into: total, losses, weight: weight)
  if let tape, let slot = total.slot { tape.record(slot) { _ in x.slot?.collect(dx) } }
  return total
}
