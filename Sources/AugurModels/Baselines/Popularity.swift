// The most popular items, the same for everybody: the floor under every recommender.

/// score(i) = number of times that item i occurs in the training histories.
public struct Popularity: Scorer {
  private let counts: [Float]
  public var itemCount: Int { counts.count }

  public init(_ histories: Histories) {
    var counts = [Int](repeating: 0, count: histories.itemCount)
    for item in histories.items where histories.isKnown(item) { counts[Int(item)] += 1 }
    self.counts = counts.map { Float($0) }
  }

  public func scores(history: Span<Int32>, into: UnsafeMutableBufferPointer<Float>) {
    checkSize(into, "Popularity")
    _ = into.update(fromContentsOf: counts)
  }
}
