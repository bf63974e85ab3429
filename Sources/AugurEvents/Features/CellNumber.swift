// Numbers in the cells of a table, with the precision of a Double.

/// Words that stand for a missing number, in lower case.
private let missingWords: Set = ["nan", "na", "n/a", "null", "none", "\\n"]

private let powersOfTen: [Double] = (0...18).map { exponent in (0..<exponent).reduce(1.0) { value, _ in value * 10 } }

/// The number in a cell: correctly rounded; NaN where it is missing (empty, or one of the usual words); nil for anything else.
/// Blanks around it are not part of it.
func cellNumber(_ cell: UnsafeRawBufferPointer) -> Double? {
  var (at, end) = (0, cell.count)
  while at < end, cell[at] == 0x20 { at += 1 }
  while end > at, cell[end - 1] == 0x20 { end -= 1 }
  if at == end { return .nan }
  let start = at
  let isNegative = cell[at] == UInt8(ascii: "-")
  if isNegative { at += 1 }
  var (digits, count, behind): (UInt64, Int, Int?) = (0, 0, nil)
  while at < end, count <= 18 {
    let digit = cell[at] &- 0x30
    if digit < 10 {
      digits = digits &* 10 &+ UInt64(digit)
      count += 1
    } else if cell[at] == UInt8(ascii: "."), behind == nil {
      behind = count
    } else {
      break
    }
    at += 1
  }
  // Both the digits and the power of ten are exact, so the quotient is rounded once.
  if at == end, count > 0, count <= 18, digits <= 1 << 53 {
    let value = Double(digits) / powersOfTen[behind.map { count - $0 } ?? 0]
    return isNegative ? -value : value
  }
  guard end - start <= 64 else { return nil }
  let word = String(decoding: UnsafeRawBufferPointer(rebasing: cell[start..<end]), as: UTF8.self)
  if missingWords.contains(word.lowercased()) { return .nan }
  guard let value = Double(word), value.isFinite else { return nil }
  return value
}
