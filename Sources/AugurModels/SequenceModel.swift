// What every next-item model is: histories in, one state a row out, scored by a table of items.
public import AugurLayers
public import AugurOps
public import AugurTensors

/// A jagged batch of histories on one device.
public struct SequenceInput: Sendable {
  public let rows: Jagged
  /// `[T]` item indices.
  public let items: Lookup
  /// `[T]` position indices: the last row of a history has position L - 1.
  public let places: Lookup
  /// `[T]` int32, seconds since any moment; for models that read times.
  public let times: Tensor?

  public init(rows: Jagged, items: Lookup, places: Lookup, times: Tensor? = nil) {
    (self.rows, self.items, self.places, self.times) = (rows, items, places, times)
  }

  /// Histories that are only scored. With `kept` rows in a cache, one history goes on after them. `times` are seconds beside the histories.
  public init(
    _ histories: [ArraySlice<Int32>], times: [[Int32]]? = nil, itemCount: Int, longest: Int, positions: PositionAlignment, kept: Int = 0,
    device: Device
  ) {
    var (offsets, items, places): ([Int32], [Int32], [Int32]) = ([0], [], [])
    let seconds = times.map { $0.flatMap { $0.suffix(longest) } }
    for history in histories {
      let read = history.suffix(longest)
      let first = kept + positions.first(count: read.count, length: longest)
      items.append(contentsOf: read)
      places.append(contentsOf: Int32(first)..<Int32(first + read.count))
      offsets.append(Int32(items.count))
    }
    self.init(
      rows: Jagged(offsets: offsets, device: device),
      items: Lookup(items, rowCount: itemCount, device: device, isGrouped: false),
      places: Lookup(places, rowCount: longest, device: device, isGrouped: false),
      times: seconds.map { Tensor($0, shape: [items.count], device: device) })
  }

  /// What the block computes of x: all rows, or in the last block of a pass that wants no more, the last of each history.
  func read(_ x: Tensor, _ pass: Pass, _ isLastBlock: Bool) -> Tensor {
    guard pass.lastRowsOnly, isLastBlock, rows.rows > rows.count else { return x }
    let last = rows.hostOffsets.dropFirst().map { $0 - 1 }
    return selectedRows(x, Lookup(last, rowCount: max(1, x.shape.rows), device: x.device, isGrouped: false))
  }
}

/// A model that scores the whole catalogue after each row of a history.
public protocol SequenceModel: AnyObject {
  var parameters: [Parameter] { get }
  /// The parameters of the items that score: `[V, D]`, perhaps with rows behind the items.
  var outputTable: Parameter { get }
  /// A score is the cosine of state and item: up to a factor for each state, the product with the direction of the item.
  var isCosine: Bool { get }
  /// The vectors of all items in this pass, `[V, D]`, in training perhaps with rows behind the items.
  func itemVectors(_ pass: Pass) -> Tensor
  /// In training with negatives they are rows of the table that scores, and no others are looked at.
  var looksUpItemVectors: Bool { get }
  /// Scores depend on when events happened, not on their order alone.
  var readsTimes: Bool { get }
  /// Trained to fill in masked events of whole histories instead of to go on: row V of the input table is the mask.
  var fillsMasks: Bool { get }
  /// Histories as the model reads them to score what comes next; `times` are seconds beside them, for models that read times.
  func scoringInput(_ histories: [ArraySlice<Int32>], times: [[Int32]]?, itemCount: Int, device: Device) -> SequenceInput
  /// Rows of the scoring input of a history of so many events.
  func scoringRows(after events: Int) -> Int
  /// Rows of the longest history the model reads.
  var longestHistory: Int { get }
  /// Where positions start. Only from the left can a user's state be kept: there an event keeps its position when others follow.
  var positionAlignment: PositionAlignment { get }
  /// `[T, D]`, or `[B, D]` where the pass wants last rows only: the score of item v after row t is `states[t] . scoringTable[v]`.
  func states(_ input: SequenceInput, _ pass: Pass) -> Tensor
}

extension SequenceModel {
  public var isCosine: Bool { false }
  public func itemVectors(_ pass: Pass) -> Tensor { outputTable.value }
  public var looksUpItemVectors: Bool { !isCosine }

  /// What scores the items, `[V, D]`: for a caller to keep, because it may be made at each call.
  public var scoringTable: Tensor {
    let vectors = itemVectors(Pass())
    return isCosine ? unitRows(vectors) : vectors
  }

  public var readsTimes: Bool { false }
  public var fillsMasks: Bool { false }

  public func scoringInput(_ histories: [ArraySlice<Int32>], times: [[Int32]]?, itemCount: Int, device: Device) -> SequenceInput {
    SequenceInput(
      histories, times: readsTimes ? times : nil, itemCount: itemCount, longest: longestHistory, positions: positionAlignment,
      device: device)
  }

