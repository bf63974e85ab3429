// How the inputs of trees become a byte each: numbers by edges, categories by rank.

/// The bins of one input of a tree. A number in bin b is above the edges before b - 1 and at most edge b - 1; bin 0 is a missing
/// one. A category has a bin of its own, or shares bin 0.
public enum FeatureBins: Sendable, Equatable {
  /// Where the input is found among the columns of a table.
  public enum Source: Sendable, Equatable {
    /// A number, and the one that is 1 where it is missing.
    case number(Int, missing: Int?)
    /// A field with one id a row.
    case field(Int)
    /// Whether the list of a field holds an id.
    case member(Int, id: Int32)
    /// How many ids the list of a field holds.
    case length(Int)
  }
  /// `edges` rise.
  case number(Source, edges: [Float])
  /// By id.
  case category(Source, bins: [UInt8])

  /// Bins at most: they fit a byte.
  public static let largest = 256

  public var source: Source {
    switch self {
    case .number(let source, _), .category(let source, _): source
    }
  }
  public var isCategory: Bool { if case .category = self { true } else { false } }
  /// Number of bins.
  public var count: Int {
    switch self {
    case .number(_, let edges): edges.count + 2
    case .category(_, let bins): Int(bins.max() ?? 0) + 1
    }
  }

  /// The bin of a number; that of a missing one for NaN.
  @inlinable
  public static func bin(_ value: Float, _ edges: UnsafeBufferPointer<Float>) -> UInt8 {
    if value.isNaN { return 0 }
    var (low, high) = (0, edges.count)
    while low < high {
      let middle = (low + high) / 2
      if edges[middle] < value { low = middle + 1 } else { high = middle }
    }
    return UInt8(truncatingIfNeeded: low + 1)
  }
}

/// R rows of F inputs, a byte each, input by input.
public struct BinnedRows: Sendable {
  public let rowCount: Int
  public let featureCount: Int
  /// [F, R]
  public let bins: [UInt8]

  /// Precondition: F x R bins.
  public init(rowCount: Int, featureCount: Int, bins: [UInt8]) {
    precondition(bins.count == rowCount * featureCount, "BinnedRows: expected \(rowCount * featureCount) bins, got \(bins.count)")
    (self.rowCount, self.featureCount, self.bins) = (rowCount, featureCount, bins)
  }
}
