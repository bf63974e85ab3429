// What a run will take, from a few of its own steps: no file is read beyond the data set, none is written.
import AugurCompute
import AugurEvents
import AugurLayers
import AugurModels
import AugurTensors

/// Memory and time of a whole run.
public struct RunForecast: Sendable {
  /// The most that the process will have resident.
  public var peakMemoryBytes: Int
  /// The most that it will hold of a GPU, and what it could have; nil on the CPU.
  public var deviceMemory: (held: Int, room: Int)?
  /// Every epoch that the plan allows, with evaluations and checkpoints; patience may end a run sooner.
  public var seconds: Double
  public var steps: Int
}

/// A place in the training run or in an evaluation, and the rows it computes.
private struct Portion {
  let epoch: Int
  let index: Int
  let tokens: Int
}

extension Trainer {
  /// Blocks that the arena of the device ever asked the system for.
  public var allocations: Int { Arena.of(maker.device).allocations }

  /// Seconds and events of one pass over the data after `warmUp` steps, without evaluation and checkpoint. Trains the model as a
  /// run does, outside the run's folder: a trainer that was measured is not one to `run`.
  public func timedEpoch(warmUp: Int) throws(TrainingError) -> (seconds: Double, tokens: Int) {
    for i in 0..<warmUp { _ = try timedStep(epoch: 0, index: i % batches.batchesPerEpoch) }
    return try timedSteps(batches.batchCount(ofEpoch: 1), epoch: 1)
  }

  /// Seconds and events of the next `count` steps; further epochs follow where one is too short.
  public func timedSteps(_ count: Int, epoch: Int) throws(TrainingError) -> (seconds: Double, tokens: Int) {
    let clock = ContinuousClock()
    let start = clock.now
    var tokens = 0
    var (pass, index) = (epoch, 0)
    for _ in 0..<count {
      tokens += try timedStep(epoch: pass, index: index).tokens
      index += 1
      if index == batches.batchCount(ofEpoch: pass) { (pass, index) = (pass + 1, 0) }
    }
    return ((clock.now - start).seconds, tokens)
  }

  /// A step at any place. Its batch costs the time that it takes from the threads of a run, which makes it beside a step.
  private func timedLoneStep(_ part: Portion) throws(TrainingError) -> Double {
    let clock = ContinuousClock()
    let start = clock.now
    var host = HostBatch()
    batches.fill(&host.sequences, epoch: part.epoch, index: part.index)
    maker.complete(&host, step: progress.step)
    let made = clock.now
    try wait(for: step(maker.upload(host, optimizer.cache)))
    progress.step += 1
    return (made - start).seconds / Double(ThreadPool.shared.threads) + (clock.now - made).seconds
  }

  private func wait(for loss: StepLoss) throws(TrainingError) {
    guard loss.value.isFinite else { throw nonFiniteLoss(step: progress.step + 1, epoch: progress.epoch + 1, batch: progress.batch + 1) }
  }

  private func timedStep(epoch: Int, index: Int) throws(TrainingError) -> (seconds: Double, tokens: Int) {
    let clock = ContinuousClock()
    let start = clock.now
    let batch = nextBatch(epoch: epoch, index: index)
    try wait(for: step(batch))
    progress.step += 1
    return ((clock.now - start).seconds, batch.tokens)
  }

  /// Runs one step and one part of an evaluation of every size class of the arena that the run will meet: what the process then
  /// holds is what the run will hold, and a line through their times gives the rest. As a trainer's steps do, these come after
  /// `makeOptimizer`, so that a plan that cannot fit is refused as the run would be.
  ///
  /// - Parameter startUp: seconds that opening the data and making the model took.
  public func forecast(startUp: Double = 0) throws(TrainingError) -> RunForecast {
    let epochs = knobs.integer("epochs")
    // Drawing the order of ten million users takes less than a second; later epochs are like these.
    let drawn = min(epochs, max(1, 10_000_000 / max(1, batches.trainingUserCount)))
    let steps = (0..<drawn).flatMap { epoch in
      batches.batchTokens(epoch: epoch).enumerated().map { Portion(epoch: epoch, index: $0, tokens: $1) }
    }
    let stepSeconds = try estimatedSeconds(steps, timedLoneStep)
    let every = knobs.integer("evaluate-every")
    let evaluations = (epochs + every - 1) / every
    let evaluationSeconds = try estimatedSeconds(evaluationParts()) { part in timedEvaluation(part.index) }
    let resident = ResidentMemory.bytes
    let state = model.parameters.reduce(0) { $0 + $1.value.bytes } + optimizer.state.reduce(0) { $0 + $1.tensor.bytes }
    let seconds =
      startUp + stepSeconds * Double(epochs) / Double(drawn) + evaluationSeconds * Double(evaluations)
      + savingSeconds(epochs: epochs, evaluations: evaluations, state: state)
    // What lies on a device is copied for a checkpoint, one tensor at a time.
    let copied = maker.device == .cpu ? 0 : (model.parameters.map(\.value) + optimizer.state.map(\.tensor)).map(\.bytes).max() ?? 0
    let (arena, device) = (Arena.of(maker.device), maker.device)
    return RunForecast(
      peakMemoryBytes: max(ResidentMemory.peakBytes, resident + copied),
      deviceMemory: device == .cpu ? nil : (held: arena.bytes, room: freeBytes(on: device) + arena.bytesInUse), seconds: seconds,
      steps: epochs * batches.batchesPerEpoch)
  }

