// Published results and the settings that reproduce them: one entry a row of a paper's table.
public import AugurEvents

/// A data set, a model with its knobs, and the numbers to meet.
public struct Recipe: Sendable {
  public let name: String
  /// Below the data root.
  public let file: String
  /// `pairs`, `sequences` or `sessions`.
  public let format: String
  /// Rows of prefix and target to test on, below the data root; nil: the test part of the split.
  public var test: String?
  public var split = SplitOptions(.leaveOneOut)
  public let model: String
  public let knobs: [(name: String, value: String)]
  /// Whether the model is mixed with what is counted, by the validation targets.
  public var isMixed = false
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
      name: "beauty/sasrec", file: "amazon-beauty-5core/Beauty.txt", format: "sequences", model: "sasrec",
      knobs: amazonKnobs + [("augment", "reorder")],
      published: [("HR@10", 0.0921), ("NDCG@10", 0.0531)], source: "blondered/transformer_benchmark README, SASRec + SS"),
    Recipe(
      name: "toys/sasrec", file: "amazon-toys-5core/Toys_and_Games.txt", format: "sequences", model: "sasrec", knobs: amazonKnobs,
      published: [("HR@10", 0.0970), ("NDCG@10", 0.0580)], source: "blondered/transformer_benchmark README, SASRec + SS"),
    Recipe(
      name: "beauty/esasrec", file: "amazon-beauty-5core/Beauty.txt", format: "sequences", model: "esasrec",
      knobs: amazonLiGRKnobs + [
        ("feed-forward", "4"), ("learning-rate", "0.008"), ("augment-share", "1"), ("augment-strength", "0.4"),
      ],
      published: [("HR@10", 0.0928), ("NDCG@10", 0.0523)], source: "blondered/transformer_benchmark README, eSASRec"),
    Recipe(
      name: "toys/esasrec", file: "amazon-toys-5core/Toys_and_Games.txt", format: "sequences", model: "esasrec",
      knobs: amazonLiGRKnobs + [
        ("feed-forward", "1"), ("similarity", "cosine"), ("temperature", "0.07"), ("learning-rate", "0.004"), ("epochs", "60"),
        ("evaluate-every", "6"),
      ],
      published: [("HR@10", 0.0939), ("NDCG@10", 0.0538)], source: "blondered/transformer_benchmark README, eSASRec"),
    Recipe(
      name: "ml-1m/hstu", file: "ml-1m/ml-1m.txt", format: "pairs", model: "hstu",
      knobs: mlKnobs + [
        ("dim", "64"), ("heads", "1"), ("negatives", "256"), ("sharing", "sequence"), ("learning-rate", "0.002"), ("epochs", "80"),
        ("evaluate-every", "4"),
      ],
      published: [("HR@10", 0.3023), ("NDCG@10", 0.1718)],
      source: "RecTools HSTU tutorial, HSTU without time (another preparation of ML-1M)"),
    Recipe(
      name: "ml-1m/bert4rec", file: "ml-1m/ml-1m.txt", format: "pairs", model: "bert4rec",
      knobs: mlKnobs + [
        ("heads", "4"), ("dropout", "0.2"), ("warm-up", "400"), ("learning-rate", "0.0015"), ("epochs", "90"), ("evaluate-every", "10"),
      ],
      published: [("HR@10", 0.2821), ("NDCG@10", 0.1516)], source: "asash/bert4rec_repro README, BERT4Rec with longer sequences"),
    Recipe(
      name: "diginetica/next-item", file: "diginetica/train_sessions.txt", format: "sessions",
      test: "diginetica/test_prefix_target.txt", split: SplitOptions(.random, ratio: .tenthForValidation), model: "esasrec",
      knobs: sessionKnobs, isMixed: true, published: [("HR@20", 0.5073), ("MRR@20", 0.1759)], source: "SR-GNN, arXiv 1811.00855"),
  ]

  /// All read a new window of a long history each epoch: the newest 201 events are only 66 % of the training part.
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

  /// Reviews of one day have no order: some of the histories are read with some of their events in another, where validation asks for it.
  /// The published sizes; a larger step and more dropout than published, which 40 epochs ask for; on Toys vectors of one length, as in sessions.
  private static let amazonLiGRKnobs = [
    ("length", "50"), ("blocks", "1"), ("heads", "1"), ("dim", "64"), ("sharing", "batch"), ("negatives", "2048"), ("dropout", "0.4"),
    ("schedule", "cosine"), ("epochs", "40"), ("patience", "0"), ("evaluate-every", "5"), ("validation-users", "6000"),
    ("augment", "reorder"),
  ]
  /// Vectors of one length, as NISER has them: rare items are not drowned by frequent ones.
  private static let sessionKnobs = [
    ("dim", "128"), ("blocks", "1"), ("heads", "2"), ("length", "20"), ("feed-forward", "2"), ("sharing", "batch"), ("negatives", "4096"),
    ("similarity", "cosine"), ("temperature", "0.07"), ("dropout", "0.3"), ("batch", "256"), ("learning-rate", "0.002"),
    ("schedule", "cosine"), ("epochs", "8"), ("patience", "0"), ("evaluate-every", "2"), ("seen-items", "ranked"),
    ("validation-users", "4000"), ("augment", "reorder"),
  ]

  public static func named(_ name: String) -> Recipe? { all.first { $0.name == name } }
}
