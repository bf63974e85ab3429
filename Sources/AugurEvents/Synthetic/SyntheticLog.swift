// Synthetic logs of any size with known structure, and the best score that anything can reach on them.
import AugurTensors
import FoundationEssentials
import Glibc

func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }

/// What `<log>.truth.json` holds.
public struct SyntheticTruth: Codable, Sendable, Equatable {
  public let events: Int
  public let users: Int
  public let items: Int
  public let categories: Int
  public let seed: UInt64
  /// Mixture weights and exponents of the generator.
  public let parameters: [String: Double]
  /// `HR@k`, `NDCG@k`, `MRR` of the true conditional distribution on each user's last event, seen items removed.
  public let best: [String: Double]
  /// Users averaged in `best`.
  public let bestUsers: Int
  public let protocolText: String
}

/// A log of exactly `events` rows; equal parameters give equal bytes.
public struct SyntheticLog: Sendable {
  public let events: Int
  public let users: Int
  public let items: Int
  public let seed: UInt64

  /// Throws when a number is out of range or when users would need more than half of the catalogue (no user repeats an
  /// item).
  public init(events: Int, users: Int, items: Int, seed: UInt64) throws(EventsError) {
    func refuse(_ field: String, _ problem: String, _ advice: String) -> EventsError {
      EventsError(file: "synth", field: field, problem: problem, advice: advice)
    }
    guard (1...100_000_000).contains(items) else {
      throw refuse("--items", "\(items) is not in 1...100000000", "change it")
    }
    guard (1...1_000_000_000).contains(users) else {
      throw refuse("--users", "\(users) is not in 1...1000000000", "change it")
    }
    guard (users...1 << 40).contains(events) else {
      throw refuse("--events", "\(events) is not in \(users)...2^40", "give at least one event a user")
    }
    let longest = Double(events) / Double(users) * 1.7 + 2
    guard events == users || longest <= Double(items / 2) else {
      throw refuse(
        "--events", "up to \(Int(longest)) events a user from \(items) items, without repeats",
        "give more items or users")
    }
    (self.events, self.users, self.items, self.seed) = (events, users, items, seed)
  }

  /// Writes the CSV log and `<path>.truth.json`, both atomically.
  @discardableResult
  public func write(to path: String) throws(EventsError) -> SyntheticTruth {
    do throws(SafetensorsError) {
      var writer = SyntheticWriter(log: self, file: try DurableFile(path: path))
      let truth = try writer.run()
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
      if let json = try? encoder.encode(truth) {
        try writeFileDurably(path: "\(path).truth.json", bytes: Array(json) + [DelimitedReader.newline])
      }
      return truth
    } catch { throw EventsError(error) }
  }
}

/// One pass: draws, formats and scores.
private struct SyntheticWriter: ~Copyable {
  let log: SyntheticLog
  let model: SyntheticModel
  var file: DurableFile
  var buffer: [UInt8] = []
  var seen: [UInt64]
  var history: [Int] = []
  var itemTails: [UInt8] = []  // `,category,price,name\n` of every item
  var tailOffsets: [Int] = [0]
  var ranks: [Double] = []

  init(log: SyntheticLog, file: consuming DurableFile) {
    self.log = log
    self.file = file
    model = SyntheticModel(items: log.items, seed: log.seed)
    seen = [UInt64](repeating: 0, count: (log.items + 63) / 64)
    buffer.reserveCapacity(Self.chunk + 4096)
    for item in 0..<log.items {
      let category = item % model.categoryCount
      let cents = 199 + Int(RandomStream.mix(log.seed &+ UInt64(item)) % 19_800)
      let fraction = cents % 100 < 10 ? "0\(cents % 100)" : "\(cents % 100)"
      let name = SyntheticNames.name(item: item, category: category)
      itemTails.append(contentsOf: ",\(category + 1),\(cents / 100).\(fraction),\(name)\n".utf8)
      tailOffsets.append(itemTails.count)
    }
  }

  static let chunk = 1 << 20

  mutating func run() throws(SafetensorsError) -> SyntheticTruth {
    buffer.append(contentsOf: "user_id,item_id,event,timestamp,category_id,price,item_name\n".utf8)
    var total = 0.0
    for user in 0..<log.users { total += Self.weight(log.seed, user) }
    // A dense score costs O(V): at most 20,000 users and about 6e7 scores.
    let wanted = min(log.users, 20_000, max(200, 60_000_000 / log.items))
    var (before, start, sampled) = (0.0, 0, 0)
    for user in 0..<log.users {
      before += Self.weight(log.seed, user)
      // One event each, the others by weight; rounding the running sum makes the total exact.
      let end = user == log.users - 1 ? log.events : user + 1 + Int(Double(log.events - log.users) * (before / total))
      let samples = user * wanted / log.users >= sampled
      if samples { sampled += 1 }
      try writeUser(user, count: max(1, end - start), scored: samples)
      start = end
    }
    try flush()
    try file.commit()
    return truth()
  }

