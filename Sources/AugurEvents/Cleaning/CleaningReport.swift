// What cleaning did to a log, counted by reason: for a person as text, for programs as JSON.
import FoundationEssentials

/// What a rule may do to an event, a user or an item; raw values are the reasons of reports.
public enum CleaningReason: String, Sendable, CaseIterable, Codable {
  /// In the hour that clocks show twice; it was taken for the first.
  case ambiguousTime = "local time that is there twice, read as the first"
  case impossibleTime = "impossible time"
  case impossiblePrice = "impossible price"
  case impossibleQuantity = "impossible quantity"
  case missingKind = "missing event kind"
  case missingCategory = "missing category"
  case missingPrice = "missing price"
  case missingQuantity = "missing quantity"
  case exactDuplicate = "duplicate"
  case repeatInWindow = "repeat within the window"
  case burst = "burst"
  case oldHistory = "older than the newest events kept"
  case fewUserEvents = "user with few events"
  case rareItem = "rare item"
  case clippedPrice = "price clipped"
}

/// Counts by reason. Reports of parts of a log merge in file order to the report of the whole, however they are grouped.
public struct CleaningReport: Sendable, Equatable {
  public struct Count: Sendable, Equatable, Codable {
    /// Events left out.
    public var dropped = 0
    /// Events with a value changed.
    public var changed = 0
    /// Events that stay as they are, but are worth a look.
    public var flagged = 0
    /// Users and items left out as a whole.
    public var users = 0
    public var items = 0

    var isZero: Bool { self == Count() }
    static func += (total: inout Count, next: Count) {
      total.dropped += next.dropped
      total.changed += next.changed
      total.flagged += next.flagged
      total.users += next.users
      total.items += next.items
    }
  }

  /// Bad rows of one reason.
  public struct Rejection: Sendable, Equatable, Codable {
    public var rows = 0
    /// The first places, `file:line: problem`, in file order.
    public var examples: [String] = []
  }

  /// Examples that a reason keeps.
  static let examples = 3

  /// Rows read, good and bad.
  public var rowsIn = 0
  private var rejections = [Rejection](repeating: Rejection(), count: RowProblem.allCases.count)
  private var counts = [Count](repeating: Count(), count: CleaningReason.allCases.count)

  public init() {}

  private static let placeOfProblem = Dictionary(uniqueKeysWithValues: RowProblem.allCases.enumerated().map { ($1, $0) })
  private static let placeOfReason = Dictionary(uniqueKeysWithValues: CleaningReason.allCases.enumerated().map { ($1, $0) })

  public subscript(_ problem: RowProblem) -> Rejection { rejections[Self.placeOfProblem[problem] ?? 0] }

  public internal(set) subscript(_ reason: CleaningReason) -> Count {
    get { counts[Self.placeOfReason[reason] ?? 0] }
    set { counts[Self.placeOfReason[reason] ?? 0] = newValue }
  }

  /// Whether anything was rejected, dropped, changed or flagged.
  public var isWorthTelling: Bool { rowsRejected > 0 || counts.contains { !$0.isZero } }
  public var rowsRejected: Int { rejections.reduce(0) { $0 + $1.rows } }
  public var rowsDropped: Int { counts.reduce(0) { $0 + $1.dropped } }
  /// Events that are left: rows in, less bad rows and dropped events.
  public var rowsOut: Int { rowsIn - rowsRejected - rowsDropped }

  /// Bad rows and dropped events by reason, without the reasons that have none.
  public var rejected: [String: Int] {
    Dictionary(uniqueKeysWithValues: zip(RowProblem.allCases.map(\.rawValue), rejections.map(\.rows)).filter { $0.1 > 0 })
  }
  var dropped: [String: Int] {
    Dictionary(uniqueKeysWithValues: zip(CleaningReason.allCases.map(\.rawValue), counts.map(\.dropped)).filter { $0.1 > 0 })
  }

