// eSASRec: shifted next-item objective, LiGR blocks, sampled softmax. arXiv 2508.06450; the block is from arXiv 2502.03417.
public import AugurLayers
import AugurOps
public import AugurTensors

/// x = E[item] + P[place]; LiGR blocks; scores by the shared item table.
public final class ESASRec: SequenceModel {
  static let entry = ModelEntry(
    name: "esasrec", paper: "arXiv 2508.06450 (2025)",
    hyperparameters: transformerKnobs(dim: 64, blocks: 2, heads: 1, dropout: 0.1, feedForward: 4, length: 200)
      + [positionsKnob(.right)] + objectiveKnobs(loss: "sampled", negatives: 256, sharing: "sequence")
  ) { h, itemCount throws(ModelError) in
    try ESASRec(h, itemCount: itemCount)
  }

  public var parameters: [Parameter] { store.parameters }
  public var outputTable: Parameter { events.items }
  public var longestHistory: Int { events.longest }
  public let isCosine: Bool
  public let positionAlignment: PositionAlignment
  private let store: ParameterStore
  private let events: PlacedEvents
  private let blocks: [LiGRBlock]

  init(_ h: Hyperparameters, itemCount: Int) throws(ModelError) {
    try checkHeads(h)
    let made = ParameterStore(precision: h.precision)
    (store, isCosine, positionAlignment) = (made, h.isCosine, h.positionAlignment)
    events = PlacedEvents(h, rows: itemCount, .xavierNormal, positions: .xavierNormal, isScaled: false, in: made)
    blocks = [LiGRBlock](h) { LiGRBlock($0, h, in: made) }
  }

  public func states(_ input: SequenceInput, _ pass: Pass) -> Tensor {
    blocks(events(input, pass), input, pass)
  }

  /// x += sigmoid(x W1 + b1) * drop(MHA(LN x)); x += sigmoid(x W2 + b2) * drop(FFN(LN x)); FFN is SwiGLU.
  private final class LiGRBlock: SequenceBlock {
    let attentionNorm: LayerNorm
    let attention: SelfAttention
    let attentionGate: Linear
    let feedForwardNorm: LayerNorm
    let feedForward: GatedFeedForward
    let feedForwardGate: Linear
    let rate: Float

    init(_ name: String, _ h: Hyperparameters, in store: ParameterStore) {
      let D = h.integer("dim")
      rate = h.real("dropout")
      attentionNorm = LayerNorm("\(name).attention-norm", D, epsilon: 1e-5, in: store)
      attention = SelfAttention("\(name).attention", D, heads: h.integer("heads"), dropout: h.innerDropout, in: store)
      attentionGate = Linear("\(name).attention-gate", D, D, in: store)
      feedForwardNorm = LayerNorm("\(name).feed-forward-norm", D, epsilon: 1e-5, in: store)
      feedForward = GatedFeedForward("\(name).feed-forward", D, hidden: D * h.integer("feed-forward"), in: store)
      feedForwardGate = Linear("\(name).feed-forward-gate", D, D, in: store)
    }

    func callAsFunction(_ x: Tensor, _ input: SequenceInput, _ pass: Pass, isLast: Bool) -> Tensor {
      let z = attentionNorm(x)
      let (q, own) = (input.read(z, pass, isLast), input.read(x, pass, isLast))
      let h = gatedResidual(own, gate: attentionGate(own), attention(q: q, z, input.rows, pass), pass.dropout(rate))
      return gatedResidual(h, gate: feedForwardGate(h), feedForward(feedForwardNorm(h)), pass.dropout(rate))
    }
  }
}
