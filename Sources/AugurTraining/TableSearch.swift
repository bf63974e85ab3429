// `auto`: a few models with a few settings each, judged on the validation rows alone, and a blend of the best.
import AugurEvents
public import AugurModels
import AugurTensors
import Foundation

/// One model of a search.
public struct SearchRecord: Codable, Sendable, Equatable {
  public let model: String
  /// What differs from its standard settings.
  public let settings: [String: String]
  /// Of the validation rows: logloss, or the mean square.
  public let loss: Double
  /// AUC of the validation rows; nil for values.
  public let auc: Double?
  /// Numbers that were learned.
  public let parameters: Int
  /// Share of it in the blend.
  public var weight = 0.0
  /// Below the folder of the run.
  public let folder: String
}

/// What a search came to.
public struct SearchOutcome: Codable, Sendable, Equatable {
  public var records: [SearchRecord]
  /// Of the blend, on the validation rows.
  public var loss: Double
  public var auc: Double?
}

/// A search in one folder: each model is a run below it.
public final class TableSearch: TableRun {
  public static let name = "auto"
  public static let planKnobs: [Hyperparameter] = [
    .choice("blend", "yes", of: ["yes", "no"], "mix models, or take the best one alone"),
    .integer("members", 10, in: 1...100, "models that a blend draws, with replacement"),
    .choice("networks", "yes", of: ["yes", "no"], "try networks beside trees and logistic regression"),
  ] + judgeKnobs + negativeKnobs

  private struct Candidate {
    let model: String
    let settings: [String: String]
  }

  public let knobs: Hyperparameters
  public let history: [EpochRecord] = []
  public private(set) var outcome: SearchOutcome?
  private let data: TableDataset
  private let judge: TableJudge
  /// Whether the loss chooses, which is what `auto` stands for here.
  private let isByLoss: Bool
  private let device: Device
  private let seed: UInt64
  private let folder: RunFolder

  init(
    _ objective: TableObjective, plan: Hyperparameters, data: TableDataset, device: Device, seed: UInt64, folder: RunFolder
  ) throws {
    try checkTrainable(data)
    guard !data.rows(.validation).isEmpty else {
      throw TrainingError.data(
        problem: "the table has no validation row to choose by", advice: "prepare it with another --split-ratio")
    }
    (knobs, self.data, self.device, self.seed, self.folder) = (plan, data, device, seed, folder)
    judge = try TableJudge(data, objective.answers[0], plan)
    isByLoss = plan.choice("metric") == "auto" || judge.name == nil
  }

  public var words: String { "\(candidates.count) models, judged on \(data.rows(.validation).count) validation rows" }
  public var parameterCount: Int { outcome?.records.filter { $0.weight > 0 }.reduce(0) { $0 + $1.parameters } ?? 0 }

  /// Few, and different: what one misses another may see.
  private var candidates: [Candidate] {
    let batch = data.rows(.training).count > 100_000 ? "4096" : "256"
    let trees: [[String: String]] = [
      ["leaves": "15"], ["leaves": "7"], ["leaves": "7", "feature-fraction": "0.5"],
      ["leaves": "7", "feature-fraction": "0.5", "row-fraction": "0.7", "l2": "5"], ["leaves": "4", "feature-fraction": "0.5"],
      ["leaves": "31", "feature-fraction": "0.3", "learning-rate": "0.03"],
    ]
    var all = trees.map { Candidate(model: TreeTrainer.name, settings: $0) }
    all.append(Candidate(model: "logistic-regression", settings: ["batch": batch, "learning-rate": "0.01", "patience": "5"]))
    guard knobs.choice("networks") == "yes" else { return all }
    let small = ["batch": batch, "units": "64-64", "dropout": "0.3", "patience": "5"]
    all.append(Candidate(model: "deepfm", settings: small.merging(["embedding-l2": "0.001"]) { a, _ in a }))
    all.append(Candidate(model: "mlp", settings: small.merging(["dim": "4", "embedding-l2": "0.001"]) { a, _ in a }))
    return all
  }

  public func run(shouldStop: () -> Bool = { false }, report: (TrainingEvent) -> Void = { _ in }) throws(TrainingError)
    -> TrainingEnd
  {
    var (records, outputs): ([SearchRecord], [[Float]]) = ([], [])
    for (place, candidate) in candidates.enumerated() {
      guard let (record, own) = try train(candidate, place, shouldStop) else { return .interrupted }
      records.append(record)
      outputs.append(own)
      report(.candidate(record))
    }
    let members = knobs.choice("blend") == "yes" ? knobs.integer("members") : 1
    let weights = judge.blend(outputs, members: members) { mean in isByLoss ? judge.loss(mean) : judge.score(mean).map { -$0 } ?? .infinity }
    for place in records.indices { records[place].weight = weights[place] }
    let mixed = Self.mixed(outputs, weights)
    let outcome = SearchOutcome(records: records, loss: judge.loss(mixed.map(Double.init)), auc: judge.auc(mixed))
    try folder.write(outcome, to: folder.searchPath)
    self.outcome = outcome
    return .finished
  }

