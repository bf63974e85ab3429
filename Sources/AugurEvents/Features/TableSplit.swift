// Which rows of a table train, validate and test.
import AugurTensors

/// The three parts, as they are stored.
public enum TablePart: UInt8, CaseIterable, Sendable {
  case training, validation, test
  public var name: String {
    switch self {
    case .training: "training"
    case .validation: "validation"
    case .test: "test"
    }
  }
}

/// How a table was divided.
public struct TableSplit: Codable, Sendable, Equatable {
  public enum Kind: String, Codable, Sendable { case time, random, folds, given }
  public internal(set) var kind: Kind
  public internal(set) var ratio: String
  public internal(set) var seed: UInt64
  /// Of `time`: training is before the first, test from the second on; epoch milliseconds.
  public internal(set) var cuts: [Int64]?
  /// Of `folds`: how many there are, and the one that tests.
  public internal(set) var folds: Int?
  public internal(set) var testFold: Int?
  /// Whether validation rows were drawn from the rows that were given for training.
  public internal(set) var drawsValidation = false
  /// Of `time`: rows of training and validation that are left out because their label came to be known after their part's end.
  public internal(set) var leftOut: Int?

  /// The division in words.
  public var words: String {
    let drawn = drawsValidation ? ", validation drawn from the rest \(ratio) by seed \(seed)" : ""
    switch kind {
    case .time:
      let cuts = (cuts ?? []).map(Timestamp.text)
      let late = leftOut.map { ", \($0) rows left out whose label was known later than that" } ?? ""
      return "global time \(ratio), training before \(cuts.first ?? "?"), validation before \(cuts.last ?? "?")\(late)"
    case .random: return "rows drawn \(ratio) by seed \(seed), each class alike"
    case .folds: return "fold \(testFold ?? 0) of \(folds ?? 0) tests\(drawn)"
    case .given: return "parts as given\(drawn)"
    }
  }
}

struct TableDivision {
  /// [R], raw values of `TablePart`, or `leftOut`.
  private(set) var parts: [UInt8]
  static let leftOut: UInt8 = 255
  private(set) var split: TableSplit
  private let labels: TableLabels
  private let sessions: [Int32]?

  init(_ options: TableOptions, _ rows: RowGroups, _ labels: TableLabels, file: String) throws(EventsError) {
    (self.labels, sessions) = (labels, rows.sessions)
    parts = [UInt8](repeating: 0, count: labels.values.count)
    split = TableSplit(kind: .random, ratio: options.ratio.description, seed: options.seed)
    if let given = rows.given {
      (split.kind, parts) = (.given, given)
      if options.validationInputs.isEmpty { drawValidation(options) }
    } else if let folds = rows.folds {
      try divide(folds, options, file: file)
    } else if options.kind == .time || (options.kind == nil && rows.times != nil) {
      guard let times = rows.times else {
        throw EventsError(
          file: file, problem: "the table has no times to split at", advice: "name the column with --time, or use --split random")
      }
      try divide(at: times, rows.labelsKnown, options)
    } else {
      draw(Array(parts.indices), options.ratio, options.seed)
    }
    for part in TablePart.allCases where part != .validation && !parts.contains(part.rawValue) {
      guard part == .training || options.ratio.test > 0 else { continue }
      throw EventsError(
        file: file, problem: "no row is left for \(part.name) (\(split.words))",
        advice: "give more rows, or another --split-ratio")
    }
    guard labels.task == .binary else { return }
    var hasClass = [false, false]
    for row in parts.indices where parts[row] == TablePart.training.rawValue { hasClass[labels.values[row] == 1 ? 1 : 0] = true }
    guard hasClass[0], hasClass[1] else {
      throw EventsError(
        file: file, problem: "the training rows have labels of one class only (\(split.words))",
        advice: "divide the rows in another way")
    }
  }

