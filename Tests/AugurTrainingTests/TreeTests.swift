// Boosted trees: splits against every split there is, bits on any number of threads, missing numbers, and files that are refused.
import AugurCompute
import AugurEvents
import AugurModels
import AugurTensors
import Foundation
import OpCases
import Testing

@testable import AugurTraining

@Suite(.serialized) struct TreeTests {
  /// R rows of two numbers, some missing in the second, and a category of six values.
  private struct Example {
    let features: [FeatureBins] = [
      .number(.number(0, missing: nil), edges: [-0.5, 0, 0.5]), .number(.number(1, missing: 2), edges: [-0.6, -0.2, 0.1, 0.7]),
      .category(.field(0), bins: [0, 1, 2, 3, 4, 5]),
    ]
    let rows: BinnedRows
    let g: [Double]
    let h: [Double]

    init(_ R: Int, salt: Int) {
      let second = (0..<R).map { row in fixedValue(row, salt + 1) < -0.7 ? Float.nan : Float(fixedValue(row, salt + 2)) }
      let columns: [[UInt8]] = [
        (0..<R).map { row in [-0.5, 0, 0.5].withUnsafeBufferPointer { FeatureBins.bin(Float(fixedValue(row, salt)), $0) } },
        second.map { value in [-0.6, -0.2, 0.1, 0.7].withUnsafeBufferPointer { FeatureBins.bin(value, $0) } },
        (0..<R).map { UInt8(($0 * 7 + salt) % 6) },
      ]
      rows = BinnedRows(rowCount: R, featureCount: 3, bins: columns.flatMap { $0 })
      g = (0..<R).map { fixedValue($0, salt + 3) }
      h = (0..<R).map { 0.1 + abs(fixedValue($0, salt + 4)) }
    }

    /// - Parameter scale: of the labels; a power of two.
    func grow(_ limits: TreeLimits, scale: Double = 1) -> (DecisionTree, [Float]) {
      let unit = SIMD2(0x1p-30, 0x1p-30)
      let derivatives = zip(g, h).map { Derivatives((SIMD2($0, $1) / unit).rounded(.toNearestOrEven)) }
      var grower = TreeGrower(
        rows, features, sample: Array(0..<Int32(rows.rowCount)), used: [0, 1, 2], derivatives, unit: unit * SIMD2(scale, 1), limits)
      let tree = grower.tree()
      var values = [Float](repeating: .nan, count: rows.rowCount)
      grower.forEachLeaf { leaf, value in for row in leaf { values[Int(row)] = value } }
      return (tree, values)
    }

    /// G^2 / (H + l2) of the rows where `isIn` is true.
    func score(_ l2: Double, _ isIn: (Int) -> Bool) -> (score: Double, h: Double) {
      var (sumG, sumH) = (0.0, 0.0)
      for row in g.indices where isIn(row) { (sumG, sumH) = (sumG + g[row], sumH + h[row]) }
      return (sumG * sumG / (sumH + l2), sumH)
    }

    /// The largest gain of any division by one input: every edge with missing numbers on either side, every set of categories.
    func bestGain(l2: Double) -> Double {
      let (R, all) = (rows.rowCount, score(l2) { _ in true }.score)
      var best = 0.0
      func take(_ isLeft: (Int) -> Bool) {
        let (left, right) = (score(l2, isLeft), score(l2) { !isLeft($0) })
        if left.h > 0, right.h > 0 { best = max(best, left.score + right.score - all) }
      }
      for (feature, bins) in [(0, 4), (1, 5)] {
        for edge in 1...bins {
          for missingLeft in [false, true] {
            take { row in
              let bin = rows.bins[feature * R + row]
              return bin == 0 ? missingLeft : bin <= edge
            }
          }
        }
      }
      for set in 1..<63 { take { set >> Int(rows.bins[2 * R + $0]) & 1 == 1 } }
      return best
    }
  }

