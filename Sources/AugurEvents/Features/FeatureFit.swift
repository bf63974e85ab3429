// Statistics of features, from the training rows of a table and no others.
import AugurCompute

extension Features {
  /// Fits `list` on the rows of `table` where `isTraining` is true, features side by side; sums run in the order of the rows.
  init(fitting list: FeatureList, on table: Table, training isTraining: [Bool], threads: Int) throws(EventsError) {
    var sources: [Int] = []
    for feature in list.features { sources.append(try table.column(feature.column, as: "feature '\(feature.name)'")) }
    var statistics = [FeatureStatistics](repeating: FeatureStatistics(), count: list.features.count)
    let failure = FirstFailure()
    statistics.withUnsafeMutableBufferPointer { statistics in
      nonisolated(unsafe) let statistics = statistics
      parallel(list.features.count, threads: threads) { place, _ in
        do throws(EventsError) {
          statistics[place] = try Self.statistics(of: list.features[place], table, sources[place], isTraining)
        } catch { failure.note(error, place: place) }
      }
    }
    if let error = failure.error { throw error }
    try self.init(list, statistics: statistics, fittedOn: table.fingerprint(where: isTraining))
  }

  /// Leaves out categories none of whose values occurs often enough, and lists that share them; a warning for each.
  mutating func dropWithoutValues(_ table: Table) throws(EventsError) -> [String] {
    var (list, statistics, warnings): (FeatureList, [FeatureStatistics], [String]) = (self.list, [], [])
    list.features = []
    for (feature, entry) in zip(self.list.features, fitted) {
      if case .categorical(.vocabulary(let minimumCount), _) = feature.kind, entry.statistics.vocabulary.count == 0 {
        warnings.append("no value of '\(feature.name)' occurs \(minimumCount) times in the training rows: it is left out")
        list.ignored.append(feature.column)
      } else if case .categorical(.shared(let name, _), _) = feature.kind, !list.features.contains(where: { $0.name == name }) {
        warnings.append("'\(feature.name)' holds values of '\(name)' and is left out like it")
        list.ignored.append(feature.column)
      } else {
        list.features.append(feature)
        statistics.append(entry.statistics)
      }
    }
    guard !warnings.isEmpty else { return [] }
    guard !list.features.isEmpty else {
      throw EventsError(
        file: table.file, problem: warnings[0], advice: "no other column is left; lower --minimum-count, or give more rows")
    }
    self = try Features(list, statistics: statistics, fittedOn: fittedOn)
    return warnings
  }

  private static func statistics(of feature: Feature, _ table: Table, _ column: Int, _ isTraining: [Bool]) throws(EventsError)
    -> FeatureStatistics
  {
    var result = FeatureStatistics()
    switch feature.kind {
    case .categorical(.hash, _), .categorical(.shared, _): break
    case .categorical(.values(let values), _):
      for value in values { Array(value.utf8).withUnsafeBytes { _ = result.vocabulary.index(adding: $0) } }
    case .categorical(.vocabulary(let minimumCount), let separator):
      var counter = ValueCounter()
      let byte = separator?.utf8.first
      try table.forEach(column) { row, cell throws(EventsError) in
        guard isTraining[row] else { return }
        if let byte { forEachValue(of: cell, separator: byte) { counter.count($0) } } else { counter.count(cell) }
      }
      result.vocabulary = counter.vocabulary(minimumCount: minimumCount)
    case .numeric(let transform, _):
      let values = try numbers(table, column, isTraining)
      fit(&result, transform, values)
    case .time(let unit, _, _):
      var times = TimeColumn(unit)
      var days: [Double] = []
      try table.forEach(column) { row, cell throws(EventsError) in
        guard isTraining[row], !cell.isEmpty else { return }
        do throws(Timestamp.Failure) { days.append(epochDays(try times.milliseconds(cell))) } catch {
          let (_, problem, advice) = error.explanation(cell)
          throw table.failure(row, column, problem, advice)
        }
      }
      fit(&result, .standardise, days)
    }
    return result
  }

