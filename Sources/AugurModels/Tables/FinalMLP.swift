// FinalMLP: two streams of one MLP each, gated features, bilinear fusion. Mao et al. 2023, arXiv 2304.00902.
public import AugurLayers
import AugurOps
public import AugurTensors

/// x = MLP1(e * 2 sigmoid(gate1)), y = MLP2(e * 2 sigmoid(gate2)); output w_x . x + w_y . y + b + sum over heads h of x_h W_h y_h,
/// x and y cut into as many equal pieces as there are heads. A gate is an MLP of one learned vector, as where no feature is chosen
/// as context.
public final class FinalMLP: TableModel {
  static let entry = TableModelEntry(
    name: "finalmlp", paper: "Mao et al. 2023, arXiv 2304.00902",
    hyperparameters: embeddingKnobs() + perceptronKnobs(units: "400-400-400", dropout: 0.4) + [
      .widths("units2", "800", "widths of the second stream's layers"),
      .real("dropout2", 0.2, in: 0...0.95, "rate behind each layer of the second stream"),
      .choice("gates", "yes", of: ["yes", "no"], "gates before the streams"),
      .integer("gate-units", 800, in: 1...65_536, "hidden width of the gates"),
      .integer("heads", 10, in: 1...1024, "pieces of the streams that meet; a divisor of both widths"),
    ]
  ) { h, shape, _ throws(ModelError) in
    let (heads, widths) = (h.integer("heads"), [h.widths("units"), h.widths("units2")].map { $0.last ?? 1 })
    guard widths.allSatisfy({ $0 % heads == 0 }) else {
      throw .badCombination(
        "hyper-parameter 'heads': expected a divisor of the last widths of units and units2, \(widths[0]) and \(widths[1]), "
          + "got \(heads)")
    }
    return FinalMLP(h, shape)
  }

  public var parameters: [Parameter] { store.parameters }
  private let store = ParameterStore()
  private let embedding: FeatureEmbedding
  private let gates: [Gate]
  private let streams: [MLP]
  private let heads: [Linear]
  /// [X, Y], the matrices of the heads along the diagonal: one product of dense matrices in place of a loop over small ones.
  private let fusion: Parameter
  private let ones: Parameter

  init(_ h: Hyperparameters, _ shape: TableShape) {
    embedding = FeatureEmbedding("features", shape, width: h.integer("dim"), deviation: embeddingDeviation, in: store)
    let (width, norm, store) = (shape.featureCount * h.integer("dim"), h.choice("batch-norm") == "yes", store)
    gates = h.choice("gates") == "yes" ? (0..<2).map { Gate("gates.\($0)", context: h.integer("dim"), h.integer("gate-units"), width, in: store) } : []
    streams = [
      MLP("stream1", width, h.widths("units"), batchNorm: norm, dropout: h.real("dropout"), in: store),
      MLP("stream2", width, h.widths("units2"), batchNorm: norm, dropout: h.real("dropout2"), in: store),
    ]
    heads = streams.enumerated().map { Linear("output.\($0)", $1.width, 1, bias: $0 == 0, in: store) }
    let (x, y, H) = (streams[0].width, streams[1].width, h.integer("heads"))
    // x W y sums x y / H products: as for a layer with so many inputs.
    fusion = store.make("fusion.weight", [x, y], .normal(deviation: (2 / Float(x * y / H + 1)).squareRoot()), blocks: H)
    ones = store.make("sum", [y, 1], .ones, isTrained: false)
  }

  public func outputs(_ input: TableInput, _ pass: Pass) -> [Tensor] {
    let e = embedding(input, pass)
    let s = streams.indices.map { streams[$0](gates.isEmpty ? e : gates[$0](e, pass), pass) }
    let pairs = linear(product(linear(s[0], fusion.value), s[1]), ones.value)
    return [heads[0](s[0], residual: heads[1](s[1], residual: pairs))]
  }

  /// 2 sigmoid(MLP(context)), the same for all rows.
  private struct Gate {
    let context: Parameter
    let hidden: Linear
    let output: Linear

    init(_ name: String, context width: Int, _ units: Int, _ count: Int, in store: ParameterStore) {
      // Not zero as in the paper's code: its biases start elsewhere, ours at zero, where ReLU would pass nothing back.
      context = store.make("\(name).context", [1, width], .normal(deviation: 0.1))
      hidden = Linear("\(name).hidden", width, units, in: store)
      output = Linear("\(name).output", units, count, in: store)
    }

    func callAsFunction(_ e: Tensor, _ pass: Pass) -> Tensor {
      let one = recorded(Tensor([Float(1)], shape: [1, 1], device: e.device), pass)
      let gate = output(hidden(linear(one, context.value), activation: .relu), activation: .sigmoid)
      return product(e, repeated(gate, e.shape.rows), scale: 2)
    }
  }
}
