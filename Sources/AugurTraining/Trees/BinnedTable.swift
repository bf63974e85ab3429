// The columns of a table as bins for trees: edges and ranks come from the training rows alone.
import AugurCompute
public import AugurEvents
public import AugurModels

/// Ids of a list that become inputs of their own.
private let listMembers = 32

/// The inputs of trees for rows with these features, with bins by the rows `training` of `columns`.
func makeFeatureBins(_ features: Features, _ columns: TableColumns, training: Range<Int>) -> [FeatureBins] {
  var inputs: [FeatureBins] = []
  let indicators = features.missingIndicators
  for (place, missing) in indicators.enumerated() where !indicators.contains(place) {
    let source = FeatureBins.Source.number(place, missing: missing)
    inputs.append(.number(source, edges: edges(of: values(source, columns, training))))
  }
  for (place, field) in features.fields.enumerated() {
    guard field.isMultiValued else {
      // The rarest ids share bin 0.
      var bins = [UInt8](repeating: 0, count: field.size)
      let own = mostFrequentIDs(place, field.size, columns, training, limit: FeatureBins.largest)
      for (bin, id) in own.enumerated() { bins[id] = UInt8(truncatingIfNeeded: bin) }
      inputs.append(.category(.field(place), bins: bins))
      continue
    }
    let length = FeatureBins.Source.length(place)
    inputs.append(.number(length, edges: edges(of: values(length, columns, training))))
    for id in mostFrequentIDs(place, field.size, columns, training, limit: listMembers) {
      inputs.append(.number(.member(place, id: Int32(id)), edges: [0.5]))
    }
  }
  return inputs
}

/// Id 0, which is no value of its own, and those behind it: all where they are at most `limit`, else the most frequent first.
private func mostFrequentIDs(_ field: Int, _ size: Int, _ columns: TableColumns, _ training: Range<Int>, limit: Int) -> [Int] {
  guard size > limit else { return Array(0..<size) }
  var counts = [Int](repeating: 0, count: size)
  let ids = columns.ids[field]
  let places = columns.offsets[field].map { Int($0[training.lowerBound])..<Int($0[training.upperBound]) } ?? training
  for place in places { counts[Int(ids[place])] += 1 }
  let ranked = (1..<size).sorted { (counts[$0], $1) > (counts[$1], $0) }
  return [0] + ranked.prefix(limit - 1)
}

/// The numbers of a source; NaN where they are missing.
private func values(_ source: FeatureBins.Source, _ columns: TableColumns, _ rows: Range<Int>) -> [Float] {
  switch source {
  case .number(let place, let missing):
    let N = columns.numberCount
    return rows.map { row in
      if let missing, columns.numbers[row * N + missing] != 0 { return .nan }
      return columns.numbers[row * N + place]
    }
  case .length(let field):
    guard let offsets = columns.offsets[field] else { return [] }
    return rows.map { Float(offsets[$0 + 1] - offsets[$0]) }
  case .member(let field, let id):
    guard let offsets = columns.offsets[field] else { return [] }
    return rows.map { row in (offsets[row]..<offsets[row + 1]).contains { columns.ids[field][Int($0)] == id } ? 1 : 0 }
  case .field(let field): return rows.map { Float(columns.ids[field][$0]) }
  }
}

/// Rising edges, at most 254: between neighbours where values are few, else so that bins hold about equally many rows.
func edges(of values: [Float]) -> [Float] {
  let sorted = values.filter(\.isFinite).sorted()
  guard let first = sorted.first, let last = sorted.last, first < last else { return [] }
  var distinct: [(value: Float, count: Int)] = []
  for value in sorted {
    if distinct.last?.value == value { distinct[distinct.count - 1].count += 1 } else { distinct.append((value, 1)) }
  }
  let limit = FeatureBins.largest - 2
  var edges: [Float] = []
  // Half way, but below the upper value whatever rounding does.
  func cut(_ low: Float, _ high: Float) {
    let middle = low + (high - low) / 2
    edges.append(middle < high && middle.isFinite ? middle : low)
  }
  if distinct.count <= limit + 1 {
    for (a, b) in zip(distinct, distinct.dropFirst()) { cut(a.value, b.value) }
    return edges
  }
  // A value that fills a bin alone does not make the bins behind it larger.
  var (left, room, held) = (sorted.count, limit + 1, 0)
  for (place, entry) in distinct.enumerated() where place + 1 < distinct.count && edges.count < limit {
    held += entry.count
    let next = distinct[place + 1]
    let share = Double(left) / Double(room)
    guard Double(held) >= share || (Double(held) + Double(next.count) / 2 > share && Double(next.count) >= share) else {
      continue
    }
    cut(entry.value, next.value)
    (left, room, held) = (left - held, room - 1, 0)
  }
  return edges
}

/// The bins of some rows, inputs side by side.
func binned(_ columns: TableColumns, _ range: Range<Int>, _ features: [FeatureBins]) -> BinnedRows {
  let R = range.count
  let bins = [UInt8](unsafeUninitializedCapacity: R * features.count) { bins, count in
    nonisolated(unsafe) let bins = bins
    parallel(features.count) { place in
      let column = UnsafeMutableBufferPointer(rebasing: bins[place * R..<(place + 1) * R])
      switch features[place] {
      case .number(let source, let edges):
        let values = values(source, columns, range)
        edges.withUnsafeBufferPointer { edges in
          for row in 0..<R { column.initializeElement(at: row, to: FeatureBins.bin(values[row], edges)) }
        }
      case .category(let source, let binOf):
        guard case .field(let field) = source else { preconditionFailure("binned: expected a field, got \(source)") }
        for row in 0..<R { column.initializeElement(at: row, to: binOf[Int(columns.ids[field][range.lowerBound + row])]) }
      }
    }
    count = R * features.count
  }
  return BinnedRows(rowCount: R, featureCount: features.count, bins: bins)
}

/// Trees and the features that they read.
public struct TreePredictor: TablePredictor {
  public let trees: TreeEnsemble
  private let objective: TableObjective

  public init(_ trees: TreeEnsemble, _ objective: TableObjective) { (self.trees, self.objective) = (trees, objective) }

  public func outputs(_ columns: TableColumns, _ range: Range<Int>) -> [[Float]] {
    objective.answers([trees.outputs(binned(columns, range, trees.features))])
  }
}
