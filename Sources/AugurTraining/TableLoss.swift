// The loss of an objective over a batch, and where training of it starts.
public import AugurEvents
import AugurLayers
public import AugurModels
import AugurOps
import AugurTensors
import Glibc

/// Knobs of what a table model is trained for.
let objectiveKnobs: [Hyperparameter] = [
  .choice(
    "loss", "auto", of: ["auto"] + TableObjective.plainLosses + TableObjective.jointLosses,
    "auto: bce for two classes, squared for values; lognormal: values many of which are 0; survival: labels time and event; delayed: "
      + "labels conversion, and its delay or the time passed; entire-space: labels click and conversion"),
  .real("quantile", 0.5, in: 0.001...0.999, "of the loss quantile"),
  .real("positive-weight", 1, in: 1e-6...1e6, "weight of rows of class 1, of one label"),
  .real("label-smoothing", 0, in: 0...0.5, "of bce"),
  .widths("label-weights", "1", "weights of the labels' losses, such as 3-1; one number is that of all"),
]

extension TableObjective {
  /// What a method is asked with these knobs on such a table.
  init(_ method: TableMethod, _ knobs: Hyperparameters, _ table: TableDescription) throws {
    let labels = table.labels.map { Label($0.name, isBinary: $0.task == .binary) }
    guard method.isNetwork else {
      guard labels.count == 1 else {
        throw ModelError.badCombination(
          "\(method.name): answers one label, the table has \(labels.count) (\(labels.map(\.name).joined(separator: ", "))); "
            + "take mlp, dcnv2, mmoe or ple, or prepare it with one --label")
      }
      try self.init("auto", labels: labels)
      return
    }
    let loss = knobs.choice("loss")
    try self.init(
      loss == "auto" ? try TableModelEntry.named(method.name).loss : loss, labels: labels, quantile: Double(knobs.real("quantile")))
  }

  /// The same, started where the training rows of `data` ask for. Throws where their labels do not fit, or nothing can be learned of them.
  func fitted(to data: TableDataset) throws(TrainingError) -> TableObjective {
    try checkLabels(data)
    var fitted = self
    fitted.offsets = startingPoint(data)
    return fitted
  }

  private func checkLabels(_ data: TableDataset) throws(TrainingError) {
    let rows = data.rows(.training)
    for (place, label) in labels.enumerated() {
      let values = data.labels(place)
      let loss = joint ?? losses[place]
      if !label.isBinary, ["lognormal", "survival", "delayed", "poisson"].contains(loss), let row = rows.first(where: { values[$0] < 0 }) {
        throw .data(
          problem: "label '\(label.name)' is \(values[row]) in row \(data.inputRows[row] + 1), and loss \(loss) reads numbers from 0 on",
          advice: "correct the row, or take another loss")
      }
      guard label.isBinary, place > 0 || joint == "survival" else { continue }
      let positives = rows.count { values[$0] == 1 }
      guard positives == 0 || (positives == rows.count && joint != "survival") else { continue }
      throw .data(
        problem: "all training rows have label \(positives == 0 ? 0 : 1) in '\(label.name)', nothing can be learnt",
        advice: "give rows of both classes, or leave the label out")
    }
  }

  /// Outputs that are the best constant answer of a joint loss; 0 where each label has its own.
  private func startingPoint(_ data: TableDataset) -> [Float] {
    guard let joint, joint != "entire-space" else { return offsets }
    let (first, second) = (data.labels, data.labels(labels.count - 1))
    var all = 0.0
    var sums = [0.0, 0, 0]
    for row in data.rows(.training) {
      let weight = Double(data.weights?[row] ?? 1)
      let (y, y1) = (Double(first[row]), Double(second[row]))
      all += weight
      if joint == "lognormal" {
        guard y > 0 else { continue }
        sums[0] += weight
        sums[1] += weight * log(y)
        sums[2] += weight * log(y) * log(y)
      } else {
        // Time over events is the mean of an exponential time, also where some are cut off.
        let (time, event) = joint == "survival" ? (y, y1) : (y1, y)
        sums[0] += weight * event
        sums[1] += weight * time
        sums[2] += weight * time * event
      }
    }
    guard all > 0, sums[0] > 0 else { return offsets }
    func inverseSoftplus(_ y: Double) -> Double { y > 30 ? y : log(expm1(max(y, 1e-6))) }
    func logit(_ p: Double) -> Double { log(max(p, 1e-6) / max(1 - p, 1e-6)) }
    switch joint {
    case "lognormal":
      let mean = sums[1] / sums[0]
      return [logit(sums[0] / all), mean, inverseSoftplus(max(0.1, (sums[2] / sums[0] - mean * mean).squareRoot()))].map { Float($0) }
    case "survival": return [inverseSoftplus(sums[1] / sums[0]), inverseSoftplus(1)].map { Float($0) }
    default: return [logit(sums[0] / all), -log(max(sums[2] / sums[0], 1e-6))].map { Float($0) }
    }
  }

