// The schema file: a JSON text, made by `augur schema` and edited by hand, that says what the columns of a log are.
import AugurTensors
import FoundationEssentials

/// Columns with their types and roles, as `schema.json` holds them.
public struct LogSchema: Sendable, Equatable, Encodable {
  public struct Column: Sendable, Equatable, Encodable {
    public var name: String
    public var type: ColumnType
    public var role: ColumnRole?
    /// Of a time.
    public var unit: TimeUnit?
    /// Of a time in ISO 8601 or of a date: the zone of values that name none; nil is that of `--time-zone`.
    public var zone: String?
    /// Between the parts of a list; nil for arrays of JSON.
    public var separator: String?
  }

  public static let currentVersion = 1
  private static let formatName = "augur-schema"
  private let format = formatName
  private let version = currentVersion
  public var columns: [Column]

  private enum CodingKeys: CodingKey { case format, version, columns }

  public init(_ profile: LogProfile) {
    columns = profile.columns.map {
      Column(name: $0.name, type: $0.type, role: $0.role, unit: $0.type == .time ? $0.unit : nil, separator: $0.separator)
    }
  }

  /// Reads a schema file; throws one line with the place of what is wrong.
  public init(file path: String) throws(EventsError) {
    func failure(_ problem: String, field: String? = nil, _ advice: String) -> EventsError {
      EventsError(file: path, field: field, problem: problem, advice: advice)
    }
    let file: MappedFile
    do throws(SafetensorsError) { file = try MappedFile(path: path) } catch {
      throw EventsError(error, advice: "make a schema file with augur schema")
    }
    guard file.bytes.count <= 4 << 20 else { throw failure("\(file.bytes.count) bytes are too many for a schema", "is this the schema file?") }
    guard let text = try? JSONDecoder().decode(SchemaText.self, from: Data(file.bytes)), case .object(let object) = text else {
      throw failure("is not a JSON object", "make a schema file with augur schema")
    }
    guard object["format"] == .text(Self.formatName) else { throw failure("is not a schema file", "make one with augur schema") }
    guard object["version"] == .number(Double(Self.currentVersion)) else {
      throw failure("has another version than \(Self.currentVersion)", "make it again with augur schema")
    }
    if let stranger = object.keys.sorted().first(where: { !["format", "version", "columns"].contains($0) }) {
      throw failure("unknown key", field: stranger, "the keys are format, version and columns")
    }
    guard case .list(let entries) = object["columns"] else { throw failure("is no list", field: "columns", "list the columns") }
    columns = []
    for (place, entry) in entries.enumerated() {
      guard case .object(let keys) = entry else { throw failure("is no object", field: "columns[\(place)]", "write {\"name\": ...}") }
      columns.append(try Column(keys, place: place, file: path))
    }
    try check(path)
  }

  private func check(_ path: String) throws(EventsError) {
    for (place, column) in columns.enumerated() {
      if let role = column.role, let other = columns[..<place].first(where: { $0.role == role }) {
        throw EventsError(
          file: path, field: column.name, problem: "has the role \(role.rawValue), as has \(excerpt(other.name.utf8))",
          advice: "give each role to one column")
      }
      if column.role != nil, columns.contains(where: { $0.name == column.name && $0.role != column.role }) {
        throw EventsError(file: path, field: column.name, problem: "is there twice, with other roles", advice: "rename one in the log")
      }
    }
  }

  /// Replaces the file, whole or not at all.
  public func write(to path: String) throws(EventsError) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    guard let json = try? encoder.encode(self) else { throw EventsError(file: path, problem: "cannot encode it", advice: "report this as a bug") }
    do throws(SafetensorsError) {
      try writeFileDurably(path: path, bytes: Array(json) + [DelimitedReader.newline])
    } catch { throw EventsError(error) }
  }

  private func column(_ role: ColumnRole) -> Column? { columns.first { $0.role == role } }

  /// The unit of the time column, for `TimeColumn`; nil where the rows tell.
  public var timeUnit: TimeUnit? { column(.time)?.unit }

  /// The zone of times without one; nil where `--time-zone` says it.
  public var timeZone: String? { column(.time)?.zone }

  /// What `prepare` reads: the columns with roles and no others. Throws where one that every event needs is not there.
  public func logColumns(file path: String) throws(EventsError) -> LogColumns {
    var found = LogColumns()
    for role in [ColumnRole.user, .item, .time] where column(role) == nil {
      throw EventsError(
        file: path, problem: "no column has the role \(role.rawValue)", advice: "write \"role\": \"\(role.rawValue)\" at one")
    }
    (found.user, found.item, found.time, found.name) = (column(.user)?.name, column(.item)?.name, column(.time)?.name, column(.name)?.name)
    for column in columns {
      if let attribute = column.role?.attribute { found.attributes[attribute] = column.name }
    }
    (found.schema, found.timeUnit, found.timeZone) = (path, timeUnit, timeZone)
    return found
  }
}

