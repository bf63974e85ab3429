// One run through a model: whether it is recorded, and where its random bits come from.
public import AugurOps
public import AugurTensors

/// One forward pass. Training passes carry a tape and draw dropout seeds in the order of the calls.
public final class Pass {
  public let tape: Tape?
  private var draws: RandomStream

  /// A training pass: same `seed`, same dropout masks.
  public init(training tape: Tape, seed: UInt64) {
    self.tape = tape
    draws = RandomStream(seed: seed)
  }

  /// A pass for scoring: nothing recorded, nothing dropped.
  public init() {
    tape = nil
    draws = RandomStream(seed: 0)
  }

  /// Dropout with the next seed; nil where nothing is dropped.
  public func dropout(_ rate: Float) -> Dropout? {
    tape == nil || rate == 0 ? nil : Dropout(rate: rate, seed: draws.next())
  }
}
