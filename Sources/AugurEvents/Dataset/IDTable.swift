// Ids to dense indices in order of first appearance: digit strings by their 64-bit code, anything else by its bytes.
import CKernels

struct IDTable {
  /// The highest nibble of a digit code is at most 10: 15 marks a text.
  private static let textMark: UInt64 = 15 << 60

  private var keys = [UInt64](repeating: 0, count: 1024)
  private var values = [Int32](repeating: -1, count: 1024)
  /// The index of each small number that is an id, -1 for none: most catalogues count their items from 1.
  private var dense: [Int32] = []
  /// [count], a digit code or a marked index of `texts`.
  private var places: [UInt64] = []
  private var texts = Vocabulary()
  private var indexOfText: [Int32] = []
  private(set) var textBytes = 0

  var count: Int { places.count }
  /// Memory in use, about.
  var bytes: Int { 12 * keys.count + 4 * dense.count + 8 * places.count + 24 * indexOfText.count + 2 * textBytes }

  /// indices[r] of `codes`, -1 where the table has none; returns how many of those.
  func lookUp(_ codes: UnsafeBufferPointer<UInt64>, _ indices: UnsafeMutableBufferPointer<Int32>) -> Int {
    ck_code_indices(indices.baseAddress, codes.baseAddress, codes.count, keys, values, keys.count - 1, dense, dense.count)
  }

  /// The index of a digit string's code (not 0), added when it is new.
  mutating func index(addingCode code: UInt64) -> Int32 {
    var found: Int32 = -1
    _ = withUnsafePointer(to: code) { ck_code_indices(&found, $0, 1, keys, values, keys.count - 1, dense, dense.count) }
    if found >= 0 { return found }
    let index = Int32(truncatingIfNeeded: places.count)
    places.append(code)
    ck_code_insert(&keys, &values, keys.count - 1, code, index)
    if places.count * 2 > keys.count { grow() }
    setDense(code, index)
    return index
  }

  private mutating func setDense(_ code: UInt64, _ index: Int32) {
    let place = ck_code_place(code)
    if place < dense.count {
      dense[place] = index
    } else if place < min(1 << 24, 4 * places.count + 65_536) {
      var count = 1024
      while count <= place { count *= 2 }
      dense = [Int32](repeating: -1, count: count)
      for (index, code) in places.enumerated() where !Self.isText(code) {
        let place = ck_code_place(code)
        if place < count { dense[place] = Int32(truncatingIfNeeded: index) }
      }
    }
  }

  /// The index of an id that is not a digit string; nil when it is new.
  func index(ofText id: UnsafeRawBufferPointer) -> Int32? { texts.index(of: id).map { indexOfText[Int($0)] } }

  /// The index of an id of any form, added when it is new.
  mutating func index(adding id: UnsafeRawBufferPointer) -> Int32 {
    let code = digitCode(id)
    if code != 0 { return index(addingCode: code) }
    let (text, isNew) = texts.index(adding: id)
    guard isNew else { return indexOfText[Int(text)] }
    let index = Int32(truncatingIfNeeded: places.count)
    places.append(Self.textMark | UInt64(text))
    indexOfText.append(index)
    textBytes += id.count
    return index
  }

  /// The index of an id that another table has, added when it is new.
  mutating func index(adding index: Int, of other: IDTable) -> Int32 {
    let place = other.places[index]
    return Self.isText(place) ? other.withID(index) { self.index(adding: $0) } : self.index(addingCode: place)
  }

  /// Calls `body` with the bytes of an id.
  func withID<R>(_ index: Int, _ body: (UnsafeRawBufferPointer) -> R) -> R {
    let place = places[index]
    guard !Self.isText(place) else { return texts.withID(Int(place & ~Self.textMark), body) }
    return withDigits(place, body)
  }

  /// Indices in byte order of their ids.
  func byteOrder() -> [Int32] {
    // The first eight bytes decide most comparisons; zero padding keeps the order because ties are compared in full.
    let prefixes = places.indices.map { withID($0, bytePrefix) }
    return (0..<Int32(count)).sorted { a, b in
      let (i, j) = (Int(a), Int(b))
      if prefixes[i] != prefixes[j] { return prefixes[i] < prefixes[j] }
      return withID(i) { a in withID(j) { b in a.lexicographicallyPrecedes(b) } }
    }
  }

  private static func isText(_ place: UInt64) -> Bool { place >= textMark }

  private mutating func grow() {
    let slots = keys.count * 2
    keys = [UInt64](repeating: 0, count: slots)
    values = [Int32](repeating: -1, count: slots)
    for (index, place) in places.enumerated() where !Self.isText(place) {
      ck_code_insert(&keys, &values, slots - 1, place, Int32(truncatingIfNeeded: index))
    }
  }
}

/// The order-preserving code of 1 to 16 digits, 0 for anything else.
func digitCode(_ id: UnsafeRawBufferPointer) -> UInt64 {
  guard (1...16).contains(id.count) else { return 0 }
  var code: UInt64 = 0
  for byte in id {
    guard byte &- 0x30 < 10 else { return 0 }
    code = code << 4 | UInt64(byte &- 0x2f)
  }
  return code << UInt64(64 - 4 * id.count)
}

/// Calls `body` with the digits of a code.
func withDigits<R>(_ code: UInt64, _ body: (UnsafeRawBufferPointer) -> R) -> R {
  withUnsafeTemporaryAllocation(byteCount: 16, alignment: 1) { digits in
    var (rest, count) = (code, 0)
    while rest != 0 {
      digits[count] = UInt8(rest >> 60) &+ 0x2f
      rest <<= 4
      count += 1
    }
    return body(UnsafeRawBufferPointer(rebasing: digits[..<count]))
  }
}

/// Eight leading bytes, the first in the highest, zeros behind the end.
func bytePrefix(_ id: UnsafeRawBufferPointer) -> UInt64 {
  if id.count >= 8 { return UInt64(bigEndian: id.loadUnaligned(as: UInt64.self)) }
  var key: UInt64 = 0
  for byte in id { key = key << 8 | UInt64(byte) }
  return id.isEmpty ? 0 : key << UInt64(8 * (8 - id.count))
}