  private mutating func divide(_ folds: [UInt8], _ options: TableOptions, file: String) throws(EventsError) {
    let count = Set(folds).count
    let test = options.testFold ?? 0
    guard count > 1, folds.contains(where: { Int($0) == test }) else {
      throw EventsError(
        file: options.folds ?? file, problem: count > 1 ? "no row is in fold \(test)" : "all rows are in one fold",
        advice: "the folds are \(Set(folds).sorted().prefix(20).map(String.init).joined(separator: ", "))")
    }
    (split.kind, split.folds, split.testFold) = (.folds, count, test)
    for (row, fold) in folds.enumerated() where Int(fold) == test { parts[row] = TablePart.test.rawValue }
    drawValidation(options)
  }

  /// [R], whether a row is in a part; nil where all are.
  var kept: [Bool]? { split.leftOut == nil ? nil : parts.map { $0 != Self.leftOut } }

  /// The division without the rows that are left out.
  mutating func dropLeftOut() { parts.removeAll { $0 == Self.leftOut } }

  /// A session lies where its last row does: whatever training knows is before the first cut. So is when its labels were `known`.
  private mutating func divide(at times: [Int64], _ known: [Int64]?, _ options: TableOptions) throws(EventsError) {
    let cuts = try timeCuts(options.ratio) { body throws(EventsError) in times.withUnsafeBufferPointer(body) }
    (split.kind, split.cuts) = (.time, [cuts.first, cuts.second])
    var last: [Int32: Int64] = [:]
    if let sessions { for (row, session) in sessions.enumerated() { last[session] = max(last[session] ?? .min, times[row]) } }
    for row in parts.indices {
      let time = sessions.flatMap { last[$0[row]] } ?? times[row]
      let part: TablePart = time < cuts.first ? .training : time < cuts.second ? .validation : .test
      let isLate = part != .test && (known.map { $0[row] >= (part == .training ? cuts.first : cuts.second) } ?? false)
      parts[row] = isLate ? Self.leftOut : part.rawValue
    }
    let late = parts.count { $0 == Self.leftOut }
    split.leftOut = late > 0 ? late : nil
  }

  private mutating func drawValidation(_ options: TableOptions) {
    guard let ratio = SplitRatio(parsing: "\(options.ratio.training):\(options.ratio.validation):0") else { return }
    split.drawsValidation = true
    draw(parts.indices.filter { parts[$0] == TablePart.training.rawValue }, ratio, options.seed)
  }

  /// Draws rows, or whole sessions, for the parts; of two classes each by itself, so that the parts have equal shares of them.
  private mutating func draw(_ rows: [Int], _ ratio: SplitRatio, _ seed: UInt64) {
    var groups: [[Int]] = []
    if let sessions {
      var places: [Int32: Int] = [:]
      for row in rows {
        if let place = places[sessions[row]] {
          groups[place].append(row)
        } else {
          places[sessions[row]] = groups.count
          groups.append([row])
        }
      }
    }
    let count = sessions == nil ? rows.count : groups.count
    var strata: [[Int]] = [[], []]
    for group in 0..<count {
      let isPositive = sessions == nil ? labels.values[rows[group]] == 1 : groups[group].contains { labels.values[$0] == 1 }
      strata[labels.task == .binary && isPositive ? 1 : 0].append(group)
    }
    for (stratum, members) in strata.enumerated() {
      var order = members
      var stream = RandomStream(seed: seed, stream: UInt64(stratum))
      for place in stride(from: order.count - 1, to: 0, by: -1) { order.swapAt(place, stream.below(place + 1)) }
      let places = ratio.places(of: order.count)
      for (place, group) in order.enumerated() {
        // The first of even the rarest class trains.
        let part: TablePart = place < max(1, places.first) ? .training : place < places.second ? .validation : .test
        if sessions == nil { parts[rows[group]] = part.rawValue } else { for row in groups[group] { parts[row] = part.rawValue } }
      }
    }
  }
}
