// How often values occur and how many different ones there are, in bounded memory: exact while they are few.
import AugurTensors

/// Every value with its count up to `limit` different ones. Beyond that, the frequent values with counts that are too low by at most `lost`
/// (Misra and Gries 1982, pruned as by Anderson and others 2017), and the number of different ones by HyperLogLog.
struct ValueCounts {
  /// Bytes of a value that are kept.
  static let longestText = 48

  private let limit: Int
  private var slots = [Int32](repeating: -1, count: 64)
  private var hashes: [UInt64] = []
  private var counts: [Int] = []
  private var texts: [UInt8] = []
  private var textEnds: [Int] = []
  private(set) var lost = 0
  private var sketch: HyperLogLog?

  init(limit: Int) { self.limit = max(16, limit) }

  /// Whether counts and the number of different values are exact.
  var isExact: Bool { sketch == nil }

  /// Different values; the standard error of an estimate is `HyperLogLog.error` of it.
  var distinct: Int { sketch.map { Int($0.estimate.rounded()) } ?? hashes.count }

  @inline(__always)
  mutating func add(_ text: UnsafeRawBufferPointer, count: Int = 1) {
    add(hash: RandomStream.mix(Vocabulary.wideHash(text)), text, count)
  }

  @inline(__always)
  private mutating func add(hash: UInt64, _ text: UnsafeRawBufferPointer, _ count: Int) {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: hash) & mask
    while true {
      let entry = Int(slots[slot])
      if entry < 0 { break }
      if hashes[entry] == hash {
        counts[entry] += count
        return
      }
      slot = (slot + 1) & mask
    }
    sketch?.add(hash)
    insert(hash, text, count)
  }

  private mutating func insert(_ hash: UInt64, _ text: UnsafeRawBufferPointer, _ count: Int) {
    if hashes.count == limit { prune(including: hash) }
    append(hash, text.prefix(Self.longestText), count)
    if 2 * hashes.count > slots.count {
      slots = [Int32](repeating: -1, count: 2 * slots.count)
      for entry in hashes.indices { place(entry) }
    } else {
      place(hashes.count - 1)
    }
  }

  private mutating func append(_ hash: UInt64, _ text: some Collection<UInt8>, _ count: Int) {
    hashes.append(hash)
    counts.append(count)
    texts.append(contentsOf: text)
    textEnds.append(texts.count)
  }

  private mutating func place(_ entry: Int) {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: hashes[entry]) & mask
    while slots[slot] >= 0 { slot = (slot + 1) & mask }
    slots[slot] = Int32(truncatingIfNeeded: entry)
  }

  /// Takes the median count from all, and leaves out those that had no more.
  private mutating func prune(including hash: UInt64) {
    if sketch == nil {
      var sketch = HyperLogLog()
      for hash in hashes { sketch.add(hash) }
      sketch.add(hash)
      self.sketch = sketch
    }
    let median = counts.sorted()[counts.count / 2]
    lost += median
    var kept = ValueCounts(limit: limit)
    for entry in hashes.indices where counts[entry] > median { kept.append(hashes[entry], texts[textRange(entry)], counts[entry] - median) }
    (hashes, counts, texts, textEnds) = (kept.hashes, kept.counts, kept.texts, kept.textEnds)
    for slot in slots.indices { slots[slot] = -1 }
    for entry in hashes.indices { place(entry) }
  }

  private func textRange(_ entry: Int) -> Range<Int> { (entry == 0 ? 0 : textEnds[entry - 1])..<textEnds[entry] }

  /// Counts of another part of the same column.
  mutating func merge(_ other: ValueCounts) {
    if let theirs = other.sketch {
      var mine = sketch ?? HyperLogLog()
      if sketch == nil { for hash in hashes { mine.add(hash) } }
      mine.merge(theirs)
      sketch = mine
    }
    lost += other.lost
    for entry in other.hashes.indices {
      other.texts[other.textRange(entry)].withUnsafeBytes { add(hash: other.hashes[entry], $0, other.counts[entry]) }
    }
  }

  /// The most frequent values, the first in byte order before others of the same count. Values that are all alike in their count say nothing,
  /// nor do counts below what may be missing from them.
  func top(_ count: Int) -> [(text: String, count: Int)] {
    let order = hashes.indices.sorted { a, b in
      if counts[a] != counts[b] { return counts[a] > counts[b] }
      return texts[textRange(a)].lexicographicallyPrecedes(texts[textRange(b)])
    }
    guard let first = order.first, let last = order.last, counts[first] > 1 || lost > 0 || order.count <= count,
      order.count <= count || counts[first] > counts[last]
    else { return [] }
    return order.prefix(count).filter { counts[$0] >= lost }.map { (String(decoding: texts[textRange($0)], as: UTF8.self), counts[$0]) }
  }
}

/// The number of different 64-bit hashes (Flajolet and others 2007), estimated after Ertl 2017 (algorithm 6): without bias at any size.
struct HyperLogLog {
  private static let bits = 14
  private static let size = 1 << bits
  /// Standard error of the estimate, as a share of it.
  static let error = 1.04 / Double(size).squareRoot()
  private var registers = [UInt8](repeating: 0, count: size)

  mutating func add(_ hash: UInt64) {
    let register = Int(truncatingIfNeeded: hash >> UInt64(64 - Self.bits))
    let rank = UInt8(truncatingIfNeeded: (hash << UInt64(Self.bits) | 1 << UInt64(Self.bits - 1)).leadingZeroBitCount + 1)
    if rank > registers[register] { registers[register] = rank }
  }

  mutating func merge(_ other: HyperLogLog) {
    for place in registers.indices { registers[place] = max(registers[place], other.registers[place]) }
  }

  var estimate: Double {
    let (m, last) = (Double(Self.size), 64 - Self.bits)
    var counts = [Double](repeating: 0, count: last + 2)
    for register in registers { counts[Int(register)] += 1 }
    var z = m * Self.tau(1 - counts[last + 1] / m)
    for rank in stride(from: last, through: 1, by: -1) { z = 0.5 * (z + counts[rank]) }
    z += m * Self.sigma(counts[0] / m)
    return m * m / (2 * 0.693_147_180_559_945_3) / z
  }

  private static func sigma(_ start: Double) -> Double {
    if start == 1 { return .infinity }
    var (x, y, z, before) = (start, 1.0, start, Double.nan)
    while z != before {
      x *= x
      before = z
      z += x * y
      y += y
    }
    return z
  }

  private static func tau(_ start: Double) -> Double {
    if start == 0 || start == 1 { return 0 }
    var (x, y, z, before) = (start, 1.0, 1 - start, Double.nan)
    while z != before {
      x = x.squareRoot()
      before = z
      y *= 0.5
      z -= (1 - x) * (1 - x) * y
    }
    return z / 3
  }
}
