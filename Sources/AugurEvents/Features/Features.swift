// Fitted features: the one function that turns the cells of a row into ids and numbers, for training and for serving alike.
import AugurTensors
import Glibc

/// One row as models take it.
public struct EncodedRow: Sendable, Equatable {
  /// [fields], the id of each field with one value; -1 for fields that have a list.
  public internal(set) var ids: [Int32]
  /// [fields], the ids of each field with a list; empty for others.
  public internal(set) var lists: [[Int32]]
  /// [numbers]
  public internal(set) var numbers: [Float]
}

/// An output of categorical features: ids in 0..<size.
public struct CategoricalField: Sendable, Equatable {
  public let name: String
  /// Rows of its embedding table.
  public let size: Int
  /// Whether a row has a list of ids.
  public let isMultiValued: Bool
  /// Of a list that has the ids of another field, oldest first: the place of that field, and how many ids it has at most.
  public var history: (of: Int, longest: Int)?

  public static func == (a: Self, b: Self) -> Bool {
    (a.name, a.size, a.isMultiValued) == (b.name, b.size, b.isMultiValued) && a.history?.of == b.history?.of
      && a.history?.longest == b.history?.longest
  }
}

/// What a feature learnt from the training part; by its kind, one of the three.
struct FeatureStatistics: Sendable {
  /// Values in the order of their ids, from 1.
  var vocabulary = Vocabulary()
  /// value -> (value - center) / scale; `fill` stands for a missing value. Of min-max, center and scale are least value and span.
  var center = 0.0, scale = 1.0, fill = 0.0
  /// Rising; a value's bucket is 1 + how many of them are below it.
  var edges: [Double] = []
}

/// What is wrong with a cell.
struct CellFault: Error {
  let feature: Int
  let problem: String
  let advice: String
}

/// A feature list with what was learnt for it.
public struct Features: Sendable {
  /// A feature with what it needs to encode a cell, in place: nothing is copied for a cell.
  final class Fitted: Sendable {
    /// Place of its column in `columns`.
    let source: Int
    let kind: Feature.Kind
    let statistics: FeatureStatistics
    /// Its first outputs.
    let field: Int
    let number: Int
    let zone: ClockZone
    /// 0 where a cell is one value; buckets of hashing, else 0.
    let separator: UInt8
    let buckets: UInt64
    /// Values of a list that count, the last ones.
    let longest: Int
    /// Whether the statistics are those of another feature.
    let isShared: Bool

    /// - Parameter target: the feature whose values it shares.
    init(
      _ kind: Feature.Kind, source: Int, _ statistics: FeatureStatistics, target: Fitted?, field: Int, number: Int, zone: ClockZone
    ) {
      (self.kind, self.source, self.field, self.number, self.zone) = (kind, source, field, number, zone)
      (self.statistics, isShared) = (target?.statistics ?? statistics, target != nil)
      var (separator, buckets, longest): (UInt8, UInt64, Int) = (0, 0, .max)
      if case .categorical(let coding, let text) = kind {
        separator = text?.utf8.first ?? 0
        switch coding {
        case .hash(let count): buckets = UInt64(count)
        case .shared(_, let count): (buckets, longest) = (target?.buckets ?? 0, count)
        case .vocabulary, .values: break
        }
      }
      (self.separator, self.buckets, self.longest) = (separator, buckets, longest)
    }
  }

  public let list: FeatureList
  /// The columns that are read, each once.
  public let columns: [String]
  public let fields: [CategoricalField]
  /// Names of the numbers of a row, such as `age` and `age:missing`.
  public let numberNames: [String]
  /// Names the rows from which the statistics come; equal for equal rows in any order.
  public let fittedOn: String
  let fitted: [Fitted]

  /// Precondition: one entry of `statistics` for each feature, of its kind.
  init(_ list: FeatureList, statistics: [FeatureStatistics], fittedOn: String) throws(EventsError) {
    (self.list, self.fittedOn) = (list, fittedOn)
    var (columns, fields, numbers, fitted): ([String], [CategoricalField], [String], [Fitted]) = ([], [], [], [])
    let targets = try list.sharedPlaces()
    for (place, (feature, statistics)) in zip(list.features, statistics).enumerated() {
      let source = columns.firstIndex(of: feature.column) ?? columns.count
      if source == columns.count { columns.append(feature.column) }
      var zone = ClockZone(fixed: 0)
      if case .time(_, _, let name) = feature.kind { zone = try ClockZone(named: name, place: "\(feature.name): zone") }
      let target = targets[place].map { fitted[$0] }
      fitted.append(
        Fitted(feature.kind, source: source, statistics, target: target, field: fields.count, number: numbers.count, zone: zone))
      if let target, case .categorical(.shared(_, let longest), _) = feature.kind {
        fields.append(
          CategoricalField(name: feature.name, size: fields[target.field].size, isMultiValued: true, history: (target.field, longest)))
      } else {
        fields += feature.fields(statistics)
      }
      numbers += feature.numbers
    }
    var outputs: Set<String> = []
    for name in fields.map(\.name) + numbers where !outputs.insert(name).inserted {
      throw EventsError(
        file: FeatureList.fileName, problem: "two features make '\(name)'", advice: "give one of them another name")
    }
    (self.columns, self.fields, numberNames, self.fitted) = (columns, fields, numbers, fitted)
  }

