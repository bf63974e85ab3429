// From the fields of a block to columns: ids to indices, times to milliseconds, prices to floats. One decoder a thread, so that nothing
// is locked; `EventDictionaries` brings their indices together.
import CKernels

/// What an event may carry beside user, item and time, in the order of `EventChunk.words`.
public enum EventAttribute: String, CaseIterable, Codable, Sendable {
  case kind, category, price, quantity
  var isNumber: Bool { self == .price || self == .quantity }
}

/// Which of the columns that a log has are read besides user, item and time.
struct EventAttributes: Equatable {
  var attributes: [EventAttribute]
  var names: Bool
  static let all = EventAttributes(attributes: EventAttribute.allCases, names: true)
  static let none = EventAttributes(attributes: [], names: false)
}

/// Which columns the log has, in the order of the field table: user, item, time, attributes, name.
struct EventLayout: Equatable {
  var hasTimes: Bool
  var attributes: [EventAttribute]
  var hasNames: Bool
  /// Whether rows name a user; else every line is a session, and its place in the log the user.
  var hasUsers = true
  var columns: Int { 2 + (hasTimes ? 1 : 0) + attributes.count + (hasNames ? 1 : 0) }
  /// W, the words of an event.
  var width: Int { 1 + attributes.count }
}

final class EventDecoder {
  let layout: EventLayout
  let number: Int
  /// Users of the run whose ids are not digits; emptied with each run.
  var users = IDTable()
  var items = IDTable()
  /// Kinds and categories, by attribute.
  var labels: [IDTable]
  var names = ItemNames()
  /// The unit of the log's times, once a row was read.
  var times: TimeColumn
  private let rules: CleaningRules

  /// What is wrong with a row of the block under way.
  private var faults: [Int: RejectedRow] = [:]

  init(layout: EventLayout, number: Int, rules: CleaningRules = CleaningRules(), times: TimeColumn = TimeColumn()) {
    (self.layout, self.number, self.rules, self.times) = (layout, number, rules, times)
    labels = layout.attributes.map { _ in IDTable() }
  }

  func decode(_ block: Block) {
    faults.removeAll(keepingCapacity: true)
    var chunk = EventChunk(decoder: number)
    let rows = block.table.rows
    guard rows > 0 else {
      // Not even a count is written to the storage that all empty arrays share.
      chunk.words = Array(repeating: [], count: 1 + layout.attributes.count)
      block.chunk = chunk
      return
    }
    decodeUsers(block, &chunk)
    var items = decodeIDs(block, column: 1, name: "item", &self.items)
    decodeTimes(block, &chunk)
    chunk.words = [items]
    items = []
    for (place, attribute) in layout.attributes.enumerated() {
      let column = (layout.hasTimes ? 3 : 2) + place
      if attribute.isNumber {
        chunk.words.append(decodeNumbers(block, column, attribute))
      } else {
        chunk.words.append(decodeIDs(block, column: column, name: attribute.rawValue, &labels[place], mayBeEmpty: true))
      }
    }
    if layout.hasNames { decodeNames(block, rows, chunk.words[0]) }
    if !faults.isEmpty { dropFaults(block, &chunk) }
    chunk.measure()
    block.chunk = chunk
  }

  private func field(_ block: Block, _ row: Int, _ column: Int) -> UnsafeRawBufferPointer { block.bytes(block.table.range(row, column)) }

  private func fault(_ block: Block, _ row: Int, _ problem: RowProblem, _ field: String, _ detail: String, _ advice: String) {
    guard faults[row] == nil else { return }
    let start = Int(block.table.rowStarts[row])
    var end = start
    let text = block.bytes(0..<block.text.upperBound)
    while end < text.count, text[end] != DelimitedReader.newline { end += 1 }
    faults[row] = RejectedRow(range: start..<end, problem: problem, field: field, detail: detail, advice: advice)
  }

  /// Whether the id can be one; notes what is wrong with it.
  private func accepts(_ id: UnsafeRawBufferPointer, _ block: Block, _ row: Int, _ name: String) -> Bool {
    if id.isEmpty {
      fault(block, row, .missingID, name, "the id is empty", "fill it in or drop the row")
    } else if id.count > Vocabulary.longestID {
      fault(
        block, row, .longID, name, "\(id.count) bytes long, \(excerpt(id))",
        "the limit is \(Vocabulary.longestID) bytes; is a quote missing?")
    } else if String(validating: id, as: UTF8.self) == nil {
      fault(
        block, row, .invalidUTF8, name, "\(excerpt(id)) is not UTF-8", "convert the file, for example with iconv -f latin1 -t utf8")
    } else {
      return true
    }
    return false
  }

