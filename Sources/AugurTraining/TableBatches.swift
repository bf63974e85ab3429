// Rows of a table as batches: ids in the joint table of all features, and numbers.
public import AugurEvents
import AugurLayers
public import AugurModels
import AugurOps
import AugurTensors

/// What a step of a table model takes.
struct TableBatch {
  let input: TableInput
  let labels: Tensor
  let weights: RowWeights?
}

extension TableShape {
  /// The shape of the rows of `data`.
  public init(_ data: TableDataset) {
    self.init(fieldSizes: data.features.fields.map(\.size), numberCount: data.features.numberNames.count)
  }
}

/// Makes batches of the rows of one table.
struct TableBatchMaker {
  let data: TableDataset
  let device: Device
  private let shape: TableShape
  /// First row of each field in the joint table; numbers come behind the fields.
  private let bases: [Int32]
  private let isPlain: Bool

  init(_ data: TableDataset, device: Device) {
    (self.data, self.device, shape) = (data, device, TableShape(data))
    var bases: [Int32] = [0]
    for size in shape.fieldSizes { bases.append(bases[bases.count - 1] + Int32(size)) }
    self.bases = bases
    isPlain = shape.numberCount == 0 && data.features.fields.allSatisfy { !$0.isMultiValued }
  }

  /// Precondition: at least one row. Without `isTraining` no groups for gradients are made.
  func make(_ rows: some Collection<Int>, isTraining: Bool) -> TableBatch {
    let input = makeInput(rows, isTraining: isTraining)
    let labels = rows.map { data.labels[$0] }
    let weights = data.weights.map { weights in RowWeights(rows.map { weights[$0] }, device: device) }
    return TableBatch(input: input, labels: Tensor(labels, shape: [rows.count], device: device), weights: weights)
  }

  private func makeInput(_ rows: some Collection<Int>, isTraining: Bool) -> TableInput {
    let (F, N) = (shape.fieldSizes.count, shape.numberCount)
    var (ids, weights, featureOffsets, rowOffsets): ([Int32], [Float], [Int32], [Int32]) = ([], [], [0], [0])
    var numbers: [Float] = []
    ids.reserveCapacity(rows.count * (F + N))
    for row in rows {
      for field in 0..<F {
        if let offsets = data.offsets(field) {
          let values = Int(offsets[row])..<Int(offsets[row + 1])
          for place in values {
            ids.append(bases[field] + data.ids(field)[place])
            weights.append(1 / Float(values.count))
          }
        } else {
          ids.append(bases[field] + data.ids(field)[row])
          if !isPlain { weights.append(1) }
        }
        if !isPlain { featureOffsets.append(Int32(ids.count)) }
      }
      for place in 0..<N {
        let value = data.numbers[row * N + place]
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
