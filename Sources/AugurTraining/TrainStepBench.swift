// The step that benchmarks time: the trainer's own model, loss and optimiser on random histories.
public import AugurCompute
import AugurEvents
import AugurLayers
public import AugurModels
import AugurOps
public import AugurTensors

/// Runs training steps on random full-length histories.
public struct TrainStepBench {
  private let model: any SequenceModel
  private let optimizer: Optimizer
  private let maker: BatchMaker
  private let batch: Int
  private let itemCount: Int
  private var count = 0
  private var made: [HostBatch] = []

  /// Knobs are those of the model and of the training plan.
  public init(_ knobs: Hyperparameters, of name: String = "sasrec", itemCount: Int, batch: Int, device: Device) throws(ModelError) {
    model = try ModelEntry.named(name).makeModel(
      knobs, itemCount: itemCount, device: device, seed: 1, copies: Optimizer.copies)
    maker = BatchMaker(itemCount: itemCount, device: device, knobs: knobs, seed: 1, fillsMasks: model.fillsMasks)
    (self.batch, self.itemCount) = (batch, itemCount)
    optimizer = try makeOptimizer(model, maker, tokens: batch * model.longestHistory, sequences: batch)
  }

  /// Blocks that the arena of the device ever asked the system for.
  public var allocations: Int { Arena.of(model.outputTable.value.device).allocations }

  /// Makes what the host can of a later step's batch, which that step makes itself otherwise.
  public mutating func makeBatch() {
    let step = count + made.count
    var host = HostBatch()
    host.sequences = randomBatch(step)
    maker.complete(&host, step: step)
    made.append(host)
  }

  /// Forward, loss, backward, update. The loss, `[1]`, is not read: a device may still be at work on it.
  @discardableResult
  public mutating func step(learningRate: Float = 0.001) -> Tensor {
    if made.isEmpty { makeBatch() }
    let training = maker.upload(made.removeFirst(), optimizer.cache)
    defer { optimizer.cache?.endStep() }
    let tape = Tape()
    let loss = training.loss(of: model, Pass(training: tape, seed: UInt64(count)), maker.knobs)
    tape.backward(from: loss)
    count += 1
    optimizer.update(step: count, learningRate: learningRate)
    return loss
  }

  private func randomBatch(_ step: Int) -> SequenceBatch {
    let (users, L) = (batch, model.longestHistory)
    var random = RandomStream(seed: UInt64(step))
    var host = SequenceBatch()
    host.users = (0..<users).map(Int32.init)
    host.offsets = (0...users).map { Int32($0 * L) }
    host.inputs = (0..<users * L).map { _ in Int32(random.below(itemCount)) }
    host.targets = (0..<users * L).map { _ in Int32(random.below(itemCount)) }
    host.positions = (0..<users * L).map { Int32($0 % L) }
    return host
  }
}