  private func codes(_ block: Block, _ column: Int) -> (codes: [UInt64], others: Int) {
    let table = block.table
    var others = 0
    let codes = [UInt64](unsafeUninitializedCapacity: table.rows) { codes, count in
      count = table.rows
      withFields(block, column) { text, starts, ends, stride in
        others = ck_digit_codes(codes.baseAddress, text, starts, ends, stride, table.rows)
      }
    }
    return (codes, others)
  }

  private func withFields(
    _ block: Block, _ column: Int,
    _ body: (UnsafePointer<UInt8>, UnsafePointer<UInt32>, UnsafePointer<UInt32>, Int) -> Void
  ) {
    let table = block.table
    guard table.rows > 0 else { return }
    table.starts.withUnsafeBufferPointer { starts in
      table.ends.withUnsafeBufferPointer { ends in
        guard let starts = starts.baseAddress, let ends = ends.baseAddress else { return }
        body(UnsafePointer(block.memory.assumingMemoryBound(to: UInt8.self)), starts + column, ends + column, table.columns)
      }
    }
  }

  private func decodeUsers(_ block: Block, _ chunk: inout EventChunk) {
    guard layout.hasUsers else { return chunk.numberSessions(block) }
    let (codes, others) = codes(block, 0)
    chunk.users = codes
    guard others > 0 else { return }
    chunk.usersAreCodes = false
    for row in codes.indices {
      let id = field(block, row, 0)
      if codes[row] != 0 || accepts(id, block, row, "user") { chunk.users[row] = UInt64(users.index(adding: id)) }
    }
    // Only rejected rows had no digits: the codes do.
    if faults.count == others {
      (chunk.users, chunk.usersAreCodes) = (codes, true)
    }
  }

  private func decodeIDs(_ block: Block, column: Int, name: String, _ table: inout IDTable, mayBeEmpty: Bool = false) -> [UInt32] {
    let (codes, _) = codes(block, column)
    return [UInt32](unsafeUninitializedCapacity: codes.count) { result, count in
      count = codes.count
      result.withMemoryRebound(to: Int32.self) { indices in
        guard codes.withUnsafeBufferPointer({ table.lookUp($0, indices) }) > 0 else { return }
        for row in codes.indices where indices[row] < 0 {
          if codes[row] != 0 {
            indices[row] = table.index(addingCode: codes[row])
            continue
          }
          let id = field(block, row, column)
          if let known = table.index(ofText: id) {
            indices[row] = known
          } else {
            indices[row] = id.isEmpty && mayBeEmpty || accepts(id, block, row, name) ? table.index(adding: id) : 0
          }
        }
      }
    }
  }

  private func decodeTimes(_ block: Block, _ chunk: inout EventChunk) {
    let rows = block.table.rows
    guard layout.hasTimes else {
      // The place in the log orders events without times.
      chunk.times = (0..<Int64(rows)).map { Int64(block.number) << 20 + $0 }
      return
    }
    settleTimeUnit(block, rows)
    var others = rows
    if let epochs = times.unit?.epochs {
      chunk.times = [Int64](unsafeUninitializedCapacity: rows) { values, count in
        count = rows
        withFields(block, 2) { text, starts, ends, stride in
          others = ck_epochs(
            values.baseAddress, text, starts, ends, stride, rows, epochs.values.lowerBound, epochs.values.upperBound, epochs.scale)
        }
      }
    } else {
      chunk.times = [Int64](repeating: -1, count: rows)
    }
    if others > 0 {
      let ambiguous = times.ambiguous
      defer { chunk.ambiguousTimes = times.ambiguous - ambiguous }
      for row in 0..<rows where chunk.times[row] < 0 {
        let text = field(block, row, 2)
        do throws(Timestamp.Failure) {
          chunk.times[row] = try times.milliseconds(text)
        } catch {
          let (problem, detail, advice) = error.explanation(text)
          fault(block, row, problem, "timestamp", detail, advice)
          chunk.times[row] = 0
        }
      }
    }
    guard rules.impossible == .reject, rules.earliestTime != nil || rules.latestTime != nil else { return }
    for row in 0..<rows {
      guard let problem = rules.problem(time: chunk.times[row]) else { continue }
      fault(
        block, row, .impossibleTime, "timestamp", "\(excerpt(field(block, row, 2))) \(problem)",
        "correct it, or choose --impossible drop or keep")
    }
  }

