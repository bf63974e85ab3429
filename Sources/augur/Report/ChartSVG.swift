// Charts of a report as inline SVG: no script, no library; colours are those of the page, so that light and dark agree with it.
import Foundation

extension Report.LineChart {
  /// The picture, with a legend above it where there are several curves.
  func svg(label: String) -> String {
    let frame = ChartFrame(self)
    var body = frame.axes(xLabel: xLabel, yLabel: yLabel)
    for (place, curve) in series.enumerated() {
      let kind = curve.isReference ? "reference" : "series-\(place % 6 + 1)"
      body += "<g class=\"\(kind)\">\n"
      for stretch in curve.stretches { body += frame.line(stretch) }
      if !curve.isReference, curve.points.count <= 40 {
        for point in curve.points where point.x.isFinite && point.y.isFinite { body += frame.mark(point, of: curve.name) }
      }
      body += "</g>\n"
    }
    let width = isSquare ? " style=\"max-width: 30rem\"" : ""
    return legend + "<svg viewBox=\"0 0 \(Int(frame.width)) \(Int(frame.height))\" role=\"img\" aria-label=\"\(escaped(label))\"\(width)>\n\(body)</svg>\n"
  }

  private var legend: String {
    guard series.count > 1 else { return "" }
    let entries = series.enumerated().map { place, curve in
      "<li class=\"\(curve.isReference ? "reference" : "series-\(place % 6 + 1)")\">\(escaped(curve.name))</li>"
    }
    return "<ul class=\"legend\">\(entries.joined())</ul>\n"
  }
}

extension Report.LineChart.Series {
  /// Runs of points without a gap.
  fileprivate var stretches: [[(x: Double, y: Double)]] {
    var stretches: [[(x: Double, y: Double)]] = [[]]
    for point in points where point.x.isFinite {
      if point.y.isFinite { stretches[stretches.count - 1].append(point) } else { stretches.append([]) }
    }
    return stretches.filter { !$0.isEmpty }
  }
}

/// Where the numbers of a line chart lie on its picture.
private struct ChartFrame {
  let width: Double
  let height: Double
  private let left = 62.0, right = 16.0, top = 10.0, bottom = 46.0
  private let x: Axis
  private let y: Axis

  init(_ chart: Report.LineChart) {
    (width, height) = chart.isSquare ? (460, 420) : (760, 300)
    let points = chart.series.flatMap(\.points).filter { $0.x.isFinite && $0.y.isFinite }
    x = Axis(points.map(\.x), ticks: chart.isSquare ? 6 : 10, range: chart.xRange)
    y = Axis(points.map(\.y), ticks: 6, range: chart.yRange)
  }

  private func place(_ point: (x: Double, y: Double)) -> (x: String, y: String) {
    let across = left + x.share(point.x) * (width - left - right)
    let down = top + (1 - y.share(point.y)) * (height - top - bottom)
    return (coordinate(across), coordinate(down))
  }

  func line(_ points: [(x: Double, y: Double)]) -> String {
    let places = points.map { point in
      let (x, y) = place(point)
      return "\(x),\(y)"
    }
    return "<polyline points=\"\(places.joined(separator: " "))\"/>\n"
  }

  /// A point with its numbers, which a pointer shows.
  func mark(_ point: (x: Double, y: Double), of name: String) -> String {
    let (x, y) = place(point)
    return "<circle cx=\"\(x)\" cy=\"\(y)\" r=\"2.5\"><title>\(escaped(name)): \(tickText(point.x)), \(tickText(point.y))</title></circle>\n"
  }

