// Small uploads on their way to a device: gathered in memory that it reads by itself, sent in one copy beside its other work, and put in
// their places by one kernel before the next work begins. The batch of a step is one upload, and the host waits for none.
import Glibc

struct DeviceStaging {
  /// Host memory and as much of the device; both are free again when `isUsed` is done.
  private struct Block {
    let host: UnsafeMutableRawPointer
    let device: UInt
    var isUsed: UInt?
  }
  /// Uploads that wait in a block, behind each other.
  struct Pack {
    fileprivate let block: Int
    let host: UnsafeMutableRawPointer
    let device: UInt
    fileprivate(set) var parts: [(target: DeviceBuffer, bytes: Int)] = []
    fileprivate(set) var bytes = 0
  }
  private static let blockBytes = 2 << 20
  private static let blockLimit = 32
  /// Arguments of `unpack`.
  static let mostParts = 32

  private var blocks: [Block] = []
  private var next = 0
  private(set) var pack: Pack?

  /// Whether it can wait for others.
  static func isSmall(_ bytes: Int) -> Bool { bytes <= blockBytes && bytes % 4 == 0 }

  /// Whether no upload that waits is in its way.
  func hasRoom(for target: DeviceBuffer, bytes: Int) -> Bool {
    guard let pack else { return true }
    return pack.bytes + bytes <= DeviceStaging.blockBytes && pack.parts.count < DeviceStaging.mostParts
      && !pack.parts.contains { $0.target === target }
  }

  /// Copies `source`, which is small and has room; false where there is no memory for it.
  mutating func add(_ target: DeviceBuffer, _ source: UnsafeRawBufferPointer, _ loader: any DeviceLoader) -> Bool {
    if pack == nil, let place = freeBlock(loader) {
      pack = Pack(block: place, host: blocks[place].host, device: blocks[place].device)
    }
    guard var open = pack, let base = source.baseAddress else { return false }
    memcpy(open.host + open.bytes, base, source.count)
    open.parts.append((target, source.count))
    open.bytes += source.count
    pack = open
    return true
  }

  /// Forgets the uploads that wait: their block is in use until `event`.
  mutating func sent(until event: UInt) {
    guard let sent = pack else { return }
    blocks[sent.block].isUsed = event
    pack = nil
  }

  /// The oldest block when the device is done with it, else a new one, else the oldest after a wait.
  private mutating func freeBlock(_ loader: any DeviceLoader) -> Int? {
    let oldestIsDone = !blocks.isEmpty && blocks[next].isUsed.map { loader.isDone($0) } ?? true
    if !oldestIsDone || blocks.isEmpty, blocks.count < DeviceStaging.blockLimit {
      guard let host = loader.allocateStaging(DeviceStaging.blockBytes), let device = loader.allocate(DeviceStaging.blockBytes) else { return nil }
      // Copies go beside other work, and the device may still be at work on new memory.
      guard (try? loader.finish()) != nil else { return nil }
      blocks.insert(Block(host: host, device: device), at: next)
    }
    let place = next
    next = (next + 1) % blocks.count
    if let event = blocks[place].isUsed {
      loader.retire(event)
      blocks[place].isUsed = nil
    }
    return place
  }
}
