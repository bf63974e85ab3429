// Where the wanted fields of a block of text lie: what every reader of rows gives and every decoder takes.

/// Why a row of a log was not taken; raw values are the reasons of reports and quarantine files.
public enum RowProblem: String, Sendable, CaseIterable, Codable {
  case fieldCount = "wrong number of fields"
  case malformedQuotes = "malformed quotes"
  case malformedJSON = "malformed JSON"
  case tooLong = "row too long"
  case missingID = "missing id"
  case longID = "id too long"
  case missingTime = "missing time"
  case malformedTime = "malformed time"
  case impossibleTime = "impossible time"
  case malformedNumber = "malformed number"
  case impossibleValue = "impossible value"
  case invalidUTF8 = "invalid UTF-8"
}

/// R rows by C wanted columns of a block, as byte ranges of the block's buffer. Quoted or escaped values lie unescaped behind the
/// text, in the same buffer.
struct FieldTable {
  /// Wanted columns, in the order in which the caller named them.
  let columns: Int
  private(set) var rows = 0
  /// [R, C], offsets into the buffer; an absent value is empty.
  private(set) var starts: [UInt32] = []
  private(set) var ends: [UInt32] = []
  /// [R], where the row begins in the text, for messages.
  private(set) var rowStarts: [UInt32] = []
  /// Rows that could not be cut into fields: byte range of the text and the reason. They are not among the R.
  private(set) var rejected: [(start: UInt32, end: UInt32, problem: RowProblem)] = []

  init(columns: Int) { self.columns = columns }

  mutating func removeAll() {
    rows = 0
    starts.removeAll(keepingCapacity: true)
    ends.removeAll(keepingCapacity: true)
    rowStarts.removeAll(keepingCapacity: true)
    rejected.removeAll(keepingCapacity: true)
  }

  /// Adds a row from C (start, end) pairs.
  mutating func append(rowStart: Int, _ fields: some Collection<Range<Int>>) {
    precondition(fields.count == columns, "FieldTable: expected \(columns) fields, got \(fields.count)")
    rows += 1
    rowStarts.append(UInt32(rowStart))
    for field in fields {
      starts.append(UInt32(field.lowerBound))
      ends.append(UInt32(field.upperBound))
    }
  }

  mutating func reject(_ range: Range<Int>, _ problem: RowProblem) {
    rejected.append((UInt32(range.lowerBound), UInt32(range.upperBound), problem))
  }
}
