// A temporary folder per test, and the errors that tests compare.
import AugurEvents
import Foundation

/// Removed when the last reference goes.
final class TestFolder: Sendable {
  let path: String

  init() {
    path = "\(NSTemporaryDirectory())augur-events-\(UUID().uuidString)"
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ name: String, _ text: String) -> String { write(name, Array(text.utf8)) }

  func write(_ name: String, _ bytes: [UInt8]) -> String {
    let file = "\(path)/\(name)"
    _ = FileManager.default.createFile(atPath: file, contents: Data(bytes))
    return file
  }

  func read(_ name: String) -> [UInt8] {
    FileManager.default.contents(atPath: "\(path)/\(name)").map { Array($0) } ?? []
  }

  /// All files of the data set.
  var dataBytes: [UInt8] {
    let names = ((try? FileManager.default.contentsOfDirectory(atPath: "\(path)/data")) ?? []).sorted()
    return names.flatMap { Array($0.utf8) + read("data/\($0)") }
  }

  var entries: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }

  /// A data set made of the text.
  func dataset(
    _ text: String, _ format: LogFormat = .events, columns: LogColumns = LogColumns(), split: SplitOptions = SplitOptions()
  ) throws -> Dataset {
    let log = write("log.txt", text)
    try prepareDataset(input: log, output: "\(path)/data", options: PrepareOptions(format: format, columns: columns, split: split))
    return try Dataset(path: "\(path)/data")
  }
}
