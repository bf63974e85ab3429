// Sizes of a tensor, outermost first. Rank 0 to 3 is all the engine needs: a jagged batch is [T, D], never [B, L, D].

/// The sizes of the axes of a tensor, row-major. Held in place: a request makes dozens of shapes, and none takes memory.
public struct Shape: Hashable, Sendable, CustomStringConvertible, ExpressibleByArrayLiteral {
  /// Number of axes, 0 to 3.
  public let rank: Int
  private let first, second, third: Int  // 1 beyond the rank

  /// Precondition: at most three sizes, every one at least 0.
  public init(_ sizes: [Int]) {
    precondition(sizes.count <= 3, "shape: expected at most 3 axes, got \(sizes)")
    self.init(
      rank: sizes.count, !sizes.isEmpty ? sizes[0] : 1, sizes.count > 1 ? sizes[1] : 1, sizes.count > 2 ? sizes[2] : 1)
  }
  public init(arrayLiteral sizes: Int...) { self.init(sizes) }
  /// `[size]`, without the array that a literal makes.
  package init(_ size: Int) { self.init(rank: 1, size, 1, 1) }
  /// `[rows, columns]`.
  package init(_ rows: Int, _ columns: Int) { self.init(rank: 2, rows, columns, 1) }

  private init(rank: Int, _ first: Int, _ second: Int, _ third: Int) {
    precondition(min(first, second, third) >= 0, "shape: expected sizes of at least 0, got [\(first), \(second), \(third)]")
    (self.rank, self.first, self.second, self.third) = (rank, first, second, third)
  }

  public var sizes: [Int] { Array([first, second, third].prefix(rank)) }
  /// Number of elements: the product of the sizes.
  public var count: Int { first * second * third }
  /// Size of the first axis.
  public var rows: Int { first }
  /// Elements of one row: the product of all sizes but the first.
  public var columns: Int { second * third }
  public subscript(axis: Int) -> Int {
    precondition(axis >= 0 && axis < rank, "shape: expected an axis in 0..<\(rank), got \(axis)")
    return axis == 0 ? first : axis == 1 ? second : third
  }
  /// The same with another first axis. Precondition: rank of at least 1.
  package func with(rows: Int) -> Shape { Shape(rank: rank, rows, second, third) }
  public var description: String { "[" + sizes.map(String.init).joined(separator: ", ") + "]" }
}
