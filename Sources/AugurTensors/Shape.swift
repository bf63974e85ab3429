// Sizes of a tensor, outermost first. Rank 0 to 3 is all the engine needs: a jagged batch is [T, D], never [B, L, D].

/// The sizes of the axes of a tensor, row-major.
public struct Shape: Hashable, Sendable, CustomStringConvertible, ExpressibleByArrayLiteral {
  public let sizes: [Int]

  /// Precondition: every size is at least 0.
  public init(_ sizes: [Int]) {
    precondition(sizes.allSatisfy { $0 >= 0 }, "shape: expected sizes of at least 0, got \(sizes)")
    self.sizes = sizes
  }
  public init(arrayLiteral sizes: Int...) { self.init(sizes) }

  public var rank: Int { sizes.count }
  /// Number of elements: the product of the sizes.
  public var count: Int { sizes.reduce(1, *) }
  /// Size of the first axis.
  public var rows: Int { sizes.first ?? 1 }
  /// Elements of one row: the product of all sizes but the first.
  public var columns: Int { sizes.dropFirst().reduce(1, *) }
  public subscript(axis: Int) -> Int { sizes[axis] }
  public var description: String { "[" + sizes.map(String.init).joined(separator: ", ") + "]" }
}
