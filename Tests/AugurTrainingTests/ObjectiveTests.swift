// Several targets at once, and losses of several labels or outputs: each recovers what its rows were drawn from.
import AugurCompute
import AugurEvents
import AugurModels
import AugurTensors
import Foundation
import Testing

@testable import AugurTraining

@Suite(.serialized) struct ObjectiveTests {
  private let scratch: Scratch
  init() throws { scratch = try Scratch() }

  /// A table with the field `g` of 6 groups, and what `row` draws of a group.
  private func table(
    _ header: String, labels: [String], rows: Int = 12_000, _ row: (Int, inout RandomStream) -> String
  ) throws -> TableDataset {
    var random = RandomStream(seed: 4, stream: 0)
    var text = "g,\(header)\n"
    for _ in 0..<rows {
      let group = random.below(6)
      text += "g\(group),\(row(group, &random))\n"
    }
    let file = "\(scratch.path)/table.csv"
    try text.write(toFile: file, atomically: true, encoding: .utf8)
    var options = TableOptions(label: labels[0])
    options.furtherLabels = Array(labels[1...])
    try prepareTable(inputs: [file], output: scratch.path + "/data", options: options)
    return try TableDataset(path: scratch.path + "/data")
  }

  private func exponential(_ random: inout RandomStream) -> Double { -log(1 - random.uniform()) }
  /// Box and Muller.
  private func normal(_ random: inout RandomStream) -> Double {
    (-2 * log(1 - random.uniform())).squareRoot() * cos(2 * .pi * random.uniform())
  }

  /// Trains in a folder of its own and gives the answers for each group, by answer: all rows of a group have one.
  private func answers(
    _ data: TableDataset, _ model: String, _ settings: [String: String] = [:]
  ) throws -> (groups: [[Double]], quality: [TableQuality]) {
    let method = try #require(TableMethod.named(model))
    var (knobs, plan) = (Hyperparameters(method.modelKnobs), Hyperparameters(method.planKnobs))
    let common = ["epochs": "30", "batch": "512", "units": "16", "dropout": "0", "learning-rate": "0.005", "patience": "0", "experts-units": "16"]
    for (name, value) in common.merging(settings, uniquingKeysWith: { $1 }) {
      if plan.knows(name) { try plan.set(name, value) } else if knobs.knows(name) { try knobs.set(name, value) }
    }
    let folder = RunFolder("\(scratch.path)/run-\(UUID().uuidString)")
    try folder.create(
      RunSettings(
        model: model, hyperparameters: knobs.all.merging(plan.all) { a, _ in a }, seed: 5, dataPath: data.path, data: data.fingerprint,
        itemCount: 0))
    let run = try method.makeRun(knobs, plan, data, device: .cpu, seed: 5, folder: folder, resume: false)
    _ = try run.run(shouldStop: { false }, report: { _ in })
    let trained = try TrainedTableModel(folder, data: data.path, device: .cpu)
    let outputs = outputs(of: trained.predictor, on: data, .test)
    var groups = [[Double]](repeating: [Double](repeating: .nan, count: 6), count: outputs.count)
    for (place, row) in data.rows(.test).enumerated() {
      // Ids go by falling count: the group is read back from the features.
      let group = try group(of: Int(data.ids(0)[row]), data)
      for answer in outputs.indices { groups[answer][group] = Double(outputs[answer][place]) }
    }
    return (groups, zip(trained.answers, outputs).map { TableQuality($1, data, .test, $0, intervals: false) })
  }

  private func group(of id: Int, _ data: TableDataset) throws -> Int {
    try #require((0..<6).first { (try? data.features.encode(["g": "g\($0)"]).ids[0]) == Int32(id) })
  }

  private func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

  @Test(arguments: ["mlp", "dcnv2", "mmoe", "ple"]) func everyTargetIsLearned(_ model: String) throws {
    let data = try table("view,buy,spend", labels: ["view", "buy", "spend"]) { group, random in
      let buy = random.uniform() < 0.1 + 0.1 * Double(5 - group) ? 1 : 0
      return "\(random.uniform() < 0.2 + 0.1 * Double(group) ? "yes" : "no"),\(buy),\(3 * Double(group % 3) + 0.1 * normal(&random))"
    }
    #expect(data.description.labels.map(\.name) == ["view", "buy", "spend"])
    #expect(data.description.labels.map(\.task) == [.binary, .binary, .regression])
    let (groups, quality) = try answers(data, model)
    for group in 0..<6 {
      #expect(abs(sigmoid(groups[0][group]) - (0.2 + 0.1 * Double(group))) < 0.06, "\(model) \(groups[0])")
      #expect(abs(sigmoid(groups[1][group]) - (0.6 - 0.1 * Double(group))) < 0.06, "\(model) \(groups[1])")
      #expect(abs(groups[2][group] - 3 * Double(group % 3)) < 0.2, "\(model) \(groups[2])")
    }
    #expect(quality[0]["AUC"] != nil && quality[2]["RMSE"] != nil)
  }

  /// Conversions are seen after clicks alone, yet the answer is about every impression.
  @Test func conversionOverAllImpressions() throws {
    func click(_ group: Int) -> Double { [0.1, 0.2, 0.5, 0.6, 0.3, 0.9][group] }
    func conversion(_ group: Int) -> Double { [0.8, 0.1, 0.3, 0.7, 0.5, 0.2][group] }
    let data = try table("click,conversion", labels: ["click", "conversion"], rows: 24_000) { group, random in
      let isClick = random.uniform() < click(group)
      return "\(isClick ? 1 : 0),\(isClick && random.uniform() < conversion(group) ? 1 : 0)"
    }
    let (groups, quality) = try answers(data, "esmm")
    for group in 0..<6 {
      #expect(abs(sigmoid(groups[0][group]) - click(group)) < 0.05, "\(groups[0])")
      #expect(abs(sigmoid(groups[1][group]) - click(group) * conversion(group)) < 0.05, "\(groups[1])")
    }
    let ratio = try #require(quality[1]["calibration"])
    #expect(abs(ratio - 1) < 0.1)
  }

