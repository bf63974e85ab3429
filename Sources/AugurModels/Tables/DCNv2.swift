// Deep and cross network, second form: Wang et al. 2021, arXiv 2008.13535.
public import AugurLayers
import AugurOps
public import AugurTensors

/// x_{l+1} = x_0 * (x_l W_l + b_l) + x_l; the last x beside MLP(x_0), or with it on top where `stacked`.
public final class DCNv2: TableModel {
  static let entry = TableModelEntry(
    name: "dcnv2", paper: "Wang et al. 2021, arXiv 2008.13535",
    hyperparameters: embeddingKnobs() + perceptronKnobs(units: "400-400-400", dropout: 0.2) + [
      .integer("cross-layers", 3, in: 1...32, "cross layers"),
      .choice("structure", "parallel", of: ["parallel", "stacked"], "the MLP beside the cross layers, or on top of them"),
    ], outputs: manyOutputs
  ) { h, shape, outputs throws(ModelError) in DCNv2(h, shape, outputs: outputs) }

  public var parameters: [Parameter] { store.parameters }
  private let store = ParameterStore()
  private let embedding: FeatureEmbedding
  private let cross: [Linear]
  private let deep: MLP
  /// Of the cross part where it stands beside the MLP.
  private let crossOutput: OutputHeads?
  private let output: OutputHeads

  init(_ h: Hyperparameters, _ shape: TableShape, outputs: Int) {
    embedding = FeatureEmbedding("features", shape, width: h.integer("dim"), deviation: embeddingDeviation, in: store)
    let (width, store) = (shape.featureCount * h.integer("dim"), store)
    cross = (0..<h.integer("cross-layers")).map { Linear("cross.\($0)", width, width, in: store) }
    deep = MLP("deep", width, h, in: store)
    crossOutput = h.choice("structure") == "parallel" ? OutputHeads("cross-output", width, count: outputs, bias: false, in: store) : nil
    output = OutputHeads("output", deep.width, count: outputs, in: store)
  }

  public func outputs(_ input: TableInput, _ pass: Pass) -> [Tensor] {
    let x0 = embedding(input, pass)
    var x = x0
    for layer in cross { x = product(x0, layer(x), plus: x) }
    return output(deep(crossOutput == nil ? x : x0, pass), residuals: crossOutput?(x))
  }
}