  /// Looks for the first time that tells the unit.
  private func settleTimeUnit(_ block: Block, _ rows: Int) {
    var row = 0
    while times.unit == nil, row < rows {
      do throws(Timestamp.Failure) { _ = try times.milliseconds(field(block, row, 2)) } catch {}
      row += 1
    }
  }

  private func decodeNumbers(_ block: Block, _ column: Int, _ attribute: EventAttribute) -> [UInt32] {
    let rows = block.table.rows
    var others = 0
    var result = [UInt32](unsafeUninitializedCapacity: rows) { bits, count in
      count = rows
      bits.withMemoryRebound(to: Float.self) { values in
        withFields(block, column) { text, starts, ends, stride in
          others = ck_decimals(values.baseAddress, text, starts, ends, stride, rows)
        }
      }
    }
    if others > 0 { decodeOtherNumbers(block, column, attribute, &result) }
    if rules.impossible == .reject { rejectImpossible(block, column, attribute, result) }
    return result
  }

  private func rejectImpossible(_ block: Block, _ column: Int, _ attribute: EventAttribute, _ bits: [UInt32]) {
    let isPrice = attribute == .price
    let (least, largest) = isPrice ? (rules.leastPrice, rules.largestPrice) : (rules.leastQuantity, rules.largestQuantity)
    for row in bits.indices {
      let value = Float(bitPattern: bits[row])
      // Missing values are neither.
      guard value < least || value > largest, let problem = isPrice ? rules.problem(price: value) : rules.problem(quantity: value)
      else { continue }
      fault(
        block, row, .impossibleValue, attribute.rawValue, "\(excerpt(field(block, row, column))) \(problem)",
        "correct it, set --\(attribute.rawValue)-range, or choose --impossible drop, missing or keep")
    }
  }

  /// Numbers that the kernel leaves to us: with an exponent, very long, or none.
  private func decodeOtherNumbers(_ block: Block, _ column: Int, _ attribute: EventAttribute, _ result: inout [UInt32]) {
    for row in result.indices where result[row] == UInt32(CK_NOT_DECIMAL) {
      let text = field(block, row, column)
      if let value = parsedFloat(text) {
        result[row] = value.bitPattern
      } else {
        fault(
          block, row, .malformedNumber, attribute.rawValue, "\(excerpt(text)) is not a number",
          "use a decimal point and no unit, or leave it empty")
        result[row] = Float.nan.bitPattern
      }
    }
  }

  private func decodeNames(_ block: Block, _ rows: Int, _ items: [UInt32]) {
    let column = layout.columns - 1
    for row in 0..<rows {
      let name = field(block, row, column)
      guard !name.isEmpty, faults[row] == nil, !names.has(name, item: Int(items[row])) else { continue }
      if accepts(name, block, row, "item name") { names.add(name, item: Int(items[row])) }
    }
  }

  /// Closes the gaps of rejected rows.
  private func dropFaults(_ block: Block, _ chunk: inout EventChunk) {
    let keep = (0..<chunk.rows).filter { faults[$0] == nil }
    chunk.users = keep.map { chunk.users[$0] }
    chunk.times = keep.map { chunk.times[$0] }
    chunk.words = chunk.words.map { column in keep.map { column[$0] } }
    block.rejected += faults.sorted { $0.key < $1.key }.map(\.value)
  }
}

/// A number as programs write it, with an exponent; NaN for the usual words for a missing one; nil for anything else.
func parsedFloat(_ text: UnsafeRawBufferPointer) -> Float? {
  guard text.count <= 64 else { return nil }
  let word = String(decoding: text, as: UTF8.self)
  if ["nan", "na", "n/a", "null", "none", "\\n"].contains(word.lowercased()) { return .nan }
  guard let value = Double(word), value.isFinite else { return nil }
  return Float(value)
}
