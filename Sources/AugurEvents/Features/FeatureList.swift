// `features.json`: the columns of a labelled table and what becomes of each. Inferred, written beside the data, edited, passed
// back.
import AugurTensors
import FoundationEssentials

/// Where the label is, and which text of it counts as 1.
public struct LabelColumn: Sendable, Equatable {
  public var column: String
  /// Nil for labels that are numbers.
  public var positive: String?

  public init(_ column: String, positive: String? = nil) { (self.column, self.positive) = (column, positive) }
}

/// A column that tells when a row happened.
public struct RowTime: Sendable, Equatable {
  public var column: String
  public var unit: TimeUnit

  public init(_ column: String, unit: TimeUnit) { (self.column, self.unit) = (column, unit) }
}

/// The label, the columns that divide rows, and the features in the order of their outputs.
public struct FeatureList: Sendable, Equatable {
  public var label: LabelColumn
  /// Other columns that are predicted too, or that a loss needs beside the label: whether a time is that of an event, a delay.
  public var furtherLabels: [LabelColumn] = []
  public var weight: String?
  /// When the row happened: splits by time, and nothing later may be known.
  public var time: RowTime?
  /// When the row's label came to be known: no part may know it before. `label_known` is one by its name.
  public var labelKnown: RowTime?
  /// Rows of one session stay on one side of a split.
  public var session: String?
  /// Number of the row's fold.
  public var fold: String?
  /// Columns that are not read, for people to see.
  public var ignored: [String]
  public var features: [Feature]

  static let fileName = "features.json"
  /// The column in which `augur features` says when a label is known.
  static let labelKnownName = "label_known"
  static let formatName = "augur-features"
  static let currentVersion = 1
  /// Of inferred categorical features: values that occur once share row 0 and train it for those that are new later.
  static let minimumCount = 2

  public init(label: LabelColumn, features: [Feature], ignored: [String] = []) {
    (self.label, self.features, self.ignored) = (label, features, ignored)
  }

  /// Columns that are no features, by what they are.
  var roles: [(name: String, column: String)] {
    ([label] + furtherLabels).map { ("label", $0.column) }
      + [
        ("weight", weight), ("time", time?.column), ("time of the label", labelKnown?.column), ("session", session), ("fold", fold),
      ].compactMap { role in
        role.1.map { (role.0, $0) }
      }
  }

  /// Reads a file that `json` wrote, or that a person did.
  public init(file path: String) throws(EventsError) {
    let file: MappedFile
    do throws(SafetensorsError) { file = try MappedFile(path: path) } catch { throw EventsError(error) }
    guard file.bytes.count <= 64 << 20 else {
      throw EventsError(
        file: path, problem: "\(file.bytes.count) bytes are too many for a list of features", advice: "is this features.json?")
    }
    try self.init(json: Data(file.bytes), file: path)
  }

  init(json: Data, file path: String) throws(EventsError) {
    do { self = try JSONDecoder().decode(FeatureList.self, from: json) } catch let error as EventsError {
      throw EventsError(file: path, field: error.file.isEmpty ? nil : error.file, problem: error.problem, advice: error.advice)
    } catch {
      throw EventsError(
        file: path, problem: "is not JSON", advice: "start from the features.json that augur prepare --format table writes")
    }
  }

  /// The text of the file: sorted keys, so that equal lists have equal bytes.
  func json() throws(EventsError) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    guard let json = try? encoder.encode(self) else {
      throw EventsError(file: Self.fileName, problem: "cannot be encoded", advice: "report this as a bug")
    }
    return String(decoding: json, as: UTF8.self) + "\n"
  }
}

extension LabelColumn: Codable {
  private enum Key: String, CodingKey, CaseIterable { case column, positive }

  public init(from decoder: any Decoder) throws {
    let object = try ListObject<Key>(decoder)
    self.init(try object.text(.column), positive: try object.optionalText(.positive))
  }
}

extension RowTime: Codable {
  private enum Key: String, CodingKey, CaseIterable { case column, unit }

  public init(from decoder: any Decoder) throws {
    let object = try ListObject<Key>(decoder)
    self.init(try object.text(.column), unit: try object.word(.unit, TimeUnit.self))
  }
}

