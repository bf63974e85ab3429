// The leak detector of tables: looks at the cells themselves and trusts no arithmetic of the split.

/// Something that a model would know in a test and not in life.
public struct TableLeak: Sendable, Equatable {
  public enum Kind: String, Sendable, CaseIterable {
    case targetAmongInputs = "target among the inputs"
    case fittedOnHeldOut = "statistics of other rows"
    case later = "later than known"
    case sharedSession = "session on both sides"
    case duplicates = "rows on both sides"
  }
  public let kind: Kind
  public let text: String
  public let advice: String
  /// Whether it stops `prepareTable`; others are warnings.
  public let isFatal: Bool
}

/// What the detector looks at.
struct TableEvidence {
  let table: Table
  let features: Features
  let labels: TableLabels
  let furtherLabels: [TableLabels]
  /// [R], raw values of `TablePart`.
  let parts: [UInt8]
  let groups: RowGroups
  let split: TableSplit

  /// Share of held-out rows that may be copies of training rows, label included.
  static let largestCopiedShare = 0.05
  /// Rows of each class below which chance alone can separate them.
  static let fewestOfClass = 10

  fileprivate func isTraining(_ row: Int) -> Bool { parts[row] == TablePart.training.rawValue }
}

/// What of the label or of held-out rows the inputs and the training part know.
///
/// Found are: a feature that is the label's column, stands one to one with it, or separates the two classes by a threshold;
/// statistics that were not fitted on the training rows alone; a time among the features that is later than its row's time, and
/// training rows, or labels of theirs, later than the first held-out row; sessions on both sides of the split; held-out rows that are copies of
/// training rows. Copies fail above 5 % of the held-out rows, features and label equal, where most training rows are unlike each other:
/// tables of a few codes repeat themselves. Fewer are a warning.
func findLeaks(_ evidence: TableEvidence) throws(EventsError) -> [TableLeak] {
  try evidence.targets() + evidence.statistics() + evidence.laterTimes() + evidence.sharedSessions() + evidence.copies()
}

extension TableEvidence {
  fileprivate func targets() throws(EventsError) -> [TableLeak] {
    var leaks: [TableLeak] = []
    for (column, labels) in zip([features.list.label] + features.list.furtherLabels, [labels] + furtherLabels) {
      leaks += try targets(try table.column(column.column, as: "label"), labels)
    }
    return leaks
  }

  private func targets(_ label: Int, _ labels: TableLabels) throws(EventsError) -> [TableLeak] {
    var leaks: [TableLeak] = []
    var seen: Set<String> = []
    for feature in features.list.features where seen.insert(feature.column).inserted {
      let column = try table.column(feature.column, as: "feature")
      var problem: String?
      if column == label {
        problem = "is the label"
      } else if isOneToOne(column, labels) {
        problem = "stands one to one with the label '\(table.names[label])' in the training rows"
      } else if separates(column, labels) {
        problem = "separates the classes of '\(table.names[label])' without a mistake in the training rows"
      }
      guard let problem else { continue }
      leaks.append(
        TableLeak(
          kind: .targetAmongInputs, text: "feature '\(feature.name)' \(problem)",
          advice: "leave the column '\(feature.column)' out of the table or of --features", isFatal: true))
    }
    return leaks
  }

  /// Whether value and label tell each other; not where most values, or most labels, occur once.
  private func isOneToOne(_ column: Int, _ labels: TableLabels) -> Bool {
    var (values, labelOf, valueOf): (Vocabulary, [UInt32], [UInt32: Int32]) = (Vocabulary(), [], [:])
    var (isBroken, rows) = (false, 0)
    table.forEach(column) { row, cell in
      guard !isBroken, isTraining(row) else { return }
      rows += 1
      let label = labels.values[row].bitPattern
      let (value, isNew) = values.index(adding: cell)
      if isNew {
        labelOf.append(label)
        isBroken = valueOf.updateValue(value, forKey: label) != nil
      } else {
        isBroken = labelOf[Int(value)] != label
      }
    }
    guard !isBroken, values.count > 1 else { return false }
    if labels.task == .binary { return hasBothClasses(labels) }
    // Labels that are all different are told by any number of a row; only the number itself is the label.
    return values.count * 2 <= rows || isEqual(column, labels)
  }

  private func isEqual(_ column: Int, _ labels: TableLabels) -> Bool {
    var isEqual = true
    table.forEach(column) { row, cell in
      if isEqual, isTraining(row) { isEqual = cellNumber(cell).map { Float($0) == labels.values[row] } ?? false }
    }
    return isEqual
  }

  private func hasBothClasses(_ labels: TableLabels) -> Bool {
    var counts = [0, 0]
    for row in parts.indices where isTraining(row) { counts[labels.values[row] == 1 ? 1 : 0] += 1 }
    return min(counts[0], counts[1]) >= Self.fewestOfClass
  }

  /// Whether all numbers of one class are above all of the other.
  private func separates(_ column: Int, _ labels: TableLabels) -> Bool {
    guard labels.task == .binary, hasBothClasses(labels) else { return false }
    var (least, largest) = ([Double.infinity, .infinity], [-Double.infinity, -.infinity])
    var isBroken = false
    table.forEach(column) { row, cell in
      guard !isBroken, isTraining(row) else { return }
      guard let number = cellNumber(cell), !number.isNaN else {
        isBroken = true
        return
      }
      let label = labels.values[row] == 1 ? 1 : 0
      least[label] = min(least[label], number)
      largest[label] = max(largest[label], number)
      isBroken = largest[0] >= least[1] && largest[1] >= least[0]
    }
    return !isBroken
  }

