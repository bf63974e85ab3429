// Answers have the same bits alone, in any batch, on any number of threads, and one event at a time.
import AugurCompute
import AugurLayers
import AugurModels
import AugurServing
import AugurTensors
import Testing

private let V = 300
private let L = 70

private func makeModel(_ name: String, _ settings: [String: String]) throws -> any SequenceModel {
  let entry = try ModelEntry.named(name)
  var knobs = Hyperparameters(entry.hyperparameters)
  for (key, value) in ["dim": "20", "heads": "2", "length": String(L)].merging(settings, uniquingKeysWith: { $1 }) where knobs.knows(key) {
    try knobs.set(key, value)
  }
  return try entry.makeModel(knobs, itemCount: V, device: .cpu, seed: 3)
}

private func bits(_ tensor: Tensor) -> [UInt32] { tensor.floats().map(\.bitPattern) }

private func history(_ length: Int, _ seed: UInt64) -> [Int32] {
  var random = RandomStream(seed: seed)
  return (0..<length).map { _ in Int32(random.below(V)) }
}

@Suite(.serialized) struct RecommenderTests {
  static let keeping = [("sasrec", ["variant": "paper"]), ("sasrec", ["variant": "pre-norm"]), ("gsasrec", [:]), ("esasrec", ["similarity": "cosine"]), ("hstu", [:])]
  static let models = keeping + [("bert4rec", [:]), ("gru4rec", [:]), ("caser", [:]), ("two-tower", [:])]

  @Test(arguments: keeping)
  func aKeptStateGivesTheBitsOfTheWholeHistory(_ name: String, _ settings: [String: String]) throws {
    let model = try makeModel(name, settings.merging(["positions": "left"], uniquingKeysWith: { $1 }))
    let recommender = Recommender(model, itemCount: V, device: .cpu)
    let state = try recommender.makeState()
    let items = history(L + 5, 7)
    for (i, item) in items.enumerated() {
      #expect(bits(state.append(item)) == bits(recommender.encoded([items[...i]])), "event \(i)")
    }
  }

  @Test func aModelThatCountsFromTheNewestEventCannotKeepAState() throws {
    for name in ["sasrec", "bert4rec", "gru4rec", "caser"] {
      let recommender = Recommender(try makeModel(name, [:]), itemCount: V, device: .cpu)
      #expect(throws: ModelError.self) { try recommender.makeState() }
    }
  }

  /// A day between the last two events answers otherwise than a second, in any batch the same, and keeps no state.
  @Test func aModelThatReadsTimesAnswersByThem() throws {
    let recommender = Recommender(try makeModel("hstu", ["time-bias": "yes", "positions": "left"]), itemCount: V, device: .cpu)
    let histories = [9, 80, 1].map { history($0, UInt64($0)) }
    let times = histories.map { $0.indices.map { Int32($0 * 60) } }
    let alone = zip(histories, times).map { bits(recommender.encoded([$0[...]], times: [$1])) }
    #expect(bits(recommender.encoded(histories.map { $0[...] }, times: times)) == alone.flatMap { $0 })
    let later = times[0].dropLast() + [times[0][8] + 86400]
    #expect(bits(recommender.encoded([histories[0][...]], times: [Array(later)])) != alone[0])
    #expect(recommender.suggestions(after: histories[0], times: times[0], top: 5).count == 5)
    #expect(throws: ModelError.self) { try recommender.makeState() }
  }

  /// Without what is removed a list of the whole catalogue holds every item.
  @Test func seenItemsAreRankedWhereAsked() throws {
    let recommender = Recommender(try makeModel("gru4rec", [:]), itemCount: V, device: .cpu)
    let seen = history(40, 5)
    let (all, rest) = (recommender.suggestions(after: seen, top: V, includingSeen: true), recommender.suggestions(after: seen, top: V))
    #expect(Set(all.map(\.item)) == Set(0..<V) && rest == all.filter { !seen.contains(Int32($0.item)) })
  }

  @Test(arguments: models)
  func anAnswerDoesNotDependOnItsBatch(_ name: String, _ settings: [String: String]) throws {
    let model = try makeModel(name, settings)
    let recommender = Recommender(model, itemCount: V, device: .cpu)
    let threads = ThreadPool.shared.threads
    defer { ThreadPool.shared.threads = threads }
    let all = (0..<200).map { history(1 + $0 * 37 % 90, UInt64($0)) }
    let alone = all.map { bits(recommender.encoded([$0[...]])) }
    for (begin, end, count) in [(0, 200, 2), (3, 5, 1), (17, 150, 5), (199, 200, 8)] {
      ThreadPool.shared.threads = count
      let batch = all[begin..<end].map { $0[...] }
      let states = recommender.encoded(batch)
      #expect(bits(states) == alone[begin..<end].flatMap { $0 })
      let lists = recommender.suggestions(states, after: batch, top: 10)
      for (list, one) in zip(lists, all[begin..<end]) { #expect(list == recommender.suggestions(after: one, top: 10)) }
    }
  }

  /// Models read as much of a history as matters: the state after its last event is that of the whole history.
  @Test(arguments: models + [("hstu", ["time-bias": "yes"])])
  func theLastStateIsThatOfAFullPass(_ name: String, _ settings: [String: String]) throws {
    let model = try makeModel(name, settings)
    let histories = [1, 5, 70, 33].map { history($0, UInt64($0))[...] }
    let times = histories.map { $0.indices.map { Int32($0 * $0 * 977) } }
    let input = model.scoringInput(histories, times: times, itemCount: V, device: .cpu)
    let D = model.outputTable.shape.columns
    let all = bits(model.states(input, Pass()))
    let last = input.rows.hostOffsets.dropFirst().flatMap { all[(Int($0) - 1) * D..<Int($0) * D] }
    #expect(bits(model.lastStates(input)) == last)
    let rows = zip(input.rows.hostOffsets.dropFirst(), input.rows.hostOffsets).map { Int($0 - $1) }
    #expect(histories.map { model.scoringRows(after: $0.count) } == rows)
    guard !model.fillsMasks else { return }
    let whole = SequenceInput(
      histories, times: model.readsTimes ? times : nil, itemCount: V, longest: L, positions: model.positionAlignment, device: .cpu)
    let states = bits(model.states(whole, Pass()))
    #expect(whole.rows.hostOffsets.dropFirst().flatMap { states[(Int($0) - 1) * D..<Int($0) * D] } == last)
  }
}
