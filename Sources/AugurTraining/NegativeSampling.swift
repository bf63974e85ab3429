// Fewer negatives to train on: which rows are left, and what that does to the odds. A model of rows whose negatives were kept with
// probability w learns odds 1 / w too high, so its logit + ln w is that of all rows (King and Zeng 2001, prior correction).
import AugurEvents
import AugurModels
import AugurTensors
import Glibc

/// Knobs of training on fewer negatives.
let negativeKnobs: [Hyperparameter] = [
  .real(
    "negative-rate", 1, in: 1e-6...1, "share of the negatives that was kept when the training rows were made; probabilities undo it"),
  .real("sample-negatives", 1, in: 1e-6...1, "share of the training negatives that is trained on, drawn by the seed; probabilities undo it"),
]

/// The training rows of a run.
struct TrainingRows {
  /// Rising.
  let rows: [Int]
  /// Weight of the negatives among them over that of all.
  let negativeShare: Double

  /// Draws as many negatives as `sample-negatives` says, one at least; the same for the same seed.
  init(_ data: TableDataset, _ knobs: Hyperparameters, seed: UInt64) {
    let (all, labels, weights) = (data.rows(.training), data.labels, data.weights)
    let share = knobs.real("sample-negatives")
    guard share < 1 else {
      (rows, negativeShare) = (Array(all), 1)
      return
    }
    let negatives = all.filter { labels[$0] == 0 && weights?[$0] ?? 1 > 0 }
    guard !negatives.isEmpty else {
      (rows, negativeShare) = (Array(all), 1)
      return
    }
    var random = RandomStream(seed: derivedSeed(seed, 0, 9))
    let count = max(1, Int((Double(share) * Double(negatives.count)).rounded()))
    let drawn = negatives.shuffled(using: &random)[..<count].sorted()
    func weight(_ rows: [Int]) -> Double { rows.reduce(0) { $0 + Double(weights?[$1] ?? 1) } }
    negativeShare = weight(drawn) / weight(negatives)
    rows = (all.filter { labels[$0] != 0 } + drawn).sorted()
  }
}

extension TableObjective {
  /// Sets how far the negatives of a run are fewer. Throws where its labels are no clicks.
  mutating func takeNegativeRate(_ data: TableDataset, _ knobs: Hyperparameters, seed: UInt64) throws(ModelError) {
    for name in ["negative-rate", "sample-negatives"] where knobs.real(name) < 1 {
      guard joint == "entire-space" || (joint == nil && losses == ["bce"]) else {
        throw .badCombination(
          "hyper-parameter '\(name)': is of one label of two classes with loss bce, or of entire-space; the loss here is "
            + (joint ?? losses.joined(separator: ", ")))
      }
    }
    negativeRate = Double(knobs.real("negative-rate")) * TrainingRows(data, knobs, seed: seed).negativeShare
  }
}
