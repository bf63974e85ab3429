// What a training step will need, measured on a few rows before the first one runs.
import AugurCompute
import AugurEvents
import AugurLayers
import AugurModels
import AugurTensors

/// Refuses a plan whose largest step, of `tokens` rows in `sequences` histories, would not fit the device.
///
/// Forward passes over one and over two short histories show what a step keeps and what each history adds; the backward pass adds
/// about half of that.
func checkStepMemory(
  _ model: any SequenceModel, _ knobs: Hyperparameters, _ maker: BatchMaker, tokens: Int, sequences: Int
) throws(ModelError) {
  guard sequences > 0 else { return }
  let rows = min(64, max(1, tokens / sequences), model.longestHistory)
  // A whole history has one row more than it has inputs.
  let inputs = model.fillsMasks ? max(1, rows - 1) : rows
  func bytes(_ histories: Int) -> Int {
    var probe = SequenceBatch()
    probe.users = (0..<histories).map(Int32.init)
    probe.offsets = (0...histories).map { Int32($0 * inputs) }
    probe.inputs = Array(repeating: 0, count: histories * inputs)
    (probe.targets, probe.positions) = (probe.inputs, probe.inputs)
    if model.readsTimes { probe.times = probe.inputs }
    return Arena.of(maker.device).peakBytes {
      let batch = maker.make(probe, step: 0)
      _ = batch.loss(of: model, Pass(training: Tape(), seed: 0), knobs)
    }
  }
  let (one, two) = (bytes(1), bytes(2))
  let more = max(sequences, (tokens + rows - 1) / rows) - 1
  try checkMemory(
    (one + (two - one) * more) * 3 / 2, for: "a step of \(tokens) events with dim \(knobs.integer("dim"))", maker.device)
}
