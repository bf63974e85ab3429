// Published results and the settings that reproduce them: one entry a row of a paper's table.

/// A data set, a model with its knobs, and the numbers to meet.
public struct Recipe: Sendable {
  public let name: String
  /// Below the data root.
  public let file: String
  /// `pairs` or `sequences`.
  public let format: String
  public let model: String
  public let knobs: [(name: String, value: String)]
  public let published: [(metric: String, value: Double)]
  public let source: String

  public static let all: [Recipe] = [
    Recipe(
      name: "ml-1m/gsasrec", file: "ml-1m/ml-1m.txt", format: "pairs", model: "gsasrec", knobs: mlKnobs,
      published: [("HR@10", 0.3003), ("NDCG@10", 0.1726)], source: "asash/gSASRec-pytorch README"),
    Recipe(
      name: "ml-1m/esasrec", file: "ml-1m/ml-1m.txt", format: "pairs", model: "esasrec",
      knobs: [("epochs", "100"), ("patience", "10"), ("validation-users", "2000")],
      published: [("HR@10", 0.3133), ("NDCG@10", 0.1772)],
      source: "blondered/transformer_benchmark README (another preparation of ML-1M)"),
    Recipe(
      name: "beauty/sasrec", file: "amazon-beauty-5core/Beauty.txt", format: "sequences", model: "sasrec", knobs: amazonKnobs,
      published: [("HR@10", 0.0921), ("NDCG@10", 0.0531)], source: "blondered/transformer_benchmark README, SASRec + SS"),
    Recipe(
      name: "toys/sasrec", file: "amazon-toys-5core/Toys_and_Games.txt", format: "sequences", model: "sasrec", knobs: amazonKnobs,
      published: [("HR@10", 0.0970), ("NDCG@10", 0.0580)], source: "blondered/transformer_benchmark README, SASRec + SS"),
  ]

  private static let mlKnobs = [
    ("epochs", "100"), ("patience", "15"), ("validation-users", "1000"), ("dim", "64"), ("dropout", "0.2"), ("batch", "32"),
    ("variant", "pre-norm"), ("output-table", "shared"),
  ]
  private static let amazonKnobs = [
    ("variant", "pre-norm"), ("blocks", "1"), ("feed-forward", "4"), ("feed-forward-activation", "gelu"), ("loss", "sampled"),
    ("sharing", "batch"), ("negatives", "2048"), ("epochs", "200"), ("patience", "20"),
  ]

  public static func named(_ name: String) -> Recipe? { all.first { $0.name == name } }
}
