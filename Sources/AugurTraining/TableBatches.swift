// Rows of a table as batches: ids in the joint table of all features, and numbers.
public import AugurEvents
import AugurLayers
public import AugurModels
import AugurOps
import AugurTensors
import Glibc

/// What a step of a table model takes.
struct TableBatch {
  let input: TableInput
  /// [B] each, in the order of the table's labels.
  let labels: [Tensor]
  let weights: RowWeights?
}

extension TableShape {
  /// The shape of rows with these features; `price` is kept apart from the other numbers.
  public init(_ features: Features, price: TablePrice? = nil) {
    self.init(
      fieldSizes: features.fields.map(\.size), numberCount: features.numberNames.count - (price == nil ? 0 : 1),
      histories: features.fields.enumerated().compactMap { field, description in
        description.history.map { History(field: field, target: $0.of, longest: $0.longest) }
      }, price: price)
  }

  /// The shape of the rows of `data`.
  public init(_ data: TableDataset) { self.init(data.features) }
}

/// Makes inputs of encoded rows.
struct TableInputMaker {
  let device: Device
  private let shape: TableShape
  /// First row of each field in the joint table; numbers come behind the fields.
  private let bases: [Int32]
  private let numberBase: Int32
  /// Fields whose values are among those of all features.
  private let fields: [Int]
  private let histories: [TableShape.History]
  /// Places of the numbers that are not kept apart.
  private let numberPlaces: [Int]
  private let priceScale: NumberScale?
  private let isPlain: Bool

  /// Histories and the price are kept apart as the model asks. Precondition: its price is a number of the features.
  init(_ features: Features, device: Device, of model: any TableModel) {
    let shape = TableShape(features, price: model.price)
    (self.device, self.shape, histories) = (device, shape, model.readsHistories ? shape.histories : [])
    priceScale = shape.price.flatMap { features.scale(ofNumber: $0.name) }
    let apart = priceScale?.place
    numberPlaces = features.numberNames.indices.filter { $0 != apart }
    precondition(numberPlaces.count == shape.numberCount, "TableInputMaker: expected a price among \(features.numberNames)")
    (bases, numberBase) = (shape.fieldBases.map(Int32.init), Int32(shape.numberBase))
    let lists = Set(histories.map(\.field))
    fields = shape.fieldSizes.indices.filter { !lists.contains($0) }
    isPlain = shape.numberCount == 0 && fields.allSatisfy { !features.fields[$0].isMultiValued }
  }

  /// Precondition: at least one row. Without `isTraining` no groups for gradients are made.
  func make(_ rows: some Collection<Int>, of columns: TableColumns, isTraining: Bool) -> TableInput {
    let (F, N, stride) = (fields.count, shape.numberCount, columns.numberCount)
    var (ids, weights, featureOffsets, rowOffsets): ([Int32], [Float], [Int32], [Int32]) = ([], [], [0], [0])
    var numbers: [Float] = []
    ids.reserveCapacity(rows.count * (F + N))
    for row in rows {
      for field in fields {
        if let offsets = columns.offsets[field] {
          let values = Int(offsets[row])..<Int(offsets[row + 1])
          for place in values {
            ids.append(bases[field] + columns.ids[field][place])
            weights.append(1 / Float(values.count))
          }
        } else {
          ids.append(bases[field] + columns.ids[field][row])
          if !isPlain { weights.append(1) }
        }
        if !isPlain { featureOffsets.append(Int32(ids.count)) }
      }
      for (place, source) in numberPlaces.enumerated() {
        let value = columns.numbers[row * stride + source]
        ids.append(numberBase + Int32(place))
        weights.append(value)
        featureOffsets.append(Int32(ids.count))
        numbers.append(value)
      }
      rowOffsets.append(Int32(ids.count))
    }
    let B = rows.count
    return TableInput(
      rowCount: B, values: Lookup(ids, rowCount: shape.tableRows, device: device, isGrouped: isTraining),
      features: isPlain ? nil : Jagged(offsets: featureOffsets, device: device), rows: Jagged(offsets: rowOffsets, device: device),
      weights: isPlain ? nil : Tensor(weights, shape: [weights.count], device: device),
      numbers: N == 0 ? nil : Tensor(numbers, shape: [B, N], device: device),
      histories: histories.map { history($0, rows, of: columns) }, price: price(rows, of: columns, isTraining: isTraining))
  }

  private func price(_ rows: some Collection<Int>, of columns: TableColumns, isTraining: Bool) -> TableInput.Price? {
    guard let priceScale, let price = shape.price else { return nil }
    // What is answered of a price of 0 or less is answered of the least that can be told from it.
    let least = max(priceScale.resolution, 1e-9)
    let logarithms = rows.map { Float(log(max(priceScale.cell(columns.numbers[$0 * columns.numberCount + priceScale.place]), least))) }
    var groups: Lookup?
    if case .field(let field) = price.elasticity {
      let ids = columns.ids[field]
      groups = Lookup(rows.map { ids[$0] }, rowCount: shape.fieldSizes[field], device: device, isGrouped: isTraining)
    }
    return TableInput.Price(logarithms: Tensor(logarithms, shape: [rows.count, 1], device: device), groups: groups)
  }

  private func history(_ history: TableShape.History, _ rows: some Collection<Int>, of columns: TableColumns) -> TableInput.History {
    var (events, offsets, targets): ([Int32], [Int32], [Int32]) = ([], [0], [])
    let (ids, base) = (columns.ids[history.field], bases[history.field])
    for row in rows {
      if let bounds = columns.offsets[history.field] {
        for place in Int(bounds[row])..<Int(bounds[row + 1]) { events.append(base + ids[place]) }
      }
      offsets.append(Int32(events.count))
      targets.append(base + columns.ids[history.target][row])
    }
    return TableInput.History(events: events, offsets: offsets, targets: targets)
  }
}

/// Makes batches of the rows of one table.
struct TableBatchMaker {
  private let data: TableDataset
  private let columns: TableColumns
  private let labelCount: Int
  private let inputs: TableInputMaker
  var device: Device { inputs.device }

  init(_ data: TableDataset, device: Device, of model: any TableModel) {
    inputs = TableInputMaker(data.features, device: device, of: model)
    (self.data, columns) = (data, data.columns)
    labelCount = data.description.labels.count
  }

  /// Precondition: at least one row. Without `isTraining` no groups for gradients are made.
  func make(_ rows: some Collection<Int>, isTraining: Bool = true) -> TableBatch {
    let device = inputs.device
    let labels = (0..<labelCount).map { label in
      let values = data.labels(label)
      return Tensor(rows.map { values[$0] }, shape: [rows.count], device: device)
    }
    let weights = data.weights.map { weights in RowWeights(rows.map { weights[$0] }, device: device) }
    return TableBatch(
      input: inputs.make(rows, of: columns, isTraining: isTraining), labels: labels, weights: weights)
  }
}