  fileprivate func statistics() -> [TableLeak] {
    let training = table.fingerprint(where: parts.map { $0 == TablePart.training.rawValue })
    guard features.fittedOn != training else { return [] }
    return [
      TableLeak(
        kind: .fittedOnHeldOut,
        text: "the features were fitted on other rows (\(features.fittedOn)) than those of training (\(training))",
        advice: "fit them on the training rows", isFatal: true)
    ]
  }

  fileprivate func laterTimes() throws(EventsError) -> [TableLeak] {
    guard let times = groups.times, let time = features.list.time else { return [] }
    var leaks: [TableLeak] = []
    // A date stands for its whole day.
    let slack: Int64 = time.unit == .calendarDate ? 86_399_999 : 0
    for (feature, entry) in zip(features.list.features, features.fitted) where feature.column != time.column {
      guard case .time(let unit, _, _) = entry.kind else { continue }
      let column = try table.column(feature.column, as: "feature")
      var (reader, count, first) = (TimeColumn(unit), 0, 0)
      table.forEach(column) { row, cell in
        guard !cell.isEmpty, let value = try? reader.milliseconds(cell), value > times[row] + slack else { return }
        if count == 0 { first = row }
        count += 1
      }
      guard count > 0 else { continue }
      let place = table.place(first)
      leaks.append(
        TableLeak(
          kind: .later,
          text: "feature '\(feature.name)' is later than '\(time.column)' in \(count) rows, first at \(place.file):\(place.line)",
          advice: "use only what was known at the row's time", isFatal: true))
    }
    // A session that lies in a later part may begin before the cut: training knows nothing of it.
    if split.kind != .time || groups.sessions == nil, let leak = trainingAfterHeldOut(times) { leaks.append(leak) }
    if let known = groups.labelsKnown, let leak = labelsAfterHeldOut(times, known) { leaks.append(leak) }
    return leaks
  }

  /// A label that came to be known behind the cut tells of the time of the test.
  private func labelsAfterHeldOut(_ times: [Int64], _ known: [Int64]) -> TableLeak? {
    guard split.kind == .given || split.kind == .time else { return nil }
    // Where whole sessions are held out, rows of theirs lie before the cut.
    let first = split.cuts?.first ?? firstHeldOut(times)
    let late = parts.indices.count { isTraining($0) && known[$0] >= first }
    guard late > 0 else { return nil }
    return TableLeak(
      kind: .later, text: "the labels of \(late) training rows were known only after the first held-out row (\(Timestamp.text(first)))",
      advice: "leave these rows out, as --split time does", isFatal: true)
  }

  private func firstHeldOut(_ times: [Int64]) -> Int64 {
    var first = Int64.max
    for row in parts.indices where !isTraining(row) && (!split.drawsValidation || parts[row] == TablePart.test.rawValue) {
      first = min(first, times[row])
    }
    return first
  }

  private func trainingAfterHeldOut(_ times: [Int64]) -> TableLeak? {
    let first = firstHeldOut(times)
    let late = parts.indices.count { isTraining($0) && times[$0] >= first }
    guard late > 0 else { return nil }
    return TableLeak(
      kind: .later, text: "\(late) training rows are not before the first held-out row (\(Timestamp.text(first)))",
      advice: "divide with --split time", isFatal: split.kind == .given || split.kind == .time)
  }

  fileprivate func sharedSessions() -> [TableLeak] {
    guard let sessions = groups.sessions, let name = features.list.session else { return [] }
    var training: Set<Int32> = []
    for row in parts.indices where isTraining(row) { training.insert(sessions[row]) }
    var (shared, rows): (Set<Int32>, Int) = ([], 0)
    for row in parts.indices where !isTraining(row) && training.contains(sessions[row]) {
      shared.insert(sessions[row])
      rows += 1
    }
    guard rows > 0 else { return [] }
    return [
      TableLeak(
        kind: .sharedSession, text: "\(shared.count) values of '\(name)' are in training and in \(rows) held-out rows",
        advice: "keep each of them in one part, as --split random and --split time do", isFatal: true)
    ]
  }

  fileprivate func copies() throws(EventsError) -> [TableLeak] {
    var columns: [Int] = []
    for name in features.columns { columns.append(try table.column(name, as: "feature")) }
    let hashes = table.rowHashes(columns: columns)
    func labelled(_ row: Int) -> UInt64 { hashes[row] ^ (UInt64(labels.values[row].bitPattern) &+ 1) &* 0x9e37_79b9_7f4a_7c15 }
    var (known, knownLabelled, training, heldOut): (Set<UInt64>, Set<UInt64>, Int, Int) = ([], [], 0, 0)
    known.reserveCapacity(hashes.count)
    knownLabelled.reserveCapacity(hashes.count)
    for row in hashes.indices where isTraining(row) {
      training += 1
      known.insert(hashes[row])
      knownLabelled.insert(labelled(row))
    }
    var (equal, copied, first) = (0, 0, 0)
    for row in hashes.indices where !isTraining(row) {
      heldOut += 1
      guard known.contains(hashes[row]) else { continue }
      if equal == 0 { first = row }
      equal += 1
      if knownLabelled.contains(labelled(row)) { copied += 1 }
    }
    guard equal > 0 else { return [] }
    let isFatal = Double(copied) > Self.largestCopiedShare * Double(heldOut) && known.count * 2 > training
    let place = table.place(first)
    return [
      TableLeak(
        kind: .duplicates,
        text:
          "\(equal) of \(heldOut) held-out rows have the features of a training row, \(copied) its label too; "
          + "first \(place.file):\(place.line)",
        advice: "remove the copies", isFatal: isFatal)
    ]
  }
}
