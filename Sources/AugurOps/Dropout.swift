// Inverted dropout from a counter-based generator: the mask is recomputed, never stored, and equal on every device.
import AugurCompute
public import AugurTensors
import CKernels

private let module = KernelModule(name: "dropout") { String(cString: ck_opencl_dropout()) }

/// A dropout rate with the seed of one call. `nil` where nothing is dropped.
public struct Dropout: Sendable {
  public let rate: Float
  public let seed: UInt64

  /// Precondition: `0 <= rate < 1`.
  public init(rate: Float, seed: UInt64) {
    precondition(rate >= 0 && rate < 1, "dropout: expected a rate in 0..<1, got \(rate)")
    (self.rate, self.seed) = (rate, seed)
  }
}

/// y = residual + x * keep / (1 - rate), elementwise; keep is 0 with probability `rate`.
public func dropout(_ x: Tensor, _ dropout: Dropout?, residual: Tensor? = nil) -> Tensor {
  precondition(residual?.count ?? x.count == x.count, "dropout: expected residual \(x.shape), got \(residual?.shape ?? [])")
  guard let dropout, dropout.rate > 0 else { return residual.map { add($0, x) } ?? x }
  let (y, tape) = makeOutput(x.shape, of: x, residual, device: x.device)
  dropElements(y, x, residual: residual, dropout)
  if let tape, let slot = y.slot {
    tape.record(slot) { dy in
      residual?.slot?.collect(dy, owned: false)
      guard let slot = x.slot else { return }
      let dx = Tensor(x.shape, device: x.device)
      dropElements(dx, dy, residual: nil, dropout)
      slot.collect(dx)
    }
  }
  return y
}

func dropElements(_ y: Tensor, _ x: Tensor, residual: Tensor?, _ dropout: Dropout) {
  switch x.device {
  case .cpu:
    parallel(x.count, grain: elementGrain) {
      ck_dropout(y.pointer, x.pointer, residual?.pointer, 0, $0, $1, dropout.seed, dropout.rate)
    }
  case .gpu(let queue):
    queue.launch(
      module, "dropout", queue.tuning.elementGrid(x.count), y.argument, x.argument, residual.argument, .int(x.count),
      .seed(dropout.seed), .float(dropout.rate))
  }
}
