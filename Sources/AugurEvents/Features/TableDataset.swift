// A prepared table, memory-mapped and checked on opening.
import AugurTensors

/// Labelled rows as ids and numbers. Training rows come first, then those of validation, then those of test.
public final class TableDataset: Sendable {
  public let path: String
  public let description: TableDescription
  /// What encoded the rows, and encodes new ones.
  public let features: Features
  public var rowCount: Int { description.rows }
  /// Names the content; a run refuses a data set with another one.
  public var fingerprint: String { description.fingerprint }

  private let file: SafetensorsFile
  private nonisolated(unsafe) let fieldIDs: [UnsafeBufferPointer<Int32>]
  /// Empty for fields with one id a row.
  private nonisolated(unsafe) let fieldOffsets: [UnsafeBufferPointer<Int64>]
  private nonisolated(unsafe) let numberRows: UnsafeBufferPointer<Float>
  private nonisolated(unsafe) let labelValues: [UnsafeBufferPointer<Float>]
  private nonisolated(unsafe) let rowNumbers: UnsafeBufferPointer<Int64>
  private nonisolated(unsafe) let weightValues: UnsafeBufferPointer<Float>?
  private nonisolated(unsafe) let foldNumbers: UnsafeBufferPointer<UInt8>?

  /// Opens a folder made by `prepareTable`; reads it once to verify checksums unless `verify` is false.
  public init(path: String, verify: Bool = true) throws(EventsError) {
    let description = try TableDescription.read(from: path)
    let columns = "\(path)/\(TableDescription.columnsName)"
    func damaged(_ problem: String) -> EventsError {
      EventsError(file: columns, problem: problem, advice: "make the data set again with augur prepare --format table")
    }
    (self.path, self.description) = (path, description)
    let learnt: SafetensorsFile
    do throws(SafetensorsError) {
      let check: SafetensorsFile.Verification = verify ? .required : .skipped
      file = try SafetensorsFile(path: columns, verify: check)
      learnt = try SafetensorsFile(path: "\(path)/\(TableDescription.featuresName)", verify: check)
    } catch { throw EventsError(error, advice: "make the data set again with augur prepare --format table") }
    features = try Features(learnt)
    let fingerprint = TableDescription.fingerprint(
      rows: description.rows, columns: file.checksum ?? "", features: learnt.checksum ?? "", parts: description.parts)
    guard fingerprint == description.fingerprint else { throw damaged("does not belong to its dataset.json") }
    var (ids, offsets): ([UnsafeBufferPointer<Int32>], [UnsafeBufferPointer<Int64>]) = ([], [])
    do throws(SafetensorsError) {
      for field in features.fields {
        ids.append(try file.buffer("ids/\(field.name)", as: Int32.self))
        offsets.append(
          field.isMultiValued
            ? try file.buffer("offsets/\(field.name)", as: Int64.self) : UnsafeBufferPointer(start: nil, count: 0))
      }
      numberRows = try file.buffer("numbers", as: Float.self)
      var labels: [UnsafeBufferPointer<Float>] = []
      for place in description.labels.indices { labels.append(try file.buffer(TableDescription.labelName(place), as: Float.self)) }
      labelValues = labels
      rowNumbers = try file.buffer("row", as: Int64.self)
      weightValues = description.hasWeights ? try file.buffer("weight", as: Float.self) : nil
      foldNumbers = description.hasFolds ? try file.buffer("fold", as: UInt8.self) : nil
    } catch { throw EventsError(error, advice: "make the data set again with augur prepare --format table") }
    (fieldIDs, fieldOffsets) = (ids, offsets)
    let rows = description.rows
    guard rows > 0, description.parts.count == 3, description.parts.allSatisfy({ $0 >= 0 }), Self.sum(description.parts) == rows,
      numberRows.count == rows * features.numberNames.count, labelValues.allSatisfy({ $0.count == rows }), rowNumbers.count == rows,
      weightValues.map({ $0.count == rows }) ?? true, foldNumbers.map({ $0.count == rows }) ?? true
    else { throw damaged("tensor sizes do not fit together") }
    for (place, field) in features.fields.enumerated() {
      let isWhole =
        field.isMultiValued
        ? offsets[place].count == rows + 1 && Self.rises(offsets[place], to: ids[place].count) : ids[place].count == rows
      guard isWhole else { throw damaged("tensor sizes do not fit together") }
      guard ids[place].allSatisfy({ $0 >= 0 && $0 < field.size }) else {
        throw damaged("an id of '\(field.name)' is out of range")
      }
    }
  }

  private static func sum(_ counts: [Int]) -> Int? {
    var total = 0
    for count in counts {
      let (sum, overflow) = total.addingReportingOverflow(count)
      if overflow { return nil }
      total = sum
    }
    return total
  }

  private static func rises(_ offsets: UnsafeBufferPointer<Int64>, to end: Int) -> Bool {
    offsets.first == 0 && offsets.last == Int64(end) && zip(offsets, offsets.dropFirst()).allSatisfy { $0 <= $1 }
  }

  /// Where the rows of a part lie.
  public func rows(_ part: TablePart) -> Range<Int> {
    let start = description.parts[..<Int(part.rawValue)].reduce(0, +)
    return start..<start + description.parts[Int(part.rawValue)]
  }

  /// Copies the file of the features, whole or not at all.
  public func writeFeatures(to path: String) throws(EventsError) {
    do throws(SafetensorsError) {
      let file = try MappedFile(path: "\(self.path)/\(TableDescription.featuresName)")
      try writeFileDurably(path: path, bytes: Array(file.bytes))
    } catch { throw EventsError(error) }
  }

  /// The features of all rows.
  public var columns: TableColumns {
    TableColumns(
      rowCount: rowCount, ids: fieldIDs.map(slice), offsets: features.fields.indices.map(offsets), numbers: numbers,
      numberCount: features.numberNames.count)
  }

  private func slice<Element>(_ buffer: UnsafeBufferPointer<Element>) -> DatasetSlice<Element> {
    DatasetSlice(owner: file, buffer: buffer)
  }

  /// [rows] ids of a field with one id a row, in 0..<size; [T] of one with lists.
  public func ids(_ field: Int) -> DatasetSlice<Int32> { slice(fieldIDs[field]) }
  /// [rows + 1] where each row's ids of a field with lists begin; nil for other fields.
  public func offsets(_ field: Int) -> DatasetSlice<Int64>? {
    features.fields[field].isMultiValued ? slice(fieldOffsets[field]) : nil
  }
  /// [rows, N], row by row, N being `features.numberNames.count`.
  public var numbers: DatasetSlice<Float> { slice(numberRows) }
  /// [rows], the first label: 0 or 1 for two classes.
  public var labels: DatasetSlice<Float> { labels(0) }
  /// [rows], the label at a place of `description.labels`.
  public func labels(_ place: Int) -> DatasetSlice<Float> { slice(labelValues[place]) }
  /// [rows], nil where rows weigh alike.
  public var weights: DatasetSlice<Float>? { weightValues.map(slice) }
  /// [rows], nil without folds.
  public var folds: DatasetSlice<UInt8>? { foldNumbers.map(slice) }
  /// [rows], place of each row among the good ones that were read, those included that are in no part, from 0.
  public var inputRows: DatasetSlice<Int64> { slice(rowNumbers) }
}
