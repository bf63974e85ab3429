// Multi-gate mixture of experts, for several targets at once: Ma et al. 2018, KDD.
public import AugurLayers
import AugurOps
public import AugurTensors

/// y_k = tower_k(sum over experts e of softmax(gate_k(x))_e expert_e(x)), x the vectors of all features.
public final class MMoE: TableModel {
  static let entry = TableModelEntry(
    name: "mmoe", paper: "Ma et al. 2018, KDD",
    hyperparameters: embeddingKnobs() + [.integer("experts", 4, in: 1...64, "experts, which all targets share")] + expertKnobs,
    outputs: manyOutputs
  ) { h, shape, outputs throws(ModelError) in MMoE(h, shape, outputs: outputs) }

  public var parameters: [Parameter] { store.parameters }
  private let store = ParameterStore()
  private let embedding: FeatureEmbedding
  private let experts: [MLP]
  private let gates: [GatedMixture]
  private let towers: [Tower]

  init(_ h: Hyperparameters, _ shape: TableShape, outputs: Int) {
    embedding = FeatureEmbedding("features", shape, width: h.integer("dim"), deviation: embeddingDeviation, in: store)
    let (width, store) = (shape.featureCount * h.integer("dim"), store)
    experts = (0..<h.integer("experts")).map { MLP("experts.\($0)", width, h, "experts-units", in: store) }
    let (inner, count) = (experts[0].width, experts.count)
    gates = (0..<outputs).map { GatedMixture("gates.\($0)", width, experts: count, h, in: store) }
    towers = (0..<outputs).map { Tower("towers.\($0)", inner, h, in: store) }
  }

  public func outputs(_ input: TableInput, _ pass: Pass) -> [Tensor] {
    let x = embedding(input, pass)
    let made = experts.map { $0(x, pass) }
    return zip(gates, towers).map { gate, tower in tower(gate(x, made, pass), pass) }
  }
}

/// Knobs of models with experts and towers.
let expertKnobs: [Hyperparameter] = [
  .widths("experts-units", "128-64", "widths of an expert's layers"),
  .widths("gate-units", "32", "widths of a gate's hidden layers"),
  .widths("units", "64", "widths of a target's tower"),
  .choice("batch-norm", "no", of: ["yes", "no"], "batch norm before each activation"),
  .real("dropout", 0.1, in: 0...0.95, "rate behind each layer"),
]

/// What a target takes of the experts by its own gate.
struct GatedMixture {
  private let hidden: MLP
  private let output: Linear

  init(_ name: String, _ width: Int, experts: Int, _ h: Hyperparameters, in store: ParameterStore) {
    hidden = MLP("\(name).hidden", width, h.widths("gate-units"), batchNorm: false, dropout: 0, in: store)
    output = Linear("\(name).output", hidden.width, experts, in: store)
  }

  /// - Parameter x: what the gate reads, `[B, W]`.
  func callAsFunction(_ x: Tensor, _ experts: [Tensor], _ pass: Pass) -> Tensor { mixture(experts, gates: output(hidden(x, pass))) }
}

/// Hidden layers and a linear one: from what a target has taken to its output, or from what is known of a user or an item to its vector.
struct Tower {
  private let hidden: MLP
  private let output: Linear

  init(_ name: String, _ width: Int, _ h: Hyperparameters, in store: ParameterStore) {
    self.init(name, MLP("\(name).hidden", width, h, in: store), to: 1, in: store)
  }

  init(_ name: String, _ hidden: MLP, to width: Int, in store: ParameterStore) {
    self.hidden = hidden
    output = Linear("\(name).output", hidden.width, width, in: store)
  }

  func callAsFunction(_ x: Tensor, _ pass: Pass) -> Tensor { output(hidden(x, pass)) }
}
