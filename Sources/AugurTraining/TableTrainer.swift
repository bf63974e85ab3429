// Training of models of labelled rows.
public import AugurEvents
import AugurLayers
import AugurMetrics
public import AugurModels
import AugurOps
public import AugurTensors

extension TrainingPlan {
  /// Knobs of the plan that tables have others for, or none.
  private static let sequenceKnobs: Set<String> = [
    "epochs", "batch", "batch-tokens", "shuffle", "window", "optimizer", "validation-users", "patience", "beta2", "augment",
    "augment-share", "augment-strength", "metric",
  ]

  /// Knobs of the plan that mean something to a table; their defaults are those of click models.
  public static let tableKnobs: [Hyperparameter] = [
    .integer("epochs", 100, in: 1...1_000_000, "passes over the training rows at most"),
    .integer("batch", 4096, in: 1...1_048_576, "B, rows of one step"),
    .integer("accumulate", 1, in: 1...65_536, "batches whose gradients one step adds up, as if they were one"),
    .choice("optimizer", "adam", of: TrainingPlan.optimizers, TrainingPlan.optimizerWords),
    .real("embedding-l2", 0, in: 0...10, "penalty l2 / 2 |V|^2 on the vectors of features, in the gradient"),
  ] + objectiveKnobs + judgeKnobs + negativeKnobs + knobs.filter { !sequenceKnobs.contains($0.name) }
    + [
      .real("beta2", 0.999, in: 0...0.99999, "Adam, second moment"),
      .integer("patience", 3, in: 0...1_000_000, "evaluations without a better validation metric before stopping; 0: never stop"),
    ]
}

/// One run on a table in one folder; the same bytes for the same seed, also when it was killed and resumed.
public final class TableTrainer: TableRun, TrainingLoop {
  public let model: any TableModel
  public internal(set) var history: [EpochRecord] = []
  public let knobs: Hyperparameters
  public let warnings: [String]
  let folder: RunFolder
  let optimizer: Optimizer
  var progress = Progress()
  private let data: TableDataset
  private let seed: UInt64
  private let maker: TableBatchMaker
  private let judges: [TableJudge]
  private let description: TableModelDescription
  /// Weight of rows of class 1; 1 where labels are values.
  private let positiveWeight: Float
  private let training: TrainingRows
  /// Training rows in the order of the epoch under way.
  private var order: (epoch: Int, rows: [Int]) = (-1, [])

  /// A new run, or with `resume` the one that `folder` holds. Throws where the folder, the knobs or the data do not fit.
  public init(
    _ description: TableModelDescription, plan: Hyperparameters, data: TableDataset, device: Device, seed: UInt64, folder: RunFolder,
    resume: Bool
  ) throws {
    let (model, modelKnobs) = try description.makeModel(device: device, seed: derivedSeed(seed, 0, 1), copies: Optimizer.copies)
    let all = try Hyperparameters(modelKnobs, and: plan)
    (self.model, self.knobs, self.description) = (model, all, description)
    (self.data, self.seed, self.folder) = (data, seed, folder)
    positiveWeight = description.isBinary ? all.real("positive-weight") : 1
    training = TrainingRows(data, all, seed: seed)
    warnings = try model.price.map { price in try followingWarnings(of: price.name, knob: "price", data) } ?? []
    if let price = model.price { model.shiftPrices(priceShifts(price, data)) }
    optimizer = Optimizer(model.parameters, all)
    maker = TableBatchMaker(data, device: device, of: model)
    judges = try description.objective.answers.map { try TableJudge(data, $0, all) }
    try description.objective.check(all)
    try checkTrainable(data)
    if resume { try self.resume() }
  }

  var parameters: [Parameter] { model.parameters }
  public var objective: TableObjective { description.objective }
  var modelMetadata: [String: String] { description.metadata }
  public var parameterCount: Int { model.parameters.reduce(0) { $0 + $1.learnedCount } }
  public var words: String { "\(parameterCount) parameters, \(batchesPerEpoch) steps an epoch" }
  public var batchesPerEpoch: Int { batchCount(ofEpoch: 0) }

  /// Trains until the plan is done, patience ends or `shouldStop` says so; in the last case everything is saved for `--resume`.
  public func run(shouldStop: () -> Bool = { false }, report: (TrainingEvent) -> Void = { _ in }) throws(TrainingError) -> TrainingEnd {
    try runLoop(shouldStop: shouldStop, report: report)
  }

  func batchCount(ofEpoch epoch: Int) -> Int {
    (training.rows.count + stepRows - 1) / stepRows
  }

  /// Rows of one step.
  private var stepRows: Int { knobs.integer("batch") * knobs.integer("accumulate") }

