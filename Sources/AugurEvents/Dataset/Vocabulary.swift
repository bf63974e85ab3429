// Raw ids (byte strings) to dense indices: one byte arena and one open-addressing table.
import Glibc

/// Whether two slices of equal length hold the same bytes.
func sameBytes(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
  guard let first = a.baseAddress, let second = b.baseAddress else { return a.count == b.count }
  return a.count == b.count && memcmp(first, second, a.count) == 0
}

/// Distinct byte strings in order of first appearance.
struct Vocabulary {
  static let longestID = 4096
  private(set) var bytes: [UInt8] = []
  private(set) var offsets: [Int] = [0]
  private var hashes: [UInt32] = []
  private var slots: [Int32]

  var count: Int { hashes.count }

  init() { slots = [Int32](repeating: -1, count: 1024) }

  /// The index of `id`, which is added when it is new.
  mutating func index(adding id: UnsafeRawBufferPointer) -> (index: Int32, isNew: Bool) {
    let hash = Self.hash(id)
    let (slot, found) = probe(id, hash)
    if let found { return (found, false) }
    let index = Int32(truncatingIfNeeded: count)
    slots[slot] = index
    bytes.append(contentsOf: id)
    offsets.append(bytes.count)
    hashes.append(hash)
    if count * 2 > slots.count { grow() }
    return (index, true)
  }

  /// The index of a known id.
  func index(of id: UnsafeRawBufferPointer) -> Int32? { probe(id, Self.hash(id)).found }

  func withID<R>(_ index: Int, _ body: (UnsafeRawBufferPointer) -> R) -> R {
    bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[offsets[index]..<offsets[index + 1]])) }
  }

  /// Indices in byte order of their ids.
  func byteOrder() -> [Int32] {
    bytes.withUnsafeBytes { arena in
      // Eight leading bytes decide most comparisons; zero padding keeps the order because ties are compared in full.
      let keys = (0..<count).map { Self.prefix(arena, offsets[$0], offsets[$0 + 1]) }
      return (0..<Int32(count)).sorted { a, b in
        let (i, j) = (Int(a), Int(b))
        if keys[i] != keys[j] { return keys[i] < keys[j] }
        return arena[offsets[i]..<offsets[i + 1]].lexicographicallyPrecedes(arena[offsets[j]..<offsets[j + 1]])
      }
    }
  }

  /// Arena and offsets with the ids in `order`.
  func reordered(_ order: [Int32]) -> (bytes: [UInt8], offsets: [Int64]) {
    var (newBytes, newOffsets): ([UInt8], [Int64]) = ([], [0])
    newBytes.reserveCapacity(bytes.count)
    newOffsets.reserveCapacity(order.count + 1)
    for index in order {
      newBytes.append(contentsOf: bytes[offsets[Int(index)]..<offsets[Int(index) + 1]])
      newOffsets.append(Int64(newBytes.count))
    }
    return (newBytes, newOffsets)
  }

  private func probe(_ id: UnsafeRawBufferPointer, _ hash: UInt32) -> (slot: Int, found: Int32?) {
    let mask = slots.count - 1
    var slot = Int(hash) & mask
    while slots[slot] >= 0 {
      let index = Int(slots[slot])
      if hashes[index] == hash, equal(index, id) { return (slot, slots[slot]) }
      slot = (slot + 1) & mask
    }
    return (slot, nil)
  }

  private func equal(_ index: Int, _ id: UnsafeRawBufferPointer) -> Bool {
    let start = offsets[index]
    guard offsets[index + 1] - start == id.count else { return false }
    return bytes.withUnsafeBytes { sameBytes(UnsafeRawBufferPointer(rebasing: $0[start..<start + id.count]), id) }
  }

  private mutating func grow() {
    let mask = slots.count * 2 - 1
    slots = [Int32](repeating: -1, count: mask + 1)
    for index in 0..<count {
      var slot = Int(hashes[index]) & mask
      while slots[slot] >= 0 { slot = (slot + 1) & mask }
      slots[slot] = Int32(truncatingIfNeeded: index)
    }
  }

  private static func prefix(_ arena: UnsafeRawBufferPointer, _ start: Int, _ end: Int) -> UInt64 {
    var key: UInt64 = 0
    for position in start..<start + 8 { key = key << 8 | (position < end ? UInt64(arena[position]) : 0) }
    return key
  }

  /// Multiply-and-fold over eight bytes at a time (after wyhash, Wang Yi 2019); not meant against adversaries.
  static func hash(_ id: UnsafeRawBufferPointer) -> UInt32 {
    let state = wideHash(id)
    return UInt32(truncatingIfNeeded: state ^ state >> 32)
  }

  static func wideHash(_ id: UnsafeRawBufferPointer) -> UInt64 {
    func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
      let product = a.multipliedFullWidth(by: b)
      return product.high ^ product.low
    }
    var state = 0xa076_1d64_78bd_642f ^ UInt64(id.count)
    var at = 0
    while at + 8 <= id.count {
      state = fold(state ^ id.loadUnaligned(fromByteOffset: at, as: UInt64.self), 0xe703_7ed1_a0b4_28db)
      at += 8
    }
    var tail: UInt64 = 0
    while at < id.count {
      tail = tail << 8 | UInt64(id[at])
      at += 1
    }
    return fold(state ^ tail, 0x8ebc_6af0_9c88_c6e3)
  }
}
