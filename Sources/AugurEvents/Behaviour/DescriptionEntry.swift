// JSON of a description: values, and objects whose keys are taken one by one so that a misspelt one is found.

indirect enum JSONValue: Decodable, Equatable {
  case null, flag(Bool), number(Double), text(String), list([JSONValue]), object([String: JSONValue])

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let flag = try? container.decode(Bool.self) {
      self = .flag(flag)
    } else if let number = try? container.decode(Double.self) {
      self = .number(number)
    } else if let text = try? container.decode(String.self) {
      self = .text(text)
    } else if let list = try? container.decode([JSONValue].self) {
      self = .list(list)
    } else {
      self = .object(try container.decode([String: JSONValue].self))
    }
  }

  /// On one line, keys in order.
  var text: String {
    switch self {
    case .null: "null"
    case .flag(let flag): "\(flag)"
    case .number(let number): number.isFinite ? short(number) : "null"
    case .text(let text): Self.quoted(text)
    case .list(let list): "[" + list.map(\.text).joined(separator: ", ") + "]"
    case .object(let object):
      "{" + object.sorted { $0.key < $1.key }.map { "\(Self.quoted($0.key)): \($0.value.text)" }.joined(separator: ", ") + "}"
    }
  }

  static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": result += "\\\(scalar)"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}

/// The keys of an object that nobody took yet.
struct DescriptionEntry {
  let file: String
  /// Where the object stands in the file, such as `features[3]`.
  let field: String?
  private var rest: [String: JSONValue]
  private var taken: [String] = []

  init(_ object: [String: JSONValue], file: String, field: String?) { (rest, self.file, self.field) = (object, file, field) }

  func failure(_ key: String, _ problem: String, _ advice: String) -> EventsError {
    EventsError(file: file, field: field.map { "\($0).\(key)" } ?? key, problem: problem, advice: advice)
  }

  func has(_ key: String) -> Bool { rest[key] != nil }

  mutating func take(_ key: String) -> JSONValue? {
    taken.append(key)
    return rest.removeValue(forKey: key)
  }

  mutating func optionalText(_ key: String) throws(EventsError) -> String? {
    guard let value = take(key) else { return nil }
    guard case .text(let text) = value, !text.isEmpty else { throw failure(key, "expected a text, got \(excerpt(value.text.utf8))", "") }
    return text
  }

  mutating func text(_ key: String) throws(EventsError) -> String {
    guard let text = try optionalText(key) else { throw failure(key, "is missing", "add it") }
    return text
  }

  mutating func number(_ key: String, _ range: ClosedRange<Double>) throws(EventsError) -> Double {
    guard let value = take(key) else { throw failure(key, "is missing", "add a number") }
    guard case .number(let number) = value, range.contains(number) else {
      throw failure(key, "expected a number from \(short(range.lowerBound)) to \(short(range.upperBound)), got \(excerpt(value.text.utf8))", "")
    }
    return number
  }

  mutating func list(_ key: String) throws(EventsError) -> [JSONValue] {
    guard case .list(let list)? = take(key), !list.isEmpty, list.count <= 1024 else {
      throw failure(key, "expected a list of 1 to 1024 entries", "")
    }
    return list
  }

  /// Different texts, at least one.
  mutating func texts(_ key: String) throws(EventsError) -> [String] {
    var texts: [String] = []
    for value in try list(key) {
      guard case .text(let text) = value, !text.isEmpty else { throw failure(key, "\(excerpt(value.text.utf8)) is not a text", "") }
      guard !texts.contains(text) else { throw failure(key, "\(excerpt(text.utf8)) stands there twice", "keep one") }
      texts.append(text)
    }
    return texts
  }

  /// Texts that name cases of an enumeration.
  mutating func words<Word: RawRepresentable & CaseIterable>(_ key: String) throws(EventsError) -> [Word] where Word.RawValue == String {
    let known = Word.allCases.map(\.rawValue)
    var words: [Word] = []
    for text in try texts(key) {
      if let word = Word(rawValue: try check(text, key, known)) { words.append(word) }
    }
    return words
  }

  func check(_ name: String, _ key: String, _ known: [String]) throws(EventsError) -> String {
    guard !known.contains(name) else { return name }
    let near = nearest(to: name, in: known).map { "did you mean \($0)?" }
    throw failure(key, "unknown name \(excerpt(name.utf8))", near ?? "there are \(known.joined(separator: ", "))")
  }

  /// Throws where a key was not taken.
  func finish() throws(EventsError) {
    guard let stranger = rest.keys.sorted().first else { return }
    let near = nearest(to: stranger, in: taken).map { "did you mean \($0)?" }
    throw failure(stranger, "unknown key", near ?? "the keys are \(taken.joined(separator: ", "))")
  }
}
