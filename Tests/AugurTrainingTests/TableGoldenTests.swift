// Losses of four steps of every table model against the same equations in float64 PyTorch (Tests/Golden/losses.py).
import AugurCompute
import AugurLayers
import AugurModels
import AugurOps
import AugurTensors
import OpCases
import Testing

@testable import AugurTraining

@Suite struct TableGoldenTests {
  private let sizes = [5, 7]
  private let B = 9

  @Test(arguments: [
    ("logistic-regression", [:]), ("mlp", ["units": "6-5", "batch-norm": "yes"]), ("mlp numbers", ["units": "6"]), ("fm", [:]),
    ("deepfm", ["units": "6-5"]), ("dcnv2", ["units": "6-5", "cross-layers": "2"]),
    ("dcnv2 stacked", ["units": "6-5", "cross-layers": "2", "structure": "stacked"]),
    ("finalmlp", ["units": "6-5", "units2": "7", "gate-units": "8", "dropout2": "0", "heads": "1"]),
    ("finalmlp heads", ["units": "6-4", "units2": "6", "gate-units": "8", "dropout2": "0", "heads": "2"]),
    ("mmoe", ["units": "6-5", "experts": "3", "experts-units": "5-4", "gate-units": "3"]),
    ("ple", ["units": "6-5", "experts-units": "5-4", "gate-units": "3"]), ("esmm", ["units": "6-5"]),
    ("din", ["units": "6-5", "attention-units": "5-4"]), ("din softmax", ["units": "6-5", "attention-units": "5-4", "softmax": "yes"]),
    ("bst", ["units": "6-5", "heads": "2"]), ("dien", ["units": "6-5"]),
    ("dien auxiliary", ["units": "6-5", "auxiliary-weight": "0.5", "auxiliary-units": "5-4"]), ("price-response one", ["units": "6-5"]),
    ("price-response value", ["units": "6-5"]), ("price-response all", ["units": "6-5", "elasticity-units": "3"]),
  ] as [(String, [String: String])])
  func lossesAreThoseOfThePapersEquations(_ name: String, _ settings: [String: String]) throws {
    let (model, variant) = (String(name.prefix { $0 != " " }), name.drop { $0 != " " }.dropFirst())
    let entry = try TableModelEntry.named(model)
    var knobs = Hyperparameters(entry.hyperparameters + TrainingPlan.tableKnobs)
    for (key, value) in settings.merging(["dim": "4", "dropout": "0"], uniquingKeysWith: { a, _ in a }) where knobs.knows(key) {
      try knobs.set(key, value)
    }
    for device in Device.available {
      let kinds: [Substring: TablePrice.Elasticity] = ["one": .one, "value": .field(0), "all": .all]
      let price = model == "price-response" ? kinds[variant].map { TablePrice("price", $0) } : nil
      let losses = try train(entry, knobs, device, isDense: name == "mlp numbers", price: price)
      let expected = try #require(goldenLosses[name])
      #expect(losses.count == expected.count)
      for (a, b) in zip(losses, expected) { #expect(abs(a - b) <= 2e-5 * abs(b), "\(name) on \(device): \(losses), not \(expected)") }
    }
  }

  private func train(
    _ entry: TableModelEntry, _ knobs: Hyperparameters, _ device: Device, isDense: Bool, price: TablePrice?
  ) throws -> [Double] {
    let several = ["mmoe", "ple", "esmm"].contains(entry.name)
    let objective = try TableObjective(
      entry.loss, labels: (several ? ["click", "second"] : ["click"]).map { TableObjective.Label($0, isBinary: true) })
    let hasHistory = ["din", "bst", "dien"].contains(entry.name)
    let shape =
      hasHistory
      ? TableShape(fieldSizes: sizes + [sizes[0]], numberCount: 2, histories: [.init(field: 2, target: 0, longest: 4)])
      : TableShape(fieldSizes: isDense ? [] : sizes, numberCount: 2, price: price)
    let model = try entry.makeModel(
      knobs, shape, outputs: objective.outputs, device: device, seed: 1)
    for parameter in model.parameters where parameter.isTrained { assignFixedValues(parameter) }
    let optimizer = Optimizer(model.parameters, knobs)
    let input = makeInput(device, hasHistory: hasHistory, price: price)
    let click = (0..<B).map { fixedValue($0, 31) > 0 ? Float(1) : 0 }
    let second = (0..<B).map { fixedValue($0, 32) > -0.3 ? (entry.name == "esmm" ? click[$0] : 1) : 0 }
    let labels = [click, second].map { Tensor($0, shape: [B], device: device) }
    return (1...4).map { step in
      let tape = Tape()
      let (outputs, own) = model.trainingOutputs(input, Pass(training: tape, seed: 1), scale: 1)
      let asked = objective.loss(outputs, Array(labels.prefix(several ? 2 : 1)), weights: nil, knobs, scale: 1)
      let loss = own.map { add(asked, $0) } ?? asked
      tape.backward(from: loss)
      optimizer.update(step: step, learningRate: 0.01)
      return Double(loss.floats()[0])
    }
  }

  /// Two fields and two numbers a row; perhaps a history of the first field.
  private func makeInput(_ device: Device, hasHistory: Bool, price: TablePrice?) -> TableInput {
    let numbers = (0..<B * 2).map { Float(fixedValue($0, 21)) }
    var (ids, weights): ([Int32], [Float]) = ([], [])
    for row in 0..<B {
      for field in 0..<2 {
        let id = min(sizes[field] - 1, Int((fixedValue(row, 11 + field) + 1) / 2 * Double(sizes[field])))
        ids.append(Int32(id + field * sizes[0]))
        weights.append(1)
      }
      ids += [12, 13]
      weights += numbers[row * 2..<row * 2 + 2]
    }
    return TableInput(
      rowCount: B, values: Lookup(ids, rowCount: 14, device: device),
      features: Jagged(offsets: (0...Int32(B * 4)).map { $0 }, device: device),
      rows: Jagged(offsets: (0...Int32(B)).map { $0 * 4 }, device: device),
      weights: Tensor(weights, shape: [weights.count], device: device), numbers: Tensor(numbers, shape: [B, 2], device: device),
      histories: hasHistory ? [makeHistory(targets: stride(from: 0, to: B * 4, by: 4).map { ids[$0] })] : [],
      price: price.map { price in
        let groups = Lookup(stride(from: 0, to: B * 4, by: 4).map { ids[$0] }, rowCount: sizes[0], device: device)
        return TableInput.Price(
          logarithms: Tensor((0..<B).map { Float(fixedValue($0, 71)) }, shape: [B, 1], device: device),
          groups: price.elasticity == .field(0) ? groups : nil)
      })
  }

  private func makeHistory(targets: [Int32]) -> TableInput.History {
    let offsets: [Int32] = [3, 0, 1, 4, 2, 4, 0, 1, 3].reduce(into: [0]) { $0.append(($0.last ?? 0) + $1) }
    let events = (0..<Int(offsets[B])).map { Int32(min(sizes[0] - 1, Int((fixedValue($0, 51) + 1) / 2 * Double(sizes[0])))) }
    return TableInput.History(events: events, offsets: offsets, targets: targets)
  }
}
