// A folder and a small synthetic data set for each test.
import AugurEvents
import AugurTensors
import Foundation

/// A folder of its own for each test, removed at the end.
final class Scratch {
  let path = NSTemporaryDirectory() + "/augur-test-" + UUID().uuidString
  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(atPath: path) }

  func dataset(events: Int = 6000, items: Int = 120, split: SplitOptions = SplitOptions(.leaveOneOut)) throws -> Dataset {
    try SyntheticLog(events: events, users: events / 15, items: items, seed: 3).write(to: path + "/log.csv")
    try prepareDataset(input: path + "/log.csv", output: path + "/data", options: PrepareOptions(split: split))
    return try Dataset(path: path + "/data")
  }

  /// Class 1 where two fields agree in parity, with some noise: no single feature tells it.
  func table(rows: Int = 4000, isBinary: Bool = true) throws -> TableDataset {
    var random = RandomStream(seed: 9, stream: 0)
    var text = "a,b,tags,x,y\n"
    for _ in 0..<rows {
      let (a, b, x) = (random.below(12), random.below(9), Float(random.below(1000)) / 100)
      let tags = (0..<random.below(4)).map { _ in "t\(random.below(5))" }.joined(separator: "|")
      let isOdd = (a + b) % 2 == 1 && random.below(20) > 0
      text += "a\(a),b\(b),\(tags),\(x),\(isBinary ? (isOdd ? "1" : "0") : "\((isOdd ? 5 : 0) + x)")\n"
    }
    let file = path + "/table.csv"
    try text.write(toFile: file, atomically: true, encoding: .utf8)
    try prepareTable(inputs: [file], output: path + "/data", options: TableOptions(label: "y"))
    return try TableDataset(path: path + "/data")
  }
}
