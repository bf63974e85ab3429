// DuckDB through its C interface, loaded at run time, with our own declarations of nine of its functions. Only the child process of
// `ParquetSource` comes here, and tests.
import AugurTensors
import Glibc

/// Writes the rows of a Parquet file to standard output as CSV with a header: times as ISO 8601 in UTC, null as nothing. The process can read
/// no other file afterwards.
package func writeParquetAsCSV(_ path: String) throws(EventsError) {
  _ = try FileSource.status(of: path)
  let descriptor = open(path, O_RDONLY)
  guard descriptor >= 0 else { throw EventsError(file: path, problem: "cannot be opened: \(errorText(errno))", advice: "check its rights") }
  limitMemory()
  let database = try DuckDB(file: path)
  // By descriptor: a name would be taken for a pattern.
  let table = "read_parquet('/proc/self/fd/\(descriptor)')"
  for setting in [
    "threads=1", "memory_limit='512MB'", "temp_directory=''", "max_temp_directory_size='0KB'", "autoinstall_known_extensions=false",
    "autoload_known_extensions=false", "allow_community_extensions=false", "preserve_insertion_order=true",
    "allowed_paths=['/proc/self/fd/\(descriptor)','/dev/stdout']", "enable_external_access=false", "lock_configuration=true",
  ] { try database.run("set \(setting)") }
  var zoned: [String] = []
  try database.run("SELECT * FROM \(table) LIMIT 0") { name, type in
    // Its text would need the time zones of an extension.
    if type == DuckDB.timestampWithZone {
      let quoted = "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
      zoned.append("make_timestamp(epoch_us(\(quoted))) AS \(quoted)")
    }
  }
  let columns = zoned.isEmpty ? "*" : "* REPLACE (\(zoned.joined(separator: ", ")))"
  try database.run("COPY (SELECT \(columns) FROM \(table)) TO '/dev/stdout' (FORMAT csv, HEADER)")
}

/// A crafted file may ask for any amount. A process that has reserved more already (a sanitizer's) is left alone.
private func limitMemory() {
  let most = 4 << 30
  var text = [UInt8](repeating: 0, count: 64)
  let statistics = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
  guard statistics >= 0 else { return }
  let count = read(statistics, &text, text.count)
  close(statistics)
  let pages = Int(String(decoding: text[..<max(0, count)].prefix { $0 != 0x20 }, as: UTF8.self)) ?? 0
  guard pages < most / Int(getpagesize()) / 2 else { return }
  var limit = rlimit(rlim_cur: rlim_t(most), rlim_max: rlim_t(most))
  setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
}

/// A database in memory.
final class DuckDB {
  static let timestampWithZone: Int32 = 31

  private typealias Open = @convention(c) (UnsafePointer<CChar>?, UnsafeMutablePointer<OpaquePointer?>) -> Int32
  private typealias Connect = @convention(c) (OpaquePointer?, UnsafeMutablePointer<OpaquePointer?>) -> Int32
  private typealias Close = @convention(c) (UnsafeMutablePointer<OpaquePointer?>) -> Void
  private typealias Query = @convention(c) (OpaquePointer?, UnsafePointer<CChar>, UnsafeMutableRawPointer) -> Int32
  private typealias Text = @convention(c) (UnsafeMutableRawPointer) -> UnsafePointer<CChar>?
  private typealias Destroy = @convention(c) (UnsafeMutableRawPointer) -> Void
  private typealias Count = @convention(c) (UnsafeMutableRawPointer) -> UInt64
  private typealias ColumnName = @convention(c) (UnsafeMutableRawPointer, UInt64) -> UnsafePointer<CChar>?
  private typealias ColumnType = @convention(c) (UnsafeMutableRawPointer, UInt64) -> Int32

  private let file: String
  private let library: RuntimeLibrary
  private var database: OpaquePointer?
  private var connection: OpaquePointer?

  static var isInstalled: Bool { library() != nil }

  /// The library of `AUGUR_LIBDUCKDB` or of the system; `AUGUR_LIBDUCKDB_PRELOAD` is what it needs and does not name.
  private static func library() -> RuntimeLibrary? {
    if let preload = getenv("AUGUR_LIBDUCKDB_PRELOAD") { dlopen(preload, RTLD_LAZY | RTLD_GLOBAL) }
    let asked = getenv("AUGUR_LIBDUCKDB").map { [String(cString: $0)] } ?? []
    return RuntimeLibrary(asked + ["libduckdb.so", "libduckdb.dylib"], flags: RTLD_LAZY | RTLD_LOCAL)
  }

  init(file: String) throws(EventsError) {
    self.file = file
    guard let library = Self.library() else {
      throw EventsError(
        file: file, problem: "is Parquet, and DuckDB is not installed",
        advice: "set AUGUR_LIBDUCKDB to a libduckdb.so from duckdb.org, or convert the file to CSV")
    }
    self.library = library
    let (open, connect) = (try function("duckdb_open", Open.self), try function("duckdb_connect", Connect.self))
    guard open(nil, &database) == 0, connect(database, &connection) == 0 else {
      throw EventsError(file: file, problem: "DuckDB does not start", advice: "convert the file to CSV")
    }
  }

  deinit {
    if let disconnect: Close = library.function("duckdb_disconnect") { disconnect(&connection) }
    if let close: Close = library.function("duckdb_close") { close(&database) }
  }

  private func function<Function>(_ name: String, _ type: Function.Type) throws(EventsError) -> Function {
    guard let function = library.function(name, as: type) else {
      throw EventsError(file: file, problem: "the DuckDB library has no \(name)", advice: "set AUGUR_LIBDUCKDB to a libduckdb.so from duckdb.org")
    }
    return function
  }

  /// Runs a statement and shows the columns of its result.
  func run(_ statement: String, _ column: (_ name: String, _ type: Int32) -> Void = { _, _ in }) throws(EventsError) {
    let (query, text) = (try function("duckdb_query", Query.self), try function("duckdb_result_error", Text.self))
    let destroy = try function("duckdb_destroy_result", Destroy.self)
    let (count, name) = (try function("duckdb_column_count", Count.self), try function("duckdb_column_name", ColumnName.self))
    let type = try function("duckdb_column_type", ColumnType.self)
    let result = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 16)  // six machine words
    result.initializeMemory(as: UInt8.self, repeating: 0, count: 64)
    defer { result.deallocate() }
    let isGood = query(connection, statement, result) == 0
    defer { destroy(result) }
    guard isGood else {
      let why = text(result).map { String(cString: $0) } ?? "no reason given"
      throw EventsError(file: file, problem: "DuckDB cannot read it: \(why.prefix(300))", advice: "write the file again, or convert it to CSV")
    }
    for index in 0..<count(result) { column(name(result, index).map { String(cString: $0) } ?? "", type(result, index)) }
  }
}