  /// [numbers], where the number stands that is 1 for a missing one; nil where nothing tells.
  package var missingIndicators: [Int?] {
    var places = [Int?](repeating: nil, count: numberNames.count)
    for entry in fitted {
      switch entry.kind {
      case .numeric(.quantileBuckets, _), .numeric(_, missing: .mean), .categorical, .time: continue
      case .numeric(_, missing: .indicator): places[entry.number] = entry.number + 1
      }
    }
    return places
  }

  /// A row with room for every output.
  public func makeRow() -> EncodedRow {
    EncodedRow(
      ids: fields.map { $0.isMultiValued ? -1 : 0 }, lists: fields.map { _ in [] },
      numbers: Array(repeating: 0, count: numberNames.count))
  }

  /// Encodes a row given as texts by column; a column that is not there is an empty cell. Throws where a number or a time cannot
  /// be read.
  public func encode(_ cells: [String: String]) throws(EventsError) -> EncodedRow {
    var row = makeRow()
    let texts = columns.map { Array((cells[$0] ?? "").utf8) }
    do throws(CellFault) {
      // One buffer holds all cells, as a chunk of a table does.
      var bounds = [0]
      for text in texts { bounds.append(bounds[bounds.count - 1] + text.count) }
      let joined = Array(texts.joined())
      try joined.span.bytes.withUnsafeBytes { bytes throws(CellFault) in
        try encode(into: &row) { source in UnsafeRawBufferPointer(rebasing: bytes[bounds[source]..<bounds[source + 1]]) }
      }
    } catch {
      throw EventsError(file: "row", field: list.features[error.feature].column, problem: error.problem, advice: error.advice)
    }
    return row
  }

  /// Encodes the cells of a row, given by their place in `columns`. Every output of `row` is written.
  @inline(__always)
  func encode(into row: inout EncodedRow, cell: (Int) -> UnsafeRawBufferPointer) throws(CellFault) {
    for place in fitted.indices { try encode(place, cell(fitted[place].source), into: &row) }
  }

  private func encode(_ place: Int, _ cell: UnsafeRawBufferPointer, into row: inout EncodedRow) throws(CellFault) {
    let entry = fitted[place]
    switch entry.kind {
    case .categorical:
      guard entry.separator != 0 else {
        row.ids[entry.field] = entry.id(cell)
        return
      }
      row.lists[entry.field].removeAll(keepingCapacity: true)
      forEachValue(of: cell, separator: entry.separator) { row.lists[entry.field].append(entry.id($0)) }
      let surplus = row.lists[entry.field].count - entry.longest
      if surplus > 0 { row.lists[entry.field].removeFirst(surplus) }
    case .numeric(let transform, let missing):
      guard let value = cellNumber(cell) else {
        throw CellFault(
          feature: place, problem: "\(excerpt(cell)) is not a number",
          advice: "correct it, or make the column a category: --categorical \(list.features[place].column)")
      }
      if case .quantileBuckets = transform {
        row.ids[entry.field] = entry.bucket(value)
      } else {
        row.numbers[entry.number] = entry.scaled(value, transform)
        if missing == .indicator { row.numbers[entry.number + 1] = value.isNaN ? 1 : 0 }
      }
    case .time(let unit, let parts, _):
      var time: Int64?
      if !cell.isEmpty {
        var column = TimeColumn(unit)
        do throws(Timestamp.Failure) { time = try column.milliseconds(cell) } catch {
          let (_, problem, advice) = error.explanation(cell)
          throw CellFault(feature: place, problem: problem, advice: advice)
        }
      }
      entry.encode(time, parts, into: &row)
    }
  }
}

/// Calls `body` with the values of a list, those between separators that are not empty.
func forEachValue(of cell: UnsafeRawBufferPointer, separator: UInt8, _ body: (UnsafeRawBufferPointer) -> Void) {
  var start = 0
  while start < cell.count {
    var end = start
    while end < cell.count, cell[end] != separator { end += 1 }
    if end > start { body(UnsafeRawBufferPointer(rebasing: cell[start..<end])) }
    start = end + 1
  }
}

