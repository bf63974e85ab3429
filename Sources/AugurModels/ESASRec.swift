// eSASRec: shifted next-item objective, LiGR blocks, sampled softmax. arXiv 2508.06450; the block is from arXiv 2502.03417.
public import AugurLayers
import AugurOps
public import AugurTensors

/// x = E[item] + P[place]; LiGR blocks; scores by the shared item table.
public final class ESASRec: SequenceModel {
  static let entry = ModelEntry(
    name: "esasrec", paper: "arXiv 2508.06450 (2025)",
    hyperparameters: transformerKnobs(dim: 64, blocks: 2, heads: 1, dropout: 0.1, feedForward: 4, length: 200)
      + objectiveKnobs(loss: "sampled", negatives: 256, sharing: "sequence")
  ) { h, itemCount throws(ModelError) in
    try ESASRec(h, itemCount: itemCount)
  }

  public var parameters: [Parameter] { store.parameters }
  public let outputTable: Parameter
  public let longestHistory: Int
  public let isCosine: Bool
  public let positionAlignment: PositionAlignment
  private let store: ParameterStore
  private let positions: Parameter
  private let blocks: [LiGRBlock]
  private let dropoutRate: Float

  init(_ h: Hyperparameters, itemCount: Int) throws(ModelError) {
    try checkHeads(h)
    let D = h.integer("dim")
    store = ParameterStore(precision: h.precision)
    longestHistory = h.integer("length")
    isCosine = h.isCosine
    positionAlignment = h.choice("positions") == "left" ? .left : .right
    dropoutRate = h.real("dropout")
    outputTable = store.make("items", [itemCount, D], .xavierNormal, isTable: true)
    positions = store.make("positions", [longestHistory, D], .xavierNormal)
    let blockStore = store
    blocks = (0..<h.integer("blocks")).map { LiGRBlock("blocks.\($0)", h, in: blockStore) }
  }

  public func states(_ input: SequenceInput, _ pass: Pass) -> Tensor {
    var x = embedding(outputTable.value, input.items, positions: positions.value, places: input.places, tape: pass.tape)
    x = dropout(x, pass.dropout(dropoutRate))
    for i in blocks.indices { x = blocks[i](x, input, pass, isLast: i == blocks.count - 1) }
    return x
  }

  /// x += sigmoid(x W1 + b1) * drop(MHA(LN x)); x += sigmoid(x W2 + b2) * drop(FFN(LN x)); FFN is SwiGLU.
  private final class LiGRBlock {
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
