// What happens when a device fails in the middle of work that cannot throw.
import Glibc

/// The end of a process whose device failed under it.
public enum DeviceFailure {
  private static let handler = Guarded<@Sendable (ComputeError) -> Never>(leave)

  /// What is done instead of the line on stderr and exit code 1: a host that embeds the engine may want its own last words.
  public static func handle(by own: @escaping @Sendable (ComputeError) -> Never) { handler.withLock { $0 = own } }

  /// Ops do not throw, and what a lost device held is gone: nothing can go on. Files are whole, so a run's last checkpoint is good.
  static func end(_ error: ComputeError) -> Never {
    let last = handler.withLock { $0 }
    last(error)
  }

  /// One line on stderr.
  package static func say(_ text: String) {
    let line = Array("augur: \(text)\n".utf8)
    _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }

  @Sendable private static func leave(_ error: ComputeError) -> Never {
    say("\(error)")
    // No cleaning up: the driver's own may hang on a lost device.
    _exit(1)
  }
}
