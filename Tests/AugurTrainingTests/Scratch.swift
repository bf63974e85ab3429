// A folder and a small synthetic data set for each test.
import AugurCompute
import AugurEvents
import AugurModels
import AugurTensors
import Foundation
import Testing

@testable import AugurTraining

/// A folder of its own for each test, removed at the end.
final class Scratch {
  let path = NSTemporaryDirectory() + "/augur-test-" + UUID().uuidString
  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(atPath: path) }

  func dataset(events: Int = 6000, items: Int = 120, split: SplitOptions = SplitOptions(.leaveOneOut)) throws -> Dataset {
    try SyntheticLog(events: events, users: events / 15, items: items, seed: 3).write(to: path + "/log.csv")
    try prepareDataset(input: path + "/log.csv", output: path + "/data", options: PrepareOptions(split: split))
    return try Dataset(path: path + "/data")
  }

  /// Items of 12 kinds; class 1 where the kind of the item that is shown is one of the kinds of the history, mostly. With `items` there is a
  /// history of them too.
  func histories(rows: Int, items: Bool = true) throws -> TableDataset {
    var random = RandomStream(seed: 21, stream: 0)
    var text = items ? "kinds,kind,hour,y,seen,item\n" : "kinds,kind,hour,y\n"
    for _ in 0..<rows {
      let (seen, item) = ((0..<random.below(7)).map { _ in random.below(60) }, random.below(60))
      let isClicked = seen.contains { $0 % 12 == item % 12 } != (random.below(20) == 0)
      text += seen.map { "k\($0 % 12)" }.joined(separator: "|") + ",k\(item % 12),h\(random.below(24)),\(isClicked ? 1 : 0)"
      text += items ? "," + seen.map { "i\($0)" }.joined(separator: "|") + ",i\(item)\n" : "\n"
    }
    let file = path + "/histories.csv"
    try text.write(toFile: file, atomically: true, encoding: .utf8)
    var options = TableOptions(label: "y")
    options.histories = [TableHistory("kinds", of: "kind")] + (items ? [TableHistory("seen", of: "item")] : [])
    options.allowsLeaks = true  // short histories repeat themselves
    try prepareTable(inputs: [file], output: path + "/data", options: options)
    return try TableDataset(path: path + "/data")
  }

  /// Class 1 where two fields agree in parity, with some noise: no single feature tells it.
  func table(rows: Int = 4000, isBinary: Bool = true) throws -> TableDataset {
    var random = RandomStream(seed: 9, stream: 0)
    var text = "a,b,tags,x,y\n"
    for _ in 0..<rows {
      let (a, b, x) = (random.below(12), random.below(9), Float(random.below(1000)) / 100)
      let tags = (0..<random.below(4)).map { _ in "t\(random.below(5))" }.joined(separator: "|")
      let isOdd = (a + b) % 2 == 1 && random.below(20) > 0
      text += "a\(a),b\(b),\(tags),\(x),\(isBinary ? (isOdd ? "1" : "0") : "\((isOdd ? 5 : 0) + x)")\n"
    }
    let file = path + "/table.csv"
    try text.write(toFile: file, atomically: true, encoding: .utf8)
    try prepareTable(inputs: [file], output: path + "/data", options: TableOptions(label: "y"))
    return try TableDataset(path: path + "/data")
  }

  /// A run of a table model, to its end. Settings that the model does not know are left out.
  func trained(
    _ model: String, _ data: TableDataset, _ name: String, _ settings: [String: String], seed: UInt64 = 3
  ) throws -> (method: TableMethod, run: any TableRun, model: TrainedTableModel) {
    let method = try #require(TableMethod.named(model))
    var (knobs, plan) = (Hyperparameters(method.modelKnobs), Hyperparameters(method.planKnobs))
    for (name, value) in settings {
      if plan.knows(name) { try plan.set(name, value) } else if knobs.knows(name) { try knobs.set(name, value) }
    }
    let folder = RunFolder("\(path)/\(name)")
    let run = try method.makeRun(knobs, plan, data, device: .cpu, seed: seed, folder: folder, resume: false)
    try folder.create(
      RunSettings(
        model: model, hyperparameters: knobs.all.merging(plan.all) { a, _ in a }, seed: seed, dataPath: data.path, data: data.fingerprint,
        itemCount: 0))
    try folder.keepFeatures(of: data)
    _ = try run.run(shouldStop: { false }, report: { _ in })
    return (method, run, try TrainedTableModel(folder, on: data, device: .cpu))
  }
}