  /// The loss of a batch, times `scale`.
  ///
  /// - Parameters:
  ///   - x: outputs of the model, `[B, 1]` each.
  ///   - isAnswer: whether it is that of answers, which undo that negatives are left out.
  func loss(
    _ x: [Tensor], _ labels: [Tensor], weights: RowWeights?, _ knobs: Hyperparameters, scale: Float, isAnswer: Bool = false
  ) -> Tensor {
    let x = zip(x, offsets).enumerated().map { place, own in
      let (x, offset) = (own.0, own.1 + (isAnswer && place == 0 ? negativeShift : 0))
      return offset == 0 ? x : add(x, Tensor([Float](repeating: offset, count: x.count), shape: x.shape, device: x.device))
    }
    guard let joint else {
      var sum: Tensor?
      for place in labels.indices {
        let own = meanLoss(
          rowLoss(place, knobs), x[place], labels: labels[place], weights: weights, scale: scale * labelWeight(place, knobs))
        sum = sum.map { add($0, own) } ?? own
      }
      return sum ?? x[0]
    }
    let loss: Loss =
      switch joint {
      case "survival": .weibull
      case "delayed": .delayed
      case "entire-space": .entireSpace(clickWeight: labelWeight(0, knobs))
      default: .lognormal(positiveShare: positiveShare(labels[0].floats(), weights?.values.floats()))
      }
    return meanLoss(
      loss, x[0], x[1], x.count > 2 ? x[2] : nil, labels: labels[0], labels.count > 1 ? labels[1] : nil, weights: weights, scale: scale)
  }

  private func labelWeight(_ place: Int, _ knobs: Hyperparameters) -> Float {
    let given = knobs.widths("label-weights")
    return Float(given.count == 1 ? given[0] : given[place])
  }

  /// Weighted share of the rows above 0.
  private func positiveShare(_ labels: [Float], _ weights: [Float]?) -> Float {
    var (positive, all) = (0.0, 0.0)
    for (row, label) in labels.enumerated() {
      let weight = Double(weights?[row] ?? 1)
      all += weight
      if label > 0 { positive += weight }
    }
    return all > 0 ? Float(positive / all) : 0
  }

  private func rowLoss(_ place: Int, _ knobs: Hyperparameters) -> Loss {
    switch losses[place] {
    case "bce": .binary(smoothing: knobs.real("label-smoothing"))
    case "focal": .focal()
    case "absolute": .absolute
    case "huber": .huber()
    case "quantile": .quantile(Float(quantile))
    case "poisson": .poisson
    default: .squared
    }
  }

  /// Throws where knobs speak of other labels than there are.
  func check(_ knobs: Hyperparameters) throws(ModelError) {
    let given = knobs.widths("label-weights").count
    guard given == 1 || given == labels.count else {
      throw .badCombination("hyper-parameter 'label-weights': expected one number or \(labels.count), got \(given)")
    }
    guard knobs.real("positive-weight") == 1 || labels.map(\.isBinary) == [true] else {
      throw .badCombination("hyper-parameter 'positive-weight': is of tables with one label of two classes")
    }
  }

  /// Whether the best epoch is the one of the least loss.
  func isJudgedByLoss(_ knobs: Hyperparameters) -> Bool {
    guard knobs.choice("metric") == "auto" else { return knobs.choice("metric") == "loss" }
    return ["delayed", "lognormal", "survival"].contains(joint) || losses.contains { ["quantile", "poisson"].contains($0) }
  }
}

extension TableMethod {
  /// The name of what decides which epoch is the best, and whether more of it is better.
  public func judgement(_ data: TableDataset, _ knobs: Hyperparameters) -> (name: String, isMore: Bool) {
    let isNamed = !["auto", "loss"].contains(knobs.choice("metric"))
    guard isNetwork || isNamed, let objective = try? TableObjective(self, knobs, data.description) else {
      let isBinary = data.description.task == .binary
      return (isBinary ? validationLoss ?? "AUC" : "MSE", false)
    }
    if objective.isJudgedByLoss(knobs) { return ("loss", false) }
    let judges = objective.answers.compactMap { try? TableJudge(data, $0, knobs) }
    let names = judges.compactMap { judge in judge.name.map { judges.count > 1 && !judge.isGreaterBetter ? "-\($0)" : $0 } }
    guard judges.count > 1 else { return (names.first ?? "loss", judges.first?.isGreaterBetter ?? false) }
    return ("mean of " + names.joined(separator: ", "), true)
  }
}
