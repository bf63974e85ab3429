// Equal ids brought together in a fixed order, so that gradients of embedding rows are summed the same way every time.

/// Group u holds the positions `order[segments[u]..<segments[u + 1]]` of `ids`, rising, all equal to `rows[u]`; rows
/// rise.
public struct RowGroups: Sendable, Equatable {
  public let order: [Int32]  // [n]
  public let segments: [Int32]  // [U + 1]
  public let rows: [Int32]  // [U]

  /// Stable radix sort, O(n) a digit of at most 12 bits. Precondition: ids not negative, fewer than 2^31.
  public init(ids: [Int32]) {
    let top = ids.max() ?? 0
    precondition(ids.count < Int(Int32.max) && (ids.min() ?? 0) >= 0, "RowGroups: expected ids >= 0, fewer than 2^31")
    let bits = Int32.bitWidth - top.leadingZeroBitCount
    let passes = max(1, (bits + 11) / 12)
    let width = max(1, (bits + passes - 1) / passes)
    var order = [Int32](0..<Int32(ids.count))
    var other = [Int32](repeating: 0, count: ids.count)
    for pass in 0..<passes {
      Self.sortDigit(ids, from: order, into: &other, shift: Int32(pass * width), mask: Int32(1) << Int32(width) - 1)
      swap(&order, &other)
    }
    var (segments, rows): ([Int32], [Int32]) = ([], [])
    ids.withUnsafeBufferPointer { ids in
      var last: Int32 = -1
      for (place, position) in order.enumerated() where ids[Int(position)] != last {
        last = ids[Int(position)]
        segments.append(Int32(truncatingIfNeeded: place))
        rows.append(last)
      }
    }
    segments.append(Int32(ids.count))
    (self.order, self.segments, self.rows) = (order, segments, rows)
  }

  private static func sortDigit(_ ids: [Int32], from: [Int32], into: inout [Int32], shift: Int32, mask: Int32) {
    var starts = [Int32](repeating: 0, count: Int(mask) + 2)
    ids.withUnsafeBufferPointer { ids in
      from.withUnsafeBufferPointer { from in
        into.withUnsafeMutableBufferPointer { into in
          starts.withUnsafeMutableBufferPointer { starts in
            for id in ids { starts[Int(id &>> shift & mask) + 1] &+= 1 }
            for digit in 1..<starts.count { starts[digit] &+= starts[digit - 1] }
            for position in from {
              let digit = Int(ids[Int(position)] &>> shift & mask)
              into[Int(starts[digit])] = position
              starts[digit] &+= 1
            }
          }
        }
      }
    }
  }
}
