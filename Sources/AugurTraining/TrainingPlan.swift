// The knobs of the training loop, beside those of the model.
import AugurEvents
public import AugurModels
import AugurTensors
import Glibc

public enum TrainingPlan {
  /// Knobs that `--set` knows besides the model's.
  public static let knobs: [Hyperparameter] = [
    .integer("epochs", 100, in: 1...1_000_000, "passes over the training data at most"),
    .integer("batch", 128, in: 1...65_536, "B, users of one step"),
    .integer(
      "batch-tokens", 0, in: 0...2_000_000_000, "a batch ends before the user whose events would exceed this; 0: after `batch` users"),
    .choice(
      "shuffle", "users", of: UserShuffle.allCases.map(\.rawValue),
      "blocks: neighbours in the file stay near, for data sets beyond the memory"),
    .choice("window", "newest", of: ["newest", "random"], "part of a history longer than `length` that an epoch reads"),
    .choice("optimizer", "adam", of: optimizers, optimizerWords),
    .real("learning-rate", 0.001, in: 1e-9...10, "step size after warm-up"),
    .choice(
      "schedule", "constant", of: ["constant", "linear", "cosine", "step", "one-cycle", "plateau"],
      "learning rate: falls over `epochs`, at every decay-steps, or after decay-patience evaluations without a better metric"),
    .real("final-share", 0.1, in: 0...1, "share of the learning rate that is left at the end of linear, cosine and one-cycle"),
    .real("decay-factor", 0.1, in: 1e-6...1, "what step and plateau multiply the learning rate by"),
    .integer("decay-steps", 1000, in: 1...1_000_000_000, "steps between the decays of step"),
    .integer("decay-patience", 1, in: 1...1_000_000, "evaluations without a better metric before plateau decays"),
    .integer("warm-up", 0, in: 0...10_000_000, "steps over which the learning rate rises linearly"),
    .real("beta1", 0.9, in: 0...0.9999, "Adam, first moment"),
    .real("beta2", 0.98, in: 0...0.99999, "Adam, second moment"),
    .real("epsilon", 1e-8, in: 1e-20...1, "Adam, added to the root"),
    .real("momentum", 0, in: 0...0.9999, "of sgd and nesterov"),
    .real("ema", 0, in: 0...0.99999, "share of the past in averages of the weights, which are evaluated and kept; 0: none"),
    .real("weight-decay", 0, in: 0...10, "decoupled; matrices only"),
    .real("clip", 0, in: 0...1e9, "largest norm of the whole gradient; 0: no clipping"),
    .integer("patience", 10, in: 0...1_000_000, "evaluations without a better validation metric before stopping; 0: never stop"),
    .text("metric", "NDCG@10", "HR@k, NDCG@k, MRR@k or Recall@k", "what decides which epoch is the best, by the validation users"),
    .integer("evaluate-every", 1, in: 1...1_000_000, "epochs between evaluations"),
    .integer("validation-users", 0, in: 0...1_000_000_000, "users of one evaluation, drawn once by the seed; 0: all"),
    .choice(
      "seen-items", "removed", of: SeenItems.allCases.map(\.rawValue), "ranked: an evaluation ranks the items of the history again"),
    .integer("checkpoint-steps", 0, in: 0...1_000_000_000, "steps between checkpoints inside an epoch; 0: at its end only"),
  ] + augmentationKnobs

  /// What evaluations of a run rank.
  public static func seenItems(_ h: [String: String]) -> SeenItems { h["seen-items"].flatMap(SeenItems.init) ?? .removed }

  static let optimizers = ["adam", "lazy-adam", "sgd", "nesterov", "adagrad", "rowwise-adagrad"]
  static let optimizerWords =
    "lazy-adam updates only the table rows that a step touched; rowwise-adagrad keeps one number for a table row"

  /// How histories become the batches of a plan.
  static func batchRules(_ h: Hyperparameters, _ model: any SequenceModel) throws(ModelError) -> BatchRules {
    let (tokens, length) = (h.integer("batch-tokens"), model.longestHistory)
    guard tokens == 0 || tokens >= length else {
      throw .badCombination("hyper-parameter 'batch-tokens': expected 0 or at least length=\(length), got \(tokens)")
    }
    var rules = BatchRules(
      size: h.integer("batch"), length: length, tokens: tokens, alignment: model.positionAlignment,
      window: HistoryWindow(rawValue: h.choice("window")) ?? .newest, shuffle: UserShuffle(rawValue: h.choice("shuffle")) ?? .users)
    (rules.hasTimes, rules.isWhole) = (model.readsTimes, model.fillsMasks)
    return rules
  }

  /// The learning rate of `step` (from 1) of `steps`; `decays` counts those of plateau so far.
  static func learningRate(_ h: Hyperparameters, step: Int, steps: Int, decays: Int = 0) -> Float {
    let full = h.real("learning-rate")
    let warmUp = h.integer("warm-up")
    if step <= warmUp { return full * Float(step) / Float(warmUp) }
    let progress = min(1, Float(step - warmUp) / Float(max(1, steps - warmUp)))
    let least = full * h.real("final-share")
    return switch h.choice("schedule") {
    case "linear": full - (full - least) * progress
    case "cosine": least + (full - least) * 0.5 * (1 + cosf(.pi * progress))
    case "step": full * powf(h.real("decay-factor"), Float((step - warmUp - 1) / h.integer("decay-steps")))
    case "one-cycle": oneCycle(full, least, progress)
    case "plateau": full * powf(h.real("decay-factor"), Float(decays))
    default: full
    }
  }

  /// From 1/25 up to `full` in the first 30 %, then down to `least`, both along a cosine (Smith and Topin 2017, as in PyTorch).
  private static func oneCycle(_ full: Float, _ least: Float, _ progress: Float) -> Float {
    let (from, to, share) = progress < 0.3 ? (full / 25, full, progress / 0.3) : (full, least, (progress - 0.3) / 0.7)
    return to + (from - to) * 0.5 * (1 + cosf(.pi * share))
  }
}

/// One 64-bit seed for each use of each step, so that a resumed run draws what the uninterrupted one drew.
func derivedSeed(_ seed: UInt64, _ step: Int, _ use: UInt64) -> UInt64 {
  RandomStream.mix(
    seed &+ UInt64(bitPattern: Int64(step)) &* 0x9e37_79b9_7f4a_7c15 &+ use &* 0xd1b5_4a32_d192_ed03)
}
