// Test rows that others have cut: a prefix of a session and the item that came next, `item item ...<TAB>item` a line.

/// Rows to predict, in the item indices of a data set.
public struct PrefixTargets: Sendable {
  public private(set) var prefixes: [[Int32]] = []
  public private(set) var targets: [Int32] = []

  /// Reads a file of rows. Throws on a row without both parts, on an item that the data set does not have, and where there is no row.
  public init(path: String, of dataset: Dataset) throws(EventsError) {
    try forEachLine(of: path) { text, line throws(EventsError) in
      let parts = text.split(separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false)
      guard parts.count == 2 else {
        throw EventsError(
          file: path, line: line, problem: "\(excerpt(text)) is no prefix and target",
          advice: "write the items of the prefix, a tab and the item that came next")
      }
      let prefix = try Self.items(parts[0], dataset, path, line), target = try Self.items(parts[1], dataset, path, line)
      guard !prefix.isEmpty, target.count == 1 else {
        throw EventsError(
          file: path, line: line, problem: "\(prefix.count) items before the tab and \(target.count) after",
          advice: "give at least one item, a tab and one item")
      }
      prefixes.append(prefix)
      targets.append(target[0])
    }
    guard !targets.isEmpty else {
      throw EventsError(
        file: path, line: 1, problem: "the file is empty", advice: "write the items of a prefix, a tab and the item that came next")
    }
  }

  private static func items(
    _ text: Slice<UnsafeRawBufferPointer>, _ dataset: Dataset, _ path: String, _ line: Int
  ) throws(EventsError) -> [Int32] {
    var items: [Int32] = []
    for id in text.split(separator: UInt8(ascii: " ")) {
      guard let index = dataset.itemIndex(ofRawID: String(decoding: id, as: UTF8.self)) else {
        throw EventsError(
          file: path, line: line, problem: "item \(excerpt(UnsafeRawBufferPointer(rebasing: id))) is not in the data set",
          advice: "test on items of the training part only")
      }
      items.append(Int32(truncatingIfNeeded: index))
    }
    return items
  }
}
