// Row indices of a table, with the order that lets a backward pass add equal rows together in a fixed order.
public import AugurCompute

/// `n` row indices into a table of `rowCount` rows; groups of equal ids are kept for fixed-order segment sums.
public struct Lookup: Sendable {
  /// `[n]` int32: the row of each lookup.
  public let ids: Tensor
  /// Nil for lookups that never get a gradient.
  package let groups: Groups?

  /// `RowGroups` on the device.
  package struct Groups: Sendable {
    package let order: Tensor, segments: Tensor, rows: Tensor
    /// The rows on the CPU.
    package let hostRows: Tensor
    package var count: Int { rows.count }
  }

  public var count: Int { ids.count }

  /// Groups `ids` by value with one stable radix sort. Precondition: ids lie in `0 ..< rowCount`.
  /// `isGrouped: false` leaves the groups out, for lookups that never get a gradient.
  public init(_ ids: [Int32], rowCount: Int, device: Device, isGrouped: Bool = true) {
    self.ids = Tensor(ids, shape: Shape(ids.count), device: device)
    guard isGrouped else {
      groups = nil
      return
    }
    let found = RowGroups(ids, rowCount: rowCount)
    groups = Groups(
      order: found.order.moved(to: device), segments: found.segments.moved(to: device), rows: found.rows.moved(to: device),
      hostRows: found.rows)
  }

  /// The rows that occur in any of `lookups`, rising, `[U]` int32 on their device. Precondition: at least one, all grouped.
  package static func union(_ lookups: [Lookup], rowCount: Int) -> Tensor {
    let groups = lookups.compactMap(\.groups)
    if groups.count == 1 { return groups[0].rows }
    return RowGroups(groups.flatMap { $0.hostRows.ints() }, rowCount: rowCount).rows.moved(to: lookups[0].ids.device)
  }
}

/// Positions of equal ids brought together, on the CPU: group u is `order[segments[u] ..< segments[u+1]]`, all with id `rows[u]`.
package struct RowGroups: Sendable {
  package let order: Tensor
  package let segments: Tensor
  package let rows: Tensor

  /// Groups in rising id, positions in rising order; the memory has room for `ids.count` groups.
  package init(_ ids: [Int32], rowCount: Int) {
    let n = ids.count
    let order = Tensor([n], dtype: .int32, device: .cpu)
    let (segments, rows) = (Storage(bytes: 4 * (n + 1), device: .cpu), Storage(bytes: 4 * n, device: .cpu))
    let targets = IDGroupTargets(
      order: order.intPointer, segments: segments.host.assumingMemoryBound(to: Int32.self),
      rows: rows.host.assumingMemoryBound(to: Int32.self))
    let count = ids.withUnsafeBufferPointer { groupEqualIDs($0, below: rowCount, into: targets) }
    self.order = order
    self.segments = Tensor([count + 1], dtype: .int32, storage: segments, slot: nil)
    self.rows = Tensor([count], dtype: .int32, storage: rows, slot: nil)
  }
}