  public func scoringRows(after events: Int) -> Int { min(events, longestHistory) }

  /// `[B, D]`: the state after the last row of each history. Precondition: no history is empty.
  public func lastStates(_ input: SequenceInput) -> Tensor {
    if outputTable.value.isOnCPU { return states(input, Pass(lastRowsOnly: true)) }
    let last = input.rows.hostOffsets.dropFirst().map { $0 - 1 }
    let all = states(input, Pass())
    return selectedRows(all, Lookup(last, rowCount: max(1, all.shape.rows), device: all.device, isGrouped: false))
  }
}

/// A model that `--model` can name: paper, knobs with the paper's defaults, constructor.
public struct ModelEntry: Sendable {
  public let name: String
  public let paper: String
  public let hyperparameters: [Hyperparameter]
  let make: @Sendable (Hyperparameters, _ itemCount: Int) throws(ModelError) -> any SequenceModel

  /// Every model, one line each.
  public static let all: [ModelEntry] = [
    SASRec.entry, GSASRec.entry, ESASRec.entry, HSTU.entry, BERT4Rec.entry, GRU4Rec.entry, Caser.entry, TwoTower.entry,
  ]

  public static func named(_ name: String) throws(ModelError) -> ModelEntry {
    guard let entry = all.first(where: { $0.name == name }) else { throw .unknownModel(name, known: all.map(\.name)) }
    return entry
  }

  /// A new model with first values on `device`. Tables that a GPU cannot hold stay in memory of the host. Throws where the parameters,
  /// `copies` times over, are larger than the free memory.
  public func makeModel(
    _ knobs: Hyperparameters, itemCount: Int, device: Device, seed: UInt64, copies: Int = 1
  ) throws(ModelError) -> any SequenceModel {
    let model = try make(knobs, itemCount)
    try placeParameters(model.parameters, copies: copies, of: "\(name) with \(itemCount) items and dim \(knobs.integer("dim"))", device)
    initialize(model.parameters, on: device, seed: seed)
    return model
  }
}

/// Leaves the tables of a model outside of a GPU that has no room for them, and says so; refuses what fits neither there nor beside it.
func placeParameters(_ parameters: [Parameter], copies: Int, of model: String, _ device: Device) throws(ModelError) {
  let (bytes, free) = (parameters.reduce(0) { $0 + 4 * copies * $1.count }, freeBytes(on: device))
  guard bytes > free, let beside = freeBytes(outsideOf: device) else { return try checkMemory(bytes, for: model, device) }
  // A quarter is for the steps.
  let room = free / 4 * 3
  let outside = leaveOutside(parameters, copies: copies, room: room)
  guard bytes - outside <= room, outside <= beside else { return try checkMemory(bytes, for: model, device) }
  sayOnStandardError(
    "\(model): \(outside >> 20) MiB of tables do not fit the \(free >> 20) MiB that are free on \(device); they stay in memory of the host, "
      + "which steps read and write over the bus: least with optimizer=lazy-adam, negatives, and neither clip nor ema")
}

/// Refuses work that would need more memory than `device` has free.
public func checkMemory(
  _ bytes: Int, for work: String, _ device: Device, advice: String = "take a smaller dim, batch or length"
) throws(ModelError) {
  let free = freeBytes(on: device)
  guard bytes > free else { return }
  throw .tooLarge("\(work): needs about \(bytes >> 20) MiB, and \(free >> 20) MiB are free on \(device); \(advice)")
}

/// Knobs of the loss, the same for every next-item model; the defaults differ.
func objectiveKnobs(loss: String, negatives: Int, sharing: String, drawn: String = "uniform", similarity: String = "dot") -> [Hyperparameter] {
  [
    .choice("loss", loss, of: ["bce", "gbce", "sampled", "ce"], "bce, gbce, sampled softmax, or ce: softmax over the catalogue"),
    .integer("negatives", negatives, in: 1...1_000_000, "negatives of each list"),
    .choice("sharing", sharing, of: ["batch", "sequence", "row"], "who shares one list of negatives"),
    .choice(
      "drawn", drawn, of: ["uniform", "in-batch"],
      "negatives: any items, or targets of the batch; sampled softmax then takes the log of an item's share of the targets off its scores"),
    .choice("similarity", similarity, of: ["dot", "cosine"], "of a state and an item: their product, or that of their directions"),
    .real("temperature", 0.07, in: 0.001...100, "of cosine: scores are divided by it"),
    .real("calibration", 0.75, in: 0...1, "t of gbce: 0 is bce, 1 gives calibrated probabilities"),
  ]
}

/// Knobs of the transformer, the same for every next-item model; the defaults differ.
func transformerKnobs(dim: Int, blocks: Int, heads: Int, dropout: Double, feedForward: Int, length: Int) -> [Hyperparameter] {
  sequenceKnobs(dim: dim, blocks: blocks, heads: heads, dropout: dropout, length: length) + [
    .choice("inner-dropout", "yes", of: ["yes", "no"], "dropout inside attention and feed-forward too, not only on what they add"),
    .integer("feed-forward", feedForward, in: 1...16, "hidden width of the feed-forward part, in multiples of dim"),
  ]
}

