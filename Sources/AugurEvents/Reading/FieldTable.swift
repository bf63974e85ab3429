// Where the wanted fields of a block of text lie: what every reader of rows gives and every decoder takes.
import CKernels

/// Why a row of a log was not taken; raw values are the reasons of reports and quarantine files.
public enum RowProblem: String, Sendable, CaseIterable, Codable {
  case fieldCount = "wrong number of fields"
  case malformedQuotes = "malformed quotes"
  case malformedJSON = "malformed JSON"
  case tooLong = "row too long"
  case missingID = "missing id"
  case longID = "id too long"
  case missingLabel = "missing label"
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
  struct Rejected: Equatable {
    var start: UInt32
    var end: UInt32
    var problem: RowProblem
    /// Fields that the row has, where their number is the problem.
    var found = 0
  }

  /// Wanted columns, in the order in which the caller named them.
  let columns: Int
  private(set) var rows = 0
  /// [>= R, C], offsets into the buffer; an absent value is empty.
  private(set) var starts: [UInt32] = []
  private(set) var ends: [UInt32] = []
  /// [>= R], where the row begins in the text, for messages.
  private(set) var rowStarts: [UInt32] = []
  /// Rows that could not be cut into fields. They are not among the R.
  private(set) var rejected: [Rejected] = []

  init(columns: Int) { self.columns = columns }

  mutating func removeAll() {
    rows = 0
    rejected.removeAll(keepingCapacity: true)
  }

  /// Adds a row from C ranges.
  mutating func append(rowStart: Int, _ fields: some Collection<Range<Int>>) {
    precondition(fields.count == columns, "FieldTable: expected \(columns) fields, got \(fields.count)")
    reserve(rows + 1)
    rowStarts[rows] = UInt32(rowStart)
    for (column, field) in fields.enumerated() {
      starts[rows * columns + column] = UInt32(field.lowerBound)
      ends[rows * columns + column] = UInt32(field.upperBound)
    }
    rows += 1
  }

  mutating func reject(_ range: Range<Int>, _ problem: RowProblem, found: Int = 0) {
    rejected.append(Rejected(start: UInt32(range.lowerBound), end: UInt32(range.upperBound), problem: problem, found: found))
  }

  func range(_ row: Int, _ column: Int) -> Range<Int> {
    Int(starts[row * columns + column])..<Int(ends[row * columns + column])
  }

  /// Room for `count` rows in all.
  private mutating func reserve(_ count: Int) {
    guard rowStarts.count < count else { return }
    let more = max(count, 2 * rowStarts.count, 1024) - rowStarts.count
    rowStarts.append(contentsOf: repeatElement(0, count: more))
    starts.append(contentsOf: repeatElement(0, count: more * columns))
    ends.append(contentsOf: repeatElement(0, count: more * columns))
  }

  /// Lets a kernel write rows behind those that are there; grows the table until `body` says that it is done.
  mutating func fill(_ body: (_ starts: UnsafeMutablePointer<UInt32>, _ ends: UnsafeMutablePointer<UInt32>,
    _ rowStarts: UnsafeMutablePointer<UInt32>, _ capacity: Int, _ columns: Int) -> (rows: Int, isDone: Bool)
  ) {
    var isDone = false
    while !isDone {
      reserve(rows + 1024)
      let (first, columns, capacity) = (rows, columns, rowStarts.count - rows)
      starts.withUnsafeMutableBufferPointer { s in
        ends.withUnsafeMutableBufferPointer { e in
          rowStarts.withUnsafeMutableBufferPointer { r in
            guard let s = s.baseAddress, let e = e.baseAddress, let r = r.baseAddress else { return }
            let written = body(s + first * columns, e + first * columns, r + first, capacity, columns)
            rows += written.rows
            isDone = written.isDone
          }
        }
      }
    }
  }
}
