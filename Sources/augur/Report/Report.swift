// What a report says, free of how it looks. `HTMLReport.swift` turns it into one self-contained page.

/// A page of key numbers, tables, curves and notes: `Report(title: "Run 7", cards: [...], sections: [...]).html()`.
///
/// Every string is plain text and is escaped on the way out.
struct Report {
  var title: String
  /// One line under the title: data set, protocol, date.
  var subtitle = ""
  var cards: [Card] = []
  var sections: [Section] = []

  /// A key number.
  struct Card {
    var label: String
    /// The number with its unit, as it is to be read.
    var value: String
    var note = ""
  }

  enum Section {
    case table(Table)
    case lineChart(LineChart)
    case barChart(BarChart)
    case text(heading: String, paragraphs: [String])
    case list(heading: String, items: [String])
  }

  /// Rows of texts; the first cell of a row names the row.
  struct Table {
    var heading: String
    /// What the table shows and under which protocol.
    var note = ""
    var columns: [String]
    var rows: [Row]

    struct Row {
      /// Cells from left to right; missing ones stay empty.
      var cells: [Cell]
      /// Drawn apart from the others: our model among the baselines.
      var isHighlighted = false
    }

    struct Cell: ExpressibleByStringLiteral {
      var text: String
      /// Small print beside it, such as an interval.
      var detail = ""
      /// The best of its column.
      var isBest = false

      init(_ text: String, detail: String = "", isBest: Bool = false) {
        self.text = text
        self.detail = detail
        self.isBest = isBest
      }

      init(stringLiteral value: String) { self.init(value) }
    }
  }

  /// Curves over one horizontal axis. A value that is no number leaves a gap.
  struct LineChart {
    var heading: String
    var note = ""
    var xLabel: String
    var yLabel: String
    var series: [Series]
    /// What the axes show; nil takes what the points need.
    var xRange: ClosedRange<Double>?
    var yRange: ClosedRange<Double>?
    /// Whether both axes are equally long, as shares of shares are read.
    var isSquare = false

    struct Series {
      var name: String
      var points: [(x: Double, y: Double)]
      /// Drawn thin and dashed: what a curve is held against.
      var isReference = false

      init(_ name: String, points: [(x: Double, y: Double)], isReference: Bool = false) {
        (self.name, self.points, self.isReference) = (name, points, isReference)
      }

      /// One value per epoch, from epoch 1.
      init(_ name: String, perEpoch values: [Double]) {
        self.name = name
        points = values.enumerated().map { (x: Double($0.offset + 1), y: $0.element) }
      }
    }
  }

  /// One horizontal bar a name, from the top down.
  struct BarChart {
    var heading: String
    var note = ""
    /// What the names are.
    var label: String
    var xLabel: String
    var bars: [(name: String, value: Double)]
  }
}
