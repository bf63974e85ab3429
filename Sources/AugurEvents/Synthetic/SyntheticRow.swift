// A row of the log as 16 bytes, and as text.
import AugurTensors

/// What a row says; the text follows from it and the catalogue.
struct SyntheticRow: Sendable {
  static let (view, cart, purchase) = (UInt32(0), UInt32(1), UInt32(2))

  let user: UInt32
  let item: UInt32
  /// Seconds since the start of the log.
  let time: UInt32
  /// Stage of the funnel in the low two bits, kind of dirt above.
  var code: UInt32

  var stage: Int { Int(code & 3) }
  var dirt: SyntheticDirt { SyntheticDirt(rawValue: code >> 2) ?? .clean }
}

/// Formats rows into a buffer that is kept. Words are copied 16 bytes at a time, behind which the next field begins.
final class SyntheticText {
  private let catalogue: SyntheticCatalogue
  private var base = UnsafeMutablePointer<UInt8>.allocate(capacity: 16)
  private var capacity = 16
  private let pairs = UnsafeMutablePointer<UInt16>.allocate(capacity: 100)
  private let words = UnsafeMutablePointer<Word>.allocate(capacity: 96)
  private(set) var count = 0

  /// Up to 15 bytes, and how many.
  private struct Word {
    var bytes = SIMD16<UInt8>()
    init(_ text: String) {
      for (index, byte) in text.utf8.enumerated() { bytes[index] = byte }
      bytes[15] = UInt8(text.utf8.count)
    }
  }
  private static let (events, materials, nouns) = (16, 20, 36)

  init(_ catalogue: SyntheticCatalogue) {
    self.catalogue = catalogue
    for number in 0..<100 { pairs[number] = UInt16(0x3030 + number / 10 + number % 10 * 256) }
    let names = SyntheticNames.colours + [",view,", ",cart,", ",purchase,", ""] + SyntheticNames.materials + SyntheticNames.nouns
    for (index, name) in names.enumerated() {
      (words + index).initialize(to: Word(index < Self.events || index >= Self.materials ? name + " " : name))
    }
  }

  deinit {
    base.deallocate()
    pairs.deallocate()
    words.deallocate()
  }

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

  /// The longest row is below 160 bytes.
  private static let longestRow = 160

  func format(_ rows: UnsafeBufferPointer<SyntheticRow>) {
    if capacity < (rows.count + 1) * Self.longestRow {
      base.deallocate()
      capacity = (rows.count + 1) * Self.longestRow
      base = .allocate(capacity: capacity)
    }
    var cursor = base
    for (place, row) in rows.enumerated() {
      if place + 16 < rows.count { catalogue.prefetchPrice(of: Int(rows[place + 16].item)) }
      let start = cursor
      put(row, &cursor)
      if row.code >= 8 { spoil(row, from: start, &cursor) }
    }
    count = cursor - base
  }

  @inline(__always) private func put(_ row: SyntheticRow, _ cursor: inout UnsafeMutablePointer<UInt8>) {
    let item = Int(row.item)
    let category = item % catalogue.categoryCount
    let cents = catalogue.cents(item, at: row.time)
    put(row.user + 1, &cursor)
    put(byte: UInt8(ascii: ","), &cursor)
    put(row.item + 1, &cursor)
    put(word: Self.events + row.stage, &cursor)
    put(UInt32(SyntheticRhythm.start) + row.time, &cursor)
    put(byte: UInt8(ascii: ","), &cursor)
    put(UInt32(category + 1), &cursor)
    put(byte: UInt8(ascii: ","), &cursor)
    put(UInt32(cents / 100), &cursor)
    put(byte: UInt8(ascii: "."), &cursor)
    put(pair: cents % 100, &cursor)
    put(byte: UInt8(ascii: ","), &cursor)
    let hash = SyntheticNames.hash(item)
    put(word: Int(hash & 15), &cursor)
    put(word: Self.materials + Int(hash >> 4 & 15), &cursor)
    put(word: Self.nouns + category % SyntheticNames.nouns.count, &cursor)
    if item < 999 {
      put(pair: (item + 1) / 100, &cursor)
      put(pair: (item + 1) % 100, &cursor)
    } else {
      put(row.item + 1, &cursor)
    }
    put(byte: UInt8(ascii: "\n"), &cursor)
  }

  @inline(__always) private func put(byte: UInt8, _ cursor: inout UnsafeMutablePointer<UInt8>) {
    cursor.pointee = byte
    cursor += 1
  }

  @inline(__always) private func put(word index: Int, _ cursor: inout UnsafeMutablePointer<UInt8>) {
    let word = words[index].bytes
    UnsafeMutableRawPointer(cursor).storeBytes(of: word, as: SIMD16<UInt8>.self)
    cursor += Int(word[15])
  }

  @inline(__always) private func put(pair: Int, _ cursor: inout UnsafeMutablePointer<UInt8>) {
    UnsafeMutableRawPointer(cursor).storeBytes(of: pairs[pair], as: UInt16.self)
    cursor += 2
  }

  /// Decimal digits, two at a time.
  @inline(__always) private func put(_ number: UInt32, _ cursor: inout UnsafeMutablePointer<UInt8>) {
    var digits = 1
    var bound: UInt64 = 10
    while UInt64(number) >= bound {
      digits += 1
      bound *= 10
    }
    var (rest, end) = (number, cursor + digits)
    cursor = end
    while rest >= 100 {
      end -= 2
      UnsafeMutableRawPointer(end).storeBytes(of: pairs[Int(rest % 100)], as: UInt16.self)
      rest /= 100
    }
    if rest >= 10 {
      UnsafeMutableRawPointer(end - 2).storeBytes(of: pairs[Int(rest)], as: UInt16.self)
    } else {
      (end - 1).pointee = UInt8(0x30 + rest)
    }
  }

  /// Writes the row again, spoiled.
  private func spoil(
    _ row: SyntheticRow, from start: UnsafeMutablePointer<UInt8>, _ cursor: inout UnsafeMutablePointer<UInt8>
  ) {
    let clean = UnsafeBufferPointer(start: start, count: cursor - start - 1)
    let fields = clean.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map { Array($0) }
    let line = row.dirt.line(fields)
    start.update(from: line, count: line.count)
    cursor = start + line.count
  }
}
