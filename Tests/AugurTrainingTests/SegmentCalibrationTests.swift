// Maps of probabilities by the value of a column: which values have one, what they mend, and what a run keeps of them.
import AugurCompute
import AugurEvents
import AugurMetrics
import AugurModels
import Foundation
import OpCases
import Testing

@testable import AugurTraining

@Suite struct SegmentCalibrationTests {
  /// Logits of the truth, 1.5 too high in segment 1, 1 too low in segment 2; segment 3 has few rows and 0 is no value.
  private struct Planted {
    var (ids, truth, labels, logits): ([Int32], [Double], [Double], [Float]) = ([], [], [], [])

    init() {
      for row in 0..<9000 {
        let id: Int32 = row % 1000 == 0 ? 3 : row % 500 == 1 ? 0 : Int32(row % 2 + 1)
        let x: Double = 4 * fixedValue(row, 1) - 3
        let shift: Double = id == 1 ? 1.5 : id == 2 ? -1 : 0
        let p: Double = 1 / (1 + exp(-x))
        ids.append(id)
        truth.append(x)
        labels.append(fixedValue(row, 2) < 2 * p - 1 ? 1 : 0)
        logits.append(Float(x + shift))
      }
    }

    func calibration(_ method: String, rows: Int = 1000) throws -> TableCalibration {
      let segments = TableCalibration.SegmentRows(column: "shop", field: 0, ids: ids, name: { "s\($0)" })
      let plan = CalibrationPlan(method, segment: "shop", segmentRows: rows)
      return try #require(try TableCalibration(plan, logits: logits, labels: labels, weights: nil, segments: segments))
    }
  }

  @Test(arguments: ["platt", "isotonic"])
  func valuesWithRowsAreMendedOnTheirOwn(_ method: String) throws {
    let planted = Planted()
    let made = try planted.calibration(method)
    let segments = try #require(made.segments)
    #expect(segments.own.map(\.value) == ["s1", "s2"] && segments.column == "shop")
    let (mapped, others) = (segments.own.reduce(0) { $0 + $1.rows }, planted.ids.count { $0 == 0 || $0 == 3 })
    #expect(mapped + others == planted.ids.count)
    let (high, low) = (try #require(segments.own[0].ratioBefore), try #require(segments.own[1].ratioBefore))
    #expect(high > 1.2 && low < 0.8)
    #expect(segments.own.allSatisfy { abs(($0.ratio ?? 0) - 1) < 0.01 } && made.isTrusted)
    for (segment, shift) in zip(segments.own, [1.5, -1]) {
      let errors = stride(from: -1.5, through: 0.5, by: 0.125).map { x in
        abs(segment.calibrator.probability(x + shift) - 1 / (1 + exp(-x)))
      }
      let mean = errors.reduce(0, +) / Double(errors.count)
      #expect(mean < 0.03, "\(segment.value): \(errors)")
    }
    #expect(try JSONDecoder().decode(TableCalibration.self, from: JSONEncoder().encode(made)) == made)
    let fewer = try planted.calibration(method, rows: 5000)
    #expect(fewer.segments?.own.isEmpty == true)
    let whole = try #require(try TableCalibration(method, logits: planted.logits, labels: planted.labels, weights: nil))
    #expect(fewer.calibrator == whole.calibrator && made.calibrator == whole.calibrator)
  }

  @Test func manyOthersShareAMapOfTheirs() throws {
    let planted = Planted()
    // Every row of segment 2 has a value of its own.
    let ids = planted.ids.enumerated().map { $1 == 2 ? Int32(10 + $0) : $1 }
    let segments = TableCalibration.SegmentRows(column: "shop", field: 0, ids: ids, name: { "s\($0)" })
    let made = try #require(
      try TableCalibration(CalibrationPlan("platt", segment: "shop"), logits: planted.logits, labels: planted.labels, weights: nil, segments: segments))
    #expect(made.segments?.own.map(\.value) == ["s1"] && made.isTrusted)
    #expect(abs(made.calibrator.probability(-2) - 1 / (1 + exp(1))) < 0.04, "\(made.calibrator)")
  }

