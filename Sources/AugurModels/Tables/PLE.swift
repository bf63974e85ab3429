// Progressive layered extraction, for several targets at once: Tang et al. 2020, RecSys.
public import AugurLayers
import AugurOps
public import AugurTensors

/// Levels of experts, some shared and some of one target. Target k gates its own and the shared experts of a level over its own stream;
/// the shared stream gates all of them, as in the paper. The last level has no shared stream; towers stand on top.
public final class PLE: TableModel {
  static let entry = TableModelEntry(
    name: "ple", paper: "Tang et al. 2020, RecSys",
    hyperparameters: embeddingKnobs() + [
      .integer("levels", 2, in: 1...8, "levels of experts"), .integer("shared-experts", 2, in: 1...64, "experts of all targets, a level"),
      .integer("own-experts", 1, in: 1...64, "experts of each target, a level"),
    ] + expertKnobs, outputs: manyOutputs
  ) { h, shape, outputs throws(ModelError) in PLE(h, shape, outputs: outputs) }

  public var parameters: [Parameter] { store.parameters }
  private let store = ParameterStore()
  private let embedding: FeatureEmbedding
  private let levels: [Level]
  private let towers: [Tower]

  init(_ h: Hyperparameters, _ shape: TableShape, outputs: Int) {
    embedding = FeatureEmbedding("features", shape, width: h.integer("dim"), deviation: embeddingDeviation, in: store)
    var (width, levels): (Int, [Level]) = (shape.featureCount * h.integer("dim"), [])
    for level in 0..<h.integer("levels") {
      levels.append(Level("levels.\(level)", width, h, targets: outputs, isLast: level == h.integer("levels") - 1, in: store))
      width = levels[level].width
    }
    let (inner, store) = (width, store)
    self.levels = levels
    towers = (0..<outputs).map { Tower("towers.\($0)", inner, h, in: store) }
  }

  public func outputs(_ input: TableInput, _ pass: Pass) -> [Tensor] {
    let x = embedding(input, pass)
    var (streams, shared): ([Tensor], Tensor?) = (towers.map { _ in x }, x)
    for level in levels { (streams, shared) = level(streams, shared ?? x, pass) }
    return zip(towers, streams).map { tower, x in tower(x, pass) }
  }

  /// One level: customised gate control.
  private struct Level {
    let own: [[MLP]]
    let shared: [MLP]
    let gates: [GatedMixture]
    let sharedGate: GatedMixture?
    var width: Int { shared[0].width }

    init(_ name: String, _ width: Int, _ h: Hyperparameters, targets: Int, isLast: Bool, in store: ParameterStore) {
      func experts(_ owner: String, _ count: Int) -> [MLP] {
        (0..<count).map { MLP("\(name).\(owner).\($0)", width, h, "experts-units", in: store) }
      }
      own = (0..<targets).map { experts("target\($0)", h.integer("own-experts")) }
      shared = experts("shared", h.integer("shared-experts"))
      let (mine, common) = (h.integer("own-experts"), h.integer("shared-experts"))
      gates = (0..<targets).map { GatedMixture("\(name).gates.\($0)", width, experts: mine + common, h, in: store) }
      sharedGate = isLast ? nil : GatedMixture("\(name).gates.shared", width, experts: targets * mine + common, h, in: store)
    }

    func callAsFunction(_ streams: [Tensor], _ x: Tensor, _ pass: Pass) -> (streams: [Tensor], shared: Tensor?) {
      let common = shared.map { $0(x, pass) }
      let mine = zip(own, streams).map { experts, stream in experts.map { $0(stream, pass) } }
      let next = gates.indices.map { gates[$0](streams[$0], mine[$0] + common, pass) }
      return (next, sharedGate.map { $0(x, mine.flatMap { $0 } + common, pass) })
    }
  }
}
