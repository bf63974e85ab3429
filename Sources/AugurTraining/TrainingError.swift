// What can go wrong while a model is trained or a run is opened.

public enum TrainingError: Error, Equatable, CustomStringConvertible {
  /// The run folder cannot be used as asked; says what to do.
  case run(path: String, problem: String, advice: String)
  /// The data cannot be trained on.
  case data(problem: String, advice: String)
  /// A task that cannot be asked like that.
  case task(String, problem: String, advice: String)
  /// A loss that is no number, before the update that would have spread it.
  case nonFiniteLoss(step: Int, epoch: Int, batch: Int, checkpoint: String)
  /// A checkpoint could not be written; the one before it is still whole.
  case save(String)

  /// Whether the user can mend it (exit code 2) or not (1).
  public var isUserMistake: Bool {
    switch self {
    case .run, .data, .task, .save: true
    case .nonFiniteLoss: false
    }
  }

  public var description: String {
    switch self {
    case .run(let path, let problem, let advice): "\(path): \(problem); \(advice)"
    case .data(let problem, let advice): "\(problem); \(advice)"
    case .task(let name, let problem, let advice): "task \(name): \(problem); \(advice)"
    case .nonFiniteLoss(let step, let epoch, let batch, let checkpoint):
      "loss is not finite at step \(step) (epoch \(epoch), batch \(batch)); last good checkpoint: \(checkpoint); "
        + "lower learning-rate or set clip"
    case .save(let problem): "\(problem); the checkpoint before it is whole: free some space and go on with --resume"
    }
  }
}
