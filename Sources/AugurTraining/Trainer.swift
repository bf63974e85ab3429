// Training of next-item models: batches, loss, backward, update, evaluation.
public import AugurEvents
import AugurLayers
import AugurMetrics
public import AugurModels
import AugurOps
public import AugurTensors
import Glibc

/// What an epoch came to.
public struct EpochRecord: Codable, Sendable, Equatable {
  public var epoch: Int
  public var loss: Double
  /// What decides which epoch is the best, more being better, where the epoch was evaluated.
  public var metric: Double?
  public var isBest: Bool
  public var steps: Int
  public var tokensPerSecond: Double
  /// Share of the time in which no step ran because the next batch was not ready.
  public var waitShare: Double
  public var seconds: Double
}

/// A step of an epoch under way, for a progress line.
public struct StepRecord: Sendable {
  public let epoch: Int, batch: Int, batches: Int, step: Int
  public internal(set) var loss: Double
  /// Of this epoch so far, as in its `EpochRecord`.
  public let tokensPerSecond: Double, waitShare: Double
}

public enum TrainingEvent: Sendable {
  case step(StepRecord)
  case epoch(EpochRecord)
  /// A model of a search is trained.
  case candidate(SearchRecord)
}

/// How a call of `Trainer.run` ended.
public enum TrainingEnd: Sendable, Equatable { case finished, stoppedEarly, interrupted }

/// One run in one folder. Two runs with the same seed, data and knobs write the same bytes, also when one was killed and resumed.
public final class Trainer: RunnableTrainer, TrainingLoop {
  public let model: any SequenceModel
  public internal(set) var history: [EpochRecord] = []
  public let knobs: Hyperparameters
  let data: Dataset
  let folder: RunFolder
  private let seed: UInt64
  let optimizer: Optimizer
  let split: SequenceSplit
  let batches: SequenceBatches
  let maker: BatchMaker
  /// Batches that are made before they are asked for; 0 makes each on the training thread. Changes no result.
  var batchesAhead = 2
  private lazy var feed = BatchFeed(batches, maker, ahead: batchesAhead)
  var progress = Progress()
  private let description: ModelDescription
  let validationUsers: [Int]
  /// What decides which epoch is the best.
  private let metric: Metric

  /// A new run, or with `resume` the one that `folder` holds. Throws where the folder, the knobs or the data do not fit.
  public init(
    _ description: ModelDescription, plan: Hyperparameters, data: Dataset, device: Device, seed: UInt64, folder: RunFolder,
    resume: Bool
  ) throws {
    let (model, modelKnobs) = try description.makeModel(device: device, seed: derivedSeed(seed, 0, 1), copies: Optimizer.copies)
    let all = try Hyperparameters(modelKnobs, and: plan)
    (self.model, self.knobs, self.description) = (model, all, description)
    (self.data, self.seed, self.folder) = (data, seed, folder)
    metric = try Metric(named: all.choice("metric"))
    split = SequenceSplit(data)
    guard !model.readsTimes || data.description.hasTimestamps else {
      throw TrainingError.data(
        problem: "the model reads times and \(data.path) has none", advice: "set time-bias=no, or prepare a log with a time column")
    }
    batches = SequenceBatches(split, try TrainingPlan.batchRules(all, model), seed: seed)
    maker = BatchMaker(
      itemCount: data.itemCount, device: device, knobs: all, seed: seed, fillsMasks: model.fillsMasks,
      augmentation: try Augmentation(all, model, split, seed: derivedSeed(seed, 0, 7)),
      logShares: all.drawsInBatch ? Trainer.logShares(split, device) : nil)
    validationUsers = Trainer.draw(split.evaluatedUsers(.validation), all.integer("validation-users"), seed: seed)
    guard batches.trainingUserCount > 0 else {
      throw TrainingError.data(
        problem: "no user has two events to train on under the split \(split.rule.words)",
        advice: "give the log more events a user, or prepare it with another --split or --split-ratio")
    }
    let largest = batches.largestBatch
    optimizer = try makeOptimizer(
      model, maker, tokens: largest.tokens, sequences: largest.users, occurrences: split.trainingCounts)
    if resume { try self.resume() }
  }

  var parameters: [Parameter] { model.parameters }
  var modelMetadata: [String: String] { description.metadata }
  public var parameterCount: Int { model.parameters.reduce(0) { $0 + $1.count } }
  public var batchesPerEpoch: Int { batches.batchesPerEpoch }

  /// The log of each item's share of the training events; one that never occurs counts as once.
  private static func logShares(_ split: SequenceSplit, _ device: Device) -> Tensor {
    let counts = split.trainingCounts()
    let total = Double(max(1, counts.reduce(0, +)))
    return Tensor(counts.map { Float(log(Double(max(1, $0)) / total)) }, shape: [counts.count], device: device)
  }

  private static func draw(_ users: [Int], _ count: Int, seed: UInt64) -> [Int] {
    guard count > 0, count < users.count else { return users }
    var random = RandomStream(seed: derivedSeed(seed, 0, 3))
    return Array(users.shuffled(using: &random)[..<count]).sorted()
  }

  /// Trains until the plan is done, patience ends or `shouldStop` says so; in the last case everything is saved for `--resume`.
  public func run(shouldStop: () -> Bool = { false }, report: (TrainingEvent) -> Void = { _ in }) throws(TrainingError) -> TrainingEnd {
    try runLoop(shouldStop: shouldStop, report: report)
  }

  func batchCount(ofEpoch epoch: Int) -> Int { batches.batchCount(ofEpoch: epoch) }

  func runStep() throws(TrainingError) -> StepResult {
    let clock = ContinuousClock()
    let start = clock.now
    let batch = nextBatch(epoch: progress.epoch, index: progress.batch)
    let waited = clock.now - start
    return StepResult(loss: step(batch), tokens: batch.tokens, waited: waited)
  }

  /// The batch of a place: taken from the feed, which then makes the ones behind it, or made here.
  func nextBatch(epoch: Int, index: Int) -> TrainingBatch {
    let cache = optimizer.cache
    guard batchesAhead > 0 else { return maker.make(batches.batch(epoch: epoch, index: index), step: progress.step, cache) }
    return feed.withBatch(at: BatchPlace(epoch: epoch, index: index, step: progress.step)) { maker.upload($0, cache) }
  }

  /// Forward, backward, update; returns the loss. On the CPU nothing is updated by a loss that is not finite; a device is not waited for.
  func step(_ batch: TrainingBatch) -> StepLoss {
    defer { optimizer.cache?.endStep() }
    let tape = Tape()
    let pass = Pass(training: tape, seed: derivedSeed(seed, progress.step, 4))
    let loss = batch.loss(of: model, pass, knobs)
    let value = loss.isOnCPU ? Double(loss.floats()[0]) : nil
    if let value, !value.isFinite { return .known(value) }
    tape.backward(from: loss)
    let steps = knobs.integer("epochs") * batches.batchesPerEpoch
    optimizer.update(
      step: progress.step + 1,
      learningRate: TrainingPlan.learningRate(knobs, step: progress.step + 1, steps: steps, decays: progress.decays))
    return value.map { .known($0) } ?? .pending([loss])
  }

  /// The mean of the metric over users; nil without any to evaluate.
  func validationMetric() -> Double? {
    guard !validationUsers.isEmpty else { return nil }
    let positions = rankPositions(of: model, on: split, .validation, users: validationUsers, seen: TrainingPlan.seenItems(knobs.all))
    return positions.reduce(0) { $0 + metric.value($1) } / Double(positions.count)
  }
}
