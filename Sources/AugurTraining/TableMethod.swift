// Every way to learn from a table, under one door: networks by gradient, trees by boosting.
public import AugurEvents
import AugurLayers
public import AugurModels
public import AugurTensors
import Glibc

/// A run on a table.
public protocol TableRun: RunnableTrainer {
  var history: [EpochRecord] { get }
  var knobs: Hyperparameters { get }
  /// Numbers that were learned.
  var parameterCount: Int { get }
  /// What is trained on what, in words.
  var words: String { get }
  /// What of the table may defeat what was asked, a line each.
  var warnings: [String] { get }
}

extension TableRun {
  public var warnings: [String] { [] }
}

/// A model of tables that `--model` can name, with what trains it.
public struct TableMethod: Sendable {
  public let name: String
  public let paper: String
  public let modelKnobs: [Hyperparameter]
  public let planKnobs: [Hyperparameter]
  /// Nil where training maximises AUC or minimises the RMSE; else the metric that it minimises.
  public let validationLoss: String?

  /// Whether it is trained by gradient.
  public var isNetwork: Bool { name != TreeTrainer.name && name != TableSearch.name }

  /// Every method, one line each kind.
  public static let all: [TableMethod] =
    TableModelEntry.all.map {
      TableMethod(
        name: $0.name, paper: $0.paper, modelKnobs: $0.hyperparameters, planKnobs: TrainingPlan.tableKnobs + calibrationKnobs,
        validationLoss: nil)
    } + [
      TableMethod(
        name: TreeTrainer.name, paper: TreeTrainer.paper, modelKnobs: TreeTrainer.hyperparameters,
        planKnobs: TreeTrainer.planKnobs + calibrationKnobs,
        validationLoss: "logloss"),
      TableMethod(
        name: TableSearch.name, paper: "the models of this list, chosen and mixed by validation; Caruana et al. 2004",
        modelKnobs: [],
        planKnobs: TableSearch.planKnobs + calibrationKnobs, validationLoss: "logloss"),
    ]

  /// The method of a name; nil for models that are not about tables.
  public static func named(_ name: String) -> TableMethod? { all.first { $0.name == name } }

  /// A new run in `folder`, or with `resume` the one that it holds.
  public func makeRun(
    _ model: Hyperparameters, _ plan: Hyperparameters, _ data: TableDataset, device: Device, seed: UInt64, folder: RunFolder,
    resume: Bool
  ) throws -> any TableRun {
    var objective = try TableObjective(self, plan, data.description).fitted(to: data)
    try objective.takeNegativeRate(data, plan, seed: seed)
    let description = TableModelDescription(
      model: name, hyperparameters: model.all, shape: TableShape(data.features, price: try tablePrice(model, data)), objective: objective, data: data.fingerprint)
    _ = try CalibrationPlan(plan).field(in: data.features, description.objective.answers)
    if name == TableSearch.name {
      return try TableSearch(description.objective, plan: plan, data: data, device: device, seed: seed, folder: folder)
    }
    if name == TreeTrainer.name {
      return try TreeTrainer(description, plan: plan, data: data, seed: seed, folder: folder, resume: resume)
    }
    return try TableTrainer(description, plan: plan, data: data, device: device, seed: seed, folder: folder, resume: resume)
  }
}

/// Weighted mean of logloss or of squares, in the order of the rows; 0 without weight.
func weightedLoss(_ outputs: [Double], _ labels: [Double], _ weights: [Double], isBinary: Bool) -> Double {
  var (sum, all) = (0.0, 0.0)
  for row in outputs.indices {
    let (x, y) = (outputs[row], labels[row])
    sum += weights[row] * (isBinary ? max(x, 0) + log1p(exp(-x.magnitude)) - y * x : (x - y) * (x - y))
    all += weights[row]
  }
  return all > 0 ? sum / all : 0
}

/// Throws where nothing can be learned from the training rows.
func checkTrainable(_ data: TableDataset) throws(TrainingError) {
  let rows = data.rows(.training)
  guard !rows.isEmpty else {
    throw .data(problem: "the table has no training row", advice: "prepare it with another --split or --split-ratio")
  }
  var weights: (negative: Double, positive: Double) = (0, 0)
  for row in rows {
    let weight = Double(data.weights?[row] ?? 1)
    if data.labels[row] == 1 { weights.positive += weight } else { weights.negative += weight }
  }
  guard weights.negative + weights.positive > 0 else {
    throw .data(
      problem: "the weight of all \(rows.count) training rows is 0", advice: "give some of them weight, or leave out --weight")
  }
  guard data.description.task == .binary, weights.positive == 0 || weights.negative == 0 else { return }
  throw .data(
    problem: "all training rows with weight have label \(weights.positive == 0 ? 0 : 1)",
    advice: "give rows of both classes weight")
}

/// The best model of a run on a table, with what encodes rows for it.
public struct TrainedTableModel {
  public let predictor: any TablePredictor
  public let features: Features
  /// What it says about a row.
  public let answers: [TableObjective.Answer]
  /// Whether the first answer is a logit, not a value.
  public var isBinary: Bool { answers[0].kind == .probability }

  /// - Parameter data: a data set that holds the features of runs that have none of their own.
  public init(_ folder: RunFolder, data: String, device: Device) throws {
    features = try Features(path: folder.hasFeatures ? folder.featuresPath : data)
    guard let search = try folder.readSearch() else {
      (predictor, answers) = try makePredictor(folder, features, device: device)
      return
    }
    var (members, answers): ([(any TablePredictor, Double)], [TableObjective.Answer]) = ([], [])
    for record in search.records where record.weight > 0 {
      let member: any TablePredictor
      (member, answers) = try makePredictor(RunFolder("\(folder.path)/\(record.folder)"), features, device: device)
      members.append((member, record.weight))
    }
    (predictor, self.answers) = (BlendPredictor(members: members), answers)
  }

  /// The model of a run on `data`. Throws where it answers labels that the table does not have.
  public init(_ folder: RunFolder, on data: TableDataset, device: Device) throws {
    try self.init(folder, data: data.path, device: device)
    guard answers.allSatisfy({ max($0.label, $0.event ?? 0) < data.description.labels.count }) else {
      throw TrainingError.run(
        path: folder.path, problem: "its model answers labels that \(data.path) does not have", advice: "train again into another --output")
    }
  }
}

/// The best model of a run that is no search, and what it says about a row.
func makePredictor(_ folder: RunFolder, _ features: Features, device: Device) throws -> (
  predictor: any TablePredictor, answers: [TableObjective.Answer]
) {
  let file = try folder.openModel()
  let description = try TableModelDescription(of: file)
  guard description.data == (try folder.readSettings().data) else {
    throw ModelError.damagedFile(path: file.path, problem: "is the model of another run, on \(description.data)")
  }
  let price = description.shape.price
  guard TableShape(features, price: price) == description.shape, price.map({ features.scale(ofNumber: $0.name) != nil }) ?? true else {
    throw TrainingError.run(
      path: folder.path, problem: "its features do not fit its model", advice: "train again into another --output")
  }
  if description.model == TreeTrainer.name {
    guard description.objective.answers.count == 1 else {
      throw ModelError.damagedFile(path: file.path, problem: "trees answer one label, not \(description.objective.answers.count)")
    }
    let trees = try TreeEnsemble(file, description.shape, isList: features.fields.map(\.isMultiValued))
    return (TreePredictor(trees, description.objective), description.objective.answers)
  }
  let (model, _) = try description.makeModel(device: device, seed: 0)
  try load(model.parameters, from: file)
  return (NetworkPredictor(model, features, description.objective), description.objective.answers)
}
