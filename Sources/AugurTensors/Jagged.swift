// A batch of sequences without padding: rows of all sequences one after the other, and where each begins.
public import AugurCompute

/// Row boundaries of `B` sequences with `T` rows in all: sequence b owns rows `offsets[b] ..< offsets[b+1]`.
public struct Jagged: Sendable {
  /// `[B + 1]`, int32, on the device.
  public let offsets: Tensor
  /// The same numbers for the host.
  public let hostOffsets: [Int32]
  /// Rows of the longest sequence.
  public let longest: Int

  /// Precondition: offsets start at 0 and never fall.
  public init(offsets: [Int32], device: Device) {
    precondition(offsets.first == 0, "jagged: expected offsets that start at 0, got \(offsets.first.map(String.init) ?? "none")")
    var longest: Int32 = 0
    for (a, b) in zip(offsets, offsets.dropFirst()) {
      precondition(b >= a, "jagged: expected offsets that never fall, got \(a) then \(b)")
      longest = max(longest, b - a)
    }
    self.longest = Int(longest)
    self.hostOffsets = offsets
    self.offsets = Tensor(offsets, shape: Shape(offsets.count), device: device)
  }

  /// Number of sequences, B.
  public var count: Int { hostOffsets.count - 1 }
  /// Number of rows, T.
  public var rows: Int { Int(hostOffsets[hostOffsets.count - 1]) }
}

/// Where the positions of a sequence start: `right` gives the newest row position L - 1 whatever the length, `left` the oldest 0.
public enum PositionAlignment: String, Sendable, CaseIterable {
  case right, left

  /// The position of the first of `count` rows, L being `length`.
  package func first(count: Int, length: Int) -> Int { self == .right ? length - count : 0 }
}
