// The one error type of AugurEvents.
import AugurTensors

/// What is wrong with a log, a data set or an output folder; `description` is one line: place, problem with the value,
/// advice.
public struct EventsError: Error, Equatable, CustomStringConvertible {
  public let file: String
  /// Line of a text file, from 1.
  public let line: Int?
  /// Column or key, such as `timestamp`.
  public let field: String?
  /// What is wrong, with the value seen.
  public let problem: String
  /// What to do.
  public let advice: String

  public init(file: String, line: Int? = nil, field: String? = nil, problem: String, advice: String) {
    (self.file, self.line, self.field, self.problem, self.advice) = (file, line, field, problem, advice)
  }

  public var description: String {
    let place = file + (line.map { ":\($0)" } ?? "") + (field.map { ": \($0)" } ?? "")
    return oneLine("\(place): \(problem)" + (advice.isEmpty ? "" : "; \(advice)"))
  }

  init(_ cause: SafetensorsError, advice: String = "") {
    self.init(file: cause.path, problem: cause.problem, advice: advice)
  }
}

/// A value of a log as an error may show it: one line, at most 40 characters.
func excerpt(_ bytes: some Collection<UInt8>) -> String {
  var text = "'"
  for scalar in String(decoding: bytes.prefix(160), as: UTF8.self).unicodeScalars.prefix(40) {
    text += scalar.value < 0x20 || scalar.value == 0x7f ? "?" : String(scalar)
  }
  return text + (bytes.count > 40 ? "…'" : "'")
}

/// The candidate nearest to `word` by edit distance, if it is near.
func nearest(to word: String, in candidates: [String]) -> String? {
  func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var row = Array(0...b.count)
    for i in a.indices {
      var diagonal = row[0]
      row[0] = i + 1
      for j in b.indices {
        let above = row[j + 1]
        row[j + 1] = min(above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1))
        diagonal = above
      }
    }
    return row[b.count]
  }
  let target = Array(word.lowercased().utf8.prefix(64))
  let scored = candidates.prefix(256).map { ($0, distance(target, Array($0.lowercased().utf8.prefix(64)))) }
  guard let best = scored.min(by: { $0.1 < $1.1 }), best.1 <= max(2, target.count / 3) else { return nil }
  return best.0
}
