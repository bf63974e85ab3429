// A report as one HTML file: no link to the outside, readable on a phone, in light and dark, and without JavaScript.

import Foundation

extension Report {
  /// Where Debian's libjs-chart.js puts Chart.js.
  static let systemChartLibraryPath = "/usr/share/javascript/chart.js/chart.min.js"

  /// The page. Charts need Chart.js from `chartLibraryPath`, which is copied into the page; without it curves are tables.
  func html(chartLibraryPath: String = Report.systemChartLibraryPath) -> String {
    let hasCharts = sections.contains(where: \.isChart)
    let library = hasCharts ? Report.chartLibrary(at: chartLibraryPath) : nil
    var body = "<header>\n<h1>\(escaped(title))</h1>\n"
    if !subtitle.isEmpty { body += "<p>\(escaped(subtitle))</p>\n" }
    body += "</header>\n<main>\n" + cardsHTML()
    for (index, section) in sections.enumerated() {
      body += section.html(id: "section-\(index)", drawsCharts: library != nil)
    }
    if hasCharts && library == nil {
      let remedy = "<code>apt-get install libjs-chart.js</code>"
      body += "<p class=\"note\">Curves are shown as tables. For charts: \(remedy).</p>\n"
    }
    body += "</main>\n"
    if let library { body += "<script>\(library)</script>\n<script>\(chartsScript())</script>\n" }
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="color-scheme" content="light dark">
      <title>\(escaped(title))</title>
      <style>
      \(reportStyle)
      </style>
      </head>
      <body>
      \(body)</body>
      </html>

      """
  }

  /// Text of the library, safe within `<script>`; nil when it cannot be read.
  private static func chartLibrary(at path: String) -> String? {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8), !text.isEmpty else { return nil }
    // In a script, "<\/" means "</" but does not end the element.
    return text.replacingOccurrences(of: "</script", with: "<\\/script", options: .caseInsensitive)
  }

  private func cardsHTML() -> String {
    guard !cards.isEmpty else { return "" }
    let items = cards.map { card in
      let note = card.note.isEmpty ? "" : "<dd class=\"note\">\(escaped(card.note))</dd>"
      return "<div class=\"card\"><dt>\(escaped(card.label))</dt><dd>\(escaped(card.value))</dd>\(note)</div>\n"
    }
    return "<dl class=\"cards\">\n\(items.joined())</dl>\n"
  }
}

extension Report.Section {
  fileprivate var isChart: Bool {
    switch self {
    case .lineChart, .barChart: true
    case .table, .text, .list: false
    }
  }

  fileprivate func html(id: String, drawsCharts: Bool) -> String {
    let heading: String
    let content: String
    switch self {
    case .table(let table):
      heading = table.heading
      content = noteHTML(table.note) + table.html(labelledBy: id)
    case .lineChart(let chart):
      heading = chart.heading
      content = noteHTML(chart.note) + chart.html(id: id, isDrawn: drawsCharts)
    case .barChart(let chart):
      heading = chart.heading
      content = noteHTML(chart.note) + chart.html(id: id, isDrawn: drawsCharts)
    case .text(let title, let paragraphs):
      heading = title
      content = paragraphs.map { "<p>\(escaped($0))</p>\n" }.joined()
    case .list(let title, let items):
      heading = title
      content = "<ul>\n" + items.map { "<li>\(escaped($0))</li>\n" }.joined() + "</ul>\n"
    }
    return "<section>\n<h2 id=\"\(id)\">\(escaped(heading))</h2>\n\(content)</section>\n"
  }

  private func noteHTML(_ note: String) -> String { note.isEmpty ? "" : "<p class=\"note\">\(escaped(note))</p>\n" }
}

extension Report.Table {
  /// The table in a box that scrolls sideways on a narrow screen, by keyboard too.
  fileprivate func html(labelledBy id: String) -> String {
    // A column of numbers is aligned on the right.
    let isNumeric = columns.indices.map { column in
      column > 0 && rows.allSatisfy { $0.cells.count <= column || $0.cells[column].looksNumeric }
    }
    var html = "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-labelledby=\"\(id)\">\n<table>\n<thead><tr>"
    for column in columns.indices {
      html += "<th scope=\"col\"\(isNumeric[column] ? " class=\"number\"" : "")>\(escaped(columns[column]))</th>"
    }
    html += "</tr></thead>\n<tbody>\n"
    for row in rows {
      html += row.isHighlighted ? "<tr class=\"highlight\">" : "<tr>"
      for column in columns.indices {
        let cell = column < row.cells.count ? row.cells[column].html : ""
        let attribute = isNumeric[column] ? " class=\"number\"" : ""
        html += column == 0 ? "<th scope=\"row\">\(cell)</th>" : "<td\(attribute)>\(cell)</td>"
      }
      html += "</tr>\n"
    }
    return html + "</tbody>\n</table>\n</div>\n"
  }
}

extension Report.Table.Cell {
  fileprivate var looksNumeric: Bool {
    guard let first = text.first else { return true }
    return first.isNumber || "+-−.±".contains(first) || ["n/a", "–", "—"].contains(text)
  }

  fileprivate var html: String {
    let value = isBest ? "<strong>\(escaped(text))</strong>" : escaped(text)
    return detail.isEmpty ? value : "\(value) <small>\(escaped(detail))</small>"
  }
}

extension Report.LineChart {
  /// The chart with its numbers folded under it, or the numbers alone.
  fileprivate func html(id: String, isDrawn: Bool) -> String {
    let names = series.map(\.name).joined(separator: ", ")
    return chartHTML(
      id: id, label: "Line chart of \(yLabel) over \(xLabel): \(names)", numbers: numbers, isDrawn: isDrawn,
      style: isSquare ? "height: 26rem; max-width: 28rem" : nil)
  }

  /// One row per x, one column per curve.
  private var numbers: Report.Table {
    let xs = Set(series.flatMap { $0.points.map(\.x) }.filter(\.isFinite)).sorted()
    let curves = series.map { Dictionary($0.points.map { ($0.x, $0.y) }, uniquingKeysWith: { _, last in last }) }
    let rows = xs.map { x in
      let cells = curves.map { Report.Table.Cell($0[x].map(shortNumber) ?? "") }
      return Report.Table.Row(cells: [Report.Table.Cell(shortNumber(x))] + cells)
    }
    return Report.Table(heading: heading, columns: [xLabel] + series.map(\.name), rows: rows)
  }
}

extension Report.BarChart {
  fileprivate func html(id: String, isDrawn: Bool) -> String {
    let rows = bars.map { Report.Table.Row(cells: [Report.Table.Cell($0.name), Report.Table.Cell(shortNumber($0.value))]) }
    let numbers = Report.Table(heading: heading, columns: [label, xLabel], rows: rows)
    // Room for a line of text beside each bar.
    let style = "height: \(5 + 1.5 * Double(bars.count))rem"
    return chartHTML(id: id, label: "Bar chart of \(xLabel)", numbers: numbers, isDrawn: isDrawn, style: style)
  }
}

/// A chart with its numbers folded under it, or the numbers alone; `style` is that of its frame.
private func chartHTML(id: String, label: String, numbers: Report.Table, isDrawn: Bool, style: String? = nil) -> String {
  let table = "<div class=\"curve\">\(numbers.html(labelledBy: id))</div>\n"
  guard isDrawn else { return table }
  let style = style.map { " style=\"\($0)\"" } ?? ""
  return """
    <div class="chart"\(style)><canvas id="\(id)-chart" role="img" aria-label="\(escaped(label))"></canvas></div>
    <details><summary>Numbers</summary>
    \(table)</details>

    """
}

/// Six significant digits at most, "n/a" when it is no number.
private func shortNumber(_ value: Double) -> String {
  value.isFinite ? String(format: "%.6g", value) : "n/a"
}

/// Text for element content and quoted attributes.
func escaped(_ text: String) -> String {
  var html = ""
  html.reserveCapacity(text.utf8.count)
  for scalar in text.unicodeScalars {
    switch scalar {
    case "&": html += "&amp;"
    case "<": html += "&lt;"
    case ">": html += "&gt;"
    case "\"": html += "&quot;"
    case "'": html += "&#39;"
    // Not allowed in HTML at all.
    case "\0"..."\u{8}", "\u{B}", "\u{C}", "\u{E}"..."\u{1F}", "\u{7F}": html += "\u{FFFD}"
    default: html.unicodeScalars.append(scalar)
    }
  }
  return html
}
