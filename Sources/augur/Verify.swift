// Proof on a trained model that a score depends on the history alone; VerifyOps.swift has that of a device.
import ArgumentParser
import AugurCompute
import AugurEvents
import AugurModels
import AugurServing
import AugurTensors
import AugurTraining

struct Verify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Checks promises: on a trained model, or of a device.", subcommands: [VerifyBits.self, VerifyOps.self, VerifySteps.self])
}

struct VerifyBits: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bits", abstract: "Scores and top-10 lists are byte-equal for any batch, thread count and kept state.")
  @Option(name: .customLong("run"), help: "Run folder.") var runFolder: String
  @Option(help: "Data set; the one of the run by default.") var data: String?
  @Option(help: "Random batches of 1 to 1024 users, on 1 to 8 threads.") var batches = 10_000
  @Option(help: "Users whose histories are also fed event by event.") var states = 50
  @Option(help: "Seed of the draws.") var seed: UInt64 = 1
  @Flag(help: "One JSON object.") var json = false

  func run() throws {
    guard batches > 0, states >= 0 else { throw UserMistake("bits: expected --batches above 0 and --states of at least 0") }
    let folder = RunFolder(runFolder)
    let settings = try folder.readSettings()
    let dataset = try openDataset(data ?? settings.dataPath, of: settings)
    let model = try folder.loadModel(settings, for: dataset, device: .cpu)
    let recommender = Recommender(model, itemCount: dataset.itemCount, device: .cpu, manyRequests: true)
    let users = (0..<min(dataset.userCount, 1 << 17)).filter { !dataset.history($0).isEmpty }
    let histories = users.map { Array(dataset.history($0)) }
    let times = recommender.readsTimes ? try users.map(dataset.seconds) : nil
    guard !histories.isEmpty else { throw UserMistake("\(dataset.path): expected a user with an event") }
    let threads = ThreadPool.shared.threads
    defer { ThreadPool.shared.threads = threads }

    // One user at a time on one thread is what every batch must repeat.
    ThreadPool.shared.threads = 1
    var known: [Int: Answer] = [:]
    func alone(_ user: Int) -> Answer {
      if let answer = known[user] { return answer }
      let answer = answers(recommender, [histories[user][...]], times.map { [$0[user]] })[0]
      known[user] = answer
      return answer
    }
    var random = RandomStream(seed: seed)
    var (checked, differences) = (0, 0)
    for _ in 0..<batches {
      let size = 1 << random.below(11)
      let members = (0..<max(1, size - random.below(max(1, size / 2)))).map { _ in random.below(histories.count) }
      let expected = members.map(alone)
      ThreadPool.shared.threads = 1 + random.below(8)
      let found = answers(recommender, members.map { histories[$0][...] }, times.map { all in members.map { all[$0] } })
      ThreadPool.shared.threads = 1
      checked += members.count
      differences += zip(found, expected).count { $0 != $1 }
    }
    let kept = try keptStates(recommender, histories, &random)
    report(checked, differences, kept)
    if differences + (kept?.differences ?? 0) > 0 { throw ExitCode(1) }
  }

  private struct Answer: Equatable {
    var state: [UInt32]
    var items: [Int]
    var scores: [UInt32]
  }

  private func answers(_ recommender: Recommender, _ histories: [ArraySlice<Int32>], _ times: [[Int32]]?) -> [Answer] {
    let states = recommender.encoded(histories, times: times)
    let (values, D) = (states.floats(), states.shape.columns)
    return recommender.suggestions(states, after: histories, top: 10).enumerated().map { b, list in
      Answer(
        state: values[b * D..<(b + 1) * D].map(\.bitPattern), items: list.map(\.item), scores: list.map { $0.score.bitPattern })
    }
  }

  /// Every prefix of some histories, by one event more and from scratch; nil where the model cannot keep a state.
  private func keptStates(
    _ recommender: Recommender, _ histories: [[Int32]], _ random: inout RandomStream
  ) throws -> (checked: Int, differences: Int)? {
    guard (try? recommender.makeState()) != nil else { return nil }
    var (checked, differences) = (0, 0)
    for _ in 0..<states {
      let history = histories[random.below(histories.count)].prefix(recommender.longestHistory + 3)
      let state = try recommender.makeState()
      for (i, item) in history.enumerated() {
        let kept = state.append(item).floats().map(\.bitPattern)
        checked += 1
        if kept != recommender.encoded([history[...i]]).floats().map(\.bitPattern) { differences += 1 }
      }
    }
    return (checked, differences)
  }

  private func report(_ checked: Int, _ differences: Int, _ kept: (checked: Int, differences: Int)?) {
    if json {
      var line: [String: Any] = ["batches": batches, "answers": checked, "differences": differences]
      if let kept {
        line["kept_states"] = kept.checked
        line["kept_state_differences"] = kept.differences
      }
      return printJSON(line)
    }
    print("\(batches) random batches, \(checked) answers: \(differences) differences")
    if let kept {
      print("\(kept.checked) events appended to kept states: \(kept.differences) differences")
    } else {
      print("kept states: this model cannot keep one: its positions count from the newest event (train with positions=left), or it reads times")
    }
  }
}
