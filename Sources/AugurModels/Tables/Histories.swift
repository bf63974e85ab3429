// What the models of target attention share: histories, and the vectors of the features beside them.
import AugurLayers
import AugurOps
import AugurTensors

/// Throws where there is no history to read.
func checkHistories(_ model: String, _ shape: TableShape) throws(ModelError) {
  guard shape.histories.isEmpty else { return }
  throw .badCombination(
    "\(model): the table has no history; prepare it with --history COLUMN=ITEM_COLUMN, a column that lists values of another one")
}

extension TableInput.History {
  /// Where the events of each row of the batch lie.
  func rows(_ device: Device) -> Jagged { Jagged(offsets: offsets, device: device) }
}

extension FeatureEmbedding {
  /// Rows of the joint table, one vector each.
  func vectors(_ ids: [Int32], _ pass: Pass) -> Tensor {
    embedding(
      table.value, Lookup(ids, rowCount: table.shape.rows, device: table.value.device, isGrouped: pass.tape != nil), tape: pass.tape)
  }
}

/// Hidden layers of a click model behind target attention, and what they end in.
struct DeepHead {
  private let deep: MLP
  private let output: OutputHeads

  init(_ width: Int, _ h: Hyperparameters, outputs: Int, in store: ParameterStore) {
    deep = MLP("deep", width, h, isDice: h.choice("activation") == "dice", in: store)
    output = OutputHeads("output", deep.width, count: outputs, in: store)
  }

  func callAsFunction(_ parts: [Tensor], _ pass: Pass) -> [Tensor] { output(deep(sideBySide(parts), pass)) }
}

/// Of the layers of `DeepHead`.
func activationKnob(_ standard: String) -> Hyperparameter {
  .choice("activation", standard, of: ["relu", "dice"], "behind each layer; dice bends at the mean of a unit")
}
