// What the ids of a field stand for, in words.

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
