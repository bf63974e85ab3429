// What a log or a table holds, read wholly in one pass of bounded memory.
import AugurCompute
import AugurTensors

/// Types, missing values, ranges and roles of the columns of a log, and what in it looks wrong. The same for every number of threads, but
/// for the counts of frequent values of a column of more than 65,536 different ones.
public struct LogProfile: Sendable {
  public struct File: Sendable, Equatable, Encodable {
    public let name: String
    public let rows: Int
    /// Of text, behind the header and decompressed.
    public let bytes: Int
  }

  public let files: [File]
  public let rows: Int
  public let badRows: Int
  public let columns: [ColumnSummary]
  public let findings: [Finding]
}

/// Something in a log that is probably not meant.
public struct Finding: Sendable, Equatable, Encodable, CustomStringConvertible {
  public var column: String?
  public var file: String?
  /// The first line where it is so.
  public var line: Int?
  /// How many rows.
  public var rows: Int?
  public var problem: String

  public var description: String {
    let place = file.map { name in name + (line.map { ":\($0)" } ?? "") + ": " } ?? ""
    let count = rows.map { " (\(grouped($0)) row\($0 == 1 ? "" : "s"))" } ?? ""
    return oneLine(place + (column.map { "\($0): " } ?? "") + problem + count)
  }
}

/// Reads logs or tables of one kind wholly and says what they hold. Throws on a file that cannot be read; malformed rows are counted.
///
/// Memory does not depend on the length of the log: of each column and thread 65,536 values and 16,384 numbers, less where a table is wide.
public func profileLog(inputs: [String], format: LogFormat = .events, threads: Int? = nil) throws(EventsError) -> LogProfile {
  let inputs = try expandInputs(inputs)
  let threads = threads ?? ThreadPool.shared.threads
  let choice = LineShape(format).map { ColumnChoice.lines($0) } ?? .table(like: nil)
  let bad = BadRowCount()
  let reader = try BlockReader(inputs, columns: choice, threads: threads, rejection: bad, keepsText: true)
  let pass = ProfilePass(columns: reader.columns, threads: threads)
  var files: [LogProfile.File] = []
  while true {
    let (rows, bytes) = (reader.rows, reader.textBytes)
    let blocks = try reader.next { block, thread in pass.add(block, thread: thread) }
    guard !blocks.isEmpty else { break }
    pass.settle(blocks, file: reader.file)
    var file = LogProfile.File(name: reader.file, rows: reader.rows - rows, bytes: reader.textBytes - bytes)
    if let last = files.last, last.name == file.name {
      file = LogProfile.File(name: file.name, rows: last.rows + file.rows, bytes: last.bytes + file.bytes)
      files.removeLast()
    }
    files.append(file)
  }
  let names = format == .events ? reader.header : ["user", "item"]
  let roles = format == .events ? ColumnRole.detected(names) : [0: .user, 1: .item]
  let profiles = Array(pass.columns().enumerated()).filter { $0.offset > 0 || format != .sessions }
  let columns = profiles.map { place, profile in ColumnSummary(names[place], role: roles[place], rows: reader.rows, profile) }
  let findings = bad.findings + headerFindings(names, roles: roles, file: inputs[0], format) + columns.flatMap(\.findings)
  return LogProfile(files: files, rows: reader.rows, badRows: reader.rejectedRows, columns: columns, findings: findings)
}

/// Profiles of all columns under way, one a thread.
private final class ProfilePass: @unchecked Sendable {
  private let threads: [[ColumnProfile]]
  /// [columns], the first places of traits over all threads.
  private var firsts: [[ValuePlace?]]
  /// [columns], of numbers.
  private var sums: [Double]
  /// [batch, columns], sums of the blocks at hand.
  private let blockSums: UnsafeMutablePointer<Double>
  /// Blocks that one call of the reader gives, at most.
  private static let batch = BlockReader.batch

  init(columns: Int, threads: Int) {
    let bounds = ProfileBounds(columns: columns)
    self.threads = (0..<threads).map { _ in (0..<columns).map { _ in ColumnProfile(bounds) } }
    firsts = Array(repeating: Array(repeating: nil, count: Trait.count), count: columns)
    sums = Array(repeating: 0, count: columns)
    blockSums = .allocate(capacity: Self.batch * columns)
  }

  deinit { blockSums.deallocate() }

  func add(_ block: Block, thread: Int) {
    let keys = (0..<block.table.rows).map { RandomStream.mix(UInt64(block.number) << 24 ^ UInt64($0)) }
    for (column, profile) in threads[thread].enumerated() {
      blockSums[block.number % Self.batch * firsts.count + column] = profile.add(block, column: column, keys: keys)
    }
  }

  /// After a call of the reader: what depends on the order of blocks.
  func settle(_ blocks: ArraySlice<Block>, file: String) {
    guard let first = blocks.first else { return }
    for column in firsts.indices {
      for block in blocks { sums[column] += blockSums[block.number % Self.batch * firsts.count + column] }
      for trait in 0..<Trait.count where firsts[column][trait] == nil {
        let places = threads.compactMap { $0[column].firsts[trait] }
        guard var place = places.min(by: { $0.block < $1.block }) else { continue }
        let block = blocks[blocks.startIndex + place.block - first.number]
        (place.file, place.line) = (file, block.line(of: Int(block.table.rowStarts[place.row])))
        firsts[column][trait] = place
      }
    }
  }

  func columns() -> [ColumnProfile] {
    for column in firsts.indices {
      for thread in threads.dropFirst() { threads[0][column].merge(thread[column]) }
      threads[0][column].firsts = firsts[column]
      threads[0][column].sum = sums[column]
    }
    return threads[0]
  }
}

/// Counts malformed rows by reason.
private final class BadRowCount: RowRejection {
  private var counts: [RowProblem: Finding] = [:]

  func take(file: String, line: Int, _ row: RejectedRow, text: UnsafeRawBufferPointer) throws(EventsError) {
    counts[row.problem, default: Finding(file: file, line: line, rows: 0, problem: "\(row.problem.rawValue): \(row.detail)")].rows? += 1
  }

  var findings: [Finding] { RowProblem.allCases.compactMap { counts[$0] } }
}
