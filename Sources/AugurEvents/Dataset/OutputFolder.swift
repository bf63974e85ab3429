// The folder of a data set: it appears complete or not at all.
import AugurTensors
import Glibc

/// The folder of a data set, replaced as a whole.
struct OutputFolder {
  let path: String
  private let temporary: String
  /// What a data set of either kind may hold.
  private static func mayHold(_ name: some StringProtocol) -> Bool {
    DatasetDescription.isFileName(name) || TableDescription.files.contains { $0 == name }
  }
  private var parent: String {
    path.utf8.lastIndex(of: 0x2f).map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
  }

  /// Throws unless the path is free, an empty folder or a data set.
  init(_ output: String) throws(EventsError) {
    var trimmed = Substring(output)
    while trimmed.count > 1, trimmed.hasSuffix("/") { trimmed.removeLast() }
    path = String(trimmed)
    temporary = "\(path).tmp-\(getpid())"
    var status = stat()
    guard !path.isEmpty, lstat(path, &status) == 0 else { return }
    func refuse(_ problem: String) -> EventsError {
      EventsError(file: output, problem: problem, advice: "choose another output folder")
    }
    guard status.st_mode & S_IFMT == S_IFDIR else { throw refuse("exists and is not a folder") }
    let entries = Self.entries(path)
    if let stranger = entries.first(where: { !Self.mayHold($0) }) {
      throw refuse("exists and holds '\(stranger)', not only a data set")
    }
    if !entries.isEmpty, !entries.contains(DatasetDescription.fileName) { throw refuse("exists and is not a data set") }
    guard !entries.isEmpty else { return }
    // Of any version: what an earlier program wrote is replaced too.
    guard [DatasetDescription.formatName, TableDescription.formatName].contains(try DescriptionFile(path).format) else {
      throw refuse("exists and is not a data set")
    }
  }

  func makeTemporary() throws(EventsError) -> String {
    sweep()
    Self.remove(temporary)
    guard mkdir(temporary, 0o755) == 0 else {
      throw EventsError(
        file: path, problem: "cannot make a folder there: \(errorText(errno))",
        advice: "check the parent folder and its rights")
    }
    return temporary
  }

  /// Moves the temporary folder to its name. An earlier data set steps aside first (Swift cannot call `renameat2`): the
  /// name is
  /// free for a moment, but never half a data set.
  func publish() throws(EventsError) {
    let old = "\(path).old-\(getpid())"
    if rename(temporary, path) != 0 {
      let steppedAside = (errno == ENOTEMPTY || errno == EEXIST) && rename(path, old) == 0
      guard steppedAside, rename(temporary, path) == 0 else {
        let code = errno
        if steppedAside { rename(old, path) }
        throw EventsError(
          file: path, problem: "cannot rename into place: \(errorText(code))", advice: "check its rights")
      }
      Self.remove(old)
    }
    guard syncDirectory(parent) else {
      throw EventsError(file: path, problem: "written, but its folder cannot be made durable", advice: "check the disk")
    }
  }

  /// Removes what runs that were killed left beside the output. A data set that had stepped aside for one that never came steps back.
  private func sweep() {
    let name = String(path.split(separator: "/").last ?? "")
    for entry in Self.entries(parent) {
      for mark in [".tmp-", ".old-"] where entry.hasPrefix(name + mark) {
        let owner = pid_t(entry.dropFirst(name.count + mark.count)) ?? 0
        guard owner > 0, kill(owner, 0) != 0, errno == ESRCH else { continue }
        var status = stat()
        if mark == ".old-", lstat(path, &status) != 0, errno == ENOENT, rename("\(parent)/\(entry)", path) == 0 { continue }
        Self.remove("\(parent)/\(entry)")
      }
    }
  }

  private static func entries(_ folder: String) -> [String] {
    guard let listing = opendir(folder) else { return [] }
    defer { closedir(listing) }
    var names: [String] = []
    while let entry = readdir(listing) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  private static func finalName(_ name: String) -> Substring {
    guard name.hasPrefix(".") else { return name[...] }
    let parts = name.dropFirst().split(separator: ".tmp-", maxSplits: 1)
    return parts.first ?? ""
  }

  /// The same file under another folder, at no cost where the disk can link it.
  static func share(_ name: String, from: String, to: String) throws(EventsError) {
    if link("\(from)/\(name)", "\(to)/\(name)") == 0 { return }
    do throws(SafetensorsError) {
      var copy = try DurableFile(path: "\(to)/\(name)")
      try copy.write(try MappedFile(path: "\(from)/\(name)").bytes)
      try copy.commit()
    } catch { throw EventsError(error) }
  }

  static func removeFile(_ path: String) { unlink(path) }

  /// Removes the files of a data set, whole or half-written, and then the folder, nothing else.
  static func remove(_ folder: String) {
    for name in entries(folder) {
      // Files that are being written are called `.name.tmp-...`.
      let finished = finalName(name)
      if name.hasSuffix(".part") || mayHold(finished) { unlink("\(folder)/\(name)") }
    }
    rmdir(folder)
  }
}
