// Local clocks: IANA zones from the compiled files of the system (TZif, RFC 8536), or fixed offsets.
import AugurTensors

/// A zone: what its clocks show at an instant.
package struct ClockZone: Sendable, Equatable {
  /// A span of instants, in epoch seconds, in which clocks are `offset` seconds ahead of UTC.
  package struct Stretch: Sendable, Equatable {
    package var offset: Int64
    package var from: Int64
    package var until: Int64
    package func contains(_ second: Int64) -> Bool { from <= second && second < until }
  }

  /// Seconds east of UTC before the first change.
  private let firstOffset: Int64
  /// Changes in rising order, and the offset after each.
  private let changes: [Int64]
  private let offsets: [Int64]
  /// The rule for all time after the last change.
  private let rule: ClockRule?

  package static let folder = "/usr/share/zoneinfo"

  /// Reads the zone `Europe/Berlin` from `folder`; `UTC` and offsets from -18:00 to +18:00 need no file. Throws one line that
  /// names `place` when there is no such zone.
  package init(named name: String, place: String = "--time-zone", folder: String = folder) throws(EventsError) {
    if let offset = Self.fixedOffset(name) {
      self.init(fixed: offset)
      return
    }
    let isName =
      name.utf8.count <= 64 && !name.utf8.isEmpty
      && name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { part in
        !part.isEmpty && !part.hasPrefix(".")
          && part.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x41...0x5a).contains($0 & 0xdf) || "_+-".utf8.contains($0) }
      }
    func refuse(_ problem: String) -> EventsError {
      EventsError(file: place, problem: problem, advice: "give a zone such as Europe/Berlin, or an offset such as +02:00")
    }
    guard isName else { throw refuse("\(excerpt(name.utf8)) is not the name of a time zone") }
    let file: MappedFile
    do throws(SafetensorsError) { file = try MappedFile(path: "\(folder)/\(name)") } catch {
      do throws(SafetensorsError) { _ = try MappedFile(path: "\(folder)/Etc/UTC") } catch {
        throw EventsError(
          file: place, problem: "no time zones are installed in \(folder)",
          advice: "install tzdata, or give an offset such as +02:00")
      }
      throw refuse("unknown time zone \(excerpt(name.utf8))")
    }
    guard let zone = ClockZone(tzif: file.bytes) else {
      throw EventsError(file: "\(folder)/\(name)", problem: "not a time zone file", advice: "install tzdata again")
    }
    self = zone
  }

  package init(fixed offset: Int64) { (firstOffset, changes, offsets, rule) = (offset, [], [], nil) }

  /// `UTC`, `Z`, `+02:00`, `-0330`, `+02`.
  private static func fixedOffset(_ name: String) -> Int64? {
    if ["UTC", "GMT", "Z"].contains(name) { return 0 }
    guard let sign = name.utf8.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") else { return nil }
    let digits = name.utf8.dropFirst().filter { $0 != UInt8(ascii: ":") }
    guard digits.count == 2 || digits.count == 4, digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    let value = digits.reduce(0) { $0 * 10 + Int64($1 - 0x30) } * (digits.count == 2 ? 100 : 1)
    let minutes = value / 100 * 60 + value % 100
    guard value % 100 < 60, minutes <= 18 * 60 else { return nil }
    return minutes * (sign == UInt8(ascii: "-") ? -60 : 60)
  }

  /// The offset at an instant, and how far it holds.
  package func stretch(at second: Int64) -> Stretch {
    var (low, high) = (0, changes.count)
    while low < high {
      let middle = (low + high) / 2
      if changes[middle] <= second { low = middle + 1 } else { high = middle }
    }
    if low == 0 { return Stretch(offset: firstOffset, from: .min, until: changes.first ?? .max) }
    let from = changes[low - 1]
    if low < changes.count { return Stretch(offset: offsets[low - 1], from: from, until: changes[low]) }
    guard let rule else { return Stretch(offset: offsets[low - 1], from: from, until: .max) }
    var stretch = rule.stretch(at: second)
    stretch.from = max(stretch.from, from)
    return stretch
  }

  /// Parses a compiled zone; nil for anything that is not one. Bounded: at most 4096 changes and 256 types.
  package init?(tzif bytes: UnsafeRawBufferPointer) {
    guard bytes.count <= 1 << 20, let head = TZifHeader(bytes, at: 0) else { return nil }
    var (at, width, header) = (TZifHeader.bytes, 4, head)
    if head.version >= UInt8(ascii: "2") {
      at += head.bodyBytes(width: 4)
      guard let second = TZifHeader(bytes, at: at) else { return nil }
      (at, width, header) = (at + TZifHeader.bytes, 8, second)
    }
    guard header.typeCount >= 1, header.typeCount <= 256, header.changeCount <= 4096,
      at + header.bodyBytes(width: width) <= bytes.count
    else {
      return nil
    }
    let types = at + header.changeCount * (width + 1)
    func offset(_ type: Int) -> Int64? {
      guard type < header.typeCount else { return nil }
      let value = bigEndian(bytes, types + 6 * type, 4)
      return abs(value) <= 26 * 3600 ? value : nil
    }
    var (changes, offsets): ([Int64], [Int64]) = ([], [])
    for place in 0..<header.changeCount {
      let change = bigEndian(bytes, at + place * width, width)
      guard let offset = offset(Int(bytes[at + header.changeCount * width + place])), changes.last.map({ $0 < change }) ?? true
      else {
        return nil
      }
      changes.append(change)
      offsets.append(offset)
    }
    guard let first = offset(0) else { return nil }
    rule = width == 8 ? ClockRule(footer: bytes, from: at + header.bodyBytes(width: 8)) : nil
    if changes.isEmpty, rule != nil { (changes, offsets) = ([.min], [first]) }
    (firstOffset, self.changes, self.offsets) = (first, changes, offsets)
  }
}

private struct TZifHeader {
  static let bytes = 44
  let version: UInt8
  private let utcCount, standardCount, leapCount: Int
  let changeCount, typeCount: Int
  private let nameBytes: Int

  init?(_ bytes: UnsafeRawBufferPointer, at: Int) {
    guard at >= 0, at + Self.bytes <= bytes.count, bytes[at..<at + 4].elementsEqual("TZif".utf8) else { return nil }
    version = bytes[at + 4]
    let counts = (0..<6).map { Int(bigEndian(bytes, at + 20 + 4 * $0, 4)) }
    guard counts.allSatisfy({ (0...1 << 20).contains($0) }) else { return nil }
    (utcCount, standardCount, leapCount, changeCount, typeCount, nameBytes) = (
      counts[0], counts[1], counts[2], counts[3], counts[4], counts[5]
    )
  }

  func bodyBytes(width: Int) -> Int {
    changeCount * (width + 1) + typeCount * 6 + nameBytes + leapCount * (width + 4) + standardCount + utcCount
  }
}

/// A signed big-endian number of 4 or 8 bytes.
private func bigEndian(_ bytes: UnsafeRawBufferPointer, _ at: Int, _ width: Int) -> Int64 {
  if width == 8 { return Int64(bigEndian: bytes.loadUnaligned(fromByteOffset: at, as: Int64.self)) }
  return Int64(Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: at, as: Int32.self)))
}
