// Rows of a table as batches: ids in the joint table of all features, and numbers.
public import AugurEvents
import AugurLayers
public import AugurModels
import AugurOps
import AugurTensors

/// What a step of a table model takes.
struct TableBatch {
  let input: TableInput
  /// [B] each, in the order of the table's labels.
  let labels: [Tensor]
  let weights: RowWeights?
}

extension TableShape {
  /// The shape of rows with these features.
  public init(_ features: Features) {
    self.init(fieldSizes: features.fields.map(\.size), numberCount: features.numberNames.count)
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
  private let isPlain: Bool

  init(_ features: Features, device: Device) {
    (self.device, shape) = (device, TableShape(features))
    var bases: [Int32] = [0]
    for size in shape.fieldSizes { bases.append(bases[bases.count - 1] + Int32(size)) }
    self.bases = bases
    isPlain = shape.numberCount == 0 && features.fields.allSatisfy { !$0.isMultiValued }
  }

  /// Precondition: at least one row. Without `isTraining` no groups for gradients are made.
  func make(_ rows: some Collection<Int>, of columns: TableColumns, isTraining: Bool) -> TableInput {
    let (F, N) = (shape.fieldSizes.count, shape.numberCount)
    var (ids, weights, featureOffsets, rowOffsets): ([Int32], [Float], [Int32], [Int32]) = ([], [], [0], [0])
    var numbers: [Float] = []
    ids.reserveCapacity(rows.count * (F + N))
    for row in rows {
      for field in 0..<F {
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
      for place in 0..<N {
        let value = columns.numbers[row * N + place]
        ids.append(bases[F] + Int32(place))
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
      numbers: N == 0 ? nil : Tensor(numbers, shape: [B, N], device: device))
  }
}

/// Makes batches of the rows of one table.
struct TableBatchMaker {
  private let data: TableDataset
  private let columns: TableColumns
  private let labelCount: Int
  private let inputs: TableInputMaker
  var device: Device { inputs.device }

  init(_ data: TableDataset, device: Device) {
    (self.data, columns, inputs) = (data, data.columns, TableInputMaker(data.features, device: device))
    labelCount = data.description.labels.count
  }

  /// Precondition: at least one row.
  func make(_ rows: some Collection<Int>) -> TableBatch {
    let device = inputs.device
    let labels = (0..<labelCount).map { label in
      let values = data.labels(label)
      return Tensor(rows.map { values[$0] }, shape: [rows.count], device: device)
    }
    let weights = data.weights.map { weights in RowWeights(rows.map { weights[$0] }, device: device) }
    return TableBatch(
      input: inputs.make(rows, of: columns, isTraining: true), labels: labels, weights: weights)
  }
}