extension LogColumns {
  /// The columns that `--columns` or the schema file names, the usual ones where both are nil.
  public init(parsing text: String?, schema: String?) throws(EventsError) {
    guard let schema else {
      if let text { try self.init(parsing: text) } else { self.init() }
      return
    }
    guard text == nil else { throw EventsError(file: "--schema", problem: "given beside --columns", advice: "give one of them") }
    self = try LogSchema(file: schema).logColumns(file: schema)
  }
}

extension LogSchema.Column {
  fileprivate init(_ keys: [String: SchemaText], place: Int, file: String) throws(EventsError) {
    guard case .text(let name) = keys["name"] else {
      throw EventsError(file: file, field: "columns[\(place)]", problem: "has no name", advice: "write \"name\": \"COLUMN\"")
    }
    func choice<Value: RawRepresentable & CaseIterable>(_ key: String, _ type: Value.Type) throws(EventsError) -> Value?
    where Value.RawValue == String {
      guard let text = keys[key], text != .null else { return nil }
      if case .text(let word) = text, let value = Value(rawValue: word) { return value }
      var shown = "another kind of value"
      if case .text(let word) = text { shown = excerpt(word.utf8) }
      throw EventsError(
        file: file, field: name, problem: "unknown \(key): \(shown)",
        advice: "one of \(Value.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    let known = ["name", "type", "role", "unit", "zone", "separator"]
    if let stranger = keys.keys.sorted().first(where: { !known.contains($0) }) {
      throw EventsError(
        file: file, field: name, problem: "unknown key \(excerpt(stranger.utf8))", advice: "the keys are \(known.joined(separator: ", "))")
    }
    guard let type = try choice("type", ColumnType.self) else {
      throw EventsError(
        file: file, field: name, problem: "has no type", advice: "one of \(ColumnType.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    let (role, unit) = (try choice("role", ColumnRole.self), try choice("unit", TimeUnit.self))
    guard unit == nil || type == .time else {
      throw EventsError(file: file, field: name, problem: "has a unit and is no time", advice: "set its type to time, or leave the unit out")
    }
    guard role != .time || type == .time else {
      throw EventsError(
        file: file, field: name, problem: "has the role time and the type \(type.rawValue)", advice: "set its type to time")
    }
    let zone = try Self.zone(keys["zone"], unit: unit, isTime: type == .time, file: file, name: name)
    var separator: String?
    if case .text(let text) = keys["separator"] { separator = text }
    self.init(name: name, type: type, role: role, unit: unit, zone: zone, separator: separator)
  }
}

extension LogSchema.Column {
  private static func zone(_ value: SchemaText?, unit: TimeUnit?, isTime: Bool, file: String, name: String) throws(EventsError) -> String? {
    guard let value, value != .null else { return nil }
    func failure(_ problem: String, _ advice: String) -> EventsError {
      EventsError(file: file, field: name, problem: problem, advice: advice)
    }
    guard case .text(let zone) = value else { throw failure("has a zone that is no text", "write \"zone\": \"Europe/Berlin\"") }
    guard isTime, unit == nil || unit == .iso8601 || unit == .calendarDate else {
      throw failure("has a zone and is no local time", "counts since 1970 have none: leave the zone out")
    }
    do throws(EventsError) { _ = try ClockZone(named: zone, place: file) } catch { throw failure(error.problem, error.advice) }
    return zone
  }
}

/// JSON of any form.
private enum SchemaText: Decodable, Equatable {
  case text(String), number(Double), flag(Bool), list([SchemaText]), object([String: SchemaText]), null

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {
      self = .flag(value)
    } else if let value = try? container.decode(Double.self) {
      self = .number(value)
    } else if let value = try? container.decode(String.self) {
      self = .text(value)
    } else if let value = try? container.decode([SchemaText].self) {
      self = .list(value)
    } else {
      self = .object(try container.decode([String: SchemaText].self))
    }
  }
}
