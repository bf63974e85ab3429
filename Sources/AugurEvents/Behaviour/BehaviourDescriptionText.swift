// A description of features as JSON: read with a line that names what is wrong and where, written so that it reads back equal.
import AugurTensors
import FoundationEssentials

extension BehaviourDescription {
  static let formatName = "augur-behaviour"
  static let formatVersion = 1

  /// Reads a description file.
  public init(file path: String) throws(EventsError) {
    let file: MappedFile
    do throws(SafetensorsError) { file = try MappedFile(path: path) } catch { throw EventsError(error) }
    guard file.bytes.count <= 1 << 20 else {
      throw EventsError(file: path, problem: "\(file.bytes.count) bytes are too many for a description of features", advice: "is this the file?")
    }
    try self.init(json: Data(file.bytes), place: path)
  }

  /// Reads a description; `place` names it in errors.
  public init(json: String, place: String) throws(EventsError) { try self.init(json: Data(json.utf8), place: place) }

  private init(json: Data, place: String) throws(EventsError) {
    guard let value = try? JSONDecoder().decode(JSONValue.self, from: json), case .object(let object) = value else {
      throw EventsError(file: place, problem: "not a JSON object", advice: "begin with what augur features --print-features prints")
    }
    var entry = DescriptionEntry(object, file: place, field: nil)
    let format = try entry.text("format")
    guard format == Self.formatName else { throw entry.failure("format", "expected '\(Self.formatName)', got \(excerpt(format.utf8))", "") }
    let version = try entry.number("version", 0...1e6)
    guard version == Double(Self.formatVersion) else {
      throw entry.failure("version", "this program reads version \(Self.formatVersion), got \(short(version))", "")
    }
    let zone = try entry.optionalText("zone") ?? "UTC"
    _ = try ClockZone(named: zone, place: "\(place): zone")
    let groups = try Self.groups(&entry)
    var features: [BehaviourFeature] = []
    for (index, part) in try entry.list("features").enumerated() {
      guard case .object(let object) = part else {
        throw entry.failure("features[\(index)]", "is not an object", "write for example {\"feature\": \"age\", \"of\": [\"user\"]}")
      }
      var entry = DescriptionEntry(object, file: place, field: "features[\(index)]")
      features.append(try BehaviourFeature(&entry, groups: groups))
      try entry.finish()
    }
    try entry.finish()
    self.init(groups: groups, features: features, zoneName: zone)
  }

  private static func groups(_ entry: inout DescriptionEntry) throws(EventsError) -> [String: [String]] {
    guard let value = entry.take("groups") else { return [:] }
    guard case .object(let object) = value else {
      throw entry.failure("groups", "is not an object", "write {\"purchase\": [\"buy\"]}")
    }
    var inner = DescriptionEntry(object, file: entry.file, field: "groups")
    var groups: [String: [String]] = [:]
    for name in object.keys.sorted() {
      guard name != any else { throw inner.failure(name, "stands for every event already", "choose another name") }
      groups[name] = try inner.texts(name)
    }
    guard groups.count <= 32, groups.values.allSatisfy({ $0.count <= 64 }) else {
      throw entry.failure("groups", "more than 32 groups, or more than 64 kinds in one", "keep what the features need")
    }
    return groups
  }

  /// The description as JSON text, which `init(json:place:)` reads back.
  public func json() -> String {
    var lines = ["{", "  \"format\": \(JSONValue.quoted(Self.formatName)),", "  \"version\": \(Self.formatVersion),"]
    lines.append("  \"zone\": \(JSONValue.quoted(zoneName)),")
    let texts = groups.sorted { $0.key < $1.key }.map { "    \(JSONValue.quoted($0.key)): \(JSONValue.list($0.value.map { .text($0) }).text)" }
    lines.append("  \"groups\": {\(texts.isEmpty ? "" : "\n" + texts.joined(separator: ",\n") + "\n  ")},")
    let entries = features.map { "    \($0.text)" }
    lines.append("  \"features\": [\(entries.isEmpty ? "" : "\n" + entries.joined(separator: ",\n") + "\n  ")]")
    return lines.joined(separator: "\n") + "\n}\n"
  }
}

