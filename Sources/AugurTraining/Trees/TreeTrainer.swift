import AugurCompute
// Training of boosted trees: a tree a round, on the derivatives of the loss where the trees before it stand.
public import AugurEvents
public import AugurModels
import AugurMetrics
import AugurTensors
import Glibc

/// Boosted trees on a table in one folder; the same bytes for one seed on any number of threads, also when stopped and resumed.
public final class TreeTrainer: TableRun {
  public static let name = "gbdt"
  public static let paper = "Friedman 2001; Ke et al. 2017 (LightGBM)"
  /// Knobs of the trees and of their training; an epoch is a tree.
  public static let hyperparameters: [Hyperparameter] = [
    .integer("leaves", 31, in: 2...4096, "leaves of a tree at most"),
    .integer("depth", 0, in: 0...64, "decisions on the way to a leaf at most; 0: no limit"),
    .real("leaf-rows", 20, in: 0...1e9, "rows of a leaf at least, estimated from second derivatives"),
    .real("leaf-weight", 1e-3, in: 0...1e9, "second derivatives of a leaf at least"),
    .real("l2", 1, in: 0...1e6, "penalty on the values of leaves"),
    .real("category-l2", 10, in: 0...1e6, "more of it where a set of categories decides"),
    .real("category-smoothing", 10, in: 0...1e6, "weight towards 0 in the order of categories"),
    .real("feature-fraction", 1, in: 0.01...1, "share of the inputs that a tree may use"),
    .real("row-fraction", 1, in: 0.01...1, "share of the rows that a tree is grown on"),
    .text("monotone", "none", "numbers with a direction, such as price:-1,age:1", "outputs never rise (-1) or fall (1) as the number rises"),
  ]
  public static let planKnobs: [Hyperparameter] = [
    .integer("epochs", 2000, in: 1...100_000, "trees at most"),
    .real("learning-rate", 0.05, in: 1e-6...1, "share of a tree's values that counts"),
    .real("positive-weight", 1, in: 1e-6...1e6, "weight of rows of class 1"),
    .integer("patience", 50, in: 0...1_000_000, "trees without a better validation loss before stopping; 0: never stop"),
  ] + judgeKnobs + negativeKnobs

  public private(set) var history: [EpochRecord] = []
  public let knobs: Hyperparameters
  public private(set) var trees: TreeEnsemble
  public let warnings: [String]
  private let folder: RunFolder
  private let data: TableDataset
  private let seed: UInt64
  private let description: TableModelDescription
  private let limits: TreeLimits
  private var progress = Progress()
  private let training: Rows
  /// Places of the training rows that count, rising; the others weigh 0.
  private let counted: [Int32]
  private let validation: Rows
  /// What decides which tree is the last; nil where the loss does.
  private let judge: TableJudge?
  /// Where the trees so far stand.
  private var trainingOutputs: [Float]
  private var validationOutputs: [Float]

  /// Rows of one part.
  private struct Rows {
    let bins: BinnedRows
    let labels: [Float]
    /// With those of classes.
    let weights: [Float]
  }

