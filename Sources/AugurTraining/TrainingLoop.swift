// The loop that every kind of model shares: epochs, evaluation, patience, checkpoints.
import AugurLayers
import AugurModels

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
  var loss: Double
  /// Rows that the step read.
  var tokens: Int
  /// Time in which no step ran because the batch was not ready.
  var waited: Duration
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
    while progress.batch < count {
      let result = try runStep()
      waited += result.waited
      progress.lossSum += result.loss
      progress.tokens += result.tokens
      progress.batch += 1
      progress.step += 1
      let elapsed = max(1e-9, (clock.now - start).seconds)
      report(
        .step(
          StepRecord(
            epoch: progress.epoch + 1, batch: progress.batch, batches: count, step: progress.step, loss: result.loss,
            tokensPerSecond: Double(progress.tokens - firstTokens) / elapsed, waitShare: waited.seconds / elapsed)))
      if shouldStop() {
        try save()
        return false
      }
      if every > 0, progress.batch < count, progress.step % every == 0 { try save() }
    }
    let seconds = (clock.now - start).seconds
    let record = EpochRecord(
      epoch: progress.epoch + 1, loss: progress.lossSum / Double(progress.batch), metric: nil, isBest: false,
      steps: progress.batch - firstBatch, tokensPerSecond: Double(progress.tokens - firstTokens) / max(1e-9, seconds),
      waitShare: waited.seconds / max(1e-9, seconds), seconds: seconds)
    try finishEpoch(record, report)
    return true
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

  /// What a step throws whose loss is no number.
  func nonFiniteLoss() -> TrainingError {
    .nonFiniteLoss(
      step: progress.step + 1, epoch: progress.epoch + 1, batch: progress.batch + 1,
      checkpoint: progress.epoch > 0 ? folder.checkpointPath : "none yet")
  }
}

extension Duration {
  var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