  /// Seconds of all `portions`, from timing one of each size class a few times.
  private func estimatedSeconds(
    _ portions: [Portion], _ time: (Portion) throws(TrainingError) -> Double
  ) throws(TrainingError) -> Double {
    let chosen = representatives(portions)
    guard !chosen.isEmpty else { return 0 }
    // The first pass fills the arena; then a second of work, at least three passes, for a steady mean.
    for part in chosen { _ = try time(part) }
    var (points, measured): ([(x: Double, y: Double)], Double) = ([], 0)
    while points.count < 3 * chosen.count || measured < 1 {
      for part in chosen {
        let seconds = try time(part)
        points.append((Double(part.tokens), seconds))
        measured += seconds
      }
    }
    let line = leastSquares(points)
    return portions.reduce(0) { $0 + max(0, line.offset + line.slope * Double($1.tokens)) }
  }

  /// One portion of each size class that blocks of T rows and of 3 T rows fall into, with the largest of all.
  private func representatives(_ portions: [Portion]) -> [Portion] {
    var chosen: [[Int]: Portion] = [:]
    for portion in portions {
      let key = [Arena.blockBytes(256 * portion.tokens), Arena.blockBytes(3 * 256 * portion.tokens)]
      if portion.tokens > chosen[key]?.tokens ?? -1 { chosen[key] = portion }
    }
    return chosen.values.sorted { ($0.tokens, $0.epoch, $0.index) < ($1.tokens, $1.epoch, $1.index) }
  }

  private func evaluationParts() -> [Portion] {
    stride(from: 0, to: validationUsers.count, by: evaluationBatch).enumerated().map { index, first in
      let users = validationUsers[first..<min(validationUsers.count, first + evaluationBatch)]
      let tokens = users.reduce(0) { $0 + model.scoringRows(after: split.targetPlace($1, .validation) ?? 0) }
      return Portion(epoch: 0, index: index, tokens: tokens)
    }
  }

  private func timedEvaluation(_ index: Int) -> Double {
    let first = index * evaluationBatch
    let users = Array(validationUsers[first..<min(validationUsers.count, first + evaluationBatch)])
    return ContinuousClock().measure { _ = rankPositions(of: model, on: split, .validation, users: users) }.seconds
  }

  /// Checkpoints and best models, on a disk of which nothing is known before it is written to: 600 MB/s and 5 ms a file.
  private func savingSeconds(epochs: Int, evaluations: Int, state: Int) -> Double {
    let parameters = model.parameters.reduce(0) { $0 + $1.value.bytes }
    let every = knobs.integer("checkpoint-steps")
    let within = every > 0 ? epochs * batches.batchesPerEpoch / every : 0
    let (files, bytes) = (epochs + within + evaluations, (epochs + within) * state + evaluations * parameters)
    return Double(files) * 0.005 + Double(bytes) / 600e6
  }
}

/// y = offset + slope x with the least squared error; through the mean where all x are equal.
private func leastSquares(_ points: [(x: Double, y: Double)]) -> (offset: Double, slope: Double) {
  let count = Double(points.count)
  let (meanX, meanY) = (points.reduce(0) { $0 + $1.x } / count, points.reduce(0) { $0 + $1.y } / count)
  let spread = points.reduce(0) { $0 + ($1.x - meanX) * ($1.x - meanX) }
  guard spread > 0 else { return (meanY, 0) }
  let slope = points.reduce(0) { $0 + ($1.x - meanX) * ($1.y - meanY) } / spread
  return (meanY - slope * meanX, slope)
}