extension FeatureList: Codable {
  private enum Key: String, CodingKey, CaseIterable {
    case format, version, label, weight, time, session, fold, ignored, features
    case labelKnown = "label_known"
    case furtherLabels = "further_labels"
  }

  public func encode(to encoder: any Encoder) throws {
    var object = encoder.container(keyedBy: Key.self)
    try object.encode(Self.formatName, forKey: .format)
    try object.encode(Self.currentVersion, forKey: .version)
    try object.encode(label, forKey: .label)
    if !furtherLabels.isEmpty { try object.encode(furtherLabels, forKey: .furtherLabels) }
    try object.encodeIfPresent(weight, forKey: .weight)
    try object.encodeIfPresent(time, forKey: .time)
    try object.encodeIfPresent(labelKnown, forKey: .labelKnown)
    try object.encodeIfPresent(session, forKey: .session)
    try object.encodeIfPresent(fold, forKey: .fold)
    try object.encode(ignored, forKey: .ignored)
    try object.encode(features, forKey: .features)
  }

  /// Throws `EventsError` that names the key and the value.
  public init(from decoder: any Decoder) throws {
    let object = try ListObject<Key>(decoder)
    guard try object.text(.format) == Self.formatName else {
      throw object.failure(
        .format, "is not \(Self.formatName)", "start from the features.json that augur prepare --format table writes")
    }
    let version = try object.value(.version, Int.self, "a whole number")
    guard version == Self.currentVersion else {
      throw object.failure(.version, "is \(version)", "this program reads \(Self.currentVersion)")
    }
    self.init(
      label: try object.value(.label, LabelColumn.self, "an object"),
      features: try object.value(.features, [Feature].self, "a list of features"),
      ignored: object.has(.ignored) ? try object.texts(.ignored) : [])
    furtherLabels = object.has(.furtherLabels) ? try object.value(.furtherLabels, [LabelColumn].self, "a list of objects") : []
    weight = try object.optionalText(.weight)
    time = object.has(.time) ? try object.value(.time, RowTime.self, "an object") : nil
    labelKnown = object.has(.labelKnown) ? try object.value(.labelKnown, RowTime.self, "an object") : nil
    session = try object.optionalText(.session)
    fold = try object.optionalText(.fold)
    guard !features.isEmpty else { throw object.failure(.features, "is empty", "name at least one feature") }
    var names: Set<String> = []
    for (place, feature) in features.enumerated() where !names.insert(feature.name).inserted {
      throw EventsError(
        file: "features[\(place)].name", problem: "\(excerpt(feature.name.utf8)) occurs twice",
        advice: "give each feature its own name")
    }
    _ = try sharedPlaces()
  }
}

extension FeatureList {
  /// By feature, the place of the one whose values it shares; nil for all others. Throws where that is none that can be shared.
  func sharedPlaces() throws(EventsError) -> [Int?] {
    var places: [Int?] = []
    for (place, feature) in features.enumerated() {
      guard case .categorical(.shared(let name, _), let separator) = feature.kind else {
        places.append(nil)
        continue
      }
      func failure(_ problem: String) -> EventsError {
        EventsError(
          file: "features[\(place)].shares", problem: problem,
          advice: "name a categorical feature without a separator that stands before '\(feature.name)'")
      }
      guard let target = features.firstIndex(where: { $0.name == name }) else {
        throw failure("there is no feature \(excerpt(name.utf8))")
      }
      guard target != place else { throw failure("\(excerpt(name.utf8)) is the feature itself") }
      guard case .categorical(let coding, let targetSeparator) = features[target].kind else {
        throw failure("\(excerpt(name.utf8)) is no category")
      }
      if targetSeparator != nil { throw failure("\(excerpt(name.utf8)) is a list") }
      if case .shared = coding { throw failure("\(excerpt(name.utf8)) shares the values of another feature") }
      guard target < place else { throw failure("\(excerpt(name.utf8)) stands behind '\(feature.name)'") }
      guard separator != nil else { throw failure("'\(feature.name)' is no list") }
      places.append(target)
    }
    return places
  }
}
