// From a labelled table to a data set folder: read, divide, fit on the training rows, encode, look for leaks, write.
import AugurCompute
import AugurTensors

/// A column that lists values of another one, oldest first: what the user of a row has seen before it.
public struct TableHistory: Sendable, Equatable {
  public let column: String
  /// The column whose values it lists.
  public let of: String

  public init(_ column: String, of: String) { (self.column, self.of) = (column, of) }
}

/// What `prepareTable` is asked for.
public struct TableOptions: Sendable {
  /// Column of the label; may be nil where a feature list names it.
  public var label: String?
  /// Other columns that are predicted too, or that a loss needs.
  public var furtherLabels: [String] = []
  /// The text of class 1 where labels are texts.
  public var positive: String?
  /// A `features.json`; nil infers the features.
  public var features: String?
  /// Columns whose numbers are codes; `*` for all.
  public var categorical: [String] = []
  /// Columns that list values of other columns.
  public var histories: [TableHistory] = []
  /// Of inferred categorical features.
  public var minimumCount = FeatureList.minimumCount
  public var weight: String?
  public var time: String?
  public var timeUnit: TimeUnit?
  public var session: String?
  public var foldColumn: String?
  /// A file of fold numbers.
  public var folds: String?
  public var testFold: Int?
  /// Nil is by time where there is one, else random.
  public var kind: SplitKind?
  public var ratio = SplitRatio.standard
  /// Of rows that are drawn.
  public var seed: UInt64 = 1
  public var validationInputs: [String] = []
  public var testInputs: [String] = []
  /// When each label came to be known; nil is the column `label_known` where there is one.
  public var labelKnown: String?
  /// Bad rows that are set aside before the run stops; by default none.
  public var badRows = BadRowLimit.rows(0)
  /// File of the bad rows.
  public var quarantine: String?
  /// Leaks become warnings.
  public var allowsLeaks = false
  public var threads: Int?
  public var memory: Int?

  public init(label: String? = nil) { self.label = label }

  var setsBadRowsAside: Bool { badRows != .rows(0) || quarantine != nil }
}

/// Makes a data set of a labelled table. The folder appears whole or not at all.
///
/// - Parameters:
///   - inputs: files, globs or `-`; with `validationInputs` or `testInputs` the training part alone.
///   - output: a free path, an empty folder, or a data set, which is replaced.
/// - Throws: `EventsError`, one line that names the file and the row where there is one.
@discardableResult
public func prepareTable(inputs: [String], output: String, options: TableOptions) throws(EventsError) -> TableDescription {
  var report = CleaningReport()
  return try prepareTable(inputs: inputs, output: output, options: options, report: &report)
}

/// The same; `report` counts the rows that were read and those that were set aside, by reason.
public func prepareTable(
  inputs: [String], output: String, options: TableOptions, report: inout CleaningReport
) throws(EventsError) -> TableDescription {
  let target = try OutputFolder(output)
  let prepared = try PreparedTable(inputs: inputs, options: options, report: &report)
  let folder = try target.makeTemporary()
  do throws(EventsError) {
    let description = try prepared.write(to: folder)
    try target.publish()
    return description
  } catch {
    OutputFolder.remove(folder)
    throw error
  }
}

/// A table read, divided, fitted and encoded, in memory.
struct PreparedTable {
  let table: Table
  let labels: TableLabels
  let furtherLabels: [TableLabels]
  let division: TableDivision
  let features: Features
  let encoded: EncodedTable
  let weights: [Float]?
  let folds: [UInt8]?
  private(set) var warnings: [String]
  /// Row of the table at each stored place.
  private let order: [Int]