  /// Counts one bad row; `example` is made only where it is kept.
  package mutating func reject(_ problem: RowProblem, _ example: @autoclosure () -> String) {
    let place = Self.placeOfProblem[problem] ?? 0
    rejections[place].rows += 1
    if rejections[place].examples.count < Self.examples { rejections[place].examples.append(example()) }
  }

  /// Adds what a step that is not of `UserCleaner` dropped or changed.
  package mutating func add(_ reason: CleaningReason, _ count: Count) { self[reason] += count }

  /// Adds the report of the part of the log that follows.
  public mutating func merge(_ next: CleaningReport) {
    rowsIn += next.rowsIn
    for place in counts.indices { counts[place] += next.counts[place] }
    for place in rejections.indices {
      rejections[place].rows += next.rejections[place].rows
      let room = Self.examples - rejections[place].examples.count
      if room > 0 { rejections[place].examples += next.rejections[place].examples.prefix(room) }
    }
  }
}

extension CleaningReport {
  /// Aligned lines, reasons with nothing to tell left out; ends with a newline.
  public func text() -> String {
    var rows: [(label: String, number: String, note: String)] = [("rows in", grouped(rowsIn), "")]
    if rowsRejected > 0 { rows.append(("  bad rows", grouped(rowsRejected), "")) }
    for (problem, rejection) in zip(RowProblem.allCases, rejections) where rejection.rows > 0 {
      rows.append(("    \(problem.rawValue)", grouped(rejection.rows), rejection.examples.first ?? ""))
      rows += rejection.examples.dropFirst().map { ("", "", $0) }
    }
    for (title, count) in [("dropped", \Count.dropped), ("changed", \Count.changed), ("flagged", \Count.flagged)] {
      let total = counts.reduce(0) { $0 + $1[keyPath: count] }
      if total > 0 { rows.append(("  \(title)", grouped(total), "")) }
      for (reason, all) in zip(CleaningReason.allCases, counts) where all[keyPath: count] > 0 {
        var notes: [String] = []
        if title == "dropped", all.users > 0 { notes.append("\(grouped(all.users)) users left out") }
        if title == "dropped", all.items > 0 { notes.append("\(grouped(all.items)) items left out") }
        rows.append(("    \(reason.rawValue)", grouped(all[keyPath: count]), notes.joined(separator: ", ")))
      }
    }
    rows.append(("rows out", grouped(rowsOut), ""))
    let label = rows.reduce(0) { max($0, $1.label.count) }
    let number = rows.reduce(0) { max($0, $1.number.count) }
    return rows.reduce(into: "") { text, row in
      text += row.label + String(repeating: " ", count: label + 2 + number - row.label.count - row.number.count) + row.number
      text += (row.note.isEmpty ? "" : "  " + row.note) + "\n"
    }
  }

  /// One JSON object; every reason is a key, with zeros where there is nothing.
  public func json() -> String {
    struct Rows: Encodable {
      let `in`, rejected, dropped, changed, flagged, out: Int
    }
    struct Object: Encodable {
      let rows: Rows
      let rejected: [String: Rejection]
      let rules: [String: Count]
    }
    let rows = Rows(
      in: rowsIn, rejected: rowsRejected, dropped: rowsDropped, changed: counts.reduce(0) { $0 + $1.changed },
      flagged: counts.reduce(0) { $0 + $1.flagged }, out: rowsOut)
    let object = Object(
      rows: rows,
      rejected: Dictionary(uniqueKeysWithValues: zip(RowProblem.allCases.map(\.rawValue), rejections)),
      rules: Dictionary(uniqueKeysWithValues: zip(CleaningReason.allCases.map(\.rawValue), counts)))
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    // Integers and strings always encode.
    return (try? encoder.encode(object)).map { String(decoding: $0, as: UTF8.self) + "\n" } ?? ""
  }
}

/// 1234567 as 1,234,567.
func grouped(_ value: Int) -> String {
  let digits = String(value.magnitude)
  var text = ""
  for (place, digit) in digits.enumerated() {
    if place > 0, (digits.count - place) % 3 == 0 { text += "," }
    text.append(digit)
  }
  return value < 0 ? "-" + text : text
}
