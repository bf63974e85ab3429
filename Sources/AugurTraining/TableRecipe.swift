// Published results on tables and the settings that meet them.

/// A table, its parts, and the numbers to meet; with a model it is a result.
public struct TableRecipe: Sendable {
  public enum Parts: Sendable, Equatable {
    /// Files of the three parts.
    case given(validation: String, test: String)
    /// A file with a fold number a row; the result is the mean over all folds.
    case folds(String, count: Int)
  }
  public let name: String
  /// Below the data root.
  public let file: String
  public let parts: Parts
  public let label: String
  /// Columns of numbers that are codes; `*` for all.
  public let categorical: [String]
  public let minimumCount: Int
  /// For models that the list does not have.
  public let standard: [(name: String, value: String)]
  public let knobs: [String: [(name: String, value: String)]]
  /// By model; "*" for all others.
  public let published: [String: [(metric: String, value: Double)]]
  public let source: String

  public static let all: [TableRecipe] = [
    TableRecipe(
      name: "frappe", file: "frappe/train_resampled_neg.csv", parts: .given(validation: "frappe/valid.csv", test: "frappe/test.csv"),
      label: "label", categorical: ["*"], minimumCount: 1,
      standard: [("batch", "4096"), ("embedding-l2", "0.03"), ("patience", "3"), ("epochs", "40")],
      knobs: [
        "logistic-regression": [("batch", "4096"), ("learning-rate", "0.02"), ("embedding-l2", "0.000001")],
        "fm": [("batch", "4096"), ("learning-rate", "0.003"), ("embedding-l2", "0.00001")],
      ],
      published: [
        "logistic-regression": [("AUC", 0.9356), ("logloss", 0.3076)], "fm": [("AUC", 0.9671), ("logloss", 0.2065)],
        "deepfm": [("AUC", 0.9842), ("logloss", 0.1482)], "dcnv2": [("AUC", 0.9845), ("logloss", 0.1491)],
        "finalmlp": [("AUC", 0.9861), ("logloss", 0.1484)],
      ], source: "reczoo/BARS, Frappe_x1 leaderboard; training negatives redrawn here"),
    folds("online-shoppers", label: "label", categorical: ["OperatingSystems", "Browser", "Region", "TrafficType"], auc: 0.9320, logloss: 0.2261),
    folds("telco-churn", label: "label", categorical: [], auc: 0.8452, logloss: 0.4176),
    folds("insurance-fraud", label: "label", categorical: ["RepNumber", "Year"], auc: 0.8431, logloss: 0.1786),
  ]

  private static func folds(_ name: String, label: String, categorical: [String], auc: Double, logloss: Double) -> TableRecipe {
    TableRecipe(
      name: name, file: "\(name)/data.csv", parts: .folds("\(name)/folds5.txt", count: 5), label: label, categorical: categorical,
      minimumCount: 2,
      standard: [("batch", "256"), ("patience", "5")], knobs: [:], published: ["*": [("AUC", auc), ("logloss", logloss)]],
      source: "the better of untuned gradient boosting and logistic regression on these folds")
  }

  /// The table and the model of a name such as `frappe/deepfm`.
  public static func named(_ name: String) -> (recipe: TableRecipe, model: String)? {
    guard let slash = name.firstIndex(of: "/"), let recipe = all.first(where: { $0.name == name[..<slash] }) else { return nil }
    return (recipe, String(name[name.index(after: slash)...]))
  }
}
