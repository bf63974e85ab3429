// gSASRec: SASRec with many negatives, gBCE and a table of its own for scoring. Petrov and Macdonald 2023.
import AugurTensors

/// The defaults of the paper's ML-1M row; the architecture is SASRec's.
enum GSASRec {
  static let entry = ModelEntry(
    name: "gsasrec", paper: "Petrov and Macdonald 2023, arXiv 2308.07192",
    hyperparameters: transformerKnobs(dim: 128, blocks: 2, heads: 1, dropout: 0.5, feedForward: 1, length: 200)
      + SASRec.ownKnobs + [outputTableKnob("separate")] + objectiveKnobs(loss: "gbce", negatives: 256, sharing: "sequence")
  ) { h, itemCount throws(ModelError) in
    try SASRec(h, itemCount: itemCount)
  }
}