  /// A new run, or with `resume` the one that `folder` holds. Throws where the folder, the knobs or the data do not fit.
  public init(
    _ description: TableModelDescription, plan: Hyperparameters, data: TableDataset, seed: UInt64, folder: RunFolder, resume: Bool
  ) throws {
    var model = Hyperparameters(Self.hyperparameters)
    for (name, value) in description.hyperparameters.sorted(by: { $0.key < $1.key }) { try model.set(name, value) }
    knobs = try Hyperparameters(model, and: plan)
    (self.data, self.seed, self.folder, self.description) = (data, seed, folder, description)
    try checkTrainable(data)
    var limits = TreeLimits(knobs)
    let own = try TableJudge(data, description.objective.answers[0], knobs)
    judge = knobs.choice("metric") == "auto" || own.name == nil ? nil : own
    let columns = data.columns
    let features = makeFeatureBins(data.features, columns, training: data.rows(.training))
    let names = features.map { input in if case .number(.number(let place, _), _) = input { data.features.numberNames[place] } else { "" } }
    let asked = try Self.directions(knobs.choice("monotone"), of: names.filter { !$0.isEmpty })
    if !asked.isEmpty { limits.directions = names.map { asked[$0] ?? 0 } }
    self.limits = limits
    warnings = try asked.sorted { $0.key < $1.key }.flatMap { name, direction in
      // A number that keeps to the same way itself is no danger.
      try followingWarnings(of: name, knob: "monotone", data) { asked[$0.name] == ($0.rises ? direction : -direction) }
    }
    let weight = description.isBinary ? knobs.real("positive-weight") : 1
    let range = data.rows(.training)
    let kept = TrainingRows(data, knobs, seed: seed).rows
    counted = kept.map { Int32(truncatingIfNeeded: $0 - range.lowerBound) }
    var counts = [Float](repeating: kept.count == range.count ? 1 : 0, count: range.count)
    for place in counted { counts[Int(place)] = 1 }
    func rows(_ part: TablePart) -> Rows {
      let range = data.rows(part)
      let labels = range.map { data.labels[$0] }
      return Rows(
        bins: binned(columns, range, features), labels: labels,
        weights: range.enumerated().map { (data.weights?[$1] ?? 1) * (labels[$0] == 1 ? weight : 1) * (part == .training ? counts[$0] : 1) })
    }
    (training, validation) = (rows(.training), rows(.validation))
    trees = TreeEnsemble(features: features, base: Self.base(training.labels, training.weights, isBinary: description.isBinary))
    (trainingOutputs, validationOutputs) = ([], [])
    if resume {
      let file = try folder.openCheckpoint()
      trees = try TreeEnsemble(file, description.shape, isList: data.features.fields.map(\.isMultiValued))
      guard trees.features == features, let progress = Progress(file.metadata), trees.trees.count == progress.epoch else {
        throw TrainingError.run(
          path: file.path, problem: "is no checkpoint of this run", advice: "delete the run folder and train again")
      }
      self.progress = progress
      history = folder.readHistory(epochs: progress.epoch)
    }
    (trainingOutputs, validationOutputs) = (trees.outputs(training.bins), trees.outputs(validation.bins))
    try checkFinite(meanLoss(trainingOutputs, training))
  }