  /// The numbers of the training rows that are there.
  private static func numbers(_ table: Table, _ column: Int, _ isTraining: [Bool]) throws(EventsError) -> [Double] {
    var values: [Double] = []
    try table.forEach(column) { row, cell throws(EventsError) in
      guard isTraining[row] else { return }
      guard let value = cellNumber(cell) else {
        throw table.failure(
          row, column, "\(excerpt(cell)) is not a number",
          "correct it, or make the column a category: --categorical \(table.names[column])")
      }
      if !value.isNaN { values.append(value) }
    }
    return values
  }

  private static func fit(_ result: inout FeatureStatistics, _ transform: NumberTransform, _ values: [Double]) {
    switch transform {
    case .none: result.fill = mean(values)
    case .standardise: (result.center, result.scale) = moments(values)
    case .log: (result.center, result.scale) = moments(values.map(signedLog))
    case .minMax:
      let (least, largest) = (values.min() ?? 0, values.max() ?? 0)
      let span = largest - least
      result.center = least
      result.scale = span > 0 && span.isFinite ? span : 1
      result.fill = min(1, max(0, (mean(values) - least) / result.scale))
    case .quantileBuckets(let buckets):
      let sorted = values.sorted()
      guard !sorted.isEmpty else { return }
      for bucket in 1..<buckets {
        let (high, low) = sorted.count.multipliedFullWidth(by: bucket)
        let edge = sorted[max(0, buckets.dividingFullWidth((high, low)).quotient - 1)]
        // Equal values share a bucket, and the last one needs no edge.
        if edge > result.edges.last ?? -.infinity, edge < sorted[sorted.count - 1] { result.edges.append(edge) }
      }
    }
  }

  private static func mean(_ values: [Double]) -> Double {
    var mean = 0.0
    // Without a sum that could overflow.
    for (place, value) in values.enumerated() { mean += (value - mean) / Double(place + 1) }
    return mean.isFinite ? mean : 0
  }

  /// Mean and standard deviation; 1 instead of a deviation of 0.
  private static func moments(_ values: [Double]) -> (Double, Double) {
    let center = mean(values)
    let variance = mean(values.map { ($0 - center) * ($0 - center) })
    let scale = variance.squareRoot()
    return (center, scale > 0 && scale.isFinite ? scale : 1)
  }
}

/// Values and how often they occur.
struct ValueCounter {
  private(set) var values = Vocabulary()
  private(set) var counts: [Int] = []

  mutating func count(_ value: UnsafeRawBufferPointer) {
    let (index, isNew) = values.index(adding: value)
    if isNew { counts.append(1) } else { counts[Int(index)] += 1 }
  }

  /// Those that occur at least so often, by falling count and then by bytes: equal for rows in any order.
  func vocabulary(minimumCount: Int) -> Vocabulary {
    let kept = values.byteOrder().map(Int.init).filter { counts[$0] >= minimumCount }
    let order = kept.indices.sorted { a, b in
      counts[kept[a]] != counts[kept[b]] ? counts[kept[a]] > counts[kept[b]] : a < b
    }
    var result = Vocabulary()
    for place in order { values.withID(kept[place]) { _ = result.index(adding: $0) } }
    return result
  }
}

extension Table {
  /// Names the rows where `isIn` is true by what stands in them: equal for equal rows in any order.
  func fingerprint(where isIn: [Bool]) -> String {
    var (count, sum): (Int, UInt64) = (0, 0)
    for (row, hash) in rowHashes(columns: Array(names.indices)).enumerated() where isIn[row] {
      count += 1
      sum &+= hash
    }
    let digits = String(sum, radix: 16)
    return "n\(count)-" + String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// A hash of the cells of each row in these columns.
  func rowHashes(columns: [Int]) -> [UInt64] {
    var hashes = [UInt64](repeating: 0, count: rows)
    hashes.withUnsafeMutableBufferPointer { hashes in
      nonisolated(unsafe) let hashes = hashes
      parallel(pieces.count) { place in
        let piece = pieces[place]
        piece.chunk.withCells { cells in
          for row in 0..<piece.chunk.rows {
            var hash: UInt64 = 0x9e37_79b9_7f4a_7c15
            for column in columns {
              hash = (hash ^ Vocabulary.wideHash(cells[row, column])) &* 0xd1b5_4a32_d192_ed03 &+ hash >> 29
            }
            hashes[piece.first + row] = hash
          }
        }
      }
    }
    return hashes
  }
}
