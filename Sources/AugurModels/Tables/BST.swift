// Behaviour sequence transformer: the item that is shown among those of the history. Chen et al. 2019, arXiv 1905.06874.
public import AugurLayers
import AugurOps
public import AugurTensors

/// One post-norm block of attention over the tokens [vector of an event ; vector of its distance from what is shown], the item that is shown
/// being the last; y = MLP([its output, vectors of all other features]). ReLU where the paper has leaky ReLU.
public final class BST: TableModel {
  static let entry = TableModelEntry(
    name: "bst", paper: "Chen et al. 2019, arXiv 1905.06874",
    hyperparameters: embeddingKnobs(dim: 16) + perceptronKnobs(units: "1024-512-256", dropout: 0.2, batchNorm: "no") + [
      activationKnob("relu"),
      .integer("heads", 8, in: 1...64, "H, attention heads; divides 2 dim into at most 256"),
      .integer("feed-forward", 4, in: 1...16, "hidden width of the block, in multiples of 2 dim"),
    ], outputs: manyOutputs
  ) { h, shape, outputs throws(ModelError) in
    try checkHistories("bst", shape)
    let (width, heads) = (2 * h.integer("dim"), h.integer("heads"))
    guard width % heads == 0, width / heads <= 256 else {
      throw .badCombination("hyper-parameter 'heads': expected a divisor of 2 dim = \(width) into at most 256, got \(heads)")
    }
    return BST(h, shape, outputs: outputs)
  }

  public var parameters: [Parameter] { store.parameters }
  public let readsHistories = true
  private let store = ParameterStore()
  private let embedding: FeatureEmbedding
  private let readers: [(block: PostNormBlock, distances: Parameter)]
  private let head: DeepHead

  init(_ h: Hyperparameters, _ shape: TableShape, outputs: Int) {
    let (D, store) = (h.integer("dim"), store)
    embedding = FeatureEmbedding("features", shape, width: D, deviation: embeddingDeviation, hasHistories: false, in: store)
    readers = shape.histories.enumerated().map { place, history in
      let distances = store.make("blocks.\(place).distances", [history.longest + 1, D], .normal(deviation: embeddingDeviation))
      let block = PostNormBlock(
        "blocks.\(place)", 2 * D, heads: h.integer("heads"), hidden: 2 * D * h.integer("feed-forward"), activation: .relu,
        dropout: h.real("dropout"), innerDropout: h.real("dropout"), in: store)
      return (block, distances)
    }
    head = DeepHead((shape.featureCount + shape.histories.count) * D, h, outputs: outputs, in: store)
  }

  public func outputs(_ input: TableInput, _ pass: Pass) -> [Tensor] {
    let seen = zip(readers, input.histories).map { reader, history in
      let tokens = Tokens(history, longest: reader.distances.shape.rows - 1, reader.distances.value.device, pass)
      let x = sideBySide([
        embedding.vectors(tokens.ids, pass), AugurOps.embedding(reader.distances.value, tokens.distances, tape: pass.tape),
      ])
      // Without a gradient there is a shorter way to the last rows.
      if pass.tape == nil, x.isOnCPU { return reader.block(q: chosenRows(x, tokens.targets), x, tokens.rows, pass) }
      return reader.block(q: x, x, tokens.rows, chosen: tokens.targets, pass)
    }
    return head(seen + [embedding(input, pass)], pass)
  }

  /// Histories with the item that is shown behind each.
  private struct Tokens {
    let ids: [Int32]
    let distances: Lookup
    let rows: Jagged
    /// Where the items that are shown lie.
    let targets: Lookup

    init(_ history: TableInput.History, longest: Int, _ device: Device, _ pass: Pass) {
      var (ids, distances, offsets): ([Int32], [Int32], [Int32]) = ([], [], [0])
      for (row, target) in history.targets.enumerated() {
        let (from, to) = (Int(history.offsets[row]), Int(history.offsets[row + 1]))
        ids += history.events[from..<to]
        ids.append(target)
        for distance in stride(from: to - from, through: 0, by: -1) { distances.append(Int32(min(distance, longest))) }
        offsets.append(Int32(ids.count))
      }
      let isTraining = pass.tape != nil
      self.ids = ids
      self.distances = Lookup(distances, rowCount: longest + 1, device: device, isGrouped: isTraining)
      rows = Jagged(offsets: offsets, device: device)
      targets = Lookup(offsets.dropFirst().map { $0 - 1 }, rowCount: ids.count, device: device, isGrouped: isTraining)
    }
  }
}
