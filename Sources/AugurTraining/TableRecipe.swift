// Published results on tables and the settings that meet them.

/// A table, its parts, and the numbers to meet; with a model it is a result.
public struct TableRecipe: Sendable {
  public enum Parts: Sendable, Equatable {
    /// Files of the three parts.
    case given(validation: String, test: String)
    /// A file with a fold number a row; the result is the mean over all folds.
    case folds(String, count: Int)
    /// Rows drawn in these shares by the seed.
    case drawn(String)
  }
  public let name: String
  /// Below the data root.
  public let file: String
  public let parts: Parts
  public let label: String
  /// Columns of numbers that are codes; `*` for all.
  public let categorical: [String]
  public let minimumCount: Int
  /// For networks that the list does not have.
  public let standard: [(name: String, value: String)]
  public let knobs: [String: [(name: String, value: String)]]
  /// By model; "*" for all others.
  public let published: [String: [(metric: String, value: Double)]]
  public let source: String
  /// Of `augur reproduce all`.
  public let models: [String]
  /// Makes the table of another file, and tells what came of its rows; nil where the file is the table.
  public var assemble: (@Sendable (_ file: String, _ output: String) throws -> RowOutcomes)?

  public static let all: [TableRecipe] = [
    TableRecipe(
      name: "frappe", file: "frappe/train_resampled_neg.csv", parts: .given(validation: "frappe/valid.csv", test: "frappe/test.csv"),
      label: "label", categorical: ["*"], minimumCount: 1,
      standard: frappeKnobs,
      knobs: [
        "dcnv2": frappeKnobs + [("structure", "stacked")],
        "logistic-regression": [("batch", "4096"), ("learning-rate", "0.02"), ("embedding-l2", "0.000001")],
        "fm": [("batch", "4096"), ("learning-rate", "0.003"), ("embedding-l2", "0.00001")],
      ],
      published: [
        "logistic-regression": [("AUC", 0.9356), ("logloss", 0.3076)], "fm": [("AUC", 0.9671), ("logloss", 0.2065)],
        "deepfm": [("AUC", 0.9842), ("logloss", 0.1482)], "dcnv2": [("AUC", 0.9845), ("logloss", 0.1491)],
        "finalmlp": [("AUC", 0.9861), ("logloss", 0.1484)],
      ], source: "reczoo/BARS, Frappe_x1 leaderboard; training negatives redrawn here",
      models: ["deepfm", "dcnv2", "finalmlp"]),
    folds("online-shoppers", label: "label", categorical: ["OperatingSystems", "Browser", "Region", "TrafficType"], auc: 0.9320, logloss: 0.2261),
    folds("telco-churn", label: "label", categorical: [], auc: 0.8452, logloss: 0.4176),
    folds("insurance-fraud", label: "label", categorical: ["RepNumber", "Year"], auc: 0.8431, logloss: 0.1786),
    TableRecipe(
      name: "ml-100k", file: "ml-100k/ml-100k.inter", parts: .drawn("8:1:1"), label: "rating", categorical: [], minimumCount: 1,
      standard: [("batch", "1024"), ("schedule", "cosine"), ("epochs", "20"), ("patience", "0"), ("embedding-l2", "0.001")],
      knobs: [
        "fm": [
          ("dim", "32"), ("batch", "1024"), ("learning-rate", "0.003"), ("schedule", "cosine"), ("epochs", "30"), ("patience", "0"),
          ("embedding-l2", "0.001"),
        ]
      ], published: [:], source: "none: beside a mean with effects of users and items",
      models: ["fm"]),
    TableRecipe(
      name: "cdnow", file: "cdnow/CDNOW_master.txt", parts: .drawn("70:15:15"), label: "again", categorical: [], minimumCount: 1,
      standard: [("batch", "256"), ("patience", "5")], knobs: [:], published: [:],
      source: "none: beside recency and frequency alone", models: ["auto"],
      assemble: { try PurchaseLog(path: $0).assemble(cut: "19970930", end: "19980630", to: $1) }),
  ]

  /// Vectors of 16 numbers, where the leaderboard has 10.
  private static let frappeKnobs = [
    ("dim", "16"), ("batch", "4096"), ("embedding-l2", "0.1"), ("schedule", "cosine"), ("final-share", "0.01"), ("epochs", "15"), ("patience", "0"),
  ]

  private static func folds(_ name: String, label: String, categorical: [String], auc: Double, logloss: Double) -> TableRecipe {
    TableRecipe(
      name: name, file: "\(name)/data.csv", parts: .folds("\(name)/folds5.txt", count: 5), label: label, categorical: categorical,
      minimumCount: 2,
      standard: [("batch", "256"), ("patience", "5")], knobs: [:], published: ["*": [("AUC", auc), ("logloss", logloss)]],
      source: "the better of untuned gradient boosting and logistic regression on these folds", models: ["auto"])
  }

  /// The knobs of a method.
  public func settings(for method: TableMethod) -> [(name: String, value: String)] {
    knobs[method.name] ?? (method.isNetwork ? standard : [])
  }

  /// The table and the model of a name such as `frappe/deepfm`.
  public static func named(_ name: String) -> (recipe: TableRecipe, model: String)? {
    guard let slash = name.firstIndex(of: "/"), let recipe = all.first(where: { $0.name == name[..<slash] }) else { return nil }
    return (recipe, String(name[name.index(after: slash)...]))
  }
}