extension Feature {
  /// Names of its numbers.
  fileprivate var numbers: [String] {
    switch kind {
    case .categorical, .numeric(.quantileBuckets, _): []
    case .numeric(_, let missing): missing == .indicator ? [name, "\(name):missing"] : [name]
    case .time(_, let parts, _):
      parts.flatMap { part -> [String] in
        switch part {
        case .hour, .weekday: []
        case .cyclic: ["day-sin", "day-cos", "week-sin", "week-cos"].map { "\(name):\($0)" }
        case .days: ["\(name):days"]
        }
      }
    }
  }

  fileprivate func fields(_ statistics: FeatureStatistics) -> [CategoricalField] {
    func field(_ name: String, _ size: Int, isList: Bool = false) -> CategoricalField {
      CategoricalField(name: name, size: size, isMultiValued: isList)
    }
    switch kind {
    case .categorical(.hash(let buckets), let separator): return [field(name, buckets + 1, isList: separator != nil)]
    case .categorical(_, let separator): return [field(name, statistics.vocabulary.count + 1, isList: separator != nil)]
    case .numeric(.quantileBuckets, _): return [field(name, statistics.edges.count + 2)]
    case .numeric: return []
    case .time(_, let parts, _):
      return parts.filter { $0 == .hour || $0 == .weekday }.map { field("\(name):\($0.rawValue)", $0 == .hour ? 25 : 8) }
    }
  }
}

extension Features.Fitted {
  @inline(__always)
  fileprivate func id(_ value: UnsafeRawBufferPointer) -> Int32 {
    if buckets > 0 {
      // The high half of the product is below `buckets`.
      return value.isEmpty ? 0 : Int32(truncatingIfNeeded: 1 + Vocabulary.wideHash(value).multipliedFullWidth(by: buckets).high)
    }
    return statistics.vocabulary.index(of: value).map { $0 + 1 } ?? 0
  }

  fileprivate func bucket(_ value: Double) -> Int32 {
    if value.isNaN { return 0 }
    var (low, high) = (0, statistics.edges.count)
    while low < high {
      let middle = (low + high) / 2
      if statistics.edges[middle] < value { low = middle + 1 } else { high = middle }
    }
    return Int32(truncatingIfNeeded: low + 1)
  }

  fileprivate func scaled(_ value: Double, _ transform: NumberTransform) -> Float {
    if value.isNaN { return finite(statistics.fill) }
    let (center, scale) = (statistics.center, statistics.scale)
    switch transform {
    case .log: return finite((signedLog(value) - center) / scale)
    case .minMax: return finite(min(1, max(0, (value - center) / scale)))
    default: return finite((value - center) / scale)
    }
  }

  fileprivate func encode(_ time: Int64?, _ parts: [TimePart], into row: inout EncodedRow) {
    let utc = (time ?? 0) / 1000
    let second = utc + zone.stretch(at: utc).offset
    let (day, ofDay) = (floorDivide(second, 86_400), second - floorDivide(second, 86_400) * 86_400)
    let weekday = (day + 3) - floorDivide(day + 3, 7) * 7  // the epoch is a Thursday
    var (field, number) = (field, number)
    for part in parts {
      switch part {
      case .hour, .weekday:
        let id = part == .hour ? ofDay / 3600 : weekday
        row.ids[field] = time == nil ? 0 : Int32(truncatingIfNeeded: id + 1)
        field += 1
      case .cyclic:
        let turns = [Double(ofDay) / 86_400, Double(weekday * 86_400 + ofDay) / 604_800]
        for turn in turns {
          row.numbers[number] = time == nil ? 0 : Float(sin(2 * Double.pi * turn))
          row.numbers[number + 1] = time == nil ? 0 : Float(cos(2 * Double.pi * turn))
          number += 2
        }
      case .days:
        row.numbers[number] = scaled(time == nil ? .nan : epochDays(time ?? 0), .standardise)
        number += 1
      }
    }
  }

  /// A number that a model can take: the largest float for what is too large for one.
  private func finite(_ value: Double) -> Float {
    let limit = Double(Float.greatestFiniteMagnitude)
    return Float(min(limit, max(-limit, value)))
  }
}

func signedLog(_ value: Double) -> Double { value < 0 ? -log1p(-value) : log1p(value) }
func epochDays(_ milliseconds: Int64) -> Double { Double(milliseconds) / 86_400_000 }
