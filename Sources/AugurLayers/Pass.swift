// One run through a model: whether it is recorded, and where its random bits come from.
public import AugurOps
public import AugurTensors

/// One forward pass. Training passes carry a tape and draw dropout seeds in the order of the calls.
public final class Pass {
  public let tape: Tape?
  /// The model returns the state of the last row of each history only, and its last block computes no other.
  public let lastRowsOnly: Bool
  /// Keys and values of the rows before those of this pass; a pass with a cache holds one history.
  public let cache: AttentionCache?
  private var draws: RandomStream

  /// A training pass: same `seed`, same dropout masks.
  public init(training tape: Tape, seed: UInt64) {
    (self.tape, lastRowsOnly, cache) = (tape, false, nil)
    draws = RandomStream(seed: seed)
  }

  /// A pass for scoring: nothing recorded, nothing dropped.
  public init(lastRowsOnly: Bool = false, cache: AttentionCache? = nil) {
    (tape, self.lastRowsOnly, self.cache) = (nil, lastRowsOnly, cache)
    draws = RandomStream(seed: 0)
  }

  /// Random numbers of the next seed.
  package func randomStream() -> RandomStream { RandomStream(seed: draws.next()) }

  /// Dropout with the next seed; nil where nothing is dropped.
  public func dropout(_ rate: Float) -> Dropout? {
    tape == nil || rate == 0 ? nil : Dropout(rate: rate, seed: draws.next())
  }
}

/// Keys and values of one history in every attention layer, so that one more row costs one row.
public final class AttentionCache {
  /// Rows that every layer holds.
  public private(set) var length = 0
  public let capacity: Int
  private var layers: [KeptKeys] = []
  private var kept: [Tensor] = []
  private var next = 0

  /// Room for `capacity` rows.
  public init(capacity: Int) { self.capacity = capacity }

  /// Forgets every row; the memory stays.
  public func clear() { (length, next) = (0, 0) }

  /// Adds rows `kv` to the layer whose turn it is; the output of the last of them, whose queries are `q`.
  func attention(q: Tensor, kv: Tensor, heads: Int, precision: DataType) -> Tensor {
    if next == layers.count {
      layers.append(KeptKeys(capacity: capacity, width: q.shape.columns, heads: heads, precision: precision))
    }
    defer { next += 1 }
    return layers[next].attention(q: q, kv: kv, after: length)
  }

  /// All rows of the layer whose turn it is, `added` behind those before: for layers that pack nothing.
  func rows(adding added: Tensor) -> Tensor {
    if next == kept.count { kept.append(Tensor.zeros([capacity, added.shape.columns], device: added.device)) }
    defer { next += 1 }
    return kept[next].writing(added, at: length)
  }

  /// Ends a pass over `n` new rows.
  public func commit(_ n: Int) { (length, next) = (length + n, 0) }
}
