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

    fileprivate init(_ found: RowGroups, _ device: Device) {
      (order, segments, rows) = (found.order.moved(to: device), found.segments.moved(to: device), found.rows.moved(to: device))
      hostRows = found.rows
    }

    /// The same from groups that lie in plain arrays, copied once on their way to a GPU.
    fileprivate init(copying host: HostLookup, in places: CachedRows?, toGPU device: Device) {
      let (n, U) = (host.ids.count, host.groupCount)
      hostRows = Tensor(places?.places(of: host.distinct) ?? Array(host.distinct), shape: Shape(U))
      (order, segments, rows) = (
        Tensor(host.order, count: n, device), Tensor(host.segments, count: U + 1, device), hostRows.moved(to: device)
      )
    }
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
    groups = Groups(RowGroups(ids, rowCount: rowCount), device)
  }

  /// What `host` has found already, moved to the device: nothing is sorted here. With `places`, of a GPU, it
  /// looks up the places of its rows; the groups keep the order of the rows.
  package init(_ host: HostLookup, in places: CachedRows? = nil, device: Device) {
    ids = Tensor(places?.places(of: host.ids) ?? host.ids, shape: Shape(host.ids.count), device: device)
    groups = device == .cpu ? Groups(RowGroups(copying: host), device) : Groups(copying: host, in: places, toGPU: device)
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
    let scratch = Storage(bytes: idGroupScratchBytes(n, below: rowCount), device: .cpu)
    let count = ids.withUnsafeBufferPointer {
      groupEqualIDs($0, below: rowCount, into: targets, scratch: scratch.host, threads: ThreadPool.shared.threads)
    }
    self.order = order
    self.segments = Tensor([count + 1], dtype: .int32, storage: segments, slot: nil)
    self.rows = Tensor([count], dtype: .int32, storage: rows, slot: nil)
  }

  /// The same from groups that lie in plain arrays; takes the same blocks of memory.
  fileprivate init(copying host: HostLookup) {
    let n = host.ids.count
    order = Tensor([n], dtype: .int32, device: .cpu)
    let (segments, rows) = (Storage(bytes: 4 * (n + 1), device: .cpu), Storage(bytes: 4 * n, device: .cpu))
    order.intPointer.update(from: host.order, count: n)
    segments.host.copyMemory(from: host.segments, byteCount: 4 * (host.groupCount + 1))
    rows.host.copyMemory(from: host.rows, byteCount: 4 * host.groupCount)
    self.segments = Tensor([host.groupCount + 1], dtype: .int32, storage: segments, slot: nil)
    self.rows = Tensor([host.groupCount], dtype: .int32, storage: rows, slot: nil)
  }
}

extension Tensor {
  /// The first `count` of `values`, on `device`.
  fileprivate init(_ values: [Int32], count: Int, _ device: Device) {
    self.init(Shape(count), dtype: .int32, device: device)
    values.withUnsafeBytes { upload(UnsafeRawBufferPointer(rebasing: $0[..<(4 * count)])) }
  }
}

/// Ids and their groups in plain arrays, made on one thread beside the engine: no pool, no arena; the memory is used again.
package struct HostLookup {
  package var ids: [Int32] = []
  fileprivate private(set) var order: [Int32] = [], segments: [Int32] = [0], rows: [Int32] = []
  fileprivate private(set) var groupCount = 0
  private var scratch: [UInt64] = []
  /// The different ids, rising.
  package var distinct: ArraySlice<Int32> { rows[..<groupCount] }

  package init() {}

  /// Takes a copy of `values` as the ids. An array that shares its memory could not use it again.
  package mutating func copy(_ values: [Int32]) {
    ids.removeAll(keepingCapacity: true)
    values.withUnsafeBufferPointer { ids.append(contentsOf: $0) }
  }

  /// Groups `ids` by value. Precondition: they lie in `0 ..< rowCount`.
  package mutating func group(rowCount: Int) {
    let n = ids.count
    reserve(n, idGroupScratchBytes(n, below: rowCount))
    groupCount = ids.withUnsafeBufferPointer { ids in
      order.withUnsafeMutableBufferPointer { order in
        segments.withUnsafeMutableBufferPointer { segments in
          rows.withUnsafeMutableBufferPointer { rows in
            scratch.withUnsafeMutableBytes { scratch in
              guard let order = order.baseAddress, let segments = segments.baseAddress, let rows = rows.baseAddress,
                let scratch = scratch.baseAddress
              else { return 0 }
              let targets = IDGroupTargets(order: order, segments: segments, rows: rows)
              return groupEqualIDs(ids, below: rowCount, into: targets, scratch: scratch, threads: 1)
            }
          }
        }
      }
    }
  }

  private mutating func reserve(_ n: Int, _ scratchBytes: Int) {
    func grow<E: FixedWidthInteger>(_ array: inout [E], _ count: Int) {
      if array.count < count { array = Array(repeating: 0, count: count + count / 4) }
    }
    grow(&order, max(1, n))
    grow(&segments, n + 1)
    grow(&rows, max(1, n))
    grow(&scratch, (scratchBytes + 7) / 8 + 1)
  }
}
