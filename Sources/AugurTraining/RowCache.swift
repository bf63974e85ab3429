// Tables that a GPU has no room for: rows that steps ask for, in its own memory, with what the optimiser keeps of them.
import AugurCompute
import AugurLayers
import AugurModels
import AugurOps
import AugurTensors

/// Places for some rows of tables that have their rows in common. Rows enter before the step that looks them up, over the bus; those that
/// were not asked for the longest go back as the last steps left them. Results do not depend on the number of places.
final class RowCache: StepRows {
  /// Moves of one launch.
  private static let mostMoves = 1 << 20
  private let device: Device
  private var places: CachedRows
  private var pairs: [(inside: Tensor, outside: Tensor)] = []
  private(set) var isInStep = false
  /// Those of a `BatchMaker`, where it has some.
  private(set) var logShares: Tensor?

  /// - Parameter occurrences: of rows, as far as they are known beforehand.
  init(rowCount: Int, places: Int, device: Device, occurrences: [Int] = [], logShares: Tensor?) {
    (self.device, self.places) = (device, CachedRows(rowCount: rowCount, count: places, occurrences: occurrences))
    self.logShares = logShares.map(rows)
  }

  /// Rows for a table, of the same width and type: steps are to use these instead.
  func rows(of table: Tensor) -> Tensor {
    let rows = Tensor(table.shape.with(rows: places.count), dtype: table.dtype, device: device)
    rows.fillWithZeros()
    pairs.append((rows, table))
    return rows
  }

  /// Begins a step on the rows of `lookups`: `make` gets the places to look them up in. For what is launched afterwards the rows are there.
  func beginStep<R>(_ lookups: [HostLookup], _ make: (CachedRows) -> R) -> R {
    let moves = places.admit(lookups)
    isInStep = true
    let made = make(places)
    exchange(moves)
    return made
  }

  func endStep() { isInStep = false }

  func writeBack() { exchange(places.empty()) }

  private func exchange(_ moves: [Int32]) {
    for start in stride(from: 0, to: moves.count, by: 3 * RowCache.mostMoves) {
      let part = Array(moves[start..<min(moves.count, start + 3 * RowCache.mostMoves)])
      let tensor = Tensor(part, shape: [part.count / 3, 3], device: device)
      for (inside, outside) in pairs { exchangeRows(inside, outside, tensor) }
    }
  }
}

extension RowCache {
  /// A cache for the tables of `model` that are outside of its GPU; nil where there are none, where steps read or write whole tables, or
  /// where the rows of one step do not fit.
  ///
  /// - Parameters:
  ///   - stepBytes: what else a step takes of the device.
  ///   - occurrences: of items in the training data.
  convenience init?(
    for model: any SequenceModel, _ maker: BatchMaker, tokens: Int, sequences: Int, stepBytes: Int, occurrences: () -> [Int]
  ) {
    let (tables, knobs) = (model.parameters.filter(\.isOutside), maker.knobs)
    guard let table = tables.first, Optimizer.updatesRowsAlone(knobs), knobs.drawsNegatives, model.looksUpItemVectors else { return nil }
    let kept = model.parameters.filter { !$0.isOutside }.reduce(0) { $0 + 4 * (Optimizer.copies - 1) * $1.count }
    // The arena rounds blocks up by at most a fourth.
    let room = (freeBytes(on: maker.device) - kept - stepBytes) / 5 * 4
    let rowBytes = tables.reduce(8) { $0 + 4 * Optimizer.copies * $1.shape.columns }
    let negatives = knobs.integer("negatives")
    let drawn = ["batch": negatives, "sequence": negatives * sequences][knobs.choice("sharing")] ?? negatives * tokens
    let places = min(table.shape.rows, room / rowBytes)
    guard places >= min(table.shape.rows, 2 * tokens + drawn) else { return nil }
    self.init(
      rowCount: tables.map(\.shape.rows).max() ?? 0, places: places, device: maker.device, occurrences: occurrences(),
      logShares: maker.logShares)
    sayOnStandardError("\(places) of \(table.shape.rows) rows of tables are kept on \(maker.device): those that steps ask for most often")
  }
}