  @Test func oneSegmentThatIsOffIsNotTrusted() throws {
    // One scale for the logits of each segment moves no sum to where it belongs.
    let made = try Planted().calibration("temperature")
    #expect(!made.isTrusted)
    #expect(made.distrust.contains("validation rows with shop = s1 is") || made.distrust.contains("its validation rows is"))
  }

  @Test func aRunKeepsItsMapsAndAnswersUnseenValuesByTheSharedOne() throws {
    let scratch = try Scratch()
    // What a shop does to x is nothing that one weight each can say.
    var text = "shop,x,y\n"
    for row in 0..<6000 {
      let shop = row % 40 == 0 ? "rare\(row)" : "s\(row % 2)"
      let x = fixedValue(row, 3)
      let p = shop == "s0" ? 0.2 + 0.6 * abs(x) : shop == "s1" ? 0.8 - 0.6 * abs(x) : 0.3
      text += "\(shop),\(x),\((fixedValue(row, 4) + 1) / 2 < p ? 1 : 0)\n"
    }
    try text.write(toFile: scratch.path + "/t.csv", atomically: true, encoding: .utf8)
    try prepareTable(inputs: [scratch.path + "/t.csv"], output: scratch.path + "/data", options: TableOptions(label: "y"))
    let data = try TableDataset(path: scratch.path + "/data")
    let method = try #require(TableMethod.named("logistic-regression"))
    var plan = Hyperparameters(method.planKnobs)
    for (name, value) in [("epochs", "3"), ("batch", "64"), ("calibration-segment", "shop"), ("calibration-segment-rows", "100")] {
      try plan.set(name, value)
    }
    let folder = RunFolder(scratch.path + "/run")
    let run = try method.makeRun(Hyperparameters(method.modelKnobs), plan, data, device: .cpu, seed: 1, folder: folder, resume: false)
    try folder.create(
      RunSettings(model: method.name, hyperparameters: plan.all, seed: 1, dataPath: data.path, data: data.fingerprint, itemCount: 0))
    try folder.keepFeatures(of: data)
    _ = try run.run(shouldStop: { false }, report: { _ in })
    let model = try TrainedTableModel(folder, on: data, device: .cpu)
    #expect(try folder.readCalibrationStates(model) == [.missing])
    let made = try #require(try folder.calibrate(CalibrationPlan(plan), model, on: data)[0])
    #expect(try folder.readCalibrationStates(model) == [.fitted(made)])
    #expect(made.segments?.own.map(\.value).sorted() == ["s0", "s1"])
    let logits = outputs(of: model.predictor, on: data, .test)[0]
    let (promised, ids) = (made.probabilities(logits, data.columns, data.rows(.test)), data.ids(0))
    for (place, row) in data.rows(.test).enumerated() {
      let map = made.segments?.own.first { $0.id == ids[row] }?.calibrator ?? made.calibrator
      #expect(promised[place] == map.probability(Double(logits[place])))
    }
    let qualities = try made.segmentQualities(logits, data, .test, model.answers[0])
    #expect(qualities.map(\.value).sorted() == ["others", "s0", "s1"])
    #expect(qualities.map(\.rows).reduce(0, +) == data.rows(.test).count)
    // Another place for its column: refused, not taken for another column.
    let path = scratch.path + "/run/calibration.json"
    let file = try String(contentsOfFile: path, encoding: .utf8).replacing("\"field\" : 0", with: "\"field\" : 7")
    try file.write(toFile: path, atomically: true, encoding: .utf8)
    #expect(throws: TrainingError.self) { try folder.readCalibrations(model) }
    for (name, words) in [("x", "is a number"), ("shpo", "did you mean 'shop'?"), ("none of these", "take one of shop")] {
      let error = #expect(throws: ModelError.self) {
        try CalibrationPlan("platt", segment: name).field(in: data.features, model.answers)
      }
      #expect(error?.description.contains(words) == true, "\(name): \(String(describing: error))")
    }
  }
}
