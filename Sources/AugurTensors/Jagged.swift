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
  /// Nil on the CPU. Copies share it.
  private let tiling: RowTiling?

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
    tiling = device == .cpu ? nil : RowTiling()
  }

  /// Number of sequences, B.
  public var count: Int { hostOffsets.count - 1 }
  /// Number of rows, T.
  public var rows: Int { Int(hostOffsets[hostOffsets.count - 1]) }

  /// The tiles of `size` rows of one sequence each, those that meet most rows first: `[tiles, 4]`, int32, on the device. Where it is
  /// causal a tile meets the rows from its sequence's first one to its own last one, else all of its sequence. The size is the first of
  /// `sizes` whose tiles read at most a quarter more than those of the last: small ones where most sequences are short, so that few
  /// rows of a tile are empty.
  ///
  /// The host makes the list at the first call and copies it once, a few KiB, while the device is still busy with other work; all layers
  /// and passes of a step take the same. A device would need some launches to count, add up and sort. Precondition: not on the CPU.
  package func tiles(of sizes: [Int], isCausal: Bool) -> (tiles: Tensor, size: Int) {
    guard let tiling else { preconditionFailure("jagged: expected tiles for a GPU, got the cpu") }
    return tiling.tiles(hostOffsets, of: sizes, isCausal: isCausal, device: offsets.device)
  }
}

/// Lists of tiles, made when they are asked for.
private final class RowTiling: Sendable {
  private struct Key: Hashable {
    let sizes: [Int], isCausal: Bool
  }
  private let made = Guarded<[Key: (tiles: Tensor, size: Int)]>([:])

  func tiles(_ offsets: [Int32], of sizes: [Int], isCausal: Bool, device: Device) -> (tiles: Tensor, size: Int) {
    made.withLock { made in
      let key = Key(sizes: sizes, isCausal: isCausal)
      if let tiles = made[key] { return tiles }
      let size = RowTile.size(of: sizes, offsets, isCausal: isCausal)
      let list = RowTile.heaviestFirst(offsets, of: size, isCausal: isCausal)
      let words = list.flatMap { [$0.start, $0.end, $0.first, $0.number] }
      let tiles = Tensor(words, shape: [list.count, 4], device: device)
      made[key] = (tiles, size)
      return (tiles, size)
    }
  }
}

/// Neighbouring rows of one sequence, as device kernels read them.
package struct RowTile: Sendable, Equatable {
  /// The sequence.
  package let start: Int32, end: Int32
  /// The first row of the tile.
  package let first: Int32
  /// How many tiles have earlier rows.
  package let number: Int32

  /// The first of `sizes` whose tiles read at most a quarter more than those of the last. A tile reads its own rows, and those that it meets
  /// twice, as keys and as values.
  static func size(of sizes: [Int], _ offsets: [Int32], isCausal: Bool) -> Int {
    func rowsRead(_ size: Int) -> Int {
      zip(offsets, offsets.dropFirst()).reduce(0) { sum, sequence in
        let length = Int(sequence.1 - sequence.0), count = (length + size - 1) / size
        return sum + length + 2 * (isCausal ? size * count * (count - 1) / 2 + length : count * length)
      }
    }
    guard let last = sizes.last else { preconditionFailure("tiles: expected sizes") }
    let least = rowsRead(last)
    return sizes.first { 4 * rowsRead($0) <= 5 * least } ?? last
  }

  /// The tiles of all sequences. Equally heavy ones keep the order of their rows.
  package static func heaviestFirst(_ offsets: [Int32], of size: Int, isCausal: Bool) -> [RowTile] {
    var number: Int32 = 0
    let sequences = zip(offsets, offsets.dropFirst()).map { start, end in
      let count = (Int(end - start) + size - 1) / size
      defer { number += Int32(count) }
      return (start: start, end: end, number: number, count: count)
    }.filter { $0.count > 0 }
    let longestFirst = sequences.indices.sorted { a, b in
      let (left, right) = (sequences[a].end - sequences[a].start, sequences[b].end - sequences[b].start)
      return left != right ? left > right : a < b
    }
    func tile(_ sequence: Int, _ place: Int) -> RowTile {
      let (start, end, number, _) = sequences[sequence]
      return RowTile(start: start, end: end, first: start + Int32(place * size), number: number + Int32(place))
    }
    if !isCausal { return longestFirst.flatMap { sequence in (0..<sequences[sequence].count).map { tile(sequence, $0) } } }
    let most = longestFirst.first.map { sequences[$0].count } ?? 0
    return (0..<most).reversed().flatMap { place in
      longestFirst.prefix { sequences[$0].count > place }.map { tile($0, place) }
    }
  }
}

/// Where the positions of a sequence start: `right` gives the newest row position L - 1 whatever the length, `left` the oldest 0.
public enum PositionAlignment: String, Sendable, CaseIterable {
  case right, left

  /// The position of the first of `count` rows, L being `length`.
  package func first(count: Int, length: Int) -> Int { self == .right ? length - count : 0 }
}
