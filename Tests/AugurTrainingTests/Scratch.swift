// A folder and a small synthetic data set for each test.
import AugurEvents
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
}
