// Imports only point down: the layer table of the house, and a test that every `import` line keeps to it.

import Testing

/// What the Swift files of one target may import.
struct Layer {
  /// Modules of ours; nil stands for all of them.
  var modules: Set<String>?
  /// Modules of the system, the toolchain and packages.
  var system: Set<String> = []
}

/// The C library under its names on different systems, and the toolchain's modules without Foundation.
private let bare: Set<String> = ["Glibc", "Musl", "Darwin", "Synchronization"]
private let foundation = bare.union(["Foundation", "FoundationEssentials"])

/// The layer table. A change here is a change of the architecture: change the picture in README with it.
private let layers: [String: Layer] = [
  "AugurCompute": Layer(modules: ["COpenCL", "CKernels"], system: bare),
  "AugurTensors": Layer(modules: ["AugurCompute"], system: bare),
  "AugurOps": Layer(modules: ["AugurTensors", "AugurCompute", "CKernels"], system: bare),
  "AugurLayers": Layer(modules: ["AugurOps", "AugurTensors"], system: bare),
  "AugurModels": Layer(modules: ["AugurLayers", "AugurOps", "AugurTensors"], system: bare),
  "AugurMetrics": Layer(modules: []),
  "AugurEvents": Layer(modules: ["AugurTensors", "AugurCompute", "CKernels"], system: foundation),
  "AugurTraining": Layer(
    modules: ["AugurModels", "AugurLayers", "AugurOps", "AugurTensors", "AugurCompute", "AugurEvents", "AugurMetrics"],
    system: foundation),
  "AugurServing": Layer(
    modules: ["AugurModels", "AugurLayers", "AugurOps", "AugurTensors", "AugurEvents", "AugurMetrics"], system: foundation),
  "augur": Layer(modules: nil, system: foundation.union(["ArgumentParser"])),
]

/// Targets without Swift: headers and link flags of system libraries.
private let moduleMaps: Set<String> = ["COpenBLAS", "COpenCL"]

@Suite("Layers")
struct LayerTests {
  let repository = Repository.current

  @Test func everyTargetIsInTheTable() {
    for target in repository.folders(in: "Sources") {
      #expect(layers[target] != nil || moduleMaps.contains(target), "Sources/\(target) is not in the layer table")
    }
  }

  @Test(arguments: layers.keys.sorted())
  func importsPointDown(target: String) throws {
    let layer = try #require(layers[target])
    let ours = Set(layers.keys).union(moduleMaps).union(["CKernels", "OpCases"])
    for path in repository.files(below: "Sources/\(target)", suffix: ".swift") {
      let text = try #require(repository.text(path), "\(path) is not UTF-8")
      for (line, module) in importedModules(text) {
        let isAllowed = layer.system.contains(module) || (layer.modules ?? ours).contains(module)
        #expect(isAllowed, "\(path):\(line): \(target) may not import \(module)")
      }
    }
  }

  @Test func onlyMatmulCallsBLAS() throws {
    for path in repository.files(below: "Kernels") + repository.files(below: "Sources", suffix: ".swift") {
      guard path != "Kernels/Matmul/Matmul.c", let text = repository.text(path) else { continue }
      #expect(!text.contains("cblas"), "\(path) mentions cblas; only Kernels/Matmul/Matmul.c may")
    }
  }

  @Test func importLinesAreUnderstood() {
    let text = """
      // import Nothing
      import A
      public import B
        @testable import C
      import struct D.E
      @_spi(X) package import F.G // why
      import H; import I
      #if canImport(J)
      /* import K */ import L
      let text = "import M"
      importance(1)
      @_exported
      import N
      """
    #expect(importedModules(text).map(\.module) == ["A", "B", "C", "D", "F", "H", "I", "L", "N"])
    #expect(importedModules(text).map(\.line) == [2, 3, 4, 5, 6, 7, 7, 9, 13])
  }
}

/// Modules that a Swift file imports, each with its line number from 1.
func importedModules(_ text: String) -> [(line: Int, module: String)] {
  let kinds: Set<String> = ["typealias", "struct", "class", "enum", "protocol", "let", "var", "func", "actor"]
  let access: Set<String> = ["public", "package", "internal", "fileprivate", "private"]
  var found: [(line: Int, module: String)] = []
  for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
    // Code before a line comment, without block comments that open and close on the line.
    let code = String(line).replacing(/\/\*.*?\*\//, with: "").split(separator: "//", omittingEmptySubsequences: false)
    for statement in (code.first ?? "").split(separator: ";") {
      var words = statement.split(whereSeparator: \.isWhitespace).map(String.init)[...]
      while let word = words.first, word.hasPrefix("@") || access.contains(word) { words.removeFirst() }
      guard words.popFirst() == "import", var path = words.popFirst() else { continue }
      if kinds.contains(path), let next = words.popFirst() { path = next }
      found.append((index + 1, String(path.prefix { $0 != "." })))
    }
  }
  return found
}