  init(inputs: [String], options: TableOptions, report: inout CleaningReport) throws(EventsError) {
    let threads = options.threads ?? ThreadPool.shared.threads
    let plan = try Self.plan(inputs, options, threads, &report)
    var warnings = plan.warnings
    if report.rowsRejected > 0 {
      let reasons = report.rejected.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
      warnings.append("\(report.rowsRejected) bad rows were set aside: \(reasons.joined(separator: ", "))")
    }
    var features = try Features(fitting: plan.list, on: plan.table, training: plan.isTraining, threads: threads)
    if options.features == nil { warnings += try features.dropWithoutValues(plan.table) }
    let leaks = try findLeaks(
      TableEvidence(
        table: plan.table, features: features, labels: plan.labels, furtherLabels: plan.furtherLabels, parts: plan.division.parts, groups: plan.groups,
        split: plan.division.split))
    if let leak = leaks.first(where: \.isFatal), !options.allowsLeaks {
      throw EventsError(
        file: plan.table.file, problem: leaks.filter(\.isFatal).map(\.text).joined(separator: "; also: "),
        advice: "\(leak.advice), or give --allow-leaks")
    }
    warnings += leaks.map { $0.isFatal ? "leak: \($0.text)" : $0.text }
    let order = Self.stored(plan.division.parts)
    self.order = order
    var places = [Int](repeating: 0, count: order.count)
    for (place, row) in order.enumerated() { places[row] = place }
    encoded = try EncodedTable(plan.table, features, places: places, threads: threads)
    (table, labels, furtherLabels, division, folds) = (plan.table, plan.labels, plan.furtherLabels, plan.division, plan.groups.folds)
    (self.features, self.warnings) = (features, warnings + encoded.strangeHistories)
    weights = try plan.list.weight.map { name throws(EventsError) in
      try Self.weights(plan.table, try plan.table.column(name, as: "weight"))
    }
  }

  /// Reads, sets bad rows aside and divides.
  private static func plan(
    _ inputs: [String], _ options: TableOptions, _ threads: Int, _ report: inout CleaningReport
  ) throws(EventsError) -> TablePlan {
    let badRows = try TableBadRows(options)
    defer { report = badRows?.report ?? report }
    var (table, given) = try read(inputs, options, threads, badRows?.rejection)
    let roles = try roles(table, options)
    if let badRows { try badRows.setAside(TableFaults(ofRoles: roles, in: table), &table, &given) }
    var plan = try TablePlan(table, roles, options, given: given)
    guard let badRows else {
      report.rowsIn = table.rows
      return plan
    }
    // Only now it is known what the features are.
    if try badRows.setAside(TableFaults(ofFeatures: plan.list, in: table), &table, &given) {
      plan = try TablePlan(table, plan.list, options, given: given, warnings: plan.warnings)
    }
    try badRows.finish()
    return plan
  }

  /// Rows by part, those of a part in their order.
  private static func stored(_ parts: [UInt8]) -> [Int] {
    TablePart.allCases.flatMap { part in parts.indices.filter { parts[$0] == part.rawValue } }
  }

  private static func read(
    _ inputs: [String], _ options: TableOptions, _ threads: Int, _ rejection: (any RowRejection)?
  ) throws(EventsError) -> (Table, given: [UInt8]?) {
    let rejection = rejection ?? StopAtBadRow()
    _ = try expandInputs(inputs + options.validationInputs + options.testInputs)  // each file in one part
    let limit = options.memory ?? max(256 << 20, systemFreeBytes() / 2)
    var table = try Table(try expandInputs(inputs), threads: threads, memory: limit, rejection: rejection)
    func emptiness(_ file: String) -> EventsError {
      let rejected = (rejection as? BadRows)?.policy.report.rowsRejected ?? 0
      return EventsError(
        file: file, problem: rejected > 0 ? "all its rows are bad" : "a header but no rows", advice: "give a table with at least one row")
    }
    guard table.rows > 0 else { throw emptiness(table.file) }
    guard !options.validationInputs.isEmpty || !options.testInputs.isEmpty else { return (table, nil) }
    guard !options.testInputs.isEmpty else {
      throw EventsError(
        file: "--validation-input", problem: "needs --test-input beside it", advice: "name the file of the test part")
    }
    var given = [UInt8](repeating: TablePart.training.rawValue, count: table.rows)
    for (part, inputs) in [(TablePart.validation, options.validationInputs), (.test, options.testInputs)] where !inputs.isEmpty {
      let before = table.rows
      try table.append(try expandInputs(inputs), threads: threads, memory: limit, rejection: rejection)
      guard table.rows > before else { throw emptiness(inputs[0]) }
      given += repeatElement(part.rawValue, count: table.rows - before)
    }
    return (table, given)
  }

