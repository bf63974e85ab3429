// The script of a report's charts: the curves as JSON, and how Chart.js draws them.

extension Report {
  /// Draws every chart; asks the style sheet for the colours, so that light and dark agree with the page.
  func chartsScript() -> String {
    let charts = sections.enumerated().compactMap { index, section -> String? in
      switch section {
      case .lineChart(let chart): chart.json(id: "section-\(index)-chart")
      case .barChart(let chart): chart.json(id: "section-\(index)-chart")
      case .table, .text, .list: nil
      }
    }
    return "const charts = [\(charts.joined(separator: ",\n"))];\n\(drawing)"
  }
}

extension Report.LineChart {
  fileprivate func json(id: String) -> String {
    let curves = series.map { curve in
      let points = curve.points.filter(\.x.isFinite).map { point in
        // JSON knows no NaN; Chart.js draws a gap for null.
        "{\"x\":\(point.x),\"y\":\(point.y.isFinite ? "\(point.y)" : "null")}"
      }
      return "{\"label\":\(jsonString(curve.name)),\"isReference\":\(curve.isReference),\"data\":[\(points.joined(separator: ","))]}"
    }
    let labels = "\"x\":\(jsonString(xLabel)),\"y\":\(jsonString(yLabel)),\"xRange\":\(json(xRange)),\"yRange\":\(json(yRange))"
    return "{\"id\":\(jsonString(id)),\(labels),\"datasets\":[\(curves.joined(separator: ","))]}"
  }

  private func json(_ range: ClosedRange<Double>?) -> String { range.map { "{\"min\":\($0.lowerBound),\"max\":\($0.upperBound)}" } ?? "{}" }
}

extension Report.BarChart {
  fileprivate func json(id: String) -> String {
    let names = bars.map { jsonString($0.name) }.joined(separator: ",")
    let values = bars.map { $0.value.isFinite ? "\($0.value)" : "null" }.joined(separator: ",")
    return "{\"id\":\(jsonString(id)),\"x\":\(jsonString(xLabel)),\"labels\":[\(names)],\"datasets\":[{\"data\":[\(values)]}]}"
  }
}

/// A JSON string that cannot end a `<script>` element: `<` is written as \u003c.
func jsonString(_ text: String) -> String {
  var json = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"": json += "\\\""
    case "\\": json += "\\\\"
    case "<", ">", "&", "\0"..."\u{1F}", "\u{7F}", "\u{2028}", "\u{2029}":
      let digits = String(scalar.value, radix: 16)
      json += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    default: json.unicodeScalars.append(scalar)
    }
  }
  return json + "\""
}

private let drawing = """
  const drawn = [];
  function draw() {
    drawn.splice(0).forEach(chart => chart.destroy());
    const style = getComputedStyle(document.documentElement);
    const colour = name => style.getPropertyValue(name).trim();
    Chart.defaults.color = colour("--muted");
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    for (const chart of charts) {
      const datasets = chart.datasets.map((set, index) => {
        const ink = colour(set.isReference ? "--muted" : "--series-" + (index % 6 + 1));
        return {...set, borderColor: ink, backgroundColor: ink, borderWidth: set.isReference ? 1.25 : 2, tension: 0,
          borderDash: index < 6 && !set.isReference ? [] : [6, 4],
          pointRadius: set.data.length > 40 || set.isReference ? 0 : 2.5, pointHitRadius: 8};
      });
      const axis = (text, grid) => ({title: {display: true, text}, grid: {display: grid, color: colour("--line")},
        border: {color: colour("--line")}});
      if (chart.labels) {
        drawn.push(new Chart(document.getElementById(chart.id), {
          type: "bar",
          data: {labels: chart.labels, datasets},
          options: {
            animation: false, responsive: true, maintainAspectRatio: false, indexAxis: "y",
            plugins: {legend: {display: false}},
            scales: {x: axis(chart.x, true), y: {...axis("", false), title: {display: false}, ticks: {autoSkip: false}}},
          },
        }));
        continue;
      }
      drawn.push(new Chart(document.getElementById(chart.id), {
        type: "line",
        data: {datasets},
        options: {
          animation: false, responsive: true, maintainAspectRatio: false,
          interaction: {mode: "nearest", axis: "x", intersect: false},
          plugins: {legend: {display: datasets.length > 1, align: "start", labels: {boxWidth: 12, boxHeight: 2}}},
          scales: {x: {type: "linear", ...axis(chart.x, false), ...chart.xRange, ticks: {maxTicksLimit: 10}},
            y: {...axis(chart.y, true), ...chart.yRange, ticks: {maxTicksLimit: 6}}},
        },
      }));
    }
  }
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  """
