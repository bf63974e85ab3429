// From a file of rows to the same rows with a model's answer beside each, block by block: a file of any length needs the same memory.
import AugurCompute
import AugurTensors

/// Writes every row of `inputs` as CSV, its cells as they are, with its answers in `columns` behind them.
///
/// - Parameters:
///   - inputs: files, globs or `-`, with the columns that the features read; others are copied.
///   - output: appears whole, or not at all.
///   - answer: for each of `columns` one number for each row of a block.
/// - Returns: the number of rows.
/// - Throws: `EventsError`, one line that names the file and the row where there is one.
public func writeAnsweredTable(
  inputs: [String], output: String, features: Features, columns: [String], answer: (TableColumns) -> [[Float]]
) throws(EventsError) -> Int {
  let threads = ThreadPool.shared.threads
  let reader = try BlockReader(try expandInputs(inputs), columns: .table(like: nil), threads: threads)
  let head = try TableHead(reader.header, file: reader.file)
  if let column = columns.first(where: head.names.contains) {
    throw EventsError(
      file: head.file, line: 1, field: column, problem: "has a column of this name already", advice: "name another with --column")
  }
  var sources: [Int] = []
  for name in features.columns { sources.append(try head.column(name, as: "features")) }
  let text = try TableText(path: output)
  for name in head.header + columns { text.field(name) }
  try text.endRow()
  final class Made { var blocks: [(number: Int, block: EncodedBlock)] = [] }
  let made = (0..<threads).map { _ in Made() }
  var rows = 0
  while true {
    for thread in made { thread.blocks = [] }
    let read = try reader.next { block, thread in
      made[thread].blocks.append((block.number, EncodedBlock(TableChunk(block), features, sources: sources)))
    }
    if read.isEmpty { break }
    let blocks = made.flatMap(\.blocks).sorted { $0.number < $1.number }
    for (place, (_, block)) in zip(read, blocks) {
      if let (row, fault) = block.fault {
        throw EventsError(
          file: reader.file, line: place.firstLine + block.chunk.line(row), field: features.list.features[fault.feature].column,
          problem: fault.problem, advice: fault.advice)
      }
      guard block.chunk.rows > 0 else { continue }
      let answers = answer(block.columns)
      precondition(
        answers.count == columns.count && answers.allSatisfy { $0.count == block.chunk.rows },
        "answers: expected \(columns.count) times \(block.chunk.rows), got \(answers.map(\.count))")
      try block.chunk.withCells { cells throws(EventsError) in
        for row in 0..<block.chunk.rows {
          for cell in 0..<cells.columns { text.field(cells[row, cell]) }
          for answer in answers { text.field(answer[row]) }
          try text.endRow()
        }
      }
      rows += block.chunk.rows
    }
  }
  try text.commit()
  return rows
}
