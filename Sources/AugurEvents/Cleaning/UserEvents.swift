// The events of one user as columns: what the merge delivers and the rules of cleaning change.

/// N events of one user in canonical order: by time, then by the bytes of the item, then by kind and the other columns. Columns
/// that the log does not have are empty. Made once and reused from user to user: nothing is allocated once the largest user was
/// seen.
package struct UserEvents: Equatable, Sendable {
  /// Stands for an empty kind or category.
  package static let missing: Int32 = -1

  package var items: [Int32] = []  // [N]
  package var times: [Int64] = []  // [N] epoch milliseconds, or empty
  package var kinds: [Int32] = []  // [N] or empty; -1 is missing
  package var categories: [Int32] = []  // [N] or empty; -1 is missing
  package var prices: [Float] = []  // [N] or empty; NaN is missing
  package var quantities: [Float] = []  // [N] or empty; NaN is missing

  package init() {}

  package var count: Int { items.count }

  package mutating func removeAll() {
    items.removeAll(keepingCapacity: true)
    times.removeAll(keepingCapacity: true)
    kinds.removeAll(keepingCapacity: true)
    categories.removeAll(keepingCapacity: true)
    prices.removeAll(keepingCapacity: true)
    quantities.removeAll(keepingCapacity: true)
  }

  /// Keeps the events whose flag is set, in their order; `flags` is [N]. Returns how many were dropped.
  @discardableResult
  package mutating func keep(where flags: [Bool]) -> Int {
    precondition(flags.count == count, "UserEvents.keep: expected \(count) flags, got \(flags.count)")
    guard let first = flags.firstIndex(of: false) else { return 0 }
    let before = count
    func close<Value>(_ column: inout [Value]) {
      guard !column.isEmpty else { return }
      var next = first
      for place in first + 1..<flags.count where flags[place] {
        column[next] = column[place]
        next += 1
      }
      column.removeLast(column.count - next)
    }
    close(&items)
    close(&times)
    close(&kinds)
    close(&categories)
    close(&prices)
    close(&quantities)
    return before - count
  }

  /// Whether two events agree in every column; missing numbers equal each other.
  func areEqual(_ a: Int, _ b: Int) -> Bool {
    guard items[a] == items[b] else { return false }
    if !times.isEmpty, times[a] != times[b] { return false }
    if !kinds.isEmpty, kinds[a] != kinds[b] { return false }
    if !categories.isEmpty, categories[a] != categories[b] { return false }
    return Self.same(prices, a, b) && Self.same(quantities, a, b)
  }

  private static func same(_ column: [Float], _ a: Int, _ b: Int) -> Bool {
    column.isEmpty || column[a] == column[b] || column[a].isNaN && column[b].isNaN
  }
}
