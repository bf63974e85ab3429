// Synthetic logs of any size with known structure, and the best score that anything can reach on them.
import AugurCompute
import AugurTensors
import FoundationEssentials

/// A log of exactly `events` rows, spoiled and doubled ones included; equal parameters give equal bytes, whatever the number of threads.
public struct SyntheticLog: Sendable {
  public let events: Int
  public let users: Int
  public let items: Int
  public let seed: UInt64
  public let options: SyntheticOptions
  /// Items sold over the whole span.
  let permanentItems: Int

  /// Throws when a number is out of range or when users would need more than half of the lasting catalogue (no user repeats
  /// an item).
  public init(
    events: Int, users: Int, items: Int, seed: UInt64, options: SyntheticOptions = .nextItem
  ) throws(EventsError) {
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
    try options.check()
    permanentItems = (0..<items).count { SyntheticCatalogue.isPermanent($0, seed: seed, turnover: options.turnover) }
    let longest = Double(events) / Double(users) * 1.7 + 2
    guard events == users || longest <= Double(permanentItems / 2) else {
      throw refuse(
        "--events", "up to \(Int(longest)) events a user from \(permanentItems) lasting items, without repeats",
        "give more items or users")
    }
    (self.events, self.users, self.items, self.seed, self.options) = (events, users, items, seed, options)
  }

  /// Writes the CSV log, `<path>.truth.json` and, with the path's `.csv` left out, `.users.csv`, `.items.csv` and `.labels.csv`,
  /// each atomically. Memory grows with the items, not with events or users.
  @discardableResult
  public func write(to path: String) throws(EventsError) -> SyntheticTruth {
    do throws(SafetensorsError) { return try SyntheticWriter(self, path).write() } catch { throw EventsError(error) }
  }
}

/// A file in the making that remembers its first failure, so that a thread of the pool can write to it.
final class SyntheticSink {
  private var file: DurableFile
  private(set) var failure: SafetensorsError?

  init(path: String, header: String) throws(SafetensorsError) {
    file = try DurableFile(path: path)
    try file.write(Array(header.utf8))
  }

  func write(_ bytes: UnsafeRawBufferPointer) {
    guard failure == nil else { return }
    do throws(SafetensorsError) { try file.write(bytes) } catch { failure = error }
  }

  func write(_ bytes: [UInt8]) { bytes.withUnsafeBytes { write($0) } }

  func commit() throws(SafetensorsError) {
    if let failure { throw failure }
    try file.commit()
  }
}

/// One pass over the users: draws and formats in parallel, writes in order.
private final class SyntheticWriter {
  private let world: SyntheticWorld
  private let path: String
  private let log: SyntheticSink
  private let users: SyntheticSink
  private let items: SyntheticSink
  private let labels: SyntheticSink
  private var truth: SyntheticTruthBuilder

  init(_ parameters: SyntheticLog, _ path: String) throws(SafetensorsError) {
    self.path = path
    let stem = path.hasSuffix(".csv") ? String(path.dropLast(4)) : path
    log = try SyntheticSink(
      path: path, header: "user_id,item_id,event,timestamp,category_id,price,item_name\n")
    users = try SyntheticSink(path: stem + ".users.csv", header: SyntheticUser.header)
    items = try SyntheticSink(path: stem + ".items.csv", header: SyntheticCatalogue.header)
    labels = try SyntheticSink(path: stem + ".labels.csv", header: SyntheticBlock.labelHeader)
    world = SyntheticWorld(parameters)
    truth = SyntheticTruthBuilder(world)
  }

  func write() throws(SafetensorsError) -> SyntheticTruth {
    if world.options.order == .user {
      try drawBlocks { self.log.write($0.text.bytes) }
    } else {
      let spill = try SyntheticSpill(world, beside: path)
      try drawBlocks(into: spill) { spill.add($0.rows) }
      try spill.finish()
      try SyntheticBuckets(spill, to: log, world.catalogue).writeAll()
    }
    writeItems()
    for table in [users, items, labels] { try table.commit() }
    let truth = truth.truth
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    try log.commit()
    if let json = try? encoder.encode(truth) {
      try writeFileDurably(path: "\(path).truth.json", bytes: Array(json) + [DelimitedReader.newline])
    }
    return truth
  }

  /// - Parameter spill: takes the rows before they are text; nil where they are written in the order in which they are drawn.
  private func drawBlocks(into spill: SyntheticSpill? = nil, _ take: (SyntheticBlock) -> Void) throws(SafetensorsError) {
    let world = world
    let slots = (0..<min(16, 2 * world.blocks)).map { _ in SyntheticBlock(world) }
    try inOrder(world.blocks, slots: slots) { block, slot in
      slot.draw(block)
      if spill == nil { slot.format() }
    } consume: { slot in
      take(slot)
      self.users.write(slot.userLines)
      self.labels.write(slot.labelLines)
      self.truth.absorb(slot.tally)
    } failure: { spill?.failure ?? self.log.failure ?? self.users.failure ?? self.labels.failure }
  }

  private func writeItems() {
    let (catalogue, count, piece) = (world.catalogue, world.log.items, 8192)
    var texts = [[UInt8]](repeating: [], count: 16)
    for first in stride(from: 0, to: count, by: texts.count * piece) {
      texts.withUnsafeMutableBufferPointer { texts in
        let target = Shared(texts)
        parallel(texts.count) { task in
          target.base[task].removeAll(keepingCapacity: true)
          for item in min(count, first + task * piece)..<min(count, first + (task + 1) * piece) {
            catalogue.appendLine(item, to: &target.base[task])
          }
        }
      }
      for text in texts { items.write(text) }
    }
  }
}

/// Makes units in parallel in one half of the slots while those of the batch before, in the other half, are consumed in order by one thread.
func inOrder<Slot>(
  _ units: Int, slots: [Slot], make: (Int, Slot) -> Void, consume: (Slot) -> Void, failure: () -> SafetensorsError?
) throws(SafetensorsError) {
  let width = slots.count / 2
  var (first, made, side) = (0, 0, 0)
  while first < units || made > 0 {
    let batch = min(width, units - first)
    let (fresh, ready) = (side * width, (1 - side) * width)
    parallel(batch + 1) { task in
      if task > 0 {
        make(first + task - 1, slots[fresh + task - 1])
      } else {
        for slot in slots[ready..<ready + made] { consume(slot) }
      }
    }
    if let failure = failure() { throw failure }
    (first, made, side) = (first + batch, batch, 1 - side)
  }
}
