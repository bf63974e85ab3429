// A profile for a person, and as JSON for programs.
import FoundationEssentials

extension LogProfile {
  /// One line a column and some below it, then what looks wrong.
  public var text: String {
    let bytes = files.reduce(0) { $0 + $1.bytes }
    var lines = [
      "\(grouped(rows)) rows, \(files.count) file\(files.count == 1 ? "" : "s"), \(grouped(bytes)) bytes of text, \(grouped(badRows)) bad rows"
    ]
    if files.count > 1 { lines += files.map { "  \(oneLineName($0.name)): \(grouped($0.rows)) rows, \(grouped($0.bytes)) bytes" } }
    for column in columns { lines += column.lines(rows: rows) }
    lines += findings.isEmpty ? ["nothing looks wrong"] : ["looks wrong:"] + findings.map { "  \($0)" }
    return lines.joined(separator: "\n") + "\n"
  }

  /// One JSON object on one line.
  public var json: String {
    struct Object: Encodable {
      let rows, badRows: Int
      let files: [File]
      let columns: [ColumnSummary]
      let findings: [Finding]
    }
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Numbers are finite, texts always encode.
    let object = Object(rows: rows, badRows: badRows, files: files, columns: columns, findings: findings)
    return (try? encoder.encode(object)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }
}

private func oneLineName(_ name: String) -> String { name.contains("\n") ? excerpt(name.utf8) : name }

extension ColumnSummary {
  fileprivate func lines(rows: Int) -> [String] {
    let kind = type.rawValue + (unit.map { " (\($0.words))" } ?? separator.map { " (\(excerpt($0.utf8)))" } ?? "")
    var lines = ["\(oneLineName(name)): \(kind)" + (role.map { ", the \($0.rawValue)" } ?? "")]
    let about = distinctError > 0 ? "about " : ""
    let error = distinctError > 0 ? " (± \(percent(distinctError)))" : ""
    lines.append("  missing \(grouped(missing)) (\(percent(Double(missing) / Double(max(1, rows))))), \(about)\(grouped(distinct)) different\(error)")
    if let least, let largest {
      let span = type == .time ? ", \(days(largest - least))" : type == .category || role?.isID == true ? "" : mean.map { ", mean \(rounded($0))" } ?? ""
      lines.append("  \(shown(least)) to \(shown(largest))\(span)")
      if least < largest, role?.isID != true, type != .category {
        let wanted = quantiles.filter { [0.05, 0.25, 0.5, 0.75, 0.95].contains($0.share) }
        lines.append("  quantiles 5, 25, 50, 75, 95 %: \(wanted.map { shown($0.value) }.joined(separator: ", "))")
        lines.append("  \(bars)")
      }
    } else if missing < rows {
      lines.append("  \(rounded(meanBytes)) bytes on average, at most \(grouped(longestBytes))")
    }
    if !frequent.isEmpty {
      let least = frequentError > 0 ? "at least " : ""
      let values = frequent.map { "\(excerpt($0.value.utf8)) \(least)\(percent(Double($0.rows) / Double(max(1, rows))))" }
      lines.append("  most frequent: \(values.joined(separator: ", "))")
    }
    return lines
  }

  /// The histogram, a character a part.
  private var bars: String {
    let most = histogram.max() ?? 0
    guard most > 0 else { return "" }
    let heights = Array("▁▂▃▄▅▆▇█")
    return String(histogram.map { $0 == 0 ? " " : heights[min(7, $0 * 8 / most)] })
  }

  private func shown(_ value: Double) -> String {
    type == .time && abs(value) < 8e15 ? Timestamp.text(Int64(value)) : rounded(value)
  }
}

private func days(_ milliseconds: Double) -> String {
  let days = milliseconds / 86_400_000
  return days >= 2 ? "\(rounded(days)) days" : "\(rounded(days * 24)) hours"
}

private func percent(_ share: Double) -> String { "\(rounded(share * 100)) %" }

/// Four significant digits, whole numbers in full.
private func rounded(_ value: Double) -> String {
  if value == value.rounded(), abs(value) < 1e15 { return grouped(Int(value)) }
  guard abs(value) >= 1e-12, abs(value) < 1e15 else { return value.description }
  var scale = 1.0
  while abs(value) * scale < 1000 { scale *= 10 }
  return short((value * scale).rounded() / scale)
}
