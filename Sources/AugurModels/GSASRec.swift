// gSASRec: SASRec with many negatives, gBCE and a table of its own for scoring. Petrov and Macdonald 2023.
import AugurTensors

/// The defaults of the paper's ML-1M row; the architecture is SASRec's.
enum GSASRec {
  static let entry = ModelEntry(
    name: "gsasrec", paper: "Petrov and Macdonald 2023, arXiv 2308.07192",
    hyperparameters: transformerKnobs(dim: 128, blocks: 2, heads: 1, dropout: 0.5, feedForward: 1, length: 200)
      + [
        .choice("variant", "paper", of: ["paper", "pre-norm"], "paper: the residual adds the normalised query; pre-norm: x"),
        .choice("feed-forward-activation", "relu", of: ["relu", "gelu"], "activation of the feed-forward part"),
        outputTableKnob("separate"),
      ] + objectiveKnobs(loss: "gbce", negatives: 256, sharing: "sequence")
  ) { h, itemCount throws(ModelError) in
    try SASRec(
      h, itemCount: itemCount, separateOutput: h.choice("output-table") == "separate")
  }
}
