// Memory of one tensor: taken from the arena of its device, given back in deinit.
import Glibc

/// Shared ownership of one block of memory on one device.
public final class Storage: @unchecked Sendable {
  package enum Memory: @unchecked Sendable {
    case host(UnsafeMutableRawPointer)
    case device(DeviceBuffer)
  }

  public let device: Device
  package let memory: Memory
  private unowned(unsafe) let arena: Arena  // lives as long as the process
  private let blockBytes: Int  // 0: not of the arena

  /// A block of at least `bytes` bytes; contents undefined. Out of memory ends the process and says what was asked.
  package init(bytes: Int, device: Device) {
    self.device = device
    self.arena = Arena.of(device)
    self.blockBytes = Arena.blockBytes(bytes)
    self.memory = arena.take(blockBytes)
  }

  /// Memory of the host that kernels of `device` reach over the bus, for what the device cannot hold. No arena keeps it.
  package init(outside bytes: Int, of device: Device) {
    guard case .gpu(let queue) = device else { preconditionFailure("storage: expected a GPU to be outside of, got \(device)") }
    (self.device, arena, blockBytes) = (device, Arena.of(device), 0)
    do throws(ComputeError) { memory = .device(try queue.allocateOutside(bytes: bytes)) } catch { DeviceFailure.end(error) }
  }

  deinit { if blockBytes > 0 { arena.give(memory, blockBytes) } }

  /// Whether it is memory of the host beside a GPU.
  package var isOutside: Bool { if case .device(let buffer) = memory { buffer.isOutside } else { false } }

  package var host: UnsafeMutableRawPointer {
    guard case .host(let pointer) = memory else { preconditionFailure("storage: expected memory of the cpu, got \(device)") }
    return pointer
  }

  package var buffer: DeviceBuffer {
    guard case .device(let buffer) = memory else { preconditionFailure("storage: expected memory of a GPU, got cpu") }
    return buffer
  }
}

/// Recycles blocks of one device by size class, so that a step that repeats the sizes of an earlier one allocates nothing.
///
/// Classes are quarter steps between powers of two: at most 25 % is unused.
package final class Arena: Sendable {
  private struct State {
    var free: [[Storage.Memory]] = Array(repeating: [], count: 4 * 48)  // by `sizeClass`
    var allocations = 0
    var bytes = 0
    var bytesInUse = 0
    var peakBytes = 0

    mutating func use(_ bytes: Int) {
      bytesInUse += bytes
      peakBytes = max(peakBytes, bytesInUse)
    }
  }
  private let state = Guarded(State())
  private let device: Device

  private init(_ device: Device) { self.device = device }

  private static let cpu = Arena(.cpu)
  private static let others = Guarded<[ObjectIdentifier: Arena]>([:])

  package static func of(_ device: Device) -> Arena {
    switch device {
    case .cpu: cpu
    case .gpu(let queue):
      others.withLock { table in
        if let arena = table[ObjectIdentifier(queue)] { return arena }
        let arena = Arena(device)
        table[ObjectIdentifier(queue)] = arena
        return arena
      }
    }
  }

  /// Blocks that were ever asked of the system; a steady step leaves it unchanged.
  package var allocations: Int { state.withLock { $0.allocations } }
  /// Bytes held, in use or free.
  package var bytes: Int { state.withLock { $0.bytes } }
  package var bytesInUse: Int { state.withLock { $0.bytesInUse } }

  /// The most bytes in use at once while `body` ran, beyond those in use before it.
  package func peakBytes(of body: () -> Void) -> Int {
    let before = state.withLock { state in
      state.peakBytes = state.bytesInUse
      return state.bytesInUse
    }
    body()
    return state.withLock { $0.peakBytes } - before
  }

  package static func blockBytes(_ bytes: Int) -> Int {
    precondition(bytes >= 0 && bytes <= 1 << 46, "arena: expected 0...2^46 bytes, got \(bytes)")
    let least = max(bytes, 256)
    let power = 1 << (Int.bitWidth - 1 - (least - 1).leadingZeroBitCount)  // largest power of two below `least`
    let step = max(power / 4, 64)
    return (least + step - 1) / step * step
  }

  /// Number of the class of blocks of `bytes` bytes, as `blockBytes` gives them.
  private static func sizeClass(_ bytes: Int) -> Int {
    let exponent = Int.bitWidth - 1 - (bytes - 1).leadingZeroBitCount
    return 4 * exponent + (bytes - 1) >> (exponent - 2) & 3
  }

  func take(_ bytes: Int) -> Storage.Memory {
    let recycled: Storage.Memory? = state.withLock { state in
      state.use(bytes)
      return state.free[Arena.sizeClass(bytes)].popLast()
    }
    if let recycled { return recycled }
    state.withLock {
      $0.allocations += 1
      $0.bytes += bytes
    }
    if let fresh = allocate(bytes) { return fresh }
    giveBackIdle()
    guard let fresh = allocate(bytes) else { DeviceFailure.end(.outOfDeviceMemory(bytes: bytes, device: "\(device)")) }
    return fresh
  }

  private func allocate(_ bytes: Int) -> Storage.Memory? {
    switch device {
    case .cpu:
      var pointer: UnsafeMutableRawPointer?
      let alignment = bytes >= 1 << 21 ? 1 << 21 : 64
      guard posix_memalign(&pointer, alignment, bytes) == 0, let pointer else { return nil }
      if alignment > 64 { madvise(pointer, bytes, MADV_HUGEPAGE) }
      return .host(pointer)
    case .gpu(let queue): return (try? queue.allocate(bytes: bytes)).map { .device($0) }
    }
  }

  /// Gives every block that is not in use back to the system: sizes change, and blocks of other sizes may be what is in the way.
  package func giveBackIdle() {
    let idle = state.withLock { state in
      let idle = state.free
      state.free = Array(repeating: [], count: idle.count)
      state.bytes = state.bytesInUse
      return idle
    }
    for case .host(let pointer) in idle.joined() { free(pointer) }
  }

  func give(_ memory: Storage.Memory, _ bytes: Int) {
    state.withLock { state in
      state.bytesInUse -= bytes
      state.free[Arena.sizeClass(bytes)].append(memory)
    }
  }
}
