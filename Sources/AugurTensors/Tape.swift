// Reverse-mode differentiation over coarse ops: each op records one rule that turns dL/dy into dL/dx.

/// Where the gradient of one tensor is collected.
package final class GradientSlot {
  /// A parameter keeps one buffer for its whole life and kernels add to it; an activation's gradient lives from its first use to its rule.
  package let isParameter: Bool
  package let tape: Tape?
  package var gradient: Tensor?
  /// False while `gradient` is memory that another slot or a running rule also reads: add to a copy, never in place.
  package var isOwned = true
  /// Rows of a table that got a gradient since the last update; nil once some op wrote all rows.
  package var touchedRows: [Lookup]? = []
  /// A table without a gradient buffer: rules of lookups take the SGD step w -= rate dw on its rows at once.
  package let stepped: (table: Tensor, rate: Float)?

  package init(tape: Tape) { (isParameter, self.tape, gradient, stepped) = (false, tape, nil, nil) }
  package init(parameterGradient: Tensor) { (isParameter, tape, gradient, stepped) = (true, nil, parameterGradient, nil) }
  package init(stepping table: Tensor, rate: Float) { (isParameter, tape, gradient, stepped) = (true, nil, nil, (table, rate)) }

  package func take() -> Tensor? {
    defer { gradient = nil }
    return gradient
  }
}

/// What rules leave for the end of a backward pass, where all of it is done at once.
package protocol Leftover: AnyObject {
  func finish()
}

/// The list of rules of one forward pass, run once, backwards.
public final class Tape {
  private struct Record {
    let output: GradientSlot
    let rule: (Tensor) -> Void
  }
  private var records: [Record] = []
  package var leftover: (any Leftover)?

  public init() { records.reserveCapacity(128) }

  /// Number of ops recorded.
  public var count: Int { records.count }

  /// Records an op whose output collects its gradient in `output`.
  package func record(_ output: GradientSlot, _ rule: @escaping (_ dy: Tensor) -> Void) {
    records.append(Record(output: output, rule: rule))
  }

  /// Runs every rule from the last to the first and forgets them. Gradients of parameters are added to their buffers.
  ///
  /// A loss carries its own weight, so it needs no seed: dL/dL = 1. Any other `y` takes `gradient`, dL/dy, of its shape.
  /// Precondition: `y` was recorded on this tape.
  public func backward(from y: Tensor, gradient: Tensor? = nil) {
    guard let slot = y.slot, slot.tape === self, (gradient ?? y).shape == y.shape else {
      preconditionFailure("backward: expected a result recorded on this tape and its gradient, got \(y.shape), \(gradient?.shape ?? [])")
    }
    (slot.gradient, slot.isOwned) = (gradient ?? y, gradient == nil)
    while let record = records.popLast() {
      if let dy = record.output.take() { record.rule(dy) }
    }
    leftover?.finish()
    leftover = nil
  }
}

extension Tensor {
  /// The same values as an input of `tape`: ops on it are recorded and its own gradient is kept for `gradient(of:)`.
  package func watched(by tape: Tape) -> Tensor {
    Tensor(shape, dtype: dtype, storage: storage, slot: GradientSlot(tape: tape))
  }

  /// The same values as a parameter with a zeroed gradient buffer.
  package func asParameter() -> Tensor {
    Tensor(shape, dtype: dtype, storage: storage, slot: GradientSlot(parameterGradient: zerosBeside(shape)))
  }

  /// The same values as a table that plain SGD of this `rate` steps during the backward pass: each row is read and written once,
  /// no gradient is stored. The ops on it may only look rows up; clipping, momentum and decay need `asParameter`.
  package func asSteppedTable(rate: Float) -> Tensor {
    Tensor(shape, dtype: dtype, storage: storage, slot: GradientSlot(stepping: self, rate: rate))
  }

  /// dL/dself, where one was collected.
  package var gradient: Tensor? { slot?.gradient }
}
