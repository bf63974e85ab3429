// Losses of four steps of every model against the same equations in float64 PyTorch (Tests/Golden/losses.py).
import AugurCompute
import AugurLayers
import AugurModels
import AugurOps
import AugurTensors
import Foundation
import OpCases
import Testing

@testable import AugurTraining

let goldenLosses: [String: [Double]] = {
  let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "../Golden/losses.json").standardized
  return (try? JSONDecoder().decode([String: [Double]].self, from: Data(contentsOf: path))) ?? [:]
}()

/// Values by the parameter's name, as in losses.py.
func assignFixedValues(_ parameter: Parameter) {
  let salt = parameter.name.utf8.enumerated().reduce(0) { $0 + ($1.offset + 1) * Int($1.element) }
  let base = parameter.name.hasSuffix("gain") ? 1.0 : 0
  let mask = parameter.blockMask
  parameter.value.assign((0..<parameter.count).map { Float(base + 0.3 * Double(Float(fixedValue($0, salt)))) * (mask?[$0] ?? 1) })
}

@Suite struct GoldenTests {
  private let V = 40
  private let L = 10
  private let lengths = [7, 4, 1]

  @Test(arguments: [
    ("sasrec", ["loss": "ce"]), ("sasrec pre-norm", ["variant": "pre-norm", "negatives": "5", "sharing": "row"]),
    ("gsasrec", ["negatives": "5"]), ("esasrec", ["negatives": "5"]),
    ("esasrec cosine", ["negatives": "5", "similarity": "cosine", "temperature": "0.5"]), ("hstu", ["negatives": "5"]),
    ("hstu times", ["negatives": "5", "time-bias": "yes"]), ("bert4rec", [:]),
    ("gru4rec", ["negatives": "5"]), ("caser", ["negatives": "5", "horizontal": "3", "vertical": "2"]),
    ("two-tower", ["negatives": "5", "user-tower": "6", "item-tower": "7", "temperature": "0.5"]),
  ])
  func lossesAreThoseOfThePapersEquations(_ name: String, _ settings: [String: String]) throws {
    let entry = try ModelEntry.named(String(name.prefix { $0 != " " }))
    var knobs = Hyperparameters(entry.hyperparameters + TrainingPlan.knobs)
    let common = ["dim": "8", "heads": "2", "length": String(L), "blocks": "2", "dropout": "0", "learning-rate": "0.01"]
    for (key, value) in common.merging(settings, uniquingKeysWith: { $1 }) where knobs.knows(key) { try knobs.set(key, value) }
    for device in Device.available {
      let losses = try train(entry, knobs, device)
      let expected = try #require(goldenLosses[name])
      #expect(losses.count == expected.count)
      for (a, b) in zip(losses, expected) { #expect(abs(a - b) <= 1e-5 * abs(b), "\(name) on \(device): \(losses), not \(expected)") }
    }
  }

  private func train(_ entry: ModelEntry, _ knobs: Hyperparameters, _ device: Device) throws -> [Double] {
    let model = try entry.makeModel(knobs, itemCount: V, device: device, seed: 1)
    for parameter in model.parameters { assignFixedValues(parameter) }
    let optimizer = Optimizer(model.parameters, knobs)
    let offsets = lengths.reduce(into: [Int32(0)]) { $0.append($0.last! + Int32($1)) }
    let rows = Jagged(offsets: offsets, device: device)
    // BERT4Rec fills in masked rows; the others go on after every row.
    let masked: [Int32]? = model.fillsMasks ? [2, 6, 9, 11] : nil
    var (items, targets) = (ids(12, 1), ids(12, 2))
    if let masked {
      for row in masked { items[Int(row)] = Int32(V) }
      targets = masked.map { targets[Int($0)] }
    }
    let chosen = masked.map { Lookup($0, rowCount: 12, device: device) }
    let input = SequenceInput(
      rows: rows, items: Lookup(items, rowCount: V + 1, device: device),
      places: Lookup(lengths.flatMap { (L - $0..<L).map(Int32.init) }, rowCount: L, device: device),
      times: model.readsTimes ? Tensor((0..<12).map { Int32($0 * $0 * 5000) }, shape: [12], device: device) : nil)
    let isByRow = knobs.knows("sharing") && knobs.choice("sharing") == "row"
    let negatives = Negatives(
      Lookup(ids(5 * (isByRow ? 12 : lengths.count), 3), rowCount: V, device: device), count: 5,
      sharing: isByRow ? .row : .sequence(rows))
    let logShares = knobs.drawsInBatch ? Tensor((1...V).map { Float(log(Double($0) / 820)) }, shape: [V], device: device) : nil
    return (1...4).map { step in
      let tape = Tape()
      let pass = Pass(training: tape, seed: 1)
      let states = model.states(input, pass)
      let loss = nextItemLoss(
        chosen.map { chosenRows(states, $0) } ?? states, model.itemVectors(pass),
        targets: Lookup(targets, rowCount: V, device: device), negatives: knobs.drawsNegatives ? negatives : nil,
        logShares: logShares, knobs)
      tape.backward(from: loss)
      optimizer.update(step: step, learningRate: 0.01)
      return Double(loss.floats()[0])
    }
  }

  private func ids(_ count: Int, _ salt: Int) -> [Int32] {
    (0..<count).map { Int32(min(V - 1, Int((fixedValue($0, salt) + 1) / 2 * Double(V)))) }
  }
}
