// The features of rows as models read them, wherever the rows are: in a data set, or in a block of a file under way.

/// Ids and numbers of rows in memory, column by column.
public struct TableColumns: Sendable {
  public let rowCount: Int
  /// By field: [rows], or [T] of one with lists.
  public let ids: [DatasetSlice<Int32>]
  /// By field: [rows + 1] where each row's ids begin; nil for a field with one id a row.
  public let offsets: [DatasetSlice<Int64>?]
  /// [rows, N], row by row.
  public let numbers: DatasetSlice<Float>
  /// N
  public let numberCount: Int
}

/// The rows of one block of a file, encoded: their columns, their text, and where they stand.
final class EncodedBlock {
  let chunk: TableChunk
  /// The first cell that cannot be read.
  private(set) var fault: (row: Int, cell: CellFault)?
  private let memory: Memory

  private final class Memory {
    var ids: [UnsafeMutableBufferPointer<Int32>] = []
    var offsets: [UnsafeMutableBufferPointer<Int64>] = []
    var numbers = UnsafeMutableBufferPointer<Float>(start: nil, count: 0)
    deinit {
      for column in ids { column.deallocate() }
      for column in offsets { column.deallocate() }
      numbers.deallocate()
    }
  }

  /// - Parameter sources: place of each of `features.columns` among the cells.
  init(_ chunk: TableChunk, _ features: Features, sources: [Int]) {
    self.chunk = chunk
    let (rows, width, memory) = (chunk.rows, features.numberNames.count, Memory())
    self.memory = memory
    memory.numbers = .allocate(capacity: rows * width)
    var lists = features.fields.map { _ in [Int32]() }
    for field in features.fields {
      memory.ids.append(.allocate(capacity: field.isMultiValued ? 0 : rows))
      memory.offsets.append(.allocate(capacity: field.isMultiValued ? rows + 1 : 0))
      if field.isMultiValued { memory.offsets[memory.offsets.count - 1][0] = 0 }
    }
    var encoded = features.makeRow()
    chunk.withCells { cells in
      for row in 0..<rows where fault == nil {
        do throws(CellFault) {
          try features.encode(into: &encoded) { cells[row, sources[$0]] }
        } catch {
          fault = (row, error)
          return
        }
        for (place, field) in features.fields.enumerated() {
          guard field.isMultiValued else {
            memory.ids[place][row] = encoded.ids[place]
            continue
          }
          lists[place] += encoded.lists[place]
          memory.offsets[place][row + 1] = Int64(lists[place].count)
        }
        for place in 0..<width { memory.numbers[row * width + place] = encoded.numbers[place] }
      }
    }
    for (place, field) in features.fields.enumerated() where field.isMultiValued {
      memory.ids[place].deallocate()
      memory.ids[place] = .allocate(capacity: lists[place].count)
      _ = memory.ids[place].initialize(from: lists[place])
    }
  }

  /// Precondition: no fault.
  var columns: TableColumns {
    TableColumns(
      rowCount: chunk.rows, ids: memory.ids.map { DatasetSlice(owner: memory, buffer: UnsafeBufferPointer($0)) },
      offsets: memory.offsets.map { $0.isEmpty ? nil : DatasetSlice(owner: memory, buffer: UnsafeBufferPointer($0)) },
      numbers: DatasetSlice(owner: memory, buffer: UnsafeBufferPointer(memory.numbers)),
      numberCount: chunk.rows == 0 ? 0 : memory.numbers.count / chunk.rows)
  }
}
