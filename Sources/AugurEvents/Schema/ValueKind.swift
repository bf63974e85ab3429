// What a value of a text log looks like, and its number where it has one.

enum ValueKind: Int, CaseIterable, Sendable {
  /// Nothing.
  case missing
  /// Up to 19 digits, perhaps with a sign.
  case integer
  case decimal
  /// true, false, yes, no and their first letters.
  case word
  /// ISO 8601.
  case time
  /// An array of JSON.
  case list
  case text
  /// A word for a missing number, such as nan; in a column of text it is text.
  case gap

  /// As sentences call several values of the kind.
  var words: String {
    switch self {
    case .missing: "missing values"
    case .integer: "whole numbers"
    case .decimal: "numbers"
    case .word: "words such as true and no"
    case .time: "ISO 8601 times"
    case .list: "lists"
    case .text: "text"
    case .gap: "words for missing numbers"
    }
  }

  /// Sets `number` to the value of a number, or to the epoch milliseconds of a time.
  @inline(__always)
  init(_ text: UnsafeRawBufferPointer, _ number: inout Double) {
    guard let first = text.first else {
      self = .missing
      return
    }
    if first &- 0x30 < 10 || first == UInt8(ascii: "-") || first == UInt8(ascii: "+") || first == UInt8(ascii: ".") {
      self = Self.ofNumber(text, &number)
    } else if first == UInt8(ascii: "["), text[text.count - 1] == UInt8(ascii: "]") {
      self = .list
    } else {
      self = text.count <= 5 ? Self.ofWord(text) : .text
    }
  }

  private static let gapWords: [StaticString] = ["nan", "na", "n/a", "null", "none", "\\n"]
  private static let truthWords: [StaticString] = ["true", "false", "yes", "no", "t", "f", "y", "n"]

  private static func ofWord(_ text: UnsafeRawBufferPointer) -> ValueKind {
    func equals(_ word: StaticString) -> Bool {
      guard word.utf8CodeUnitCount == text.count else { return false }
      for (place, byte) in text.enumerated() {
        let lower = byte &- 0x41 < 26 ? byte | 0x20 : byte
        if lower != word.utf8Start[place] { return false }
      }
      return true
    }
    if gapWords.contains(where: equals) { return .gap }
    return truthWords.contains(where: equals) ? .word : .text
  }

  private static let powers: [Double] = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15]

  @inline(__always)
  private static func ofNumber(_ text: UnsafeRawBufferPointer, _ number: inout Double) -> ValueKind {
    let isNegative = text[0] == UInt8(ascii: "-")
    var at = isNegative || text[0] == UInt8(ascii: "+") ? 1 : 0
    let start = at
    var mantissa: UInt64 = 0
    while at < text.count, text[at] &- 0x30 < 10 {
      mantissa = mantissa &* 10 &+ UInt64(text[at] &- 0x30)
      at += 1
    }
    let whole = at - start
    if at == text.count {
      guard (1...19).contains(whole) else { return .text }
      number = isNegative ? -Double(mantissa) : Double(mantissa)
      return .integer
    }
    if text[at] == UInt8(ascii: ".") {
      let point = at + 1
      at = point
      while at < text.count, text[at] &- 0x30 < 10 {
        mantissa = mantissa &* 10 &+ UInt64(text[at] &- 0x30)
        at += 1
      }
      let digits = whole + at - point
      if at == text.count, (1...15).contains(digits) {
        // Both are exact, so that the quotient is the nearest number.
        let value = Double(mantissa) / powers[at - point]
        number = isNegative ? -value : value
        return .decimal
      }
    } else if whole == 4, start == 0, text[at] == UInt8(ascii: "-"), let time = try? Timestamp.iso8601(text) {
      number = Double(time)
      return .time
    }
    guard text.count <= 64, let value = Double(String(decoding: text, as: UTF8.self)), value.isFinite else { return .text }
    number = value
    return .decimal
  }
}
