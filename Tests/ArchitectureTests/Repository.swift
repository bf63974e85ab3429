// The files of the repository, found from the place of this file.

import Foundation

/// The working tree as the architecture tests see it; paths are relative to its root.
struct Repository {
  let root: URL

  /// The repository that holds this source file.
  static let current = Repository(
    root: URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent())

  func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: root.appendingPathComponent(path).path) }

  /// Text of a file; nil when it is not UTF-8.
  func text(_ path: String) -> String? {
    try? String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
  }

  /// Names directly inside a folder, sorted; empty when there is none.
  func names(in folder: String) -> [String] {
    let names = try? FileManager.default.contentsOfDirectory(atPath: root.appendingPathComponent(folder).path)
    return (names ?? []).filter { !$0.hasPrefix(".") }.sorted()
  }

  /// Folders directly inside a folder, sorted.
  func folders(in folder: String) -> [String] { names(in: folder).filter { isFolder("\(folder)/\($0)") } }

  /// Every file below a folder, sorted; hidden files and build outputs are left out.
  func files(below folder: String, suffix: String = "") -> [String] {
    names(in: folder).flatMap { name -> [String] in
      let path = "\(folder)/\(name)"
      if isFolder(path) { return files(below: path, suffix: suffix) }
      return name.hasSuffix(suffix) ? [path] : []
    }
  }

  /// What git tracks, or would if it were added; nil without git or outside a checkout.
  func trackedFiles() -> [String]? {
    let git = Process()
    git.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    git.arguments = ["git", "-C", root.path, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    let output = Pipe()
    git.standardOutput = output
    git.standardError = FileHandle.nullDevice
    guard (try? git.run()) != nil else { return nil }
    let bytes = output.fileHandleForReading.readDataToEndOfFile()
    git.waitUntilExit()
    guard git.terminationStatus == 0 else { return nil }
    return bytes.split(separator: 0).compactMap { String(bytes: $0, encoding: .utf8) }.sorted()
  }

  private func isFolder(_ path: String) -> Bool {
    let values = try? root.appendingPathComponent(path).resourceValues(forKeys: [.isDirectoryKey])
    return values?.isDirectory ?? false
  }
}
