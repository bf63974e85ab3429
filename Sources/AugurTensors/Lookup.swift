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
    package let hostRows: [Int32]
    package var count: Int { hostRows.count }
  }

  public var count: Int { ids.count }

  /// Groups `ids` by value: one stable counting sort over the ids that occur. Precondition: ids lie in `0 ..< rowCount`.
  /// `isGrouped: false` leaves the groups out, for lookups that never get a gradient.
  public init(_ ids: [Int32], rowCount: Int, device: Device, isGrouped: Bool = true) {
    self.ids = Tensor(ids, shape: Shape(ids.count), device: device)
    guard isGrouped else {
      groups = nil
      return
    }
    let found = RowGroups(ids, rowCount: rowCount)
    func moved(_ values: [Int32]) -> Tensor { Tensor(values, shape: Shape(values.count), device: device) }
    groups = Groups(order: moved(found.order), segments: moved(found.segments), rows: moved(found.rows), hostRows: found.rows)
  }
}

/// Positions of equal ids brought together: group u is `order[segments[u] ..< segments[u+1]]`, all with id `rows[u]`.
package struct RowGroups: Sendable {
  package var order: [Int32]
  package var segments: [Int32]
  package var rows: [Int32]

  /// Least-significant-digit radix sort with 11-bit digits: stable, O(n), groups in rising id.
  package init(_ ids: [Int32], rowCount: Int) {
    precondition(ids.count <= Int(Int32.max), "lookup: expected fewer than 2^31 ids, got \(ids.count)")
    var keys = ids
    var order = ids.indices.map { Int32(truncatingIfNeeded: $0) }
    var keysOut = keys
    var orderOut = order
    var shift = 0
    while (max(1, rowCount) - 1) >> shift > 0 || shift == 0 {
      var starts = [Int](repeating: 0, count: 2049)
      for key in keys {
        precondition(key >= 0 && Int(key) < rowCount, "lookup: expected ids in 0..<\(rowCount), got \(key)")
        starts[Int(key >> Int32(shift)) & 2047 + 1] += 1
      }
      for digit in 0..<2048 { starts[digit + 1] += starts[digit] }
      keysOut.withUnsafeMutableBufferPointer { keysOut in
        orderOut.withUnsafeMutableBufferPointer { orderOut in
          for i in keys.indices {
            let digit = Int(keys[i] >> Int32(shift)) & 2047
            keysOut[starts[digit]] = keys[i]
            orderOut[starts[digit]] = order[i]
            starts[digit] += 1
          }
        }
      }
      swap(&keys, &keysOut)
      swap(&order, &orderOut)
      shift += 11
    }
    var segments: [Int32] = []
    var rows: [Int32] = []
    for i in keys.indices where i == 0 || keys[i] != keys[i - 1] {
      segments.append(Int32(i))
      rows.append(keys[i])
    }
    segments.append(Int32(keys.count))
    (self.order, self.segments, self.rows) = (order, segments, rows)
  }
}