  /// The list that was given, or one that has only the columns with a role.
  private static func roles(_ table: Table, _ options: TableOptions) throws(EventsError) -> FeatureList {
    var list: FeatureList
    if let path = options.features {
      list = try FeatureList(file: path)
      guard options.categorical.isEmpty else {
        throw EventsError(file: "--categorical", problem: "stands beside --features", advice: "set the kind in \(path)")
      }
      guard options.histories.isEmpty else {
        throw EventsError(file: "--history", problem: "stands beside --features", advice: "say \"shares\" in \(path)")
      }
    } else {
      guard let label = options.label else {
        throw EventsError(file: "--label", problem: "is missing", advice: "name the column that is to be predicted")
      }
      list = FeatureList(label: LabelColumn(table.names[try table.column(label, as: "label")]), features: [])
    }
    try settleLabels(&list, table, options)
    func settle(_ role: String, _ option: String?, _ place: WritableKeyPath<FeatureList, String?>) throws(EventsError) {
      guard let option else { return }
      let name = table.names[try table.column(option, as: role)]
      if let listed = list[keyPath: place], listed != name {
        throw EventsError(
          file: "--\(role)", problem: "'\(name)', but the feature list says '\(listed)'", advice: "give one of them")
      }
      list[keyPath: place] = name
    }
    try settle("weight", options.weight, \.weight)
    try settle("session", options.session, \.session)
    try settle("fold-column", options.foldColumn, \.fold)
    try settleTimes(&list, table, options)
    var taken: [String: String] = [:]
    for (role, column) in list.roles {
      if let other = taken.updateValue(role, forKey: column) {
        throw EventsError(
          file: table.file, line: 1, field: column, problem: "is both the \(other) and the \(role)", advice: "name another column"
        )
      }
    }
    return list
  }

  /// When rows happened, and when their labels came to be known.
  private static func settleTimes(_ list: inout FeatureList, _ table: Table, _ options: TableOptions) throws(EventsError) {
    func time(_ name: String, _ option: String) throws(EventsError) -> RowTime {
      let column = try table.column(name, as: "time")
      guard let unit = table.timeUnit(column, asked: options.timeUnit) else {
        throw EventsError(
          file: table.file, field: name, problem: "the column holds no times",
          advice: "name another --\(option), or the unit with --time-unit")
      }
      return RowTime(table.names[column], unit: unit)
    }
    let labels = ([list.label] + list.furtherLabels).map(\.column)
    if let name = options.time {
      list.time = try time(name, "time")
    } else if options.features == nil {
      list.time = table.timeColumn(asked: options.timeUnit)
      if let time = list.time, labels.contains(time.column) { list.time = nil }
    }
    let usual = options.features == nil && table.names.contains(FeatureList.labelKnownName) && !labels.contains(FeatureList.labelKnownName)
    if let name = options.labelKnown ?? (usual ? FeatureList.labelKnownName : nil) { list.labelKnown = try time(name, "label-known") }
  }

  private static func settleLabels(_ list: inout FeatureList, _ table: Table, _ options: TableOptions) throws(EventsError) {
    if let positive = options.positive { list.label.positive = positive }
    guard let label = options.label else { return }
    var names: [String] = []
    for name in [label] + options.furtherLabels { names.append(table.names[try table.column(name, as: "label")]) }
    if let name = names.first(where: { name in names.count { $0 == name } > 1 }) {
      throw EventsError(file: "--label", problem: "'\(name)' is given twice", advice: "name each column once")
    }
    if options.features == nil { list.furtherLabels = names[1...].map { LabelColumn($0) } }
    let listed = ([list.label] + list.furtherLabels).map(\.column)
    guard names == listed else {
      throw EventsError(
        file: "--label", problem: "'\(names.joined(separator: "', '"))', but the feature list says '\(listed.joined(separator: "', '"))'",
        advice: "give one of them")
    }
  }

