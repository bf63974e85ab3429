// The price of a model of demand: which number it is, and what its elasticities come to.
public import AugurEvents
import AugurMetrics
import AugurModels
import Glibc

/// The price that the knobs of a model name; nil where it has none.
///
/// - Throws: where it is no number above 0 in every training row, or another feature is made of its column.
func tablePrice(_ knobs: Hyperparameters, _ data: TableDataset) throws -> TablePrice? {
  guard knobs.knows("price") else { return nil }
  let (name, features) = (knobs.choice("price"), data.features)
  guard let scale = features.scale(ofNumber: name) else {
    let numbers = features.list.features.map(\.name).filter { features.scale(ofNumber: $0) != nil }
    guard features.list.features.contains(where: { $0.name == name }) else {
      let near = nearestName(to: name, in: numbers).map { ": did you mean '\($0)'?" } ?? ""
      throw ModelError.badCombination(
        "hyper-parameter 'price': the table has no number '\(name)'\(near); name one of \(numbers.joined(separator: ", "))")
    }
    throw ModelError.badCombination(
      "hyper-parameter 'price': '\(name)' is no number that is kept as it is; give it the transform log, standardise or none in features.json")
  }
  if let other = features.features(besides: name).first {
    throw ModelError.badCombination(
      "hyper-parameter 'price': '\(other)' is made of the price too, and an answer could rise with it; leave it out of features.json")
  }
  let (numbers, stride) = (data.numbers, features.numberNames.count)
  for row in data.rows(.training) {
    let price = scale.cell(numbers[row * stride + scale.place])
    guard price > scale.resolution else {
      throw TrainingError.data(
        problem: "the price '\(name)' is \(price > -scale.resolution ? 0 : Float(price)) in row \(data.inputRows[row] + 1), and its logarithm is read",
        advice: "leave rows without a price out, or correct them")
    }
  }
  switch knobs.choice("elasticity") {
  case "one": return TablePrice(name, .one)
  case "all": return TablePrice(name, .all)
  case let column: return TablePrice(name, .field(try categoricalField(column, of: features, knob: "elasticity")))
  }
}

/// Minus the mean ln price of the training rows, or by value of what the elasticity depends on; values that none of them has take that of all.
func priceShifts(_ price: TablePrice, _ data: TableDataset) -> [Float] {
  guard let scale = data.features.scale(ofNumber: price.name) else { return [] }
  let (numbers, stride) = (data.numbers, data.features.numberNames.count)
  var (sums, counts, ids): ([Double], [Double], DatasetSlice<Int32>?) = ([0], [0], nil)
  if case .field(let field) = price.elasticity {
    let size = data.features.fields[field].size
    (sums, counts, ids) = (Array(repeating: 0, count: size), Array(repeating: 0, count: size), data.ids(field))
  }
  for row in data.rows(.training) {
    let group = ids.map { Int($0[row]) } ?? 0
    sums[group] += log(max(scale.cell(numbers[row * stride + scale.place]), scale.resolution))
    counts[group] += 1
  }
  let mean = sums.reduce(0, +) / max(1, counts.reduce(0, +))
  return zip(sums, counts).map { Float(-($1 > 0 ? $0 / $1 : mean)) }
}

/// Mean elasticities of the rows of a part.
public struct PriceElasticities: Sendable, Equatable {
  public struct Group: Sendable, Equatable {
    public let value: String
    public let rows: Int
    public let mean: Double
  }
  public let price: String
  public let mean: Double
  /// The categorical feature that they depend on; nil where they depend on nothing, or on all.
  public let column: String?
  /// By its values, in the order of their ids.
  public let groups: [Group]
  /// Each value counting once, however many rows it has; that of the rows where there are no groups.
  public var meanOfGroups: Double { groups.isEmpty ? mean : groups.reduce(0) { $0 + $1.mean } / Double(groups.count) }

  /// Nil where the model has no price, or the part no row.
  public init?(_ model: TrainedTableModel, _ data: TableDataset, _ part: TablePart) {
    let rows = data.rows(part)
    guard !rows.isEmpty, let price = model.predictor.price, let own = model.predictor.elasticities(data.columns, rows) else { return nil }
    self.price = price.name
    mean = own.reduce(0) { $0 + Double($1) } / Double(own.count)
    guard case .field(let field) = price.elasticity else {
      (column, groups) = (nil, [])
      return
    }
    column = model.features.fields[field].name
    var sums = [(sum: Double, rows: Int)](repeating: (0, 0), count: model.features.fields[field].size)
    let ids = data.ids(field)
    for (place, row) in rows.enumerated() {
      sums[Int(ids[row])].sum += Double(own[place])
      sums[Int(ids[row])].rows += 1
    }
    groups = sums.enumerated().filter { $0.element.rows > 0 }.map { id, sum in
      Group(value: model.features.valueName(id, of: field), rows: sum.rows, mean: sum.sum / Double(sum.rows))
    }
  }
}
