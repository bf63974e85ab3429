// What a table model has to beat: the mean, and for every categorical field how far its values lie from it.
public import AugurEvents

/// mean + an effect for the value of each field, each field fitted to what those before it leave (Koren 2008, section 2.1).
public struct EffectsBaseline {
  /// Rows of weight that pull an effect towards 0.
  private static let shrinkage = 10.0
  private let mean: Double
  /// By field, by id; empty for fields with lists.
  private let effects: [[Double]]

  /// Fits to the training rows. O(rows x fields).
  public init(_ data: TableDataset) {
    let (columns, rows) = (data.columns, data.rows(.training))
    func weight(_ row: Int) -> Double { Double(data.weights?[row] ?? 1) }
    var (sum, all) = (0.0, 0.0)
    for row in rows {
      sum += weight(row) * Double(data.labels[row])
      all += weight(row)
    }
    let mean = all > 0 ? sum / all : 0
    var rest = rows.map { Double(data.labels[$0]) - mean }
    effects = data.features.fields.enumerated().map { place, field in
      guard !field.isMultiValued else { return [] }
      var (sums, weights) = ([Double](repeating: 0, count: field.size), [Double](repeating: Self.shrinkage, count: field.size))
      for (index, row) in rows.enumerated() {
        let id = Int(columns.ids[place][row])
        sums[id] += weight(row) * rest[index]
        weights[id] += weight(row)
      }
      let effect = zip(sums, weights).map { $0 / $1 }
      for (index, row) in rows.enumerated() { rest[index] -= effect[Int(columns.ids[place][row])] }
      return effect
    }
    self.mean = mean
  }

  /// Values of the rows of a part.
  public func outputs(on data: TableDataset, _ part: TablePart) -> [Float] {
    let columns = data.columns
    return data.rows(part).map { row in
      Float(
        effects.enumerated().reduce(mean) { sum, field in
          field.element.isEmpty ? sum : sum + field.element[Int(columns.ids[field.offset][row])]
        })
    }
  }
}