  /// A class weight times this, and the sum over all rows, still are finite floats.
  static let largestWeight = 1e30

  private static func weights(_ table: Table, _ column: Int) throws(EventsError) -> [Float] {
    var weights: [Float] = []
    try table.forEach(column) { row, cell throws(EventsError) in
      if let fault = weightFault(cell) { throw table.failure(row, column, fault.detail, fault.advice) }
      weights.append(Float(cellNumber(cell) ?? 0))
    }
    return weights
  }

  /// Writes all files; `dataset.json` last.
  func write(to folder: String) throws(EventsError) -> TableDescription {
    let (rows, width) = (table.rows, features.numberNames.count)
    var tensors: [SafetensorsTensor] = []
    for (place, field) in features.fields.enumerated() {
      let ids = field.isMultiValued ? encoded.listIDs[place] : encoded.ids[place]
      tensors.append(SafetensorsTensor("ids/\(field.name)", shape: [ids.count], values: ids))
      guard field.isMultiValued else { continue }
      tensors.append(SafetensorsTensor("offsets/\(field.name)", shape: [rows + 1], values: encoded.listOffsets[place]))
    }
    tensors.append(SafetensorsTensor("numbers", shape: [rows, width], values: encoded.numbers))
    let parts = TablePart.allCases.map { part in division.parts.count { $0 == part.rawValue } }
    for (place, labels) in ([labels] + furtherLabels).enumerated() {
      tensors.append(
        SafetensorsTensor(TableDescription.labelName(place), shape: [rows], values: order.map { labels.values[$0] }))
    }
    tensors.append(SafetensorsTensor("part", shape: [rows], values: order.map { division.parts[$0] }))
    tensors.append(SafetensorsTensor("row", shape: [rows], values: order.map { Int64(table.inputRow($0)) }))
    if let weights { tensors.append(SafetensorsTensor("weight", shape: [rows], values: order.map { weights[$0] })) }
    if let folds { tensors.append(SafetensorsTensor("fold", shape: [rows], values: order.map { folds[$0] })) }
    let path = "\(folder)/\(TableDescription.columnsName)"
    let checksum: String
    do throws(SafetensorsError) {
      try writeSafetensors(path: path, metadata: ["format": TableDescription.formatName], tensors: tensors)
      checksum = try SafetensorsFile(path: path, verify: .skipped).checksum ?? ""
    } catch { throw EventsError(error) }
    let learnt = try features.write(to: folder)
    let further = zip(features.list.furtherLabels, furtherLabels).map {
      FurtherLabel(label: $0, task: $1.task, positives: positives($1, parts))
    }
    let description = TableDescription(
      format: TableDescription.formatName, version: TableDescription.currentVersion, rows: rows, parts: parts, task: labels.task,
      positives: positives(labels, parts), label: features.list.label, furtherLabels: further.isEmpty ? nil : further, split: division.split, features: features.list.features.count,
      hasWeights: weights != nil, hasFolds: folds != nil, warnings: Array(warnings.prefix(100)),
      fingerprint: TableDescription.fingerprint(rows: rows, columns: checksum, features: learnt, parts: parts))
    try description.write(to: folder)
    return description
  }

  /// Rows of class 1 by part; empty for values.
  private func positives(_ labels: TableLabels, _ parts: [Int]) -> [Int] {
    guard labels.task == .binary else { return [] }
    return TablePart.allCases.map { part in
      labels.values.indices.count { labels.values[$0] == 1 && division.parts[$0] == part.rawValue }
    }
  }
}
