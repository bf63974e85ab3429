// HSTU: hierarchical sequential transduction units, the research block. Zhai et al. 2024, arXiv 2402.17152.
public import AugurLayers
import AugurOps
public import AugurTensors

/// x = sqrt(D) E[item] + P[place]; HSTU blocks; scores by the shared item table.
public final class HSTU: SequenceModel {
  static let entry = ModelEntry(
    name: "hstu", paper: "Zhai et al. 2024, arXiv 2402.17152",
    hyperparameters: sequenceKnobs(dim: 50, blocks: 2, heads: 1, dropout: 0.2, length: 200, positions: "left")
      + [.choice("time-bias", "no", of: ["no", "yes"], "a bias of the scores for the time between events, for data with times")]
      + objectiveKnobs(loss: "sampled", negatives: 128, sharing: "batch")
  ) { h, itemCount throws(ModelError) in
    try HSTU(h, itemCount: itemCount)
  }

  public var parameters: [Parameter] { store.parameters }
  public let outputTable: Parameter
  public let longestHistory: Int
  public let isCosine: Bool
  public let positionAlignment: PositionAlignment
  public let readsTimes: Bool
  private let store: ParameterStore
  private let positions: Parameter
  private let blocks: [HSTUBlock]
  private let dropoutRate: Float
  private let embeddingScale: Float

  init(_ h: Hyperparameters, itemCount: Int) throws(ModelError) {
    try checkHeads(h)
    let D = h.integer("dim")
    store = ParameterStore(precision: h.precision)
    longestHistory = h.integer("length")
    isCosine = h.isCosine
    readsTimes = h.choice("time-bias") == "yes"
    positionAlignment = h.choice("positions") == "left" ? .left : .right
    dropoutRate = h.real("dropout")
    embeddingScale = Float(D).squareRoot()
    outputTable = store.make("items", [itemCount, D], .normal(deviation: 0.02), isTable: true)
    positions = store.make("positions", [longestHistory, D], .normal(deviation: 0.02))
    let blockStore = store
    blocks = (0..<h.integer("blocks")).map { HSTUBlock("blocks.\($0)", h, in: blockStore) }
  }

  public func states(_ input: SequenceInput, _ pass: Pass) -> Tensor {
    var x = embedding(
      outputTable.value, input.items, scale: embeddingScale, positions: positions.value, places: input.places, tape: pass.tape)
    x = dropout(x, pass.dropout(dropoutRate))
    for i in blocks.indices { x = blocks[i](x, input, pass, isLast: i == blocks.count - 1) }
    return x
  }

  /// u, qkv = SiLU(LN(x) W); x + W_o drop(u * LN(A v)) + b_o, A = SiLU(q k^T + position + time) / n. Both norms are plain: no gain, no bias.
  /// n is the longest history, a constant of the model: a score may not depend on the batch.
  private final class HSTUBlock {
    let gate: Linear
    let attention: PointwiseAttention
    let output: Linear
    let rate: Float
    let epsilon: Float = 1e-6

    init(_ name: String, _ h: Hyperparameters, in store: ParameterStore) {
      let D = h.integer("dim")
      gate = Linear("\(name).gate", D, D, bias: false, deviation: 0.02, in: store)
      attention = PointwiseAttention(
        "\(name).attention", D, heads: h.integer("heads"), longest: h.integer("length"),
        hasTimes: h.choice("time-bias") == "yes", in: store)
      output = Linear("\(name).output", D, D, in: store)
      rate = h.real("dropout")
    }

    func callAsFunction(_ x: Tensor, _ input: SequenceInput, _ pass: Pass, isLast: Bool) -> Tensor {
      let z = layerNorm(x, epsilon: epsilon)
      let (q, own) = (input.read(z, pass, isLast), input.read(x, pass, isLast))
      let u = gate(q, activation: .silu)
      let o = layerNorm(attention(q: q, z, input.rows, times: input.times, pass), epsilon: epsilon)
      return output(dropout(product(u, o), pass.dropout(rate)), residual: own)
    }
  }
}
