// What one thread sees of one column: counts, the first place of each trait, and sketches. Parts merge to the whole, whatever their number.
import AugurTensors

/// What a value may be or have; the first place of each is kept.
enum Trait {
  /// Raw values of `ValueKind`, then whole numbers by their count of digits.
  static func kind(_ kind: ValueKind) -> Int { kind.rawValue }
  static func digits(_ count: Int) -> Int { 8 + count }
  static let blanks = 28
  static let invalidUTF8 = 29
  static let leadingZero = 30
  static let zoned = 31
  static let unzoned = 32
  /// `|` inside.
  static let barred = 33
  static let negative = 34
  static let count = 35
}

/// Where a value is, and how it begins.
struct ValuePlace: Sendable {
  var block: Int
  var row: Int
  var excerpt: String
  /// Known when the reader gives the block.
  var file = ""
  var line = 0
}

final class ColumnProfile {
  var counts = [Int](repeating: 0, count: Trait.count)
  var firsts = [ValuePlace?](repeating: nil, count: Trait.count)
  private var firstBlocks = [Int](repeating: .max, count: Trait.count)
  var values: ValueCounts
  var numbers: ValueSample
  /// Epoch milliseconds of ISO 8601 times.
  var times: ValueSample
  /// Of all numbers, in the order of blocks.
  var sum = 0.0
  var bytes = 0
  var longest = 0

  init(_ bounds: ProfileBounds) {
    values = ValueCounts(limit: bounds.values)
    (numbers, times) = (ValueSample(limit: bounds.sample), ValueSample(limit: bounds.sample))
  }

  /// Takes the values of a column of a block; returns the sum of its numbers. `keys` are random numbers of the rows.
  func add(_ block: Block, column: Int, keys: [UInt64]) -> Double {
    let table = block.table
    var sum = 0.0
    for row in 0..<table.rows {
      let text = block.bytes(table.range(row, column))
      var number = 0.0
      let kind = ValueKind(text, &number)
      note(Trait.kind(kind), block, row, text)
      switch kind {
      case .missing: continue
      case .integer:
        let signs = text[0] < 0x30 ? 1 : 0
        note(Trait.digits(text.count - signs), block, row, text)
        if text[signs] == 0x30, text.count > signs + 1 { note(Trait.leadingZero, block, row, text) }
        fallthrough
      case .decimal:
        if number < 0 { note(Trait.negative, block, row, text) }
        sum += number
        numbers.add(number, key: keys[row])
      case .time:
        note(Self.hasZone(text) ? Trait.zoned : Trait.unzoned, block, row, text)
        times.add(number, key: keys[row])
      case .word, .list, .text, .gap: look(at: text, block, row)
      }
      values.add(text)
      bytes += text.count
      longest = max(longest, text.count)
    }
    return sum
  }

  @inline(__always)
  private func note(_ trait: Int, _ block: Block, _ row: Int, _ text: UnsafeRawBufferPointer) {
    counts[trait] += 1
    // A thread may come to an earlier block after a later one.
    guard block.number < firstBlocks[trait] else { return }
    firstBlocks[trait] = block.number
    firsts[trait] = ValuePlace(block: block.number, row: row, excerpt: excerpt(text))
  }

  private func look(at text: UnsafeRawBufferPointer, _ block: Block, _ row: Int) {
    var (high, hasBlank, hasBar): (UInt8, Bool, Bool) = (0, false, false)
    for byte in text {
      high |= byte
      if byte == 0x20 || byte &- 9 < 5 { hasBlank = true }
      if byte == UInt8(ascii: "|") { hasBar = true }
    }
    if hasBlank { note(Trait.blanks, block, row, text) }
    if hasBar { note(Trait.barred, block, row, text) }
    if high >= 0x80, String(validating: text, as: UTF8.self) == nil { note(Trait.invalidUTF8, block, row, text) }
  }

  /// Whether an ISO 8601 time names its zone.
  private static func hasZone(_ text: UnsafeRawBufferPointer) -> Bool {
    guard text.count > 11, let last = text.last else { return false }
    return last &- 0x30 >= 10 || text[11...].contains { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "-") }
  }

  /// Adds what another thread saw. First places are the business of `LogProfile`.
  func merge(_ other: ColumnProfile) {
    for trait in counts.indices { counts[trait] += other.counts[trait] }
    values.merge(other.values)
    numbers.merge(other.numbers)
    times.merge(other.times)
    bytes += other.bytes
    longest = max(longest, other.longest)
  }
}

/// How much is kept of each column, so that a wide table takes no more memory than a narrow one.
struct ProfileBounds: Sendable {
  /// Different values that are counted exactly.
  let values: Int
  /// Numbers from which quantiles are taken.
  let sample: Int

  init(columns: Int) {
    values = min(65_536, max(64, 524_288 / max(1, columns)))
    sample = min(16_384, max(256, 524_288 / max(1, columns)))
  }
}