extension BehaviourFeature {
  private static let names = [
    "count", "frequency", "money", "recency", "age", "conversion", "price-ratio", "weight", "clock", "event", "history", "table", "vectors",
  ]

  fileprivate init(_ entry: inout DescriptionEntry, groups: [String: [String]]) throws(EventsError) {
    let name = try entry.text("feature")
    switch name {
    case "count":
      self = .count(of: try entry.entities(), events: try entry.events(groups), windows: try entry.windows())
    case "frequency":
      self = .frequency(of: try entry.entities(), events: try entry.events(groups), windows: try entry.windows())
    case "money":
      try entry.require("purchase", of: groups)
      self = .money(of: try entry.entities(), statistics: try entry.words("statistics"), windows: try entry.windows())
    case "recency": self = .recency(of: try entry.entities(), events: try entry.events(groups))
    case "age": self = .age(of: try entry.entities())
    case "conversion":
      try entry.require("purchase", of: groups)
      try entry.require("view", of: groups)
      let prior = entry.has("prior") ? try entry.number("prior", 0...1) : nil
      self = .conversion(
        of: try entry.entities(), prior: prior, strength: try entry.number("strength", 1e-6...1e9), windows: try entry.windows())
    case "price-ratio": self = .priceRatio(of: try entry.entities())
    case "weight":
      self = .weight(of: try entry.entities(), weights: try entry.weights(groups), windows: try entry.windows())
    case "clock": self = .clock(parts: try entry.words("parts"))
    case "event": self = .event(columns: try entry.words("columns"))
    case "history":
      let subject = try entry.check(try entry.text("of"), "of", [BehaviourEntity.item, .category].map(\.rawValue))
      let last = entry.has("last") ? try entry.number("last", 1...Double(BehaviourHistories.longest)) : Double(BehaviourHistories.usual)
      guard last == last.rounded() else { throw entry.failure("last", "\(last) is no whole number", "say how many ids to keep") }
      self = .history(of: subject == BehaviourEntity.item.rawValue ? .item : .category, last: Int(last))
    case "table": self = .join(try entry.table())
    case "vectors": self = .join(try entry.vectors())
    default:
      let near = nearest(to: name, in: Self.names).map { "did you mean \($0)?" }
      throw entry.failure("feature", "unknown feature \(excerpt(name.utf8))", near ?? "there are \(Self.names.joined(separator: ", "))")
    }
  }

  private var pairs: [(String, JSONValue)] {
    func texts(_ values: [String]) -> JSONValue { .list(values.map { .text($0) }) }
    func of(_ entities: [BehaviourEntity]) -> (String, JSONValue) { ("of", texts(entities.map(\.rawValue))) }
    func over(_ windows: [BehaviourWindow]) -> (String, JSONValue) { ("windows", texts(windows.map(\.name))) }
    func name(_ text: String) -> (String, JSONValue) { ("feature", .text(text)) }
    switch self {
    case .count(let entities, let events, let windows):
      return [name("count"), of(entities), ("events", texts(events)), over(windows)]
    case .frequency(let entities, let events, let windows):
      return [name("frequency"), of(entities), ("events", texts(events)), over(windows)]
    case .money(let entities, let statistics, let windows):
      return [name("money"), of(entities), ("statistics", texts(statistics.map(\.rawValue))), over(windows)]
    case .recency(let entities, let events): return [name("recency"), of(entities), ("events", texts(events))]
    case .age(let entities): return [name("age"), of(entities)]
    case .conversion(let entities, let prior, let strength, let windows):
      let prior = prior.map { [("prior", JSONValue.number($0))] } ?? []
      return [name("conversion"), of(entities)] + prior + [("strength", .number(strength)), over(windows)]
    case .priceRatio(let entities): return [name("price-ratio"), of(entities)]
    case .weight(let entities, let weights, let windows):
      return [name("weight"), of(entities), ("weights", .object(weights.mapValues { .number($0) })), over(windows)]
    case .clock(let parts): return [name("clock"), ("parts", texts(parts.map(\.rawValue)))]
    case .event(let columns): return [name("event"), ("columns", texts(columns.map(\.rawValue)))]
    case .history(let subject, let last): return [name("history"), ("of", .text(subject.rawValue)), ("last", .number(Double(last)))]
    case .join(let join): return join.pairs
    }
  }