  private let free = TreeLimits(
    leaves: 2, leafRows: 0, leafWeight: 0, l2: 0, categoryL2: 0, categorySmoothing: 0, learningRate: 1)

  @Test(arguments: [2, 3, 20, 61, 500]) func theFirstSplitIsTheBestThereIs(_ R: Int) throws {
    for salt in 50..<62 {
      let example = Example(R, salt: salt)
      let (tree, _) = example.grow(free)
      let root = tree.nodes[0]
      func goesLeft(_ row: Int) -> Bool {
        tree.sets.withUnsafeBufferPointer { DecisionTree.goesLeft(example.rows.bins[Int(root.feature) * R + row], root, $0) }
      }
      guard root.feature >= 0 else {
        #expect(example.bestGain(l2: 0) < 1e-6)
        continue
      }
      let (left, right) = (example.score(0, goesLeft), example.score(0) { !goesLeft($0) })
      let gain = left.score + right.score - example.score(0) { _ in true }.score
      let best = example.bestGain(l2: 0)
      #expect(abs(gain - best) <= 1e-6 * max(1, best), "\(R) rows, salt \(salt): gain \(gain), best \(best)")
      for (child, isLeft) in [(root.left, true), (root.right, false)] {
        let own = example.g.indices.filter { goesLeft($0) == isLeft }
        let expected = -own.reduce(0) { $0 + example.g[$1] } / own.reduce(0) { $0 + example.h[$1] }
        #expect(abs(Double(tree.nodes[Int(child)].value) - expected) <= 1e-5 * max(1, abs(expected)))
      }
    }
  }

  @Test func leavesAreWhatTheTreeSays() {
    let example = Example(700, salt: 70)
    for limits in [TreeLimits(leaves: 40, leafRows: 5), TreeLimits(leaves: 64, depth: 3, leafRows: 1)] {
      let (tree, values) = example.grow(limits)
      var outputs = [Float](repeating: 0, count: 700)
      outputs.withUnsafeMutableBufferPointer { tree.add(to: $0, example.rows, 0..<700) }
      #expect(outputs == values)
      let leaves = tree.nodes.count { $0.feature < 0 }
      #expect(leaves <= (limits.depth == 3 ? 8 : 40) && leaves > 4)
    }
  }

  @Test func theUnitOfTheLabelDoesNotMatter() {
    let example = Example(400, salt: 71)
    let limits = TreeLimits(leaves: 20, leafRows: 5)
    let (tree, _) = example.grow(limits)
    #expect(tree.nodes.count > 9)
    for scale in [0x1p-60, 0x1p60] {
      var (other, _) = example.grow(limits, scale: scale)
      for node in other.nodes.indices { other.nodes[node].value /= Float(scale) }
      #expect(other == tree, "scale \(scale)")
    }
  }

  @Test func manyRowsHaveOneTreeOnAnyThreads() {
    let example = Example(40_000, salt: 72)
    #expect(example.rows.rowCount / 4 * 3 >= TreeGrower.leastShared, "the leaves are too small for two threads")
    let threads = ThreadPool.shared.threads
    defer { ThreadPool.shared.threads = threads }
    let trees = [1, 2, 3].map { threads in
      ThreadPool.shared.threads = threads
      return example.grow(TreeLimits(leaves: 31)).0
    }
    #expect(trees[0].nodes.count == 61 && trees[0] == trees[1] && trees[0] == trees[2])
  }

  @Test func edgesHoldRowsAlike() {
    #expect(edges(of: []) == [] && edges(of: [3, 3, .nan]) == [])
    #expect(edges(of: [1, 2, 2, 4, .nan]) == [1.5, 3])
    let (a, b) = (Float(1), Float(1).nextUp)
    #expect(edges(of: [a, b]) == [a])  // half way rounds to one of them
    let many = edges(of: (0..<100_000).map { Float($0 % 5 == 0 ? -1 : $0) })
    #expect(many.count <= 254 && many.count > 240 && zip(many, many.dropFirst()).allSatisfy { $0 < $1 })
    var counts = [Int](repeating: 0, count: many.count + 2)
    many.withUnsafeBufferPointer { edges in
      for value in 0..<100_000 where value % 5 != 0 { counts[Int(FeatureBins.bin(Float(value), edges))] += 1 }
    }
    #expect(counts.max() ?? 0 < 500, "\(counts)")
  }