  /// Relative activity of a user, 0.4 to 1.6.
  private static func weight(_ seed: UInt64, _ user: Int) -> Double {
    0.4 + 1.2 * Double(RandomStream.mix(seed &+ 0x9e37_79b9_7f4a_7c15 &* UInt64(user + 1)) >> 11) * 0x1p-53
  }

  private mutating func writeUser(_ user: Int, count: Int, scored: Bool) throws(SafetensorsError) {
    var random = RandomStream(seed: log.seed, stream: UInt64(user) + 1000)
    let taste = model.taste(of: user)
    var time = 1_600_000_000 + random.below(90 * 86_400)
    let prefix = Array("\(user + 1),".utf8)
    history.removeAll(keepingCapacity: true)
    for position in 0..<min(count, log.items) {
      let item = nextItem(taste, &random)
      if scored, position == count - 1, count >= 3, let current = history.last { score(item, after: current, taste) }
      history.append(item)
      seen[item >> 6] |= 1 << UInt64(item & 63)
      let bits = random.next()
      time += 30 + Int(bits >> 40) % 3600
      buffer.append(contentsOf: prefix)
      append(number: item + 1)
      buffer.append(contentsOf: Self.eventNames[bits & 127 < 102 ? 0 : bits & 127 < 118 ? 1 : 2])
      append(number: time)
      buffer.append(contentsOf: itemTails[tailOffsets[item]..<tailOffsets[item + 1]])
      if buffer.count >= Self.chunk { try flush() }
    }
    for item in history { seen[item >> 6] = 0 }
  }

  private static let eventNames = [",view,", ",cart,", ",purchase,"].map { Array($0.utf8) }

  private func isSeen(_ item: Int) -> Bool { seen[item >> 6] >> UInt64(item & 63) & 1 == 1 }

  /// Draws until the item is new, which is the mixture restricted to unseen items.
  private func nextItem(_ taste: [Int], _ random: inout RandomStream) -> Int {
    for _ in 0..<1000 {
      if let item = model.draw(after: history.last, taste: taste, &random), !isSeen(item) { return item }
    }
    var item = random.below(log.items)
    while isSeen(item) { item = (item + 1) % log.items }
    return item
  }

  /// Rank of the item under the true distribution, ties counted half.
  private mutating func score(_ item: Int, after current: Int, _ taste: [Int]) {
    let scores = model.scores(after: current, taste: taste)
    var rank = 0.0
    for other in 0..<scores.count where other != item && !isSeen(other) {
      if scores[other] > scores[item] { rank += 1 } else if scores[other] == scores[item] { rank += 0.5 }
    }
    ranks.append(rank)
  }

  private mutating func append(number: Int) {
    var divisor = 1
    while number / divisor >= 10 { divisor *= 10 }
    while divisor > 0 {
      buffer.append(UInt8(truncatingIfNeeded: 0x30 + number / divisor % 10))
      divisor /= 10
    }
  }

  private mutating func flush() throws(SafetensorsError) {
    try file.write(buffer)
    buffer.removeAll(keepingCapacity: true)
  }

  private func truth() -> SyntheticTruth {
    let count = Double(max(1, ranks.count))
    var best = ["MRR": ranks.reduce(0) { $0 + 1 / ($1 + 1) } / count]
    for k in [1, 5, 10, 20, 50] {
      let hits = ranks.filter { $0 < Double(k) }
      best["HR@\(k)"] = Double(hits.count) / count
      best["NDCG@\(k)"] = hits.reduce(0) { $0 + 1 / log2($1 + 2) } / count
    }
    let parameters = [
      "p_markov": SyntheticModel.pMarkov, "p_taste": SyntheticModel.pTaste, "p_global": SyntheticModel.pGlobal,
      "zipf_global": SyntheticModel.globalExponent, "zipf_category": SyntheticModel.categoryExponent,
      "successors": Double(SyntheticModel.successorWeights.count), "tastes": Double(SyntheticModel.tasteWeights.count),
    ]
    return SyntheticTruth(
      events: log.events, users: log.users, items: log.items, categories: model.categoryCount, seed: log.seed,
      parameters: parameters, best: best, bestUsers: ranks.count,
      protocolText:
        "last event of each sampled user, all items ranked by the true distribution, seen items removed, ties half")
  }
}
