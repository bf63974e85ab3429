// HSTU: hierarchical sequential transduction units, the research block. Zhai et al. 2024, arXiv 2402.17152.
public import AugurLayers
import AugurOps
public import AugurTensors

/// x = sqrt(D) E[item] + P[place]; HSTU blocks; scores by the shared item table.
public final class HSTU: SequenceModel {
  static let entry = ModelEntry(
    name: "hstu", paper: "Zhai et al. 2024, arXiv 2402.17152",
    hyperparameters: sequenceKnobs(dim: 50, blocks: 2, heads: 1, dropout: 0.2, length: 200)
      + [
        positionsKnob(.left),
        .choice("time-bias", "no", of: ["no", "yes"], "a bias of the scores for the time between events, for data with times"),
      ] + objectiveKnobs(loss: "sampled", negatives: 128, sharing: "batch")
  ) { h, itemCount throws(ModelError) in
    try HSTU(h, itemCount: itemCount)
  }

  public var parameters: [Parameter] { store.parameters }
  public var outputTable: Parameter { events.items }
  public var longestHistory: Int { events.longest }
  public let isCosine: Bool
  public let positionAlignment: PositionAlignment
  public let readsTimes: Bool
  private let store: ParameterStore
  private let events: PlacedEvents
  private let blocks: [HSTUBlock]

  init(_ h: Hyperparameters, itemCount: Int) throws(ModelError) {
    try checkHeads(h)
    let made = ParameterStore(precision: h.precision)
    (store, isCosine, positionAlignment) = (made, h.isCosine, h.positionAlignment)
    readsTimes = h.choice("time-bias") == "yes"
    events = PlacedEvents(h, rows: itemCount, .normal(deviation: 0.02), positions: .normal(deviation: 0.02), isScaled: true, in: made)
    blocks = [HSTUBlock](h) { HSTUBlock($0, h, in: made) }
  }

  public func states(_ input: SequenceInput, _ pass: Pass) -> Tensor {
    blocks(events(input, pass), input, pass)
  }

  /// u, qkv = SiLU(LN(x) W); x + W_o drop(u * LN(A v)) + b_o, A = SiLU(q k^T + position + time) / n. Both norms are plain: no gain, no bias.
  /// n is the longest history, a constant of the model: a score may not depend on the batch.
  private final class HSTUBlock: SequenceBlock {
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
