// Which column of an event log is the user, the item, the time and the readable item name.

/// Text formats of an event log, as `--format` names them.
public enum LogFormat: String, Sendable, CaseIterable {
  /// CSV or TSV with a header.
  case events
  /// `user item` a line, in time order.
  case pairs
  /// `user item item ...` a line, in time order.
  case sequences
  /// `item item ...` a line, in time order: a session without a user. The n-th session of the log becomes user n.
  case sessions
}

/// Column names of an `events` log; nil is found among the usual names.
public struct LogColumns: Sendable, Equatable {
  public var user: String?
  public var item: String?
  public var time: String?
  public var name: String?
  public var attributes: [EventAttribute: String] = [:]
  /// The schema file that named the columns: nothing else is looked for then.
  var schema: String?
  /// The unit of the times as the schema file says; nil where the rows tell.
  public internal(set) var timeUnit: TimeUnit?
  /// The zone of times that name none, as the schema file says; nil where the rules of cleaning say it.
  public internal(set) var timeZone: String?

  public init(user: String? = nil, item: String? = nil, time: String? = nil, name: String? = nil) {
    (self.user, self.item, self.time, self.name) = (user, item, time, name)
  }

  /// Parses `user=...,item=...,time=...,name=...,kind=...,category=...,price=...,quantity=...`, the value of `--columns`.
  public init(parsing text: String) throws(EventsError) {
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let pair = part.split(separator: "=", maxSplits: 1)
      guard pair.count == 2 else {
        throw EventsError(
          file: "--columns", problem: "'\(part)' is not key=COLUMN", advice: "write user=...,item=...,time=...")
      }
      let value = String(pair[1])
      switch pair[0] {
      case "user": user = value
      case "item": item = value
      case "time": time = value
      case "name": name = value
      default:
        guard let attribute = EventAttribute(rawValue: String(pair[0])) else {
          let keys = ["user", "item", "time", "name"] + EventAttribute.allCases.map(\.rawValue)
          throw EventsError(
            file: "--columns", problem: "unknown key '\(pair[0])'", advice: "the keys are \(keys.joined(separator: ", "))")
        }
        attributes[attribute] = value
      }
    }
  }

  static let userNames = [
    "user_id", "user", "userid", "uid", "customer_id", "customerid", "customer", "visitor_id",
    "visitorid", "client_id", "session_id", "sessionid", "session",
  ]
  static let itemNames = [
    "item_id", "item", "itemid", "iid", "product_id", "productid", "product", "movie_id", "movieid",
    "article_id", "track_id", "content_id", "asin", "parent_asin", "sku",
  ]
  static let timeNames = [
    "timestamp", "time", "ts", "unixtime", "unix_timestamp", "event_time", "eventtime", "datetime",
    "date", "created_at", "unixreviewtime",
  ]
  static let attributeNames: [EventAttribute: [String]] = [
    .kind: ["event", "event_type", "eventtype", "action", "behavior", "behaviour", "behavior_type"],
    .category: ["category_id", "category", "categoryid", "category_code"],
    .price: ["price", "unit_price", "item_price"],
    .quantity: ["quantity", "qty", "amount"],
  ]
  static let nameNames = ["item_name", "itemname", "title", "item_title", "product_name", "product_title"]
}

/// Positions of the used columns in a row.
struct ColumnPositions: Equatable {
  let user: Int
  let item: Int
  let time: Int
  let name: Int?
  let attributes: [EventAttribute: Int]
  let count: Int

  init(header: [String], columns: LogColumns, file: String) throws(EventsError) {
    let search = HeaderSearch(names: header, file: file, schema: columns.schema)
    user = try search.place(of: "user", named: columns.user, or: LogColumns.userNames)
    item = try search.place(of: "item", named: columns.item, or: LogColumns.itemNames)
    time = try search.place(of: "time", named: columns.time, or: LogColumns.timeNames)
    name = try search.optionalPlace(of: "name", named: columns.name, or: LogColumns.nameNames)
    var attributes: [EventAttribute: Int] = [:]
    for attribute in EventAttribute.allCases {
      attributes[attribute] = try search.optionalPlace(
        of: attribute.rawValue, named: columns.attributes[attribute], or: LogColumns.attributeNames[attribute] ?? [])
    }
    self.attributes = attributes
    count = header.count
  }

  /// Lower case, without blanks and RecBole's `:token` suffix.
  static func normalised(_ name: String) -> String {
    let trimmed = name.lowercased().drop { $0 == " " }
    let stem = trimmed.split(separator: ":", maxSplits: 1).first ?? ""
    return String(stem.split(separator: " ", omittingEmptySubsequences: true).joined(separator: "_"))
  }

  static func position(_ aliases: [String], _ plain: [String]) -> Int? {
    for alias in aliases { if let position = plain.firstIndex(of: alias) { return position } }
    return nil
  }
}

/// Finds columns in a header: by the name that the user gave, else by the usual ones.
private struct HeaderSearch {
  let names: [String]
  let plain: [String]
  let file: String
  let schema: String?

  init(names: [String], file: String, schema: String?) {
    (self.names, self.file, self.schema) = (names, file, schema)
    plain = names.map(ColumnPositions.normalised)
  }

  func place(of role: String, named asked: String?, or aliases: [String]) throws(EventsError) -> Int {
    if let asked {
      if let position = names.firstIndex(of: asked) ?? plain.firstIndex(of: ColumnPositions.normalised(asked)) { return position }
    } else if let position = ColumnPositions.position(aliases, plain) {
      return position
    }
    let shown = names.prefix(12).map { excerpt(Array($0.utf8)) }.joined(separator: ", ")
    let found = "the columns are \(shown)" + (names.count > 12 ? ", … (\(names.count))" : "")
    let guess = nearest(to: asked ?? aliases.first ?? role, in: names)
    let hint =
      if let schema {
        guess.map { "did you mean \(excerpt($0.utf8)) in \(schema)?" } ?? "correct its name in \(schema)"
      } else { guess.map { "did you mean --columns \(role)=\($0)?" } ?? "name it with --columns \(role)=COLUMN" }
    throw EventsError(
      file: file, line: 1, field: asked ?? aliases.first ?? role, problem: "no column for the \(role); \(found)", advice: hint)
  }

  /// nil where nothing is asked for and no usual name is there. A schema says all that is to be read.
  func optionalPlace(of role: String, named asked: String?, or aliases: [String]) throws(EventsError) -> Int? {
    if asked != nil { return try place(of: role, named: asked, or: []) }
    return schema == nil ? ColumnPositions.position(aliases, plain) : nil
  }
}
