// What is asked of a shop's data: one value a task, all of them in one list. A new task is one entry.
public import AugurEvents
public import AugurModels

/// A question, the rows and labels that it needs, and how it is learnt and judged unless someone says otherwise.
public struct TaskDeclaration: Sendable {
  public let name: String
  /// What is predicted, in words.
  public let question: String
  /// What one row stands for.
  public let unit: String
  /// The labels that it can be asked with, and what each asks for.
  public let forms: [Form]
  /// The model that is taken where none is named.
  public let model: String

  /// Labels of a row, how they are learnt, and what judges the answers.
  public struct Form: Sendable {
    /// What they say, in the order of `--label`; empty where a data set of events is learnt from as it is.
    public let labels: [TableObjective.Label]
    /// Of `TableObjective`; nil for models of next items, which have losses of their own.
    public let loss: String?
    /// By their names in evaluations, the most telling one first.
    public let metrics: [String]

    init(_ labels: [TableObjective.Label], loss: String?, _ metrics: [String]) {
      (self.labels, self.loss, self.metrics) = (labels, loss, metrics)
    }

    /// The knobs that it asks for, which others may override.
    public func settings(for method: TableMethod) -> [(name: String, value: String)] {
      guard let loss, method.isNetwork else { return [] }
      return [("loss", loss)]
    }

    /// Whether a method can learn so.
    fileprivate func suits(_ method: TableMethod) -> Bool {
      loss.map { method.isNetwork || ["bce", "squared"].contains($0) } ?? true
    }

    fileprivate var words: String { labels.map(\.words).joined(separator: ", then ") }
  }

  public static let all: [TaskDeclaration] = [
    TaskDeclaration(
      "next-item", "which items a user meets next", unit: "user", [], loss: nil, ["NDCG@10", "HR@10", "MRR@10"], model: "esasrec"),
    TaskDeclaration(
      "click", "whether an impression is clicked", unit: "impression", [.classes("clicked")], loss: "bce", probabilities, model: "deepfm"),
    TaskDeclaration(
      "conversion", "whether an impression is clicked, and bought by way of the click", unit: "impression",
      [.classes("clicked"), .classes("bought")], loss: "entire-space", probabilities, model: "esmm"),
    TaskDeclaration(
      "delayed-conversion", "whether a click is ever bought, where some purchases are still to come", unit: "click",
      [.classes("bought so far"), .number("days until then, or until now")], loss: "delayed", ["AUC", "logloss"], model: "mlp"),
    TaskDeclaration(
      "purchase-intent", "whether a session ends in a purchase", unit: "session", [.classes("bought")], loss: "bce", probabilities,
      model: "auto"),
    TaskDeclaration(
      "churn", "whether a customer leaves within the horizon", unit: "user", [.classes("left")], loss: "bce", probabilities, model: "auto"),
    TaskDeclaration(
      "churn-survival", "when a customer leaves", unit: "user", [.number("days until then, or observed"), .classes("left")],
      loss: "survival", ["C-index"], model: "mlp"),
    TaskDeclaration(
      "fraud", "whether a user or an order is fraudulent, which is rare", unit: "user", [.classes("fraudulent")], loss: "bce",
      ["PR-AUC", "AUC", "logloss"], model: "gbdt"),
    TaskDeclaration(
      "demand", "how many are sold or come", unit: "item and day", [.number("sold")], loss: "poisson", counts, model: "mlp"),
    TaskDeclaration(
      "demand-quantile", "how many are enough with a given probability: quantile=0.9", unit: "item and day", [.number("sold")],
      loss: "quantile", ["quantile@0.5", "quantile@0.9"], model: "mlp"),
    TaskDeclaration(
      "value", "what a customer will spend, which mostly is nothing", unit: "user", [.number("spent")], loss: "lognormal",
      ["RMSE", "MAE"], model: "mlp"),
    TaskDeclaration(
      "rating", "how a user rates an item", unit: "user and item", [.number("rating")], loss: "squared", ["RMSE", "MAE"], model: "fm"),
    TaskDeclaration(
      "price-response", "whether a view is bought at its price, or how many are sold at it, never more at a higher one",
      unit: "view, or item and day",
      [Form([.classes("bought")], loss: "bce", probabilities), Form([.number("sold")], loss: "poisson", counts)], model: "price-response"),
  ]

  private static let probabilities = ["AUC", "logloss", "calibration"]
  private static let counts = ["deviance", "RMSE", "MAE"]

  private init(
    _ name: String, _ question: String, unit: String, _ labels: [TableObjective.Label], loss: String?, _ metrics: [String], model: String
  ) {
    self.init(name, question, unit: unit, [Form(labels, loss: loss, metrics)], model: model)
  }

  private init(_ name: String, _ question: String, unit: String, _ forms: [Form], model: String) {
    (self.name, self.question, self.unit, self.forms, self.model) = (name, question, unit, forms, model)
  }

  /// The task of a name.
  public static func named(_ name: String) throws(TrainingError) -> TaskDeclaration {
    if let task = all.first(where: { $0.name == name }) { return task }
    throw .task(name, problem: "there is no such task", advice: "the tasks are \(all.map(\.name).joined(separator: ", "))")
  }

  /// Whether rows of a table are learnt from, not events.
  public var isOfTables: Bool { forms.allSatisfy { !$0.labels.isEmpty } }

  /// Throws where a model of tables is asked for events, or the other way round, or cannot learn by the loss.
  public func check(_ method: TableMethod?, model: String) throws(TrainingError) {
    guard (method != nil) == isOfTables else {
      throw .task(
        name, problem: "asks about \(isOfTables ? "rows of a table" : "events"), and \(model) is a model of \(isOfTables ? "events" : "tables")",
        advice: "leave --model out, which takes \(self.model)")
    }
    guard let method, !forms.contains(where: { $0.suits(method) }) else { return }
    throw misfit(method, forms[0])
  }

  private func misfit(_ method: TableMethod, _ form: Form) -> TrainingError {
    .task(
      name, problem: "learns \(form.words) by the loss \(form.loss ?? "none"), and \(method.name) has no such loss",
      advice: "take \(model) or another network")
  }

  /// The form that the labels of a table ask for. Throws where they are not those of the task, or the method has no loss for them.
  public func form(of table: TableDescription, path: String, _ method: TableMethod) throws(TrainingError) -> Form {
    let found = Form(table.labels.map { TableObjective.Label($0.name, isBinary: $0.task == .binary) }, loss: nil, [])
    guard let form = forms.first(where: { $0.labels.map(\.isBinary) == found.labels.map(\.isBinary) }) else {
      throw .task(
        name, problem: "reads \(forms.map(\.words).joined(separator: ", or ")), and \(path) has \(found.words)",
        advice: "prepare it with a --label for each, in that order")
    }
    guard form.suits(method) else { throw misfit(method, form) }
    return form
  }
}

extension TableObjective.Label {
  static func classes(_ meaning: String) -> Self { Self(meaning, isBinary: true) }
  static func number(_ meaning: String) -> Self { Self(meaning, isBinary: false) }
  fileprivate var words: String { "'\(name)' (\(isBinary ? "two classes" : "a number"))" }
}
