// One op, one stem; no trace of the machine that built it; and a list of what has grown large.

import Testing

@Suite("Tree")
struct TreeTests {
  let repository = Repository.current

  /// Folders of `Kernels/` that are not ops.
  static let supportFolders: Set<String> = ["include", "Common", "PTX", "Rows"]

  @Test func everyOpHasItsStem() throws {
    try #require(repository.exists("Sources/AugurOps"), "the repository root is not where it was expected")
    for op in repository.folders(in: "Kernels") where !Self.supportFolders.contains(op) {
      // Git keeps no empty folder.
      guard !repository.names(in: "Kernels/\(op)").isEmpty else { continue }
      for path in ["Sources/AugurOps/\(op).swift", "Tests/OpCases/\(op).swift", "Kernels/\(op)/\(op).c"] {
        #expect(repository.exists(path), "Kernels/\(op)/ is an op, but there is no \(path)")
      }
    }
  }

  @Test func noFileNamesAMachine() {
    // Written in parts: this file is read too.
    let places = ["work/", "opt/swift"].map { "/" + $0 }
    let folders = ["Kernels", "Sources", "Tests", "Benchmarks"]
    let files = repository.trackedFiles() ?? folders.flatMap { repository.files(below: $0) }
    #expect(!files.isEmpty)
    for path in files {
      guard let text = repository.text(path) else { continue }
      for place in places {
        for line in linesNaming(place, in: text) {
          Issue.record("\(path):\(line): names the place \(place) of one machine")
        }
      }
    }
  }

  @Test func placesAreFoundAsWholePaths() {
    let place = "/" + "work" + "/"
    #expect(linesNaming(place, in: "a\ncd \(place)main\n\"\(place)x\"\npath=\(place)") == [2, 3, 4])
    #expect(linesNaming(place, in: "https://example.org\(place)x and net\(place)y and ..\(place)") == [])
  }

  /// Prints what is longer than the guide of the house; growth is a decision, so this never fails.
  @Test func outliersArePrinted() {
    let files = ["Sources", "Kernels", "Tests"].flatMap { repository.files(below: $0) }
    var outliers: [String] = []
    for path in files {
      let isSwift = path.hasSuffix(".swift")
      let isSource = isSwift || [".c", ".h", ".cl"].contains { path.hasSuffix($0) }
      guard isSource, let text = repository.text(path) else { continue }
      let lineCount = text.split(separator: "\n", omittingEmptySubsequences: false).count - 1
      if lineCount > 400 { outliers.append("\(path): \(lineCount) lines, the guide is 400") }
      guard isSwift else { continue }
      for function in longFunctions(text, limit: 60) {
        outliers.append("\(path):\(function.line): \(function.name) has \(function.length) lines, the guide is 60")
      }
    }
    for outlier in outliers { print("warning: \(outlier)") }
  }

  @Test func longFunctionsAreFound() {
    let body = String(repeating: "    work()\n", count: 5)
    let text = "struct S {\n  func short() {\n  }\n  public init<T>(\n    x: T\n  ) {\n\(body)  }\n}\n"
    let found = longFunctions(text, limit: 5)
    #expect(found.map(\.name) == ["init"])
    #expect(found.map(\.line) == [4])
    #expect(found.map(\.length) == [9])
    #expect(longFunctions(text, limit: 9).isEmpty)
  }
}

/// Numbers of the lines where an absolute path begins with `place`.
func linesNaming(_ place: String, in text: String) -> [Int] {
  // The usual file names no place: one search over its bytes decides.
  guard text.contains(place) else { return [] }
  return text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().compactMap { index, line in
    let namesIt = line.ranges(of: place).contains { range in
      guard range.lowerBound > line.startIndex else { return true }
      let before = line[line.index(before: range.lowerBound)]
      return !(before.isLetter || before.isNumber || "._-/})>~*".contains(before))
    }
    return namesIt ? index + 1 : nil
  }
}

/// Functions and initialisers of more than `limit` lines: from the `func` line to the closing brace in its column.
func longFunctions(_ text: String, limit: Int) -> [(line: Int, name: String, length: Int)] {
  let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
  var found: [(line: Int, name: String, length: Int)] = []
  for (start, line) in lines.enumerated() {
    let indent = line.prefix { $0 == " " }
    let declaration = /^ *(?:@?[a-z]+(?:\([^)]*\))? )*(?:func +([^ (<]+)|(init)[?<(])/
    guard let match = line.firstMatch(of: declaration) else { continue }
    let end = lines[(start + 1)...].firstIndex { $0.hasPrefix(indent + "}") && $0.prefix { $0 == " " } == indent }
    // A function on one line ends before anything at its own level follows.
    guard let end, !lines[start].hasSuffix("}") else { continue }
    let length = end - start + 1
    if length > limit { found.append((start + 1, String(match.1 ?? match.2 ?? ""), length)) }
  }
  return found
}
