// How much memory a device has left, so that work that cannot fit is refused before it starts, and how much the process took.
import Glibc

extension Device {
  /// Bytes that new work may take: what the system has left and what the arena holds unused.
  package var freeMemoryBytes: Int {
    let arena = Arena.of(self)
    let idle = arena.bytes - arena.bytesInUse
    return switch self {
    case .cpu: systemFreeBytes() + idle
    case .gpu(let queue):
      min(
        queue.freeBytes ?? (queue.isCPU ? min(queue.memoryBytes, systemFreeBytes()) : queue.memoryBytes - arena.bytes),
        max(0, Device.most - arena.bytes)) + idle
    }
  }

  /// What `AUGUR_DEVICE_MIB` leaves this process of a device that it shares; all of it without.
  private static var most: Int { getenv("AUGUR_DEVICE_MIB").flatMap { Int(String(cString: $0)) }.map { min(max($0, 0), 1 << 40) << 20 } ?? .max }
}

/// Memory of this process as the system sees it: arena, heap and mapped pages of files.
package enum ResidentMemory {
  package static var bytes: Int { field("VmRSS:") }
  /// The most since the process began, or since `resetPeak`.
  package static var peakBytes: Int { field("VmHWM:") }

  /// Starts a new peak at what is resident now; where the system does not allow it, the old one goes on.
  package static func resetPeak() {
    let file = open("/proc/self/clear_refs", O_WRONLY)
    guard file >= 0 else { return }
    _ = write(file, "5", 1)
    close(file)
  }

  private static func field(_ name: String) -> Int {
    for line in text("/proc/self/status").split(separator: "\n") where line.hasPrefix(name) {
      return (line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Int($0) } ?? 0) << 10
    }
    return 0
  }
}

/// Asks for pages of 2 MiB for memory that is not touched yet: a fault for each of them, not for each 4 KiB.
package func adviseLargePages(_ memory: UnsafeMutableRawBufferPointer) {
  guard let base = memory.baseAddress, memory.count >= 4 << 20 else { return }
  let start = (UInt(bitPattern: base) + 4095) & ~4095
  let length = (UInt(bitPattern: base) + UInt(memory.count) - start) & ~4095
  madvise(UnsafeMutableRawPointer(bitPattern: start), Int(length), MADV_HUGEPAGE)
}

/// MemAvailable, or what the control group has left where that is less.
package func systemFreeBytes() -> Int {
  var free = Int.max
  for line in text("/proc/meminfo").split(separator: "\n") where line.hasPrefix("MemAvailable:") {
    if let kibibytes = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) { free = kibibytes << 10 }
  }
  let group = ["memory.max", "memory.current"].map { number("/sys/fs/cgroup/\($0)") }
  if let limit = group[0], let used = group[1] { free = min(free, max(0, limit - used)) }
  return free
}

private func number(_ path: String) -> Int? { text(path).split(separator: "\n").first.flatMap { Int($0) } }

/// The first 4 KiB of a file; empty where it cannot be read.
private func text(_ path: String) -> String {
  let file = open(path, O_RDONLY)
  guard file >= 0 else { return "" }
  defer { close(file) }
  let bytes = [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
    count = max(0, read(file, buffer.baseAddress, 4096))
  }
  return String(decoding: bytes, as: UTF8.self)
}
