// A table with its labels, its parts and its list of features: all that is settled before anything is fitted.

struct TablePlan {
  /// The rows that are in a part.
  private(set) var table: Table
  private(set) var labels: TableLabels
  private(set) var furtherLabels: [TableLabels]
  private(set) var groups: RowGroups
  private(set) var division: TableDivision
  private(set) var list: FeatureList
  private(set) var warnings: [String] = []
  let isTraining: [Bool]

  /// Infers the features where neither the options nor an earlier plan, of which `warnings` are, say them.
  init(
    _ table: Table, _ list: FeatureList, _ options: TableOptions, given: [UInt8]?, warnings earlier: [String]? = nil
  ) throws(EventsError) {
    (self.table, self.list) = (table, list)
    let all = try TableLabels.all(table, list)
    (labels, furtherLabels) = (all[0], Array(all[1...]))
    self.list.label.positive = labels.positive
    for (place, further) in furtherLabels.enumerated() { self.list.furtherLabels[place].positive = further.positive }
    groups = try RowGroups(table, list, options, given: given)
    division = try TableDivision(options, groups, labels, file: table.file)
    if let kept = division.kept {
      self.table.keep(where: kept, renumbers: false)
      labels = labels.keeping(kept)
      furtherLabels = furtherLabels.map { $0.keeping(kept) }
      groups.keep(kept)
      division.dropLeftOut()
    }
    isTraining = division.parts.map { $0 == TablePart.training.rawValue }
    guard options.features == nil, earlier == nil else {
      warnings = earlier ?? []
      return
    }
    var inference = FeatureInference(self.table, training: isTraining, options)
    self.list = try inference.complete(self.list)
    warnings = inference.warnings
  }
}
