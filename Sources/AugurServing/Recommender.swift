// From a history to the items most likely to come next, from scratch or one event at a time.
public import AugurModels
import AugurLayers
import AugurOps
public import AugurTensors

/// One suggestion: item index and score.
public struct Suggestion: Sendable, Equatable {
  public let item: Int
  public let score: Float

  public init(item: Int, score: Float) { (self.item, self.score) = (item, score) }
}

/// A loaded model that answers for histories.
public final class Recommender {
  public let itemCount: Int
  /// Events of a history that the model reads.
  public var longestHistory: Int { model.longestHistory }
  /// Whether answers depend on when events happened.
  public var readsTimes: Bool { model.readsTimes }
  private let model: any SequenceModel
  private let table: Tensor
  private let device: Device
  private let compact: CompactTable?

  /// For `manyRequests` it spends a pass over the item table and a quarter of its memory on faster answers.
  public init(_ model: any SequenceModel, itemCount: Int, device: Device, manyRequests: Bool = false) {
    (self.model, self.itemCount, self.device, table) = (model, itemCount, device, model.scoringTable)
    compact = manyRequests ? CompactTable(table) : nil
  }

  /// `[B, D]`: the state after each history; a row has the same bits in any batch. Precondition: no history is empty, items are known, and
  /// where the model reads times every event has one: seconds since any moment, the same for a whole history.
  public func encoded(_ histories: [ArraySlice<Int32>], times: [[Int32]]? = nil) -> Tensor {
    precondition(!readsTimes || times?.map(\.count) == histories.map(\.count), "encoded: expected a time for every event")
    return model.lastStates(model.scoringInput(histories, times: times, itemCount: itemCount, device: device))
  }

  /// The `top` best items for each row of `states`, without those in the history unless `includingSeen`; fewer where the catalogue is
  /// smaller.
  public func suggestions(
    _ states: Tensor, after histories: [ArraySlice<Int32>], top: Int, includingSeen: Bool = false
  ) -> [[Suggestion]] {
    var (seen, offsets): ([Int32], [Int32]) = ([], [0])
    for history in histories {
      if !includingSeen { seen.append(contentsOf: history.sorted()) }
      offsets.append(Int32(seen.count))
    }
    let best = topItems(states, table, seen: seen, seenOffsets: offsets, k: min(top, itemCount), compact: compact)
    return histories.indices.map { b in
      (b * best.k..<(b + 1) * best.k).compactMap { i in
        best.items[i] >= 0 ? Suggestion(item: Int(best.items[i]), score: best.scores[i]) : nil
      }
    }
  }

  /// The same from one history.
  public func suggestions(after history: [Int32], times: [Int32]? = nil, top: Int, includingSeen: Bool = false) -> [Suggestion] {
    precondition(!history.isEmpty && history.allSatisfy { $0 >= 0 && $0 < itemCount }, "suggestions: unknown or no items")
    let state = encoded([history[...]], times: times.map { [$0] })
    return suggestions(state, after: [history[...]], top: top, includingSeen: includingSeen)[0]
  }

  /// A state that takes one event at a time. Throws where the model counts positions from the newest event, so that every event moves
  /// all of them, for models without attention, and for devices without the kernel.
  public func makeState() throws(ModelError) -> UserState {
    guard model.positionAlignment == .left, !readsTimes else {
      throw .badCombination(
        "this model cannot keep a user's state: attention must count positions from the oldest event (train with positions=left) and not "
          + "read times, and other models keep none")
    }
    guard model.outputTable.value.isOnCPU else { throw .badCombination("a user's state is kept on the cpu only, not on \(device)") }
    return UserState(model, itemCount: itemCount)
  }
}

/// What a model keeps of one user: keys and values of every event, so that one more event costs one row.
public final class UserState {
  public private(set) var history: [Int32] = []
  private let model: any SequenceModel
  private let itemCount: Int
  private let cache: AttentionCache

  init(_ model: any SequenceModel, itemCount: Int) {
    (self.model, self.itemCount) = (model, itemCount)
    cache = AttentionCache(capacity: model.longestHistory)
  }

  /// Adds an event and returns the state after it, `[1, D]`: the bits of `Recommender.encoded` of the whole history.
  ///
  /// A full window slides: then all its positions change and every event costs a recomputation. Precondition: the item is known.
  public func append(_ item: Int32) -> Tensor {
    precondition(item >= 0 && item < itemCount, "append: expected an item in 0..<\(itemCount), got \(item)")
    history.append(item)
    let isFull = cache.length == cache.capacity
    if isFull { cache.clear() }
    let new = isFull ? history.suffix(cache.capacity) : history.suffix(1)
    let input = SequenceInput(
      [new], itemCount: itemCount, longest: cache.capacity, positions: .left, kept: cache.length,
      device: model.outputTable.value.device)
    let state = model.states(input, Pass(lastRowsOnly: true, cache: cache))
    cache.commit(new.count)
    return state
  }
}
