// What a training step will need, measured on a few rows before the first one runs.
import AugurCompute
import AugurEvents
import AugurLayers
import AugurModels
import AugurTensors

/// Bytes that steps take of a device, beside parameters and what the optimiser keeps.
///
/// Forward passes over one and over two short histories show what a step keeps and what each history adds; the backward pass adds
/// about half of that.
struct StepMemory {
  private let one: Int, more: Int, rows: Int

  /// - Parameter mean: rows of a history on average.
  init(_ model: any SequenceModel, _ maker: BatchMaker, mean: Int) {
    rows = min(64, max(1, mean), model.longestHistory)
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
    one = bytes(1)
    more = bytes(2) - one
  }

  /// Of a step of `tokens` rows in `sequences` histories.
  func bytes(tokens: Int, sequences: Int) -> Int {
    sequences == 0 ? 0 : (one + more * (max(sequences, (tokens + rows - 1) / rows) - 1)) * 3 / 2
  }

  /// Histories of a step that takes at most `bytes`, all as long as `length`.
  func histories(in bytes: Int, length: Int) -> Int {
    bytes < one * 3 / 2 ? 0 : (((bytes * 2 + 2) / 3 - one) / max(1, more) + 1) / ((length + rows - 1) / rows)
  }
}

/// An optimiser of the model, with a cache for rows of tables that are outside of the device. Refuses a plan whose largest step, of `tokens`
/// rows in `sequences` histories, would not fit beside it, and says which would.
func makeOptimizer(
  _ model: any SequenceModel, _ maker: BatchMaker, tokens: Int, sequences: Int, occurrences: () -> [Int] = { [] }
) throws(ModelError) -> Optimizer {
  let (knobs, device) = (maker.knobs, maker.device)
  let memory = StepMemory(model, maker, mean: tokens / max(1, sequences))
  let bytes = memory.bytes(tokens: tokens, sequences: sequences)
  let cache = RowCache(
    for: model, maker, tokens: tokens, sequences: sequences, stepBytes: bytes, occurrences: occurrences)
  let optimizer = Optimizer(model.parameters, knobs, cache: cache)
  let fitting = memory.histories(in: freeBytes(on: device), length: model.longestHistory)
  try checkMemory(
    bytes, for: "a step of \(tokens) events with dim \(knobs.integer("dim"))", device,
    advice: fitting > 0 ? "batch=\(fitting) fits" : "take a smaller dim or length")
  return optimizer
}