  /// What `monotone` asks, by name of the number.
  private static func directions(_ text: String, of names: [String]) throws(ModelError) -> [String: Int8] {
    guard text != "none" else { return [:] }
    var directions: [String: Int8] = [:]
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let colon = part.lastIndex(of: ":") ?? part.endIndex
      let (name, sign) = (String(part[..<colon]), part[colon...].dropFirst())
      guard let direction = ["-1": Int8(-1), "1": 1, "+1": 1][String(sign)] else {
        throw .badValue(name: "monotone", value: text, expected: "numbers with a direction, such as price:-1,age:1")
      }
      guard names.contains(name) else {
        let near = nearestName(to: name, in: names).map { ": did you mean '\($0)'?" } ?? ""
        throw .badCombination("hyper-parameter 'monotone': '\(name)' is no number of the table\(near)")
      }
      directions[name] = direction
    }
    return directions
  }

  public var words: String {
    "\(counted.count) rows of \(trees.features.count) inputs, \(limits.leaves) leaves a tree"
  }
  /// Numbers that were learned: a decision and a value a node.
  public var parameterCount: Int { trees.trees.reduce(0) { $0 + $1.nodes.count } }

  /// The log-odds or the mean of the training rows.
  private static func base(_ labels: [Float], _ weights: [Float], isBinary: Bool) -> Float {
    var (sum, rest, all) = (0.0, 0.0, 0.0)
    for (label, weight) in zip(labels, weights) {
      sum += Double(weight) * Double(label)
      rest += Double(weight) * (1 - Double(label))
      all += Double(weight)
    }
    // Not by the mean, which is 1 where one class weighs far less than the other.
    return Float(isBinary ? log(sum / rest) : sum / all)
  }

  /// Grows trees until the plan is done, patience ends or `shouldStop` says so; then everything is saved for `--resume`.
  public func run(shouldStop: () -> Bool = { false }, report: (TrainingEvent) -> Void = { _ in }) throws(TrainingError)
    -> TrainingEnd
  {
    let clock = ContinuousClock()
    while !progress.isFinished {
      let start = clock.now
      let tree = grow()
      trees.trees.append(tree)
      progress.epoch += 1
      progress.step += 1
      let isLast = progress.epoch >= knobs.integer("epochs")
      var metric: Double?
      if !validation.labels.isEmpty {
        Self.add(tree, to: &validationOutputs, validation.bins)
        let answers = description.objective.answers([validationOutputs])[0]
        metric = judge.map { $0.score(answers) ?? -.infinity } ?? -meanLoss(answers, validation)
      }
      let loss = meanLoss(trainingOutputs, training)
      try checkFinite(loss)
      if judge == nil { try checkFinite(metric ?? 0) }
      let isBest = (metric ?? .infinity) > progress.bestMetric || metric == nil
      if isBest {
        (progress.bestMetric, progress.bestEpoch, progress.evaluationsWithoutGain) = (metric ?? -.infinity, progress.epoch, 0)
      } else {
        progress.evaluationsWithoutGain += 1
      }
      let patience = knobs.integer("patience")
      let isSpent = tree.nodes.count == 1 && !drawsSubsets
      progress.isFinished = isLast || (patience > 0 && progress.evaluationsWithoutGain >= patience) || isSpent
      let seconds = (clock.now - start).seconds
      history.append(
        EpochRecord(
          epoch: progress.epoch, loss: loss, metric: metric, isBest: isBest, steps: 1,
          tokensPerSecond: Double(training.labels.count) / max(1e-9, seconds), waitShare: 0, seconds: seconds))
      if progress.epoch % 10 == 0 || progress.isFinished { report(.epoch(history[history.count - 1])) }
      if shouldStop(), !progress.isFinished {
        try save()
        return .interrupted
      }
    }
    try save()
    return progress.epoch < knobs.integer("epochs") ? .stoppedEarly : .finished
  }

  /// Whether another tree may see what this one did not.
  private var drawsSubsets: Bool { knobs.real("row-fraction") < 1 || knobs.real("feature-fraction") < 1 }

  /// Throws where outputs or weights have left the numbers: no derivative can be taken there.
  private func checkFinite(_ loss: Double) throws(TrainingError) {
    guard !loss.isFinite else { return }
    throw .data(
      problem: "the loss after \(progress.epoch) trees is \(loss)",
      advice: "scale labels and weights towards 1, or lower learning-rate or positive-weight")
  }

  private static func add(_ tree: DecisionTree, to outputs: inout [Float], _ rows: BinnedRows) {
    outputs.withUnsafeMutableBufferPointer { outputs in
      nonisolated(unsafe) let outputs = outputs
      parallel(rows.rowCount, grain: 4096) { tree.add(to: outputs, rows, $0..<$1) }
    }
  }

  /// One tree; the training outputs stand behind it.
  private func grow() -> DecisionTree {
    let (derivatives, unit) = self.derivatives()
    let sample = sampledRows()
    var grower = TreeGrower(
      training.bins, trees.features, sample: sample, used: usedInputs(), derivatives, unit: unit, limits)
    let tree = grower.tree()
    if sample.count < trainingOutputs.count {
      Self.add(tree, to: &trainingOutputs, training.bins)
    } else {
      grower.forEachLeaf { rows, value in for row in rows { trainingOutputs[Int(row)] += value } }
    }
    return tree
  }

  private func sampledRows() -> [Int32] {
    let fraction = Double(knobs.real("row-fraction"))
    guard fraction < 1 else { return counted }
    var random = RandomStream(seed: derivedSeed(seed, progress.epoch, 5))
    let drawn = counted.filter { _ in random.uniform() < fraction }
    return drawn.isEmpty ? counted : drawn
  }

  private func usedInputs() -> [Int] {
    let count = trees.features.count
    let wanted = max(1, Int((Double(knobs.real("feature-fraction")) * Double(count)).rounded(.up)))
    guard wanted < count else { return Array(0..<count) }
    var random = RandomStream(seed: derivedSeed(seed, progress.epoch, 6))
    return Array((0..<count).shuffled(using: &random)[..<wanted]).sorted()
  }

  /// First and second derivatives of the loss by the output of each training row, as whole numbers of a power of two.
  private func derivatives() -> ([Derivatives], unit: SIMD2<Double>) {
    let (rows, isBinary) = (training, description.isBinary)
    var (exact, largest) = ([SIMD2<Double>](repeating: .zero, count: rows.labels.count), SIMD2<Double>.zero)
    exact.withUnsafeMutableBufferPointer { exact in
      nonisolated(unsafe) let exact = exact
      trainingOutputs.withUnsafeBufferPointer { outputs in
        nonisolated(unsafe) let outputs = outputs
        parallel(exact.count, grain: 4096) { begin, end in
          for row in begin..<end {
            let (x, y, w) = (Double(outputs[row]), Double(rows.labels[row]), Double(rows.weights[row]))
            let p = isBinary ? 1 / (1 + exp(-x)) : x
            exact[row] = SIMD2(w * (p - y), isBinary ? w * p * (1 - p) : w)
          }
        }
      }
    }
    for value in exact { largest = pointwiseMax(largest, SIMD2(value.x.magnitude, value.y)) }
    // 31 bits a row: sums of 2^31 rows fit 64. The inverse of a unit has to be a number.
    func unit(_ largest: Double) -> Double {
      largest > 0 ? scalbn(1, max(-1000, Int32(truncatingIfNeeded: largest.exponent) - 29)) : 1
    }
    let units = SIMD2(unit(largest.x), unit(largest.y))
    let scale = 1 / units
    return (exact.map { Derivatives(($0 * scale).rounded(.toNearestOrEven)) }, units)
  }

  private func meanLoss(_ outputs: [Float], _ rows: Rows) -> Double {
    weightedLoss(
      outputs.map(Double.init), rows.labels.map(Double.init), rows.weights.map(Double.init), isBinary: description.isBinary)
  }

  /// Writes the checkpoint, the best trees and the curves.
  private func save() throws(TrainingError) {
    let progress = progress
    var best = trees
    best.trees = Array(best.trees.prefix(progress.bestEpoch))
    do throws(SafetensorsError) {
      try writeSafetensors(
        path: folder.modelPath, metadata: description.metadata.merging(["epoch": String(progress.bestEpoch)]) { a, _ in a },
        tensors: best.tensors)
      try writeSafetensors(
        path: folder.checkpointPath, metadata: description.metadata.merging(progress.metadata) { a, _ in a },
        tensors: trees.tensors)
    } catch { throw .save("\(error)") }
    try folder.writeHistory(history)
  }
}

extension TreeLimits {
  fileprivate init(_ h: Hyperparameters) {
    (leaves, depth, leafRows) = (h.integer("leaves"), h.integer("depth"), Double(h.real("leaf-rows")))
    (leafWeight, l2, categoryL2) = (Double(h.real("leaf-weight")), Double(h.real("l2")), Double(h.real("category-l2")))
    (categorySmoothing, learningRate) = (Double(h.real("category-smoothing")), Double(h.real("learning-rate")))
  }
}