  private func run(_ data: TableDataset, _ output: String, _ settings: [String: String] = [:], resume: Bool = false) throws
    -> TreeTrainer
  {
    let method = try #require(TableMethod.named("gbdt"))
    var (knobs, plan) = (Hyperparameters(method.modelKnobs), Hyperparameters(method.planKnobs))
    for (name, value) in settings { if plan.knows(name) { try plan.set(name, value) } else { try knobs.set(name, value) } }
    let folder = RunFolder(output)
    if !resume {
      try folder.create(
        RunSettings(model: "gbdt", hyperparameters: knobs.all, seed: 5, dataPath: data.path, data: data.fingerprint, itemCount: 0)
      )
    }
    return try #require(
      try method.makeRun(knobs, plan, data, device: .cpu, seed: 5, folder: folder, resume: resume) as? TreeTrainer)
  }

  @Test func treesLearnWhatNoSingleFeatureTells() throws {
    let scratch = try Scratch()
    let data = try scratch.table()
    let trainer = try run(data, scratch.path + "/run", ["epochs": "200", "leaves": "15"])
    _ = try trainer.run()
    let model = try TrainedTableModel(RunFolder(scratch.path + "/run"), data: data.path, device: .cpu)
    let quality = TableQuality(outputs(of: model.predictor, on: data, .test)[0], data, .test, model.answers[0], intervals: false)
    #expect(try #require(quality["AUC"]) > 0.9)
    // Losses of training fall tree by tree; the best trees by validation are kept.
    #expect(zip(trainer.history, trainer.history.dropFirst()).allSatisfy { $0.loss > $1.loss })
    #expect(trainer.history.max { ($0.metric ?? 0) < ($1.metric ?? 0) }?.isBest == true)
  }

  @Test func valuesAreLearnedByTrees() throws {
    let scratch = try Scratch()
    let data = try scratch.table(isBinary: false)
    _ = try run(data, scratch.path + "/run", ["epochs": "300"]).run()
    let model = try TrainedTableModel(RunFolder(scratch.path + "/run"), data: data.path, device: .cpu)
    let quality = TableQuality(outputs(of: model.predictor, on: data, .test)[0], data, .test, model.answers[0], intervals: false)
    #expect(try #require(quality["RMSE"]) < 1.6)  // the mean alone: 3.8
  }

  @Test func stoppedTreesEndWithTheBytesOfWholeOnes() throws {
    let scratch = try Scratch()
    let data = try scratch.table(rows: 40_000)
    let settings = ["epochs": "25", "row-fraction": "0.7", "feature-fraction": "0.5"]
    // Enough rows that two threads share the histograms of the first leaf.
    let inputs = makeFeatureBins(data.features, data.columns, training: data.rows(.training)).count
    #expect(Double(data.rows(.training).count) * 0.69 * Double(inputs) * 0.5 > Double(TreeGrower.leastShared))
    #expect(try run(data, scratch.path + "/whole", settings).run() == .finished)
    let threads = ThreadPool.shared.threads
    defer { ThreadPool.shared.threads = threads }
    for stop in [1, 8] {
      ThreadPool.shared.threads = stop % 2 + 1
      var left = stop
      let part = try run(data, "\(scratch.path)/stop-\(stop)", settings)
      #expect(
        try part.run(shouldStop: {
          left -= 1
          return left == 0
        }) == .interrupted)
      #expect(try run(data, "\(scratch.path)/stop-\(stop)", settings, resume: true).run() == .finished)
      for file in ["last.safetensors", "best.safetensors"] {
        let (whole, stopped) = (
          FileManager.default.contents(atPath: "\(scratch.path)/whole/\(file)"),
          FileManager.default.contents(atPath: "\(scratch.path)/stop-\(stop)/\(file)")
        )
        #expect(whole != nil && whole == stopped, "\(file) after a stop at tree \(stop)")
      }
    }
  }

  @Test func weightsBeyondTheNumbersAreAnError() throws {
    let scratch = try Scratch()
    func data(_ weight: String) throws -> TableDataset {
      let rows = (0..<400).map { "\($0 % 20),\($0 % 3 == 0 ? "1,\(weight)" : "0,1")\n" }
      try ("x,y,w\n" + rows.joined()).write(toFile: scratch.path + "/table.csv", atomically: true, encoding: .utf8)
      var options = TableOptions(label: "y")
      (options.weight, options.allowsLeaks) = ("w", true)
      try prepareTable(inputs: [scratch.path + "/table.csv"], output: scratch.path + "/\(weight)", options: options)
      return try TableDataset(path: scratch.path + "/\(weight)")
    }
    // The mean rounds to 1, its log-odds are a number.
    let heavy = try run(data("1e30"), scratch.path + "/heavy", ["epochs": "5"])
    _ = try heavy.run()
    #expect((60...75).contains(heavy.trees.base) && heavy.history[0].loss.isFinite, "\(heavy.trees.base)")
    // Less than the least number together: no row of class 1 counts.
    let error = #expect(throws: TrainingError.self) {
      try run(data("1e-43"), scratch.path + "/light", ["epochs": "5", "positive-weight": "1e-6"])
    }
    #expect(error?.description.contains("after 0 trees") == true && error?.isUserMistake == true)
  }

  @Test func aTreeOfOneLeafEndsNothingWhereInputsAreDrawn() throws {
    let scratch = try Scratch()
    let rows = (0..<1200).map { "\($0 % 20),\($0 % 150 == 3 ? 1 : 0),\(($0 % 20 < 10) == ($0 % 7 == 0) ? 1 : 0)\n" }
    try ("x,rare,y\n" + rows.joined()).write(toFile: scratch.path + "/table.csv", atomically: true, encoding: .utf8)
    var options = TableOptions(label: "y")
    options.allowsLeaks = true
    try prepareTable(inputs: [scratch.path + "/table.csv"], output: scratch.path + "/data", options: options)
    let data = try TableDataset(path: scratch.path + "/data")
    // One input a tree; that which few rows have divides none.
    let drawn = try run(data, scratch.path + "/drawn", ["epochs": "60", "feature-fraction": "0.01", "patience": "0"])
    #expect(try drawn.run() == .finished)
    let sizes = drawn.trees.trees.map(\.nodes.count)
    #expect(sizes.count == 60 && sizes.dropLast().contains(1) && (sizes.max() ?? 0) > 1, "\(sizes)")
    let stuck = try run(data, scratch.path + "/stuck", ["epochs": "60", "leaf-rows": "1e9", "patience": "0"])
    #expect(try stuck.run() == .stoppedEarly)
    #expect(stuck.trees.trees.map(\.nodes.count) == [1])
  }

  @Test func inputsFollowTheKindOfTheFeature() throws {
    let scratch = try Scratch()
    // "x:missing" is a number of its own; the hashes of 600 texts are in no order, and one of them is in half of the rows.
    let rows = (0..<2400).map { row in
      let text = row % 2 == 0 ? "often" : "t\(row / 2 % 599)"
      return "\(row % 9 == 0 ? "" : "\(row % 50)"),\(row % 7),\(text),\(text)|t\(row % 80),\(row / 2 % 2)\n"
    }
    try ("x,other,text,tags,y\n" + rows.joined()).write(toFile: scratch.path + "/table.csv", atomically: true, encoding: .utf8)
    let number = #""kind": "numeric", "transform": "none", "missing""#
    let hash = #""kind": "categorical", "buckets": 5000"#
    let list = """
      {"format": "augur-features", "version": 1, "label": {"column": "y"}, "ignored": [], "features": [
        {"column": "x", "name": "x", \(number): "mean"}, {"column": "other", "name": "x:missing", \(number): "mean"},
        {"column": "x", "name": "z", \(number): "indicator"}, {"column": "text", \(hash)},
        {"column": "tags", \(hash), "separator": "|"}]}
      """
    try list.write(toFile: scratch.path + "/features.json", atomically: true, encoding: .utf8)
    var options = TableOptions()
    (options.features, options.allowsLeaks) = (scratch.path + "/features.json", true)
    try prepareTable(inputs: [scratch.path + "/table.csv"], output: scratch.path + "/data", options: options)
    let data = try TableDataset(path: scratch.path + "/data")
    let inputs = makeFeatureBins(data.features, data.columns, training: data.rows(.training))
    #expect(inputs.prefix(3).map(\.source) == [.number(0, missing: nil), .number(1, missing: nil), .number(2, missing: 3)])
    let often = try data.features.encode(["text": "often", "tags": "often"])
    guard case .category(.field(0), let bins) = inputs[3] else {
      Issue.record("\(inputs[3])")
      return
    }
    #expect(bins[Int(often.ids[0])] == 1 && Set(bins).count == FeatureBins.largest && bins.count == 5001)
    // Id 0, then the most frequent.
    let members = inputs.dropFirst(5).map(\.source)
    #expect(members.count == 32 && members[0] == .member(1, id: 0) && members[1] == .member(1, id: often.lists[1][0]))
  }

  @Test func damagedTreesAreRefused() throws {
    let scratch = try Scratch()
    let shape = TableShape(fieldSizes: [6, 4], numberCount: 3)
    let isList = [false, true]
    var trees = TreeEnsemble(features: Example(1, salt: 1).features, base: 0.5)
    trees.features += [.number(.length(1), edges: [0.5, 1.5]), .number(.member(1, id: 2), edges: [0.5])]
    trees.trees = [Example(300, salt: 80).grow(TreeLimits(leaves: 12, leafRows: 5)).0]
    func file(_ change: (inout TreeEnsemble) -> Void) throws -> SafetensorsFile {
      var changed = trees
      change(&changed)
      try writeSafetensors(path: scratch.path + "/trees.safetensors", tensors: changed.tensors)
      return try SafetensorsFile(path: scratch.path + "/trees.safetensors")
    }
    #expect(try TreeEnsemble(file { _ in }, shape, isList: isList) == trees)
    let changes: [(inout TreeEnsemble) -> Void] = [
      { $0.base = .nan }, { $0.trees[0].nodes[0].left = 0 }, { $0.trees[0].nodes[0].right = 500 },
      { $0.trees[0].nodes[0].feature = 5 },
      { $0.trees[0].nodes[0].feature = -2 }, { $0.trees[0].nodes[0].isCategory.toggle() }, { $0.trees[0].sets = [] },
      { $0.features[2] = .category(.field(0), bins: [0, 1]) },
      { $0.features[2] = .category(.field(1), bins: [0, 1, 2, 3]) },
      { $0.features[2] = .category(.field(2), bins: [0, 1, 2, 3, 4, 5]) },
      { $0.features[3] = .number(.length(0), edges: [0.5]) }, { $0.features[3] = .number(.length(2), edges: [0.5]) },
      { $0.features[4] = .number(.member(0, id: 2), edges: [0.5]) }, { $0.features[4] = .number(.member(2, id: 2), edges: [0.5]) },
      { $0.features[0] = .number(.number(3, missing: nil), edges: [0]) },
      { $0.features[0] = .number(.number(0, missing: nil), edges: [1, 0]) },
      { $0.trees[0].nodes = [] }, { $0.features.removeLast(3) },
    ]
    for (place, change) in changes.enumerated() {
      let damaged = try file(change)
      #expect(throws: ModelError.self, "change \(place)") { try TreeEnsemble(damaged, shape, isList: isList) }
    }
  }
}
