// Everything a run needs to go on as if it had never stopped, in one safetensors file written atomically.
import AugurLayers
import AugurModels
import AugurTensors

/// Where a run stands. Numbers that decide what comes next are kept to the bit.
struct Progress: Equatable {
  var epoch = 0  // epochs completed
  var batch = 0  // batches done of the epoch under way
  var step = 0  // updates done in all
  var lossSum = 0.0  // of the epoch under way
  var tokens = 0
  var bestMetric = -Double.infinity
  var bestEpoch = 0
  var evaluationsWithoutGain = 0
  var decays = 0  // of the learning rate on a plateau
  var evaluationsSinceDecay = 0  // or since a gain
  var isFinished = false

  var metadata: [String: String] {
    [
      "progress.epoch": String(epoch), "progress.batch": String(batch), "progress.step": String(step),
      "progress.loss-sum": String(lossSum.bitPattern), "progress.tokens": String(tokens),
      "progress.best-metric": String(bestMetric.bitPattern), "progress.best-epoch": String(bestEpoch),
      "progress.without-gain": String(evaluationsWithoutGain), "progress.finished": isFinished ? "1" : "0",
      "progress.decays": String(decays), "progress.since-decay": String(evaluationsSinceDecay),
    ]
  }

  init() {}

  init?(_ metadata: [String: String]) {
    func integer(_ name: String) -> Int? { metadata["progress.\(name)"].flatMap { Int($0) }.flatMap { $0 >= 0 ? $0 : nil } }
    func real(_ name: String) -> Double? { metadata["progress.\(name)"].flatMap { UInt64($0) }.map { Double(bitPattern: $0) } }
    guard let epoch = integer("epoch"), let batch = integer("batch"), let step = integer("step"),
      let lossSum = real("loss-sum"), let tokens = integer("tokens"), let bestMetric = real("best-metric"),
      let bestEpoch = integer("best-epoch"), let withoutGain = integer("without-gain"), let finished = integer("finished")
    else { return nil }
    (self.epoch, self.batch, self.step, self.lossSum) = (epoch, batch, step, lossSum)
    (self.tokens, self.bestMetric, self.bestEpoch) = (tokens, bestMetric, bestEpoch)
    (evaluationsWithoutGain, isFinished) = (withoutGain, finished == 1)
    // Checkpoints from before there were plateaus have neither.
    (decays, evaluationsSinceDecay) = (integer("decays") ?? 0, integer("since-decay") ?? 0)
  }
}

enum Checkpoint {
  /// Writes tensors and metadata; the file of that name is at any moment a whole one.
  static func save(
    _ tensors: [(name: String, tensor: Tensor)], metadata: [String: String], path: String
  ) throws(TrainingError) {
    // What lies on a device is copied to the host tensor by tensor, as the file grows.
    let parts = tensors.map { name, tensor in
      SafetensorsTensor(name, dtype: tensor.dtype == .int32 ? .i32 : .f32, shape: tensor.shape.sizes, count: tensor.bytes) {
        body throws(SafetensorsError) in try tensor.withHostBytes(body)
      }
    }
    do throws(SafetensorsError) {
      try writeSafetensors(path: path, metadata: metadata, tensors: parts)
    } catch { throw .save("\(error)") }
  }

  /// Reads the optimiser's tensors back and returns the progress.
  static func restore(_ file: SafetensorsFile, _ parameters: [Parameter], _ optimizer: Optimizer) throws(TrainingError) -> Progress {
    let advice = "delete the run folder and train again"
    do { try load(parameters, from: file) } catch { throw .run(path: file.path, problem: "\(error)", advice: advice) }
    for (name, tensor) in optimizer.state {
      do {
        let bytes = try file.bytes(name)
        guard bytes.count == tensor.bytes else {
          throw TrainingError.run(path: file.path, problem: "tensor \(name) has \(bytes.count) bytes, not \(tensor.bytes)", advice: advice)
        }
        tensor.upload(bytes)
      } catch {
        throw error as? TrainingError ?? .run(path: file.path, problem: "\(error)", advice: advice)
      }
    }
    guard let progress = Progress(file.metadata) else {
      throw .run(path: file.path, problem: "its metadata lacks the progress of a run", advice: advice)
    }
    return progress
  }
}
