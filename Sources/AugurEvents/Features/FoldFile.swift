// A file of fold numbers: one a row of the table, in its order.

/// The numbers, each 0...254; blank lines at the end do not count.
func readFolds(_ path: String, rows: Int) throws(EventsError) -> [UInt8] {
  var folds: [UInt8] = []
  var blank: Int?
  try forEachLine(of: path) { text, line throws(EventsError) in
    if text.isEmpty {
      blank = blank ?? line
      return
    }
    if let blank {
      throw EventsError(
        file: path, line: blank, problem: "the fold number is empty", advice: "give one number a row of the table")
    }
    guard text.count <= 3, let number = UInt8(String(decoding: text, as: UTF8.self)), number < 255 else {
      throw EventsError(
        file: path, line: line, problem: "\(excerpt(text)) is no fold number",
        advice: "folds are numbered from 0 to 254, without a header")
    }
    folds.append(number)
  }
  guard folds.count == rows else {
    throw EventsError(
      file: path, problem: "\(folds.count) fold numbers for \(rows) rows",
      advice: "give one number a row of the table, in its order")
  }
  return folds
}
