// A folder for the length of a command, which is gone whatever ends it.
import Foundation
import Synchronization

/// Where a signal is told of, and the folder that it leaves.
private let alarm = Atomic<Int32>(-1)
private let folderInUse = Mutex<String?>(nil)
/// What ends a command from outside. Ctrl-C in training is the trainer's while it runs.
private let endings = [SIGINT, SIGTERM, SIGHUP]

/// Calls `body` with a new folder `augur-NAME-PID` below $TMPDIR, which goes when it returns, throws, or is ended by a signal. What commands that
/// were killed outright have left there goes too.
func withTemporaryFolder<Result>(_ name: String, _ body: (String) throws -> Result) throws -> Result {
  let (parent, prefix) = (NSTemporaryDirectory(), "augur-\(name)-")
  sweep(parent, prefix)
  let folder = "\(parent)/\(prefix)\(getpid())"
  do { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) } catch {
    throw UserMistake("\(folder): cannot be created; set TMPDIR to a folder with room")
  }
  folderInUse.withLock { $0 = folder }
  listen()
  defer {
    folderInUse.withLock { folder in
      if let path = folder { try? FileManager.default.removeItem(atPath: path) }
      folder = nil
    }
  }
  return try body(folder)
}

private func sweep(_ parent: String, _ prefix: String) {
  for entry in (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? [] where entry.hasPrefix(prefix) {
    guard let owner = pid_t(entry.dropFirst(prefix.count)), owner > 0, kill(owner, 0) != 0, errno == ESRCH else { continue }
    try? FileManager.default.removeItem(atPath: "\(parent)/\(entry)")
  }
}

/// A handler may only write to a pipe; a thread that reads it removes the folder and ends the command. Both stay when the folder has gone.
private func listen() {
  if alarm.load(ordering: .relaxed) < 0 {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { return }
    let reading = ends[0]
    alarm.store(ends[1], ordering: .relaxed)
    Thread.detachNewThread {
      var number: UInt8 = 0
      while read(reading, &number, 1) != 1 {}
      folderInUse.withLock { folder in
        // Whoever writes there now finds no folder, or makes a last file in it.
        while let path = folder, (try? FileManager.default.removeItem(atPath: path)) == nil, FileManager.default.fileExists(atPath: path) {}
        _exit(128 + Int32(number))
      }
    }
  }
  for ending in endings {
    let before = signal(ending) { number in
      var byte = UInt8(truncatingIfNeeded: number)
      write(alarm.load(ordering: .relaxed), &byte, 1)
    }
    // As nohup asks, and a shell for what it runs in the background.
    if unsafeBitCast(before, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self) { signal(ending, SIG_IGN) }
  }
}
