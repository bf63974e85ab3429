// What the ids of a field stand for, in words, and what a scaled number was.

import Glibc

extension Features {
  /// The value of an id of a field as it stands in the file; "others" for those that share id 0, and a number where the value itself is
  /// not kept.
  public func valueName(_ id: Int, of field: Int) -> String {
    guard id > 0 else { return "others" }
    guard let entry = fitted.last(where: { $0.field <= field }), case .categorical = entry.kind, entry.buckets == 0,
      id <= entry.statistics.vocabulary.count
    else { return "bucket \(id)" }
    return entry.statistics.vocabulary.withID(id - 1) { String(decoding: $0, as: UTF8.self) }
  }
}

/// How a number of a row came from its cell.
public struct NumberScale: Sendable, Equatable {
  /// Its place among the numbers of a row.
  public let place: Int
  private let center: Double
  private let scale: Double
  private let isLog: Bool

  fileprivate init(_ place: Int, center: Double, scale: Double, isLog: Bool) {
    (self.place, self.center, self.scale, self.isLog) = (place, center, scale, isLog)
  }

  /// What rounding leaves of a cell of 0, at most.
  public var resolution: Double { (center.magnitude + scale.magnitude) * 0x1p-20 }

  /// What stood in the cell, but for rounding; rising with `number`.
  public func cell(_ number: Float) -> Double {
    let x = Double(number) * scale + center
    return isLog ? (x < 0 ? -expm1(-x) : expm1(x)) : x
  }
}

extension Features {
  /// How the number of this name was scaled; nil where there is none, or its scale cuts off what is beyond the training rows.
  public func scale(ofNumber name: String) -> NumberScale? {
    for (feature, entry) in zip(list.features, fitted) where feature.name == name {
      guard case .numeric(let transform, _) = entry.kind else { return nil }
      let (center, scale) = (entry.statistics.center, entry.statistics.scale)
      switch transform {
      case .none: return NumberScale(entry.number, center: 0, scale: 1, isLog: false)
      case .standardise: return NumberScale(entry.number, center: center, scale: scale, isLog: false)
      case .log: return NumberScale(entry.number, center: center, scale: scale, isLog: true)
      case .minMax, .quantileBuckets: return nil
      }
    }
    return nil
  }

  /// Other features that are made of the column of this one.
  public func features(besides name: String) -> [String] {
    guard let own = list.features.first(where: { $0.name == name }) else { return [] }
    return list.features.filter { $0.column == own.column && $0.name != name }.map(\.name)
  }
}
