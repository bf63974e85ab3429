// Host memory that small uploads are copied to, so that a step need not wait for the device before it hands over the
// next batch.
import Glibc

struct DeviceStaging {
  private struct Block {
    let memory: UnsafeMutableRawPointer
    var event: UInt?
  }
  private static let blockBytes = 1 << 18
  private static let blockLimit = 64
  private var blocks: [Block] = []
  private var next = 0

  /// A copy of `source` and its place, or nil where it is too large: the caller waits for the device then.
  mutating func copy(_ source: UnsafeRawBufferPointer, _ loader: any DeviceLoader) -> (copy: UnsafeMutableRawPointer, place: Int)? {
    guard source.count <= DeviceStaging.blockBytes, let place = freeBlock(loader) else { return nil }
    memcpy(blocks[place].memory, source.baseAddress!, source.count)
    return (blocks[place].memory, place)
  }

  mutating func inUse(_ place: Int, until event: UInt) { blocks[place].event = event }

  /// The oldest block when its upload is over, else a new one, else the oldest after a wait.
  private mutating func freeBlock(_ loader: any DeviceLoader) -> Int? {
    let oldestIsDone = !blocks.isEmpty && blocks[next].event.map { loader.isDone($0) } ?? true
    if !oldestIsDone || blocks.isEmpty, blocks.count < DeviceStaging.blockLimit {
      guard let memory = loader.allocateStaging(DeviceStaging.blockBytes) else { return nil }
      blocks.insert(Block(memory: memory), at: next)
    }
    let place = next
    next = (next + 1) % blocks.count
    if let event = blocks[place].event {
      loader.retire(event)
      blocks[place].event = nil
    }
    return place
  }
}
