// The loop that every kind of model shares: epochs, evaluation, patience, checkpoints.
import AugurLayers
import AugurModels
import AugurTensors

/// A run that can be gone through to its end.
public protocol RunnableTrainer: AnyObject {
  func run(shouldStop: () -> Bool, report: (TrainingEvent) -> Void) throws(TrainingError) -> TrainingEnd
}

/// What a loop needs of the models it trains. `progress` and `history` belong to the loop.
protocol TrainingLoop: AnyObject {
  var progress: Progress { get set }
  var history: [EpochRecord] { get set }
  var knobs: Hyperparameters { get }
  var folder: RunFolder { get }
  var optimizer: Optimizer { get }
  var parameters: [Parameter] { get }
  /// What makes the model again, in its files.
  var modelMetadata: [String: String] { get }
  func batchCount(ofEpoch epoch: Int) -> Int
  /// Forward, backward and update on the batch that `progress` points to.
  func runStep() throws(TrainingError) -> StepResult
  /// More is better; nil without anything to validate on.
  func validationMetric() -> Double?
}

struct StepResult {
  var loss: StepLoss
  /// Rows that the step read.
  var tokens: Int
  /// Time in which no step ran because the batch was not ready.
  var waited: Duration
}

enum StepLoss {
  case known(Double)
  /// Parts of the loss, `[1]` each, on a device that may still be at work on them.
  case pending([Tensor])

  /// Waits for the device.
  var value: Double {
    switch self {
    case .known(let value): value
    case .pending(let parts): parts.reduce(0) { $0 + Double($1.floats()[0]) }
    }
  }
}

/// Steps of an epoch whose losses nobody has read: a device works on while the host is ahead of it.
private struct StepsAhead {
  /// Losses that are read at once.
  static let most = 16
  private var steps: [(record: StepRecord, loss: StepLoss)] = []

  var isFull: Bool { steps.count >= StepsAhead.most }

  mutating func append(_ record: StepRecord, _ loss: StepLoss) { steps.append((record, loss)) }

  /// Waits for the device; every step with its loss, in order.
  mutating func take() -> [StepRecord] {
    defer { steps = [] }
    return steps.map { step in
      var record = step.record
      record.loss = step.loss.value
      return record
    }
  }
}

extension TrainingLoop {
  /// Trains until the plan is done, patience ends or `shouldStop` says so; in the last case everything is saved for `--resume`.
  func runLoop(shouldStop: () -> Bool, report: (TrainingEvent) -> Void) throws(TrainingError) -> TrainingEnd {
    while !progress.isFinished {
      guard try runEpoch(shouldStop, report) else { return .interrupted }
    }
    return progress.epoch < knobs.integer("epochs") ? .stoppedEarly : .finished
  }

  /// Goes on from the checkpoint of the folder.
  func resume() throws(TrainingError) {
    progress = try Checkpoint.restore(try folder.openCheckpoint(), parameters, optimizer)
    history = folder.readHistory(epochs: progress.epoch)
  }

  /// False when interrupted.
  private func runEpoch(_ shouldStop: () -> Bool, _ report: (TrainingEvent) -> Void) throws(TrainingError) -> Bool {
    let clock = ContinuousClock()
    let start = clock.now
    var waited = Duration.zero
    let (firstTokens, firstBatch) = (progress.tokens, progress.batch)
    let every = knobs.integer("checkpoint-steps")
    let count = batchCount(ofEpoch: progress.epoch)
    var ahead = StepsAhead()
    while progress.batch < count {
      let result = try runStep()
      waited += result.waited
      progress.tokens += result.tokens
      progress.batch += 1
      progress.step += 1
      let elapsed = max(1e-9, (clock.now - start).seconds)
      var record = StepRecord(
        epoch: progress.epoch + 1, batch: progress.batch, batches: count, step: progress.step, loss: .nan,
        tokensPerSecond: Double(progress.tokens - firstTokens) / elapsed, waitShare: waited.seconds / elapsed)
      switch result.loss {
      case .known(let loss):
        record.loss = loss
        try add(record, report)
      case .pending: ahead.append(record, result.loss)
      }
      let (stops, saves) = (shouldStop(), every > 0 && progress.step % every == 0)
      // Nothing is saved that came of a loss which is no number.
      if stops || saves || ahead.isFull || progress.batch == count { for record in ahead.take() { try add(record, report) } }
      if stops {
        try save()
        return false
      }
      if saves, progress.batch < count { try save() }
    }
    let seconds = (clock.now - start).seconds
    let record = EpochRecord(
      epoch: progress.epoch + 1, loss: progress.lossSum / Double(progress.batch), metric: nil, isBest: false,
      steps: progress.batch - firstBatch, tokensPerSecond: Double(progress.tokens - firstTokens) / max(1e-9, seconds),
      waitShare: waited.seconds / max(1e-9, seconds), seconds: seconds)
    try finishEpoch(record, report)
    return true
  }

  /// What ends a run where the loss of a step is no number.
  func nonFiniteLoss(step: Int, epoch: Int, batch: Int) -> TrainingError {
    .nonFiniteLoss(step: step, epoch: epoch, batch: batch, checkpoint: progress.epoch > 0 ? folder.checkpointPath : "none yet")
  }

  /// Adds a step to its epoch.
  private func add(_ step: StepRecord, _ report: (TrainingEvent) -> Void) throws(TrainingError) {
    guard step.loss.isFinite else { throw nonFiniteLoss(step: step.step, epoch: step.epoch, batch: step.batch) }
    progress.lossSum += step.loss
    report(.step(step))
  }

  private func finishEpoch(_ finished: EpochRecord, _ report: (TrainingEvent) -> Void) throws(TrainingError) {
    var record = finished
    progress.epoch += 1
    (progress.batch, progress.lossSum, progress.tokens) = (0, 0, 0)
    let isLast = progress.epoch >= knobs.integer("epochs")
    // The averages of weights, where there are some, are what is evaluated and kept.
    let restore = optimizer.takeAverages()
    if progress.epoch % knobs.integer("evaluate-every") == 0 || isLast {
      let metric = validationMetric()
      record.metric = metric
      // Without anything to validate on, the latest is the best.
      if (metric ?? .infinity) > progress.bestMetric {
        record.isBest = true
        (progress.bestMetric, progress.bestEpoch, progress.evaluationsWithoutGain) = (metric ?? -.infinity, progress.epoch, 0)
        progress.evaluationsSinceDecay = 0
      } else {
        progress.evaluationsWithoutGain += 1
        progress.evaluationsSinceDecay += 1
        if progress.evaluationsSinceDecay >= knobs.integer("decay-patience") {
          (progress.decays, progress.evaluationsSinceDecay) = (progress.decays + 1, 0)
        }
      }
    }
    let patience = knobs.integer("patience")
    progress.isFinished = isLast || (patience > 0 && progress.evaluationsWithoutGain >= patience)
    history.append(record)
    if record.isBest { try saveModel() }
    restore?()
    try save()
    try folder.writeHistory(history)
    report(.epoch(record))
  }

  private func saveModel() throws(TrainingError) {
    try Checkpoint.save(
      parameters.map { ($0.name, $0.value) }, metadata: modelMetadata.merging(["epoch": String(progress.epoch)]) { a, _ in a },
      path: folder.modelPath)
  }

  private func save() throws(TrainingError) {
    try Checkpoint.save(
      parameters.map { ($0.name, $0.value) } + optimizer.state, metadata: modelMetadata.merging(progress.metadata) { a, _ in a },
      path: folder.checkpointPath)
  }
}

extension Duration {
  var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
