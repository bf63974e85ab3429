// All rows of a table through `Features.encode`, as columns in the order in which they are stored.
import AugurCompute
import AugurTensors

final class EncodedTable {
  let features: Features
  let rows: Int
  /// A field with one id a row: [rows]; else empty.
  private(set) var ids: [[Int32]]
  /// A field with lists: [T] and [rows + 1]; else empty.
  private(set) var listIDs: [[Int32]]
  private(set) var listOffsets: [[Int64]]
  /// [rows, numbers]
  private(set) var numbers: [Float]

  /// Lists of one piece of the table.
  private struct PieceLists {
    /// By field, ids of all rows and how many each row has.
    var ids: [[Int32]]
    var counts: [[Int32]]
  }

  /// Row r of the table is stored at `places[r]`. Throws with the place of the first cell that cannot be read.
  init(_ table: Table, _ features: Features, places: [Int], threads: Int) throws(EventsError) {
    (self.features, rows) = (features, table.rows)
    var sources: [Int] = []
    for name in features.columns { sources.append(try table.column(name, as: "features")) }
    let (rows, width) = (table.rows, features.numberNames.count)
    ids = features.fields.map { $0.isMultiValued ? [] : [Int32](repeating: 0, count: rows) }
    numbers = [Float](repeating: 0, count: rows * width)
    (listIDs, listOffsets) = (features.fields.map { _ in [] }, features.fields.map { _ in [] })
    var lists = [PieceLists?](repeating: nil, count: table.pieces.count)
    let failure = FirstFailure()
    Self.withColumns(&ids, &numbers) { idColumns, numberColumn in
      lists.withUnsafeMutableBufferPointer { lists in
        nonisolated(unsafe) let (lists, idColumns, numberColumn) = (lists, idColumns, numberColumn)
        parallel(table.pieces.count, threads: threads) { place, _ in
          let piece = table.pieces[place]
          do throws(EventsError) {
            lists[place] = try Self.encode(table, piece, features, sources) { row, encoded in
              let target = places[row]
              for (field, column) in idColumns.enumerated() { column?[target] = encoded.ids[field] }
              for number in 0..<width { numberColumn[target * width + number] = encoded.numbers[number] }
            }
          } catch { failure.note(error, place: place) }
        }
      }
    }
    if let error = failure.error { throw error }
    stitch(table, lists.compactMap { $0 }, places)
  }

  /// Histories most of whose values are none of the feature that they share, a line each: perhaps cut at the wrong byte.
  var strangeHistories: [String] {
    features.fields.indices.compactMap { field in
      guard let history = features.fields[field].history, !listIDs[field].isEmpty else { return nil }
      let unknown = listIDs[field].count { $0 == 0 }
      guard unknown * 2 > listIDs[field].count else { return nil }
      return "\(unknown) of the \(listIDs[field].count) values of '\(features.fields[field].name)' are none of "
        + "'\(features.fields[history.of].name)': is its separator right?"
    }
  }

  /// Base addresses of the columns, nil for fields with lists.
  private static func withColumns(
    _ ids: inout [[Int32]], _ numbers: inout [Float],
    _ body: ([UnsafeMutablePointer<Int32>?], UnsafeMutableBufferPointer<Float>) -> Void
  ) {
    func gather(_ field: Int, _ found: [UnsafeMutablePointer<Int32>?], _ ids: inout [[Int32]], _ numbers: inout [Float]) {
      guard field < ids.count else {
        numbers.withUnsafeMutableBufferPointer { body(found, $0) }
        return
      }
      var column: [Int32] = []
      swap(&column, &ids[field])
      column.withUnsafeMutableBufferPointer { gather(field + 1, found + [$0.isEmpty ? nil : $0.baseAddress], &ids, &numbers) }
      swap(&column, &ids[field])
    }
    gather(0, [], &ids, &numbers)
  }

  private static func encode(
    _ table: Table, _ piece: Table.Piece, _ features: Features, _ sources: [Int], _ take: (Int, borrowing EncodedRow) -> Void
  ) throws(EventsError) -> PieceLists {
    var lists = PieceLists(ids: features.fields.map { _ in [] }, counts: features.fields.map { _ in [] })
    let listFields = features.fields.indices.filter { features.fields[$0].isMultiValued }
    var encoded = features.makeRow()
    try piece.chunk.withCells { cells throws(EventsError) in
      for row in 0..<piece.chunk.rows {
        do throws(CellFault) {
          try features.encode(into: &encoded) { cells[row, sources[$0]] }
        } catch {
          throw table.failure(piece.first + row, sources[features.fitted[error.feature].source], error.problem, error.advice)
        }
        take(piece.first + row, encoded)
        for field in listFields {
          lists.ids[field] += encoded.lists[field]
          lists.counts[field].append(Int32(truncatingIfNeeded: encoded.lists[field].count))
        }
      }
    }
    return lists
  }

  private func stitch(_ table: Table, _ lists: [PieceLists], _ places: [Int]) {
    for (field, description) in features.fields.enumerated() where description.isMultiValued {
      var offsets = [Int64](repeating: 0, count: rows + 1)
      for (piece, part) in zip(table.pieces, lists) {
        for (row, count) in part.counts[field].enumerated() { offsets[places[piece.first + row] + 1] = Int64(count) }
      }
      for row in 0..<rows { offsets[row + 1] += offsets[row] }
      var values = [Int32](repeating: 0, count: Int(offsets[rows]))
      for (piece, part) in zip(table.pieces, lists) {
        var from = 0
        for (row, count) in part.counts[field].enumerated() {
          let target = Int(offsets[places[piece.first + row]])
          for place in 0..<Int(count) { values[target + place] = part.ids[field][from + place] }
          from += Int(count)
        }
      }
      (listIDs[field], listOffsets[field]) = (values, offsets)
    }
  }
}