  /// Grid, ticks and names of the axes.
  func axes(xLabel: String, yLabel: String) -> String {
    let (end, foot) = (coordinate(width - right), coordinate(height - bottom))
    var body = "<g class=\"axes\">\n"
    for tick in y.ticks {
      let down = place((x.low, tick)).y
      body += "<line x1=\"\(coordinate(left))\" x2=\"\(end)\" y1=\"\(down)\" y2=\"\(down)\"/>"
      body += "<text class=\"end\" x=\"\(coordinate(left - 8))\" y=\"\(down)\" dy=\"0.32em\">\(tickText(tick))</text>\n"
    }
    for tick in x.ticks {
      let across = place((tick, y.low)).x
      body += "<line x1=\"\(across)\" x2=\"\(across)\" y1=\"\(foot)\" y2=\"\(coordinate(height - bottom + 4))\"/>"
      body += "<text class=\"middle\" x=\"\(across)\" y=\"\(coordinate(height - bottom + 19))\">\(tickText(tick))</text>\n"
    }
    let (middleX, middleY) = (coordinate((left + width - right) / 2), coordinate((top + height - bottom) / 2))
    body += "<text class=\"middle\" x=\"\(middleX)\" y=\"\(coordinate(height - 7))\">\(escaped(xLabel))</text>\n"
    body += "<text class=\"middle\" x=\"14\" y=\"\(middleY)\" transform=\"rotate(-90 14 \(middleY))\">\(escaped(yLabel))</text>\n</g>\n"
    return body
  }
}

/// One axis: its range, which holds all values, and round numbers within it.
struct Axis {
  let low: Double
  let high: Double
  let ticks: [Double]

  /// - Parameter range: what it shows; nil takes the values'.
  init(_ values: [Double], ticks limit: Int, range: ClosedRange<Double>? = nil) {
    var (low, high) = (range?.lowerBound ?? values.min() ?? 0, range?.upperBound ?? values.max() ?? 1)
    if !(high - low > 1e-12 * max(abs(low), abs(high))) {
      let room = low == 0 ? 1 : abs(low) / 2
      (low, high) = (low - room, high + room)
    }
    let step = Self.step((high - low) / Double(max(2, limit)))
    let (first, last) = ((low / step).rounded(.up), (high / step).rounded(.down))
    var ticks: [Double] = []
    if first.isFinite, last.isFinite, last - first < 100 {
      for number in stride(from: first, through: last, by: 1) { ticks.append(number * step) }
    }
    (self.low, self.high, self.ticks) = (low, high, ticks)
  }

  /// The least of 1, 2, 5, 10, ... times a power of ten that is no less.
  private static func step(_ least: Double) -> Double {
    let power = pow(10, floor(log10(least)))
    return power * (least <= power ? 1 : least <= 2 * power ? 2 : least <= 5 * power ? 5 : 10)
  }

  /// 0 at the low end, 1 at the high one; within them.
  func share(_ value: Double) -> Double { min(1, max(0, (value - low) / (high - low))) }
}

/// A tenth of a pixel is enough.
private func coordinate(_ value: Double) -> String { String(format: "%.1f", value) }

/// A number as short as it can be said.
private func tickText(_ value: Double) -> String { String(format: "%.4g", abs(value) < 1e-12 ? 0 : value) }

extension Report.BarChart {
  /// One bar a name, its number behind it.
  func svg(label: String) -> String {
    let (width, line) = (760.0, 24.0)
    let names = min(320, 16 + 7.2 * Double(bars.map { min(44, $0.name.count) }.max() ?? 0))
    let most = bars.map(\.value).filter(\.isFinite).max() ?? 1
    var body = ""
    for (place, bar) in bars.enumerated() {
      let top = Double(place) * line
      let name = bar.name.count > 44 ? bar.name.prefix(43) + "…" : Substring(bar.name)
      let length = bar.value.isFinite && most > 0 ? max(0, bar.value / most) * (width - names - 70) : 0
      body += "<g class=\"series-1\"><rect x=\"\(coordinate(names))\" y=\"\(coordinate(top + 4))\" width=\"\(coordinate(length))\" height=\"16\"/></g>"
      body += "<g class=\"axes\"><text class=\"end\" x=\"\(coordinate(names - 8))\" y=\"\(coordinate(top + 12))\" dy=\"0.32em\">\(escaped(String(name)))</text>"
      body += "<text x=\"\(coordinate(names + length + 6))\" y=\"\(coordinate(top + 12))\" dy=\"0.32em\">\(bar.value.isFinite ? tickText(bar.value) : "n/a")</text></g>\n"
    }
    let height = line * Double(bars.count) + 4
    return "<svg viewBox=\"0 0 \(Int(width)) \(Int(height))\" role=\"img\" aria-label=\"\(escaped(label))\">\n\(body)</svg>\n"
  }
}
