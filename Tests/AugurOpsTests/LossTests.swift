// Losses where floats run out, and what weights mean.
import AugurCompute
@testable import AugurOps
import AugurTensors
import Glibc
import OpCases
import Testing

private let devices = Device.available

@Suite struct LossTests {
  private let grid: [Float] = [-80, -20, -1, 0, 1, 20, 80]

  /// Every combination of outputs on the grid, each with the labels of eight rows.
  private func extremes(_ outputs: Int) -> [[Float]] {
    (1..<outputs).reduce(grid.map { [$0] }) { rows, _ in rows.flatMap { row in grid.map { row + [$0] } } }
      .flatMap { [[Float]](repeating: $0, count: 8) }
  }

  @Test(arguments: lossesWithLabels.indices, devices.indices)
  func everyLossAndGradientIsFiniteAtLargeOutputs(_ index: Int, _ deviceIndex: Int) {
    let (loss, outputs, labels) = lossesWithLabels[index]
    let device = devices[deviceIndex]
    for (t, row) in extremes(outputs).enumerated() {
      let (x, tape) = (Tensor(row, shape: [1, outputs], device: device), Tape())
      let watched = x.watched(by: tape)
      let y = lossOfRows(loss, [watched], labels: columns(1) { _ in labels(t % 8) })
      let value = y.floats()[0]
      tape.backward(from: y)
      let gradient = watched.gradient?.floats() ?? []
      #expect(value.isFinite && gradient.count == outputs && gradient.allSatisfy(\.isFinite), "\(loss) at \(row), \(labels(t % 8)) on \(device)")
      let expected = referenceLoss(loss, row.map(Double.init), labels(t % 8).map { Double(Float($0)) })
      // The reference itself ends in infinity where the loss is held below a bound.
      guard expected.isFinite, abs(expected) < 1e20 else { continue }
      #expect(abs(Double(value) - expected) <= 2e-5 * max(1, abs(expected)), "\(loss) at \(row), \(labels(t % 8)) on \(device)")
    }
  }

  @Test(arguments: lossesWithLabels.indices, devices.indices)
  func nanTravels(_ index: Int, _ deviceIndex: Int) {
    let (loss, outputs, labels) = lossesWithLabels[index]
    let device = devices[deviceIndex]
    for poisoned in 0..<outputs {
      for t in 0..<8 {
        var row = [Float](repeating: 0.5, count: outputs)
        row[poisoned] = .nan
        let y = lossOfRows(loss, [Tensor(row, shape: [1, outputs], device: device)], labels: columns(1) { _ in labels(t) })
        #expect(y.floats()[0].isNaN, "\(loss) output \(poisoned), labels \(labels(t)) on \(device)")
      }
    }
  }

  @Test(arguments: devices.indices)
  func aWeightIsAsGoodAsARepeatedRow(_ deviceIndex: Int) {
    let device = devices[deviceIndex]
    let (x, y): ([Float], [Float]) = ([0.5, -1, 2], [1, 0, 0])
    let repeated = [0, 0, 0, 2]
    let weighted = lossOfRows(.binary(), [Tensor(x, shape: [3], device: device)], labels: [y], weights: RowWeights([3, 0, 1], device: device))
    let plain = lossOfRows(.binary(), [Tensor(repeated.map { x[$0] }, shape: [4], device: device)], labels: [repeated.map { y[$0] }])
    #expect(abs(weighted.floats()[0] - plain.floats()[0]) < 1e-6)
    let classes = RowWeights(labels: y, positive: 3, negative: 1, rows: [1, 0, 2])
    #expect(classes.values.floats() == [3, 0, 2] && classes.total == 5)
  }

  @Test(arguments: devices.indices)
  func withoutWeightNothingIsLearned(_ deviceIndex: Int) {
    let (device, tape) = (devices[deviceIndex], Tape())
    let x = Tensor([1 as Float, 2], shape: [2], device: device).watched(by: tape)
    let y = lossOfRows(.binary(), [x], labels: [[1, 0]], weights: RowWeights([0, 0], device: device))
    tape.backward(from: y)
    #expect(y.floats() == [0])
    #expect(x.gradient?.floats() == [0, 0])
  }

  /// Several tasks together: the sum of two losses goes back to both, each with its own scale.
  @Test(arguments: devices.indices)
  func lossesAddUp(_ deviceIndex: Int) {
    let (device, tape) = (devices[deviceIndex], Tape())
    let x = Tensor([2 as Float], shape: [1], device: device).watched(by: tape)
    let sum = add(lossOfRows(.squared, [x], labels: [[1]], scale: 0.5), lossOfRows(.absolute, [x], labels: [[5]], scale: 3))
    tape.backward(from: sum)
    #expect(sum.floats() == [9.5])
    #expect(x.gradient?.floats() == [-2])
  }

  /// Probabilities of all steps, and of surviving the last, add up to 1.
  @Test func weibullIsADistribution() {
    for row in [[0.3 as Float, 0.2], [2, -1], [3, 1.5]] {
      let steps = (0..<60).map { Float($0) }
      let losses = (0..<60).map { step in
        lossOfRows(.weibull, [Tensor(row, shape: [1, 2])], labels: [[steps[step]], [1]]).floats()[0]
      }
      let last = lossOfRows(.weibull, [Tensor(row, shape: [1, 2])], labels: [[59], [0]]).floats()[0]
      let sum = losses.reduce(0.0) { $0 + exp(-Double($1)) } + exp(-Double(last))
      #expect(abs(sum - 1) < 1e-5, "\(row)")
    }
  }

  /// A third convert, after a mean delay of 2 seen for 0 to 4: plain BCE counts those still to come as no, the delayed loss does not.
  @Test func delayedConversionsAreWaitedFor() {
    let (T, share, rate) = (20_000, 1 / 3.0, 0.5)
    var (labels, times): ([Float], [Float]) = ([], [])
    for t in 0..<T {
      let (passed, delay) = (2 * (fixedValue(t, 1) + 1), -log((fixedValue(t, 2) + 1) / 2) / rate)
      let hasConverted = (fixedValue(t, 3) + 1) / 2 < share && delay < passed
      labels.append(hasConverted ? 1 : 0)
      times.append(Float(hasConverted ? delay : passed))
    }
    let delayed = fitted([0, 0], rows: T) { lossOfRows(.delayed, $0, labels: [labels, times]) }
    let plain = fitted([0], rows: T) { lossOfRows(.binary(), $0, labels: [labels]) }
    #expect(abs(1 / (1 + exp(-delayed[0])) - share) < 0.02)
    #expect(abs(exp(delayed[1]) - rate) < 0.04)
    #expect(1 / (1 + exp(-plain[0])) < share - 0.1)
  }

  /// The constants with the least loss over all rows, by steps down the gradient.
  private func fitted(_ start: [Double], rows T: Int, _ loss: ([Tensor]) -> Tensor) -> [Double] {
    var constants = start
    for _ in 0..<250 {
      let tape = Tape()
      let x = constants.map { Tensor([Float](repeating: Float($0), count: T), shape: [T]).watched(by: tape) }
      tape.backward(from: loss(x))
      for c in constants.indices { constants[c] -= 2 * (x[c].gradient?.floats().reduce(0.0) { $0 + Double($1) } ?? 0) }
    }
    return constants
  }
}
