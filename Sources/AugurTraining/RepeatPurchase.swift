// Whether and when customers buy again: a row for each customer as of a day, from a log of purchases such as CDNOW.
import AugurEvents
public import AugurMetrics
import AugurTensors
import Foundation

/// What came of each row of an assembled table, in its order.
public struct RowOutcomes: Sendable {
  /// Days until the event, or until observation ended.
  public let days: [Double]
  /// Whether the event came.
  public let isObserved: [Bool]
  /// Rules of thumb that a model has to beat; more stands for sooner.
  public let rules: [(name: String, risks: [Double])]

  /// Harrell's C of risks for some of the rows, and of each rule for the same ones.
  public func concordance(_ risks: [Float], rows: [Int]) throws(MetricsError) -> [(name: String, value: Double)] {
    let examples = try SurvivalExamples(times: rows.map { days[$0] }, isObserved: rows.map { isObserved[$0] })
    var values: [(String, Double)] = []
    for (name, risks) in [("C-index", risks.map(Double.init))]
      + rules.map({ rule in ("C-index of \(rule.name)", rows.map { rule.risks[$0] }) })
    {
      if let value = try ConcordanceIndex.value(examples, risks: risks) { values.append((name, value)) }
    }
    return values
  }
}

/// Customers and their purchases: `customer date(yyyymmdd) quantity value` a line, in any order.
struct PurchaseLog {
  private struct Purchase {
    let day: Int
    let quantity: Double
    let value: Double
  }

  /// By customer, in the order of the first line of each; purchases by day.
  private var customers: [[Purchase]] = []

  /// Throws with the line of the first that cannot be read.
  init(path: String) throws(TrainingError) {
    guard let bytes = FileManager.default.contents(atPath: path) else {
      throw .run(path: path, problem: "cannot be read", advice: "check the path")
    }
    var places: [Substring: Int] = [:]
    // CR LF is one character.
    let lines = String(decoding: bytes, as: UTF8.self).split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    for (number, line) in lines.enumerated() {
      let fields = line.split { $0 == " " || $0 == "\t" }
      if fields.isEmpty || (number == 0 && Int(fields[0]) == nil) { continue }
      guard fields.count == 4, let day = Self.day(fields[1]), let quantity = Double(fields[2]), let value = Double(fields[3]),
        quantity.isFinite, value.isFinite
      else {
        throw .run(
          path: "\(path):\(number + 1)", problem: "expected customer, date as yyyymmdd, quantity and value",
          advice: "correct the line")
      }
      let place = places[fields[0]] ?? customers.count
      if place == customers.count {
        places[fields[0]] = place
        customers.append([])
      }
      customers[place].append(Purchase(day: day, quantity: quantity, value: value))
    }
    for place in customers.indices { customers[place].sort { $0.day < $1.day } }
  }

  /// Days since 1970 of a date as yyyymmdd; nil when the calendar has no such day.
  static func day(_ text: Substring) -> Int? {
    guard text.utf8.count == 8, text.utf8.allSatisfy({ $0 &- 0x30 < 10 }), let number = Int64(text) else { return nil }
    return Timestamp.day(ofDigits: number).map { Int($0) }
  }

  /// Writes a row for each customer who bought by the end of `cut`: recency, frequency, value, and whether one came until `end`.
  func assemble(cut: Substring, end: Substring, to path: String) throws(TrainingError) -> RowOutcomes {
    guard let cut = Self.day(cut), let end = Self.day(end), cut < end else {
      preconditionFailure("repeat purchases: expected a day and a later one, got \(cut), \(end)")
    }
    var text =
      "purchases,recency,tenure,mean_gap,last_gap,spent,mean_value,last_value,first_value,quantity,days_30,days_90,again\n"
    var (days, isObserved, recency, frequency): ([Double], [Bool], [Double], [Double]) = ([], [], [], [])
    for purchases in customers {
      let past = purchases.filter { $0.day <= cut }
      guard let first = past.first, let last = past.last else { continue }
      let next = purchases.first { $0.day > cut && $0.day <= end }
      let (age, count) = (cut - last.day, past.count)
      let spent = past.reduce(0) { $0 + $1.value }
      // One purchase has no gap: empty cells.
      let gap = count > 1 ? "\(Double(last.day - first.day) / Double(count - 1))" : ""
      let lastGap = count > 1 ? "\(last.day - past[count - 2].day)" : ""
      let recent = [30, 90].map { days in past.count { cut - $0.day < days } }
      text +=
        "\(count),\(age),\(cut - first.day),\(gap),\(lastGap),\(spent),\(spent / Double(count)),\(last.value),\(first.value),"
      text += "\(past.reduce(0) { $0 + $1.quantity }),\(recent[0]),\(recent[1]),\(next == nil ? 0 : 1)\n"
      days.append(Double((next?.day ?? end) - cut))
      isObserved.append(next != nil)
      recency.append(-Double(age))
      frequency.append(Double(count))
    }
    do throws(SafetensorsError) { try writeFileDurably(path: path, text: text) } catch { throw .save("\(error)") }
    return RowOutcomes(days: days, isObserved: isObserved, rules: [("recency alone", recency), ("frequency alone", frequency)])
  }
}