/// Knobs of every model with attention.
func sequenceKnobs(dim: Int, blocks: Int, heads: Int, dropout: Double, length: Int) -> [Hyperparameter] {
  stateKnobs(dim: dim, dropout: dropout, length: length) + [
    .integer("blocks", blocks, in: 1...128, "blocks of attention"),
    .integer("heads", heads, in: 1...64, "H, attention heads; divides dim into at most 256"),
  ]
}

/// Where positions start, for models that leave it open.
func positionsKnob(_ standard: PositionAlignment) -> Hyperparameter {
  .choice(
    "positions", standard.rawValue, of: PositionAlignment.allCases.map(\.rawValue),
    "right: the newest event has the last position; left: the oldest kept has the first")
}

/// Knobs of every next-item model.
func stateKnobs(dim: Int, dropout: Double, length: Int) -> [Hyperparameter] {
  [
    .integer("dim", dim, in: 1...4096, "D, width of the model"),
    .real("dropout", dropout, in: 0...0.95, "rate of every dropout"),
    .integer("length", length, in: 1...8192, "L, longest history that is read"),
    .choice("dtype", "float32", of: ["float32", "bfloat16"], "type of the factors of linear maps, attention, ce, and losses whose negatives the batch shares; all else is float32"),
  ]
}

/// Which table scores.
func outputTableKnob(_ standard: String) -> Hyperparameter {
  .choice("output-table", standard, of: ["separate", "shared"], "table that scores: its own, or that of the input")
}

/// The table that scores, by that knob; without it that of the input.
func makeOutputTable(_ h: Hyperparameters, items: Parameter, _ values: Initializer, in store: ParameterStore) -> Parameter {
  guard h.knows("output-table"), h.choice("output-table") == "separate" else { return items }
  return store.make("output-items", items.shape, values, isTable: true)
}

extension Hyperparameters {
  var precision: DataType { choice("dtype") == "bfloat16" ? .bfloat16 : .float32 }

  /// The loss compares with drawn negatives, not with the whole catalogue.
  public var drawsNegatives: Bool { knows("loss") && choice("loss") != "ce" }

  /// Popular items are negatives more often.
  public var drawsInBatch: Bool { drawsNegatives && choice("drawn") == "in-batch" }

  var positionAlignment: PositionAlignment { PositionAlignment(rawValue: choice("positions")) ?? .right }

  var isCosine: Bool { knows("similarity") && choice("similarity") == "cosine" }

  /// Rate of the dropout of attention weights and of the hidden layer.
  var innerDropout: Float { choice("inner-dropout") == "yes" ? real("dropout") : 0 }
}

/// Precondition of attention, as an answer to the user.
func checkHeads(_ h: Hyperparameters) throws(ModelError) {
  let (dim, heads) = (h.integer("dim"), h.integer("heads"))
  guard dim % heads == 0, dim / heads <= 256 else {
    throw .badCombination("hyper-parameter 'heads': expected a divisor of dim=\(dim) that leaves at most 256 a head, got \(heads)")
  }
}

/// The mean loss of states against the next items, by the knobs of `objectiveKnobs`.
///
/// - Parameters:
///   - states: `[T, D]`.
///   - vectors: of the items, `[V, D]`, or of those that the lookups name.
///   - itemCount: V; nil: as many as there are vectors.
///   - logShares: `[V]`: the log of each item's share of the targets, where negatives are drawn among them.
public func nextItemLoss(
  _ states: Tensor, _ vectors: Tensor, itemCount: Int? = nil, targets: Lookup, negatives: Negatives?, logShares: Tensor? = nil,
  _ h: Hyperparameters
) -> Tensor {
  let itemCount = itemCount ?? vectors.shape.rows
  let (states, table) = h.isCosine
    ? (unitRows(states), unitRows(vectors, scale: 1 / h.real("temperature"), tape: states.tape)) : (states, vectors)
  guard let negatives else { return softmaxLoss(states, table, targets: targets, precision: h.precision) }
  let objective: SampledObjective
  switch h.choice("loss") {
  case "gbce":
    // beta = 1 - t (1 - alpha), alpha the share of the catalogue that is sampled (gSASRec, eq. 9).
    let alpha = min(1, Float(negatives.count) / Float(max(1, itemCount - 1)))
    objective = .gbce(beta: 1 - h.real("calibration") * (1 - alpha))
  case "sampled": objective = .softmax
  default: objective = .bce
  }
  return sampledLoss(
    states, table, targets: targets, negatives: negatives, objective, logQ: objective == .softmax ? logShares : nil,
    precision: h.precision)
}