  fileprivate var text: String { "{" + pairs.map { "\(JSONValue.quoted($0.0)): \($0.1.text)" }.joined(separator: ", ") + "}" }
}

extension BehaviourJoin {
  fileprivate var pairs: [(String, JSONValue)] {
    func optional(_ key: String, _ text: String?) -> [(String, JSONValue)] { text.map { [(key, JSONValue.text($0))] } ?? [] }
    let head: [(String, JSONValue)] = [("feature", JSONValue.text(isTable ? "table" : "vectors"))]
    let tail: [(String, JSONValue)] = [("of", .text(entity.rawValue)), ("file", .text(file)), ("prefix", .text(prefix))]
    switch source {
    case .table(let key, let time, let columns):
      let list = columns.map { names in [("columns", JSONValue.list(names.map { JSONValue.text($0) }))] } ?? []
      return head + tail + optional("key", key) + optional("time", time) + list
    case .tensor(let name, let ids): return head + tail + optional("format", "safetensors") + optional("tensor", name) + optional("ids", ids)
    case .words: return head + tail + optional("format", "text")
    }
  }
}

extension DescriptionEntry {
  private mutating func joined() throws(EventsError) -> (entity: BehaviourEntity, file: String, prefix: String) {
    let name = try check(try text("of"), "of", [BehaviourEntity.user, .item].map(\.rawValue))
    return (name == "user" ? .user : .item, try text("file"), try optionalText("prefix") ?? name)
  }

  fileprivate mutating func table() throws(EventsError) -> BehaviourJoin {
    let (entity, file, prefix) = try joined()
    let columns = has("columns") ? try texts("columns") : nil
    let source = BehaviourJoin.Source.table(key: try optionalText("key"), time: try optionalText("time"), columns: columns)
    return BehaviourJoin(source, of: entity, file: file, prefix: prefix)
  }

  fileprivate mutating func vectors() throws(EventsError) -> BehaviourJoin {
    let (entity, file, prefix) = try joined()
    guard try check(try optionalText("format") ?? "safetensors", "format", ["safetensors", "text"]) == "safetensors" else {
      return BehaviourJoin(.words, of: entity, file: file, prefix: prefix)
    }
    let source = BehaviourJoin.Source.tensor(name: try optionalText("tensor"), ids: try optionalText("ids"))
    if case .tensor(nil, .some) = source { throw failure("ids", "names ids of no tensor", "name the tensor [n, D] too") }
    return BehaviourJoin(source, of: entity, file: file, prefix: prefix)
  }

  fileprivate mutating func entities() throws(EventsError) -> [BehaviourEntity] { try words("of") }

  fileprivate mutating func events(_ groups: [String: [String]]) throws(EventsError) -> [String] {
    let known = [BehaviourDescription.any] + groups.keys.sorted()
    return try texts("events").map { name throws(EventsError) in try check(name, "events", known) }
  }

  fileprivate mutating func windows() throws(EventsError) -> [BehaviourWindow] {
    try texts("windows").map { text throws(EventsError) in
      guard let window = BehaviourWindow(text) else {
        throw failure("windows", "\(excerpt(text.utf8)) is not a span of time", "write 30m, 1h, 7d or ever")
      }
      return window
    }
  }

  fileprivate mutating func weights(_ groups: [String: [String]]) throws(EventsError) -> [String: Double] {
    guard case .object(let object)? = take("weights"), !object.isEmpty else {
      throw failure("weights", "expected an object of numbers by group", "write {\"view\": 1, \"purchase\": 10}")
    }
    var weights: [String: Double] = [:]
    for (name, value) in object.sorted(by: { $0.key < $1.key }) {
      guard case .number(let weight) = value, abs(weight) <= 1e9 else {
        throw failure("weights", "\(excerpt(name.utf8)) is not a number up to 1e9", "")
      }
      weights[try check(name, "weights", [BehaviourDescription.any] + groups.keys.sorted())] = weight
    }
    return weights
  }

  fileprivate func require(_ group: String, of groups: [String: [String]]) throws(EventsError) {
    guard groups[group] == nil else { return }
    throw failure("feature", "needs a group '\(group)'", "name the log's kinds in groups: {\"\(group)\": [\"...\"]}")
  }
}
