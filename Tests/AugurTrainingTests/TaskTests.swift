// Tasks beyond clicks: repeat purchases as of a day, and the effects that a model of values has to beat.
import AugurEvents
import AugurTensors
import Foundation
import Testing

@testable import AugurTraining

@Suite struct TaskTests {
  @Test func purchasesBecomeRowsAsOfADay() throws {
    let scratch = try Scratch()
    let log = scratch.path + "/log.txt"
    // In no order; b buys again after the end, c only after the cut.
    try """
     customer_id  date number_of_cds  dollar_value
     a 19970105 1 10.00
     a 19970930 2 30.00
     b 19970601 1 5.50
     a 19970201 1 20.00
     b 19980701 1 9.99
     c 19971001 3 1.00
     a 19971010 1 2.00

    """.write(toFile: log, atomically: true, encoding: .utf8)
    let outcomes = try PurchaseLog(path: log).assemble(cut: "19970930", end: "19980630", to: scratch.path + "/table.csv")
    let text = try String(contentsOfFile: log, encoding: .utf8).replacing("\n", with: "\r\n")
    try text.write(toFile: log, atomically: true, encoding: .utf8)
    let again = try PurchaseLog(path: log).assemble(cut: "19970930", end: "19980630", to: scratch.path + "/again.csv")
    #expect(again.days == outcomes.days)
    let lines = try String(contentsOfFile: scratch.path + "/table.csv", encoding: .utf8).split(separator: "\n")
    #expect(lines.count == 3)
    #expect(lines[1] == "3,0,268,134.0,241,60.0,20.0,30.0,10.0,4.0,1,1,1")
    #expect(lines[2] == "1,121,121,,,5.5,5.5,5.5,5.5,1.0,0,0,0")
    #expect(outcomes.days == [10, 273] && outcomes.isObserved == [true, false])
    let values = try outcomes.concordance([2, 1], rows: [0, 1])
    #expect(values.map(\.name) == ["C-index", "C-index of recency alone", "C-index of frequency alone"])
    #expect(values.map(\.value) == [1, 1, 1])
    #expect(try outcomes.concordance([1, 2], rows: [0, 1])[0].value == 0)
  }

  @Test func aLineThatIsNoPurchaseIsNamed() throws {
    let scratch = try Scratch()
    for (place, line) in ["a 19970105 1", "a 19971305 1 2", "a 1997010 1 2", "a 19970105 one 2", "a 19970105 1 inf"].enumerated()
    {
      let path = "\(scratch.path)/\(place).txt"
      try "customer date n value\nb 19970105 1 2\n\(line)\n".write(toFile: path, atomically: true, encoding: .utf8)
      let error = #expect(throws: TrainingError.self) { try PurchaseLog(path: path) }
      #expect(error?.description.hasPrefix("\(path):3: expected customer") == true)
    }
  }

  @Test func daysAreThoseOfTheCalendar() {
    let days = ["19700101": 0, "19691231": -1, "20000229": 11_016, "20000301": 11_017, "19980630": 10_407]
    for (text, day) in days { #expect(PurchaseLog.day(Substring(text)) == day, "\(text)") }
    for text in ["19970230", "19990229", "19970931", "00000101", "+1997010", "-1997010", "1997013"] {
      #expect(PurchaseLog.day(Substring(text)) == nil, "\(text)")
    }
  }

  @Test func effectsAreShrunkenMeansOfWhatIsLeft() throws {
    let scratch = try Scratch()
    let values: [(String, String, Double)] = (0..<40).map { row in
      let (user, item) = (row % 4, row / 4 % 5)
      return ("u\(user)", "i\(item)", Double(user + 10 * item))
    }
    func rows(_ values: [(String, String, Double)]) -> String { "u,i,y\n" + values.map { "\($0.0),\($0.1),\($0.2)\n" }.joined() }
    try rows(values).write(toFile: scratch.path + "/a.csv", atomically: true, encoding: .utf8)
    try rows([("u3", "i4", 43), ("new", "i4", 1)]).write(toFile: scratch.path + "/b.csv", atomically: true, encoding: .utf8)
    var options = TableOptions(label: "y")
    (options.testInputs, options.ratio) = ([scratch.path + "/b.csv"], try #require(SplitRatio(parsing: "1:0:1")))
    options.allowsLeaks = true
    try prepareTable(inputs: [scratch.path + "/a.csv"], output: scratch.path + "/data", options: options)
    let data = try TableDataset(path: scratch.path + "/data")
    let outputs = EffectsBaseline(data).outputs(on: data, .test)
    // Mean 21.5; u3 is 1.5 above it in 10 rows, i4 20 above that in 8: pulled towards 0 by 10 rows each.
    let (u, i) = (15.0 / 20, (8 * 20.0) / 18)
    #expect(abs(Double(outputs[0]) - (21.5 + u + i)) < 1e-4, "\(outputs)")
    #expect(abs(Double(outputs[1]) - (21.5 + i)) < 1e-4)
  }
}