  /// Many conversions have not come yet when the table is made: plain BCE takes them for none.
  @Test func delayedConversionsAreNotMissed() throws {
    func rate(_ group: Int) -> Double { 0.15 + 0.12 * Double(group) }
    func delay(_ group: Int) -> Double { group % 2 == 0 ? 2 : 5 }
    let data = try table("converted,days", labels: ["converted", "days"], rows: 30_000) { group, random in
      let (passed, wait) = (8 * random.uniform(), delay(group) * exponential(&random))
      let hasCome = random.uniform() < rate(group) && wait <= passed
      return "\(hasCome ? 1 : 0),\(hasCome ? wait : passed)"
    }
    let late = try answers(data, "mlp", ["loss": "delayed", "epochs": "120"]).groups[0].map(sigmoid)
    var (seen, all) = ([Double](repeating: 0, count: 6), [Double](repeating: 0, count: 6))
    for row in 0..<data.rowCount {
      let group = try group(of: Int(data.ids(0)[row]), data)
      (seen[group], all[group]) = (seen[group] + Double(data.labels[row]), all[group] + 1)
    }
    for group in 0..<6 {
      #expect(abs(late[group] - rate(group)) < 0.08 * max(1, rate(group) * 2), "\(late)")
      // What plain BCE can at best learn.
      #expect(seen[group] / all[group] < 0.8 * rate(group))
    }
    let mean = (0..<6).reduce(0) { $0 + late[$1] / 6 }, truth = (0..<6).reduce(0) { $0 + rate($1) / 6 }
    #expect(abs(mean / truth - 1) < 0.06, "\(mean) of \(truth)")
  }

  /// A third of the times are cut off; the median is that of the times themselves.
  @Test func timesToAnEvent() throws {
    let data = try table("days,churned", labels: ["days", "churned"], rows: 20_000) { group, random in
      let (time, end) = (10 * Double(1 + group) * exponential(&random).squareRoot(), 120 * random.uniform())
      return "\(Int(min(time, end))),\(time <= end ? 1 : 0)"
    }
    let (groups, quality) = try answers(data, "mlp", ["loss": "survival", "epochs": "60"])
    for group in 0..<6 {
      let median = 10 * Double(1 + group) * log(2.0).squareRoot()
      #expect(abs(groups[0][group] / median - 1) < 0.12, "\(groups[0])")
    }
    #expect(try #require(quality[0]["C-index"]) > 0.65)
  }

  /// Most customers spend nothing: the mean counts them.
  @Test func valuesManyOfWhichAreZero() throws {
    func chance(_ group: Int) -> Double { 0.1 + 0.1 * Double(group) }
    let data = try table("spend", labels: ["spend"], rows: 30_000) { group, random in
      random.uniform() < chance(group) ? "\(exp(1 + 0.3 * Double(group) + 0.5 * normal(&random)))" : "0"
    }
    let groups = try answers(data, "mlp", ["loss": "lognormal"]).groups[0]
    for group in 0..<6 {
      let mean = chance(group) * exp(1 + 0.3 * Double(group) + 0.125)
      #expect(abs(groups[group] / mean - 1) < 0.15, "\(groups)")
    }
  }

  @Test func quantilesAndCounts() throws {
    let data = try table("sold", labels: ["sold"], rows: 20_000) { group, random in
      // A count with the mean 1 + group.
      var (count, sum) = (0, exponential(&random))
      while sum < 1 + Double(group) { (count, sum) = (count + 1, sum + exponential(&random)) }
      return "\(count)"
    }
    let means = try answers(data, "mlp", ["loss": "poisson"]).groups[0]
    let high = try answers(data, "mlp", ["loss": "quantile", "quantile": "0.9", "epochs": "60"])
    for group in 0..<6 { #expect(abs(means[group] / (1 + Double(group)) - 1) < 0.1 && high.groups[0][group] > means[group], "\(means)") }
    let share = data.rows(.test).filter { row in
      (try? group(of: Int(data.ids(0)[row]), data)).map { Double(data.labels[row]) <= high.groups[0][$0] + 0.5 } == true
    }
    #expect(abs(Double(share.count) / Double(data.rows(.test).count) - 0.9) < 0.05 && high.quality[0]["quantile@0.9"] != nil)
  }

  @Test func labelsThatDoNotFitAreNamed() throws {
    let data = try table("converted,days", labels: ["converted", "days"], rows: 300) { _, random in
      "\(random.below(2)),\(random.below(30) - 3)"
    }
    func problem(_ model: String, _ settings: [String: String]) -> String {
      do { _ = try answers(data, model, settings) } catch { return "\(error)" }
      return "nothing"
    }
    #expect(problem("mlp", ["loss": "survival"]).contains("reads labels of numbers, then two classes"))
    #expect(problem("mlp", ["loss": "delayed"]).contains("label 'days' is -"))
    #expect(problem("fm", [:]).contains("ask for 2; take one of mlp, dcnv2, mmoe, ple, esmm"))
    #expect(problem("gbdt", [:]).contains("answers one label, the table has 2"))
    #expect(problem("mlp", ["label-weights": "1-2-3"]).contains("expected one number or 2, got 3"))
    #expect(problem("mlp", ["positive-weight": "2"]).contains("one label of two classes"))
    #expect(problem("esmm", [:]).contains("entire-space reads labels of two classes, then two classes"))
  }
}
