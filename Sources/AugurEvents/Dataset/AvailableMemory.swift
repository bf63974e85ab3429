// How much memory the machine has free.
import Glibc

/// Bytes that can be taken without swapping: `MemAvailable` of Linux, or what is free.
func availableMemory() -> Int {
  if let file = fopen("/proc/meminfo", "r") {
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, 256, file) != nil {
      let text = line.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
      guard text.hasPrefix("MemAvailable:") else { continue }
      if let kibibytes = Int(text.split(separator: " ").dropFirst().first ?? "") { return kibibytes << 10 }
    }
  }
  return sysconf(Int32(_SC_AVPHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
}