  func runStep() throws(TrainingError) -> StepResult {
    let clock = ContinuousClock()
    let rows = trainingRows(progress.batch)
    let size = knobs.integer("batch")
    // A part needs its share only where there are others.
    let total = rows.count > size ? rows.reduce(0) { $0 + rowWeight($1) } : 0
    var (known, pending, waited, place) = (0.0, [Tensor](), Duration.zero, 0)
    for first in stride(from: rows.startIndex, to: rows.endIndex, by: size) {
      let began = clock.now
      let batch = maker.make(rows[first..<min(rows.endIndex, first + size)])
      waited += clock.now - began
      // A part's share of the mean loss over all rows of the step.
      let part = rows[first..<min(rows.endIndex, first + size)]
      let share = part.count == rows.count || total == 0 ? 1 : Float(part.reduce(0) { $0 + rowWeight($1) } / total)
      let tape = Tape()
      let pass = Pass(training: tape, seed: derivedSeed(seed, progress.step, 4 + UInt64(place) << 8))
      let (outputs, own) = model.trainingOutputs(batch.input, pass, scale: share)
      let asked = description.objective.loss(outputs, batch.labels, weights: weights(of: batch), knobs, scale: share)
      let loss = own.map { add(asked, $0) } ?? asked
      if loss.isOnCPU { known += Double(loss.floats()[0]) } else { pending.append(loss) }
      guard known.isFinite else { return StepResult(loss: .known(known), tokens: rows.count, waited: waited) }
      tape.backward(from: loss)
      place += 1
    }
    penalise()
    let steps = knobs.integer("epochs") * batchesPerEpoch
    optimizer.update(
      step: progress.step + 1,
      learningRate: TrainingPlan.learningRate(knobs, step: progress.step + 1, steps: steps, decays: progress.decays))
    return StepResult(loss: pending.isEmpty ? .known(known) : .pending(pending), tokens: rows.count, waited: waited)
  }

  private func trainingRows(_ batch: Int) -> ArraySlice<Int> {
    if order.epoch != progress.epoch {
      var random = RandomStream(seed: derivedSeed(seed, progress.epoch, 2))
      order = (progress.epoch, training.rows.shuffled(using: &random))
    }
    let size = stepRows
    return order.rows[batch * size..<min(order.rows.count, (batch + 1) * size)]
  }

  private func rowWeight(_ row: Int) -> Double {
    Double(data.weights?[row] ?? 1) * (data.labels[row] == 1 ? Double(positiveWeight) : 1)
  }

  private func weights(of batch: TableBatch) -> RowWeights? {
    guard positiveWeight != 1 else { return batch.weights }
    return RowWeights(
      labels: batch.labels[0].floats(), positive: positiveWeight, rows: batch.weights?.values.floats(), device: maker.device)
  }

  /// Adds l2 V to the gradient of every table of vectors.
  private func penalise() {
    let l2 = knobs.real("embedding-l2")
    guard l2 > 0 else { return }
    for parameter in model.parameters where parameter.isTable {
      guard let slot = parameter.value.slot, let gradient = slot.gradient else { continue }
      slot.touchedRows = nil
      combine(gradient, times: 1, parameter.value, times: l2)
    }
  }

  /// The mean over the answers of what judges them, more being better; or minus the loss.
  func validationMetric() -> Double? {
    guard !data.rows(.validation).isEmpty else { return nil }
    if description.objective.isJudgedByLoss(knobs) { return validationLoss().map { -$0 } }
    let answers = outputs(of: NetworkPredictor(model, data.features, description.objective), on: data, .validation)
    var sum = 0.0
    for (judge, scores) in zip(judges, answers) {
      guard let score = judge.score(scores) else { return nil }
      sum += score
    }
    return sum / Double(judges.count)
  }

  /// The loss over the validation rows; nil without weight.
  private func validationLoss() -> Double? {
    let rows = data.rows(.validation)
    var (sum, all) = (0.0, 0.0)
    for first in stride(from: rows.lowerBound, to: rows.upperBound, by: evaluationRows) {
      let part = first..<min(rows.upperBound, first + evaluationRows)
      let batch = maker.make(part, isTraining: false)
      let weight = part.reduce(0) { $0 + rowWeight($1) }
      let outputs = model.outputs(batch.input, Pass())
      let loss = description.objective.loss(outputs, batch.labels, weights: weights(of: batch), knobs, scale: 1, isAnswer: true)
      (sum, all) = (sum + weight * Double(loss.floats()[0]), all + weight)
    }
    return all > 0 ? sum / all : nil
  }
}
