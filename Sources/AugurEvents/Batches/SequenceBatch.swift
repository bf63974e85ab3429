// A jagged batch: T rows, offsets [B + 1], no padding.

/// A training batch, longest history first: row t predicts `targets[t]` from the inputs of its user up to t.
public struct SequenceBatch: Sendable, Equatable {
  public var users: [Int32] = []  // [B]
  public var offsets: [Int32] = [0]  // [B + 1]
  public var inputs: [Int32] = []  // [T]
  public var targets: [Int32] = []  // [T]
  public var positions: [Int32] = []  // [T], in 0..<L
  public var times: [Int32] = []  // [T], seconds since the first input of the user; empty where the rules ask for none

  public init() {}

  /// Empty again; the memory stays.
  mutating func clear() {
    users.removeAll(keepingCapacity: true)
    offsets.removeAll(keepingCapacity: true)
    offsets.append(0)
    inputs.removeAll(keepingCapacity: true)
    targets.removeAll(keepingCapacity: true)
    positions.removeAll(keepingCapacity: true)
    times.removeAll(keepingCapacity: true)
  }

  /// Adds a user whose row i predicts `history[i + 1]`; the first row has position `first`. `times` are those of the inputs, where there
  /// are any. Precondition: two events.
  mutating func append(_ user: Int32, _ history: UnsafeBufferPointer<Int32>, times: [Int32] = [], first: Int) {
    let count = history.count - 1
    users.append(user)
    inputs.append(contentsOf: UnsafeBufferPointer(rebasing: history[..<count]))
    targets.append(contentsOf: UnsafeBufferPointer(rebasing: history[1...]))
    positions.append(contentsOf: Int32(first)..<Int32(first + count))
    offsets.append(Int32(inputs.count))
    self.times.append(contentsOf: times)
  }
}

/// Seconds since the first of some epoch milliseconds; what lies further than 68 years away stays there.
package func secondsSinceFirst(_ moments: some Collection<Int64>) -> [Int32] {
  guard let first = moments.first else { return [] }
  return moments.map { Int32(clamping: $0.subtractingReportingOverflow(first).partialValue / 1000) }
}
