// One JSON object of a feature list that people edit: every mistake is named with its key, its value and what is possible.
import FoundationEssentials

struct ListObject<Key: CodingKey & CaseIterable & Hashable & RawRepresentable> where Key.RawValue == String {
  private struct Name: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  private let values: KeyedDecodingContainer<Key>
  private let path: String

  /// Throws where it is no object, or has a key that `Key` does not know.
  init(_ decoder: any Decoder) throws {
    var path = ""
    for key in decoder.codingPath { path += key.intValue.map { "[\($0)]" } ?? (path.isEmpty ? "" : ".") + key.stringValue }
    self.path = path
    guard let names = try? decoder.container(keyedBy: Name.self) else {
      throw EventsError(file: path, problem: "is no object", advice: "write {...}")
    }
    values = try decoder.container(keyedBy: Key.self)
    let known = Key.allCases.map(\.rawValue)
    for name in names.allKeys.map(\.stringValue).sorted() where !known.contains(name) {
      let near = nearest(to: name, in: known).map { "did you mean \($0)?" }
      throw EventsError(
        file: place(name), problem: "there is no such key", advice: near ?? "the keys are \(known.joined(separator: ", "))")
    }
  }

  private func place(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }
  func place(_ key: Key) -> String { place(key.rawValue) }
  func has(_ key: Key) -> Bool { values.contains(key) }

  func failure(_ key: Key, _ problem: String, _ advice: String) -> EventsError {
    EventsError(file: place(key), problem: problem, advice: advice)
  }

  /// Throws where a key is there that its kind does not have.
  func allow(_ keys: Set<Key>) throws(EventsError) {
    for key in Key.allCases where has(key) && !keys.contains(key) {
      throw failure(key, "does not go with this kind", "leave it out, or change the kind")
    }
  }

  func value<Value: Decodable>(_ key: Key, _ type: Value.Type, _ what: String) throws(EventsError) -> Value {
    guard has(key) else { throw failure(key, "is missing", "give \(what)") }
    do { return try values.decode(type, forKey: key) } catch let error as EventsError { throw error } catch {
      throw failure(key, "is not \(what)", "correct it")
    }
  }

  func text(_ key: Key) throws(EventsError) -> String { try value(key, String.self, "a text") }
  func texts(_ key: Key) throws(EventsError) -> [String] { try value(key, [String].self, "a list of texts") }
  func optionalText(_ key: Key) throws(EventsError) -> String? { has(key) ? try text(key) : nil }

  func whole(_ key: Key, _ range: ClosedRange<Int>) throws(EventsError) -> Int {
    let number = try value(key, Int.self, "a whole number")
    guard range.contains(number) else {
      throw failure(key, "is \(number)", "numbers from \(range.lowerBound) to \(range.upperBound) are possible")
    }
    return number
  }

  func word<Word: RawRepresentable & CaseIterable>(_ key: Key, _ type: Word.Type) throws(EventsError) -> Word
  where Word.RawValue == String {
    try parsed(key, try text(key))
  }

  func optionalWord<Word: RawRepresentable & CaseIterable>(_ key: Key, _ type: Word.Type) throws(EventsError) -> Word?
  where Word.RawValue == String { has(key) ? try word(key, type) : nil }

  func words<Word: RawRepresentable & CaseIterable>(_ key: Key, _ type: Word.Type) throws(EventsError) -> [Word]
  where Word.RawValue == String {
    var words: [Word] = []
    for text in try texts(key) { words.append(try parsed(key, text)) }
    return words
  }

  private func parsed<Word: RawRepresentable & CaseIterable>(_ key: Key, _ text: String) throws(EventsError) -> Word
  where Word.RawValue == String {
    if let word = Word(rawValue: text) { return word }
    let known = Word.allCases.map(\.rawValue).joined(separator: ", ")
    throw failure(key, "\(excerpt(text.utf8)) is unknown", "it can be \(known)")
  }
}
