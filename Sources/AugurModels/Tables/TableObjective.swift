// What a model of labelled rows is asked: which labels it reads, by which loss, and what its outputs answer.
import AugurTensors
import Glibc

/// A question about the rows of a table.
public struct TableObjective: Sendable, Equatable {
  /// A column of labels: two classes as 0 and 1, or numbers.
  public struct Label: Sendable, Equatable {
    public let name: String
    public let isBinary: Bool

    public init(_ name: String, isBinary: Bool) { (self.name, self.isBinary) = (name, isBinary) }
  }

  /// What is said about a row.
  public struct Answer: Sendable, Equatable {
    public enum Kind: String, Sendable {
      /// A logit of class 1.
      case probability
      case value
      /// Time until an event; half of the rows have had theirs by then.
      case time
    }
    public let name: String
    public let kind: Kind
    /// Place of the label that it is judged by.
    public let label: Int
    /// Of a time: place of the label that says whether the event came.
    public var event: Int?
    /// Of a value that is a quantile, which one.
    public var quantile: Double?
    /// Whether the label may still change from 0 to 1, so that no share of rows can be checked against it.
    public var isOpen = false

    /// The number that the first label is.
    public static func value(of label: String) -> Answer { Answer(name: label, kind: .value, label: 0) }
  }

  /// Losses that read one label and one output each.
  public static let plainLosses = ["bce", "focal", "squared", "absolute", "huber", "quantile", "poisson"]
  /// Losses that read several, or give several.
  public static let jointLosses = ["lognormal", "survival", "delayed", "entire-space"]

  public let labels: [Label]
  /// Of each label, or the one of all of them.
  public let losses: [String]
  public let quantile: Double
  /// Added to the outputs of the model, by output: where a constant answer would lie, so that training starts there.
  public var offsets: [Float]
  /// Share of the negatives of the first label that training reads; answers undo it.
  public var negativeRate = 1.0

  /// - Parameter loss: `auto` is bce for two classes and squared for numbers.
  public init(_ loss: String, labels: [Label], quantile: Double = 0.5) throws(ModelError) {
    precondition(!labels.isEmpty, "TableObjective: expected labels, got none")
    (self.labels, self.quantile) = (labels, quantile)
    if Self.jointLosses.contains(loss) {
      losses = [loss]
      offsets = Array(repeating: 0, count: loss == "lognormal" ? 3 : 2)
      let asked: [Bool] = switch loss {
      case "lognormal": [false]
      case "survival": [false, true]
      case "delayed": [true, false]
      default: [true, true]
      }
      guard labels.map(\.isBinary) == asked else { throw Self.misfit(loss, asked, labels) }
    } else {
      losses = labels.map { loss != "auto" ? loss : $0.isBinary ? "bce" : "squared" }
      offsets = Array(repeating: 0, count: labels.count)
      // Of two classes poisson is the loss of ln p, whose best constant is right and which knows no bound at 1 (Zou 2004).
      for (label, own) in zip(labels, losses) where own != "poisson" && label.isBinary != ["bce", "focal"].contains(own) {
        throw .badCombination(
          "hyper-parameter 'loss': \(own) does not fit '\(label.name)', a label of \(label.isBinary ? "two classes" : "values")")
      }
    }
  }

  private static func misfit(_ loss: String, _ asked: [Bool], _ labels: [Label]) -> ModelError {
    func words(_ areBinary: [Bool]) -> String { areBinary.map { $0 ? "two classes" : "numbers" }.joined(separator: ", then ") }
    return .badCombination(
      "hyper-parameter 'loss': \(loss) reads labels of \(words(asked)); the table has \(words(labels.map(\.isBinary))) "
        + "(\(labels.map(\.name).joined(separator: ", "))); prepare it with a --label for each, in that order")
  }

  /// The joint loss; nil where each label has its own.
  public var joint: String? { losses.first.flatMap { Self.jointLosses.contains($0) ? $0 : nil } }
  /// K, outputs of the model.
  public var outputs: Int { offsets.count }

  public var answers: [Answer] {
    switch joint {
    case "lognormal": [Answer(name: labels[0].name, kind: .value, label: 0)]
    case "survival": [Answer(name: labels[0].name, kind: .time, label: 0, event: 1)]
    case "delayed": [Answer(name: labels[0].name, kind: .probability, label: 0, isOpen: true)]
    case "entire-space": labels.indices.map { Answer(name: labels[$0].name, kind: .probability, label: $0) }
    default:
      labels.indices.map {
        Answer(
          name: labels[$0].name, kind: labels[$0].isBinary ? .probability : .value, label: $0,
          quantile: losses[$0] == "quantile" ? quantile : nil)
      }
    }
  }

