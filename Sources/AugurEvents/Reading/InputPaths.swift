// Which files `--input` names: paths, globs and `-` for standard input.
import Glibc

/// The files that `patterns` name, pattern by pattern; those of a glob (`*`, `?`, `[..]`) in byte order. A path that exists is itself,
/// whatever its characters. Throws on a pattern that matches nothing, what is not a file, and a file named twice, be it by a link.
package func expandInputs(_ patterns: [String]) throws(EventsError) -> [String] {
  struct Identity: Hashable { let device: UInt64, inode: UInt64 }
  var paths: [String] = []
  var namedBy: [Identity: String] = [:]
  for pattern in patterns {
    let found = try matches(pattern)
    for path in found {
      var identity = Identity(device: .max, inode: .max)  // of standard input
      if path != "-" {
        let status = try FileSource.status(of: path)
        identity = Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
      }
      if let earlier = namedBy.updateValue(path, forKey: identity) {
        let again = earlier == path ? "is named twice" : "is the same file as \(earlier)"
        throw EventsError(file: path == "-" ? "standard input" : path, problem: again, advice: "name each file once: its events would count twice")
      }
    }
    paths += found
  }
  return paths
}

private func matches(_ pattern: String) throws(EventsError) -> [String] {
  var status = stat()
  guard !pattern.isEmpty else { throw EventsError(file: "--input", problem: "an empty path", advice: "give the path of a log") }
  if pattern == "-" || lstat(pattern, &status) == 0 || !pattern.utf8.contains(where: "*?[".utf8.contains) { return [pattern] }
  var result = glob_t()
  let code = glob(pattern, GLOB_ERR | GLOB_NOSORT, nil, &result)
  defer { globfree(&result) }
  switch code {
  case 0: break
  case GLOB_NOMATCH: throw EventsError(file: pattern, problem: "no file matches the pattern", advice: "check the folder and the pattern")
  case GLOB_ABORTED: throw EventsError(file: pattern, problem: "a folder of the pattern cannot be read", advice: "check its rights")
  default: throw EventsError(file: pattern, problem: "the pattern cannot be expanded", advice: "name the files")
  }
  var paths: [String] = []
  for path in UnsafeBufferPointer(start: result.gl_pathv, count: Int(result.gl_pathc)) {
    guard let path, let text = String(validatingCString: path) else {
      throw EventsError(file: pattern, problem: "matches a file whose name is not UTF-8", advice: "rename it")
    }
    paths.append(text)
  }
  return paths.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
}