  /// Nil when interrupted.
  private func train(_ candidate: Candidate, _ place: Int, _ shouldStop: () -> Bool) throws(TrainingError) -> (
    SearchRecord, [Float]
  )? {
    do {
      guard let method = TableMethod.named(candidate.model) else { preconditionFailure("search: no model \(candidate.model)") }
      var (model, plan) = (Hyperparameters(method.modelKnobs), Hyperparameters(method.planKnobs))
      for (name, value) in candidate.settings.sorted(by: { $0.key < $1.key }) {
        if plan.knows(name) { try plan.set(name, value) } else { try model.set(name, value) }
      }
      for knob in negativeKnobs + judgeKnobs { try plan.set(knob.name, knobs.all[knob.name] ?? knob.standard) }
      let path = "members/\(place)-\(candidate.model)"
      let own = RunFolder("\(folder.path)/\(path)")
      let isThere = own.holdsCheckpoint
      let run = try method.makeRun(model, plan, data, device: device, seed: seed, folder: own, resume: isThere)
      if !isThere {
        try own.create(
          RunSettings(
            model: method.name, hyperparameters: model.all.merging(plan.all) { a, _ in a }, seed: seed, dataPath: data.path,
            data: data.fingerprint, itemCount: 0))
      }
      guard try run.run(shouldStop: shouldStop, report: { _ in }) != .interrupted else { return nil }
      let predictor = try makePredictor(own, data.features, device: device)
      let outputs = outputs(of: predictor.predictor, on: data, .validation)[0]
      let record = SearchRecord(
        model: method.name, settings: candidate.settings, loss: judge.loss(outputs.map(Double.init)), auc: judge.auc(outputs),
        parameters: run.parameterCount, folder: path)
      return (record, outputs)
    } catch let error as TrainingError { throw error } catch {
      throw .data(problem: "\(candidate.model): \(error)", advice: "train the models by name")
    }
  }

  fileprivate static func mixed(_ outputs: [[Float]], _ weights: [Double]) -> [Float] {
    var mixed = [Double](repeating: 0, count: outputs.first?.count ?? 0)
    for (own, weight) in zip(outputs, weights) where weight > 0 {
      for row in mixed.indices { mixed[row] += weight * Double(own[row]) }
    }
    return mixed.map { Float($0) }
  }
}

extension TableJudge {
  /// Weights of a blend: the best one, then, with replacement, what lowers the cost of the mean most (Caruana et al. 2004).
  fileprivate func blend(_ outputs: [[Float]], members: Int, cost: ([Double]) -> Double) -> [Double] {
    var (counts, sum, least) = (
      [Int](repeating: 0, count: outputs.count), [Double](repeating: 0, count: labels.count), Double.infinity
    )
    for member in 1...members {
      var best: (place: Int, loss: Double)?
      for (place, own) in outputs.enumerated() {
        let mean = sum.indices.map { (sum[$0] + Double(own[$0])) / Double(member) }
        let loss = cost(mean)
        if loss < best?.loss ?? least { best = (place, loss) }
      }
      guard let best else { break }
      (counts[best.place], least) = (counts[best.place] + 1, best.loss)
      for row in sum.indices { sum[row] += Double(outputs[best.place][row]) }
    }
    let drawn = max(1, counts.reduce(0, +))
    return counts.map { Double($0) / Double(drawn) }
  }
}

/// A weighted mean of outputs.
struct BlendPredictor: TablePredictor {
  let members: [(predictor: any TablePredictor, weight: Double)]

  func outputs(_ columns: TableColumns, _ range: Range<Int>) -> [[Float]] {
    [TableSearch.mixed(members.map { $0.predictor.outputs(columns, range)[0] }, members.map(\.weight))]
  }
}

extension RunFolder {
  /// What a search chose.
  public var searchPath: String { path + "/search.json" }

  /// Nil for a run that is no search.
  public func readSearch() throws(TrainingError) -> SearchOutcome? {
    guard let bytes = FileManager.default.contents(atPath: searchPath) else { return nil }
    let outcome = try? JSONDecoder().decode(SearchOutcome.self, from: bytes)
    guard let outcome, outcome.records.contains(where: { $0.weight > 0 }),
      outcome.records.allSatisfy({ $0.weight.isFinite && $0.weight >= 0 && !$0.folder.contains("..") })
    else { throw .run(path: searchPath, problem: "is damaged", advice: "train again with another --output") }
    return outcome
  }
}