  /// Logits, values or times of rows, by answer, from outputs of a model, by output.
  public func answers(_ outputs: [[Float]]) -> [[Float]] {
    let x = outputs.indices.map { place in
      let offset = offsets[place] + (place == 0 ? negativeShift : 0)
      return offset == 0 ? outputs[place] : outputs[place].map { $0 + offset }
    }
    switch joint {
    case "lognormal": return [x[0].indices.map { Float(Self.logNormalMean(Double(x[0][$0]), Double(x[1][$0]), Double(x[2][$0]))) }]
    case "survival": return [x[0].indices.map { Float(Self.medianTime(Double(x[0][$0]), Double(x[1][$0]))) }]
    case "delayed": return [x[0]]
    case "entire-space": return [x[0], x[0].indices.map { Float(Self.productLogit(Double(x[0][$0]), Double(x[1][$0]))) }]
    default:
      return x.indices.map { place in
        guard losses[place] == "poisson" else { return x[place] }
        return labels[place].isBinary
          ? x[place].map { Float(Self.logit(ofLogarithm: min(Double($0), -1e-6))) } : x[place].map { exp(min($0, 80)) }
      }
    }
  }

  /// What the logit of the first output gains where negatives are left out: ln w.
  public var negativeShift: Float { negativeRate == 1 ? 0 : Float(log(negativeRate)) }

  private static func softplus(_ x: Double) -> Double { max(x, 0) + log1p(exp(-x.magnitude)) }

  /// By time, the share S(t) of each row whose event comes after t, counted in whole steps as the loss does: exp(-((t + 1) / a)^b). Nil for
  /// other losses than survival.
  public func survival(_ outputs: [[Float]], at times: [Double]) -> [[Double]]? {
    guard joint == "survival" else { return nil }
    return times.map { time in
      outputs[0].indices.map { row in
        let (a, b) = (Self.softplus(Double(outputs[0][row] + offsets[0])), Self.softplus(Double(outputs[1][row] + offsets[1])))
        return exp(-exp(min(80, b * (log(time + 1) - log(max(a, 1e-300))))))
      }
    }
  }

  /// sigmoid(a) exp(mu + s^2 / 2), its logarithm at most 40; s as the loss has it.
  private static func logNormalMean(_ a: Double, _ mu: Double, _ r: Double) -> Double {
    let s = min(5, max(softplus(r), 1e-7.squareRoot()))
    return exp(min(40, mu + s * s / 2 - softplus(-a)))
  }

  /// sp(a) (ln 2)^(1 / sp(b)).
  private static func medianTime(_ a: Double, _ b: Double) -> Double {
    exp(min(80, log(softplus(a)) + log(log(2.0)) / max(softplus(b), 1e-6)))
  }

  /// The logit of sigmoid(a) sigmoid(b).
  private static func productLogit(_ a: Double, _ b: Double) -> Double {
    logit(ofLogarithm: -softplus(-a) - softplus(-b))
  }

  /// The logit of e^l, l below 0.
  private static func logit(ofLogarithm l: Double) -> Double { l - (l > -0.6931471805599453 ? log(-expm1(l)) : log1p(-exp(l))) }
}

extension TableObjective {
  /// As entries of a model file.
  var metadata: [String: String] {
    var entries = [
      "loss": joint ?? losses.joined(separator: ","), "quantile": "\(quantile)", "offsets": offsets.map { "\($0)" }.joined(separator: ","),
      "labels": "\(labels.count)",
    ]
    if negativeRate != 1 { entries["negative-rate"] = "\(negativeRate)" }
    for (place, label) in labels.enumerated() {
      entries["label.\(place)"] = label.name
      entries["label.\(place).task"] = label.isBinary ? "binary" : "regression"
    }
    return entries
  }

  /// What `metadata` gave. Files of runs with one plain label say their task alone.
  init(of file: SafetensorsFile) throws(ModelError) {
    let entries = file.metadata
    func damaged() -> ModelError { .damagedFile(path: file.path, problem: "its metadata does not say what the model answers") }
    guard let count = entries["labels"].map({ Int($0) ?? 0 }) else {
      guard let task = entries["task"] else { throw damaged() }
      try self.init("auto", labels: [Label("label", isBinary: task == "binary")])
      return
    }
    var labels: [Label] = []
    for place in 0..<min(max(count, 0), manyOutputs.upperBound) {
      guard let name = entries["label.\(place)"], let task = entries["label.\(place).task"] else { throw damaged() }
      labels.append(Label(name, isBinary: task == "binary"))
    }
    let names = (entries["loss"] ?? "").split(separator: ",").map(String.init)
    let offsets = (entries["offsets"] ?? "").split(separator: ",").map { Float($0) ?? .nan }
    guard !labels.isEmpty, let loss = names.first, (Self.plainLosses + Self.jointLosses).contains(loss), offsets.allSatisfy(\.isFinite),
      let quantile = entries["quantile"].flatMap(Double.init), quantile > 0, quantile < 1
    else { throw damaged() }
    try self.init(Set(names).count == 1 ? loss : "auto", labels: labels, quantile: quantile)
    guard self.offsets.count == offsets.count, Set(names).count == 1 || names == losses else { throw damaged() }
    self.offsets = offsets
    guard let rate = entries["negative-rate"] else { return }
    guard let rate = Double(rate), rate > 0, rate <= 1 else { throw damaged() }
    negativeRate = rate
  }
}
