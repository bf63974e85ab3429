// What a training step will need, measured on a few rows before the first one runs.
import AugurCompute
import AugurEvents
import AugurLayers
import AugurModels
import AugurTensors

/// Bytes that a step of `tokens` rows in `sequences` histories takes of the device, beside parameters and what the optimiser keeps.
///
/// Forward passes over one and over two short histories show what a step keeps and what each history adds; the backward pass adds
/// about half of that.
func stepBytes(_ model: any SequenceModel, _ maker: BatchMaker, tokens: Int, sequences: Int) -> Int {
  guard sequences > 0 else { return 0 }
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
      _ = batch.loss(of: model, Pass(training: Tape(), seed: 0), maker.knobs)
    }
  }
  let (one, two) = (bytes(1), bytes(2))
  let more = max(sequences, (tokens + rows - 1) / rows) - 1
  return (one + (two - one) * more) * 3 / 2
}

/// An optimiser of the model, with a cache for rows of tables that are outside of the device. Refuses a plan whose largest step, of `tokens`
/// rows in `sequences` histories, would not fit beside it.
func makeOptimizer(
  _ model: any SequenceModel, _ maker: BatchMaker, tokens: Int, sequences: Int, occurrences: () -> [Int] = { [] }
) throws(ModelError) -> Optimizer {
  let (knobs, bytes) = (maker.knobs, stepBytes(model, maker, tokens: tokens, sequences: sequences))
  let cache = RowCache(
    for: model, maker, tokens: tokens, sequences: sequences, stepBytes: bytes, occurrences: occurrences)
  let optimizer = Optimizer(model.parameters, knobs, cache: cache)
  try checkMemory(bytes, for: "a step of \(tokens) events with dim \(knobs.integer("dim"))", maker.device)
  return optimizer
}
