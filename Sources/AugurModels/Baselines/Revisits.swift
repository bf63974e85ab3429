// Back to what was met before, the recent first: in sessions of a shop one click in five.
import Glibc

/// score(j) = Σ over the events of j in the history, the last one aside, of exp(-age / decay).
public struct Revisits: Scorer {
  public let itemCount: Int
  private let decay: Float

  /// - Parameter decay: in events, above 0.
  public init(itemCount: Int, decay: Float = 3) {
    precondition(decay > 0, "Revisits: expected a decay above 0, got \(decay)")
    (self.itemCount, self.decay) = (itemCount, decay)
  }

  public func scores(history: Span<Int32>, into: UnsafeMutableBufferPointer<Float>) {
    checkSize(into, "Revisits")
    into.update(repeating: 0)
    for place in 0..<max(0, history.count - 1) where history[place] >= 0 && Int(history[place]) < itemCount {
      into[Int(history[place])] += exp(-Float(history.count - 1 - place) / decay)
    }
  }
}
