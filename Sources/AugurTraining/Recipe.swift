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
      name: "ml-1m/gsasrec", file: "ml-1m/ml-1m.txt", format: "pairs", model: "gsasrec",
      knobs: mlKnobs + [("variant", "pre-norm"), ("output-table", "shared")],
      published: [("HR@10", 0.3003), ("NDCG@10", 0.1726)], source: "asash/gSASRec-pytorch README"),
    Recipe(
      name: "ml-1m/esasrec", file: "ml-1m/ml-1m.txt", format: "pairs", model: "esasrec",
      knobs: mlKnobs + [("dim", "64"), ("feed-forward", "2"), ("epochs", "80")],
      published: [("HR@10", 0.3133), ("NDCG@10", 0.1772)],
      source: "blondered/transformer_benchmark README (another preparation of ML-1M)"),
    Recipe(
      name: "beauty/sasrec", file: "amazon-beauty-5core/Beauty.txt", format: "sequences", model: "sasrec", knobs: amazonKnobs,
      published: [("HR@10", 0.0921), ("NDCG@10", 0.0531)], source: "blondered/transformer_benchmark README, SASRec + SS"),
    Recipe(
      name: "toys/sasrec", file: "amazon-toys-5core/Toys_and_Games.txt", format: "sequences", model: "sasrec", knobs: amazonKnobs,
      published: [("HR@10", 0.0970), ("NDCG@10", 0.0580)], source: "blondered/transformer_benchmark README, SASRec + SS"),
  ]

  /// Both read a new window of a long history each epoch: the newest 201 events are only 66 % of the training part.
  private static let mlKnobs = [
    ("window", "random"), ("dim", "128"), ("heads", "2"), ("dropout", "0.25"), ("batch", "32"), ("schedule", "cosine"),
    ("final-share", "0.02"), ("warm-up", "200"), ("epochs", "110"), ("patience", "0"), ("evaluate-every", "5"),
    ("validation-users", "2000"),
  ]
  private static let amazonKnobs = [
    ("variant", "pre-norm"), ("blocks", "1"), ("feed-forward", "4"), ("feed-forward-activation", "gelu"), ("loss", "sampled"),
    ("sharing", "batch"), ("negatives", "2048"), ("dropout", "0.4"), ("schedule", "cosine"), ("epochs", "40"), ("patience", "0"),
    ("evaluate-every", "4"), ("validation-users", "6000"),
  ]

  public static func named(_ name: String) -> Recipe? { all.first { $0.name == name } }
}
