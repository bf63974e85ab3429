// One user's answer: a history encoded, the catalogue ranked, one more event for a kept state.
import ArgumentParser
import AugurCompute
import AugurModels
import AugurServing
import AugurTensors

struct BenchInfer: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "infer", abstract: "Latency of one user at a time: encode, encode+top10, append, top10.")
  @Option(help: "V, items.") var items = 100_000
  @Option(help: "L, length of every history.") var length = 200
  @Option(help: "D, width.") var dim = 64
  @Option(help: "H, heads.") var heads = 2
  @Option(help: "Blocks.") var blocks = 2
  @Option(help: "Requests timed of each kind of work.") var requests = 200
  @OptionGroup var place: DeviceOptions
  @Flag(help: "One JSON object a kind of work.") var json = false

  func run() throws {
    guard (1...100_000).contains(requests), (2...Int(Int32.max)).contains(items) else {
      throw UserMistake("infer: expected --requests in 1...100000 and --items in 2...2147483647")
    }
    let device = try place.open()
    let entry = try ModelEntry.named("sasrec")
    var knobs = Hyperparameters(entry.hyperparameters)
    let values = [
      "variant": "pre-norm", "dim": String(dim), "heads": String(heads), "blocks": String(blocks), "length": String(length),
      "feed-forward": "4", "feed-forward-activation": "gelu", "positions": "left",
    ]
    for (name, value) in values.sorted(by: { $0.key < $1.key }) { try knobs.set(name, value) }
    let model = try entry.makeModel(knobs, itemCount: items, device: device, seed: 1)
    let limits = Limits(device)
    let (whole, ranking) = (limits.seconds(flops: encodeFlops), limits.seconds(bytes: Double(items) * Double(dim + 8)))
    let recommender = Recommender(model, itemCount: items, device: device, manyRequests: true)
    var random = RandomStream(seed: 1)
    let users = (0..<requests).map { _ in (0..<length).map { _ in Int32(random.below(items)) } }
    func encode(_ user: [Int32]) -> Tensor { recommender.encoded([user[...]]) }
    say("encode", users, limit: whole) { user in
      _ = encode(user)
      device.finish()
    }
    say("encode+top10", users, limit: whole + ranking) { user in _ = recommender.suggestions(encode(user), after: [user[...]], top: 10) }
    let state = encode(users[0])
    say("top10", users, limit: ranking) { _ in _ = recommender.suggestions(state, after: [[]], top: 10) }
    if device == .cpu { try appends(recommender, users, limits) }
  }

  /// Of the products of one history; the last block computes one row, but the keys and values of all.
  private var encodeFlops: Double {
    let (L, D) = (Double(length), Double(dim))
    return Double(blocks - 1) * (24 * L * D * D + 2 * L * L * D) + 4 * L * D * D + 20 * D * D + 4 * L * D
  }

  /// Weights, keys and values that one more event reads.
  private var appendBytes: Double { 4 * Double(blocks) * (12 * Double(dim * dim) + 2 * Double(length * dim)) }

  /// The last 20 events before the window is full, and then the event that makes it slide.
  private func appends(_ recommender: Recommender, _ users: [[Int32]], _ limits: Limits) throws {
    var (kept, sliding): ([Double], [Double]) = ([], [])
    var allocations = 0
    let clock = ContinuousClock()
    for user in users.prefix(max(2, requests / 20)) {
      let state = try recommender.makeState()
      for item in user.dropLast(20) { _ = state.append(item) }
      let before = Arena.of(.cpu).allocations
      for item in user.suffix(20) { kept.append(clock.measure { _ = state.append(item) } / .seconds(1)) }
      allocations += Arena.of(.cpu).allocations - before
      sliding.append(clock.measure { _ = state.append(user[0]) } / .seconds(1))
    }
    say("append", seconds: kept, limit: limits.seconds(bytes: appendBytes), allocations: allocations)
    say("append, full window", seconds: sliding, limit: limits.seconds(flops: encodeFlops), allocations: 0)
  }

  private func say(_ work: String, _ users: [[Int32]], limit: Double, _ body: ([Int32]) -> Void) {
    for user in users.prefix(10) { body(user) }
    let clock = ContinuousClock()
    let before = Arena.of(.cpu).allocations
    let seconds = users.map { user in clock.measure { body(user) } / .seconds(1) }
    say(work, seconds: seconds, limit: limit, allocations: Arena.of(.cpu).allocations - before)
  }

  private func say(_ work: String, seconds: [Double], limit: Double, allocations: Int) {
    let sorted = seconds.sorted()
    let (p50, p99) = (sorted[sorted.count / 2] * 1e3, sorted[min(sorted.count - 1, sorted.count * 99 / 100)] * 1e3)
    if json {
      printJSON([
        "work": work, "items": items, "length": length, "dim": dim, "heads": heads, "blocks": blocks, "requests": seconds.count,
        "threads": ThreadPool.shared.threads, "p50_ms": number(p50, digits: 4), "p99_ms": number(p99, digits: 4),
        "limit_share": number(limit / p50 * 1e3, digits: 3), "allocations": allocations,
      ])
    } else {
      print("\(work): p50 \(decimal(p50, places: 3)) ms, p99 \(decimal(p99, places: 3)) ms, \(decimal(limit / p50 * 1e5, places: 0)) % of the limit")
    }
  }
}
