// Trees on disk: the columns of all nodes side by side, and the bins of the inputs.
public import AugurTensors

extension TreeEnsemble {
  /// The tensors of a file; `base` is one of them.
  public var tensors: [SafetensorsTensor] {
    let nodes = trees.flatMap(\.nodes)
    let sets = trees.flatMap(\.sets)
    let (edges, categories) = (features.map(\.edges), features.map(\.categoryBins))
    return [
      SafetensorsTensor("base", shape: [1], values: [base]),
      SafetensorsTensor("trees.nodes", shape: [trees.count], values: trees.map { Int32($0.nodes.count) }),
      SafetensorsTensor("trees.sets", shape: [trees.count], values: trees.map { Int32($0.sets.count) }),
      SafetensorsTensor("nodes.feature", shape: [nodes.count], values: nodes.map(\.feature)),
      SafetensorsTensor("nodes.threshold", shape: [nodes.count], values: nodes.map(\.threshold)),
      SafetensorsTensor("nodes.children", shape: [nodes.count, 2], values: nodes.flatMap { [$0.left, $0.right] }),
      SafetensorsTensor("nodes.value", shape: [nodes.count], values: nodes.map(\.value)),
      SafetensorsTensor(
        "nodes.kind", shape: [nodes.count], values: nodes.map { UInt8($0.isCategory ? 2 : $0.missingLeft ? 1 : 0) }),
      SafetensorsTensor(
        "sets", shape: [sets.count, 4], values: sets.flatMap { set in (0..<4).map { Int64(bitPattern: set[$0]) } }),
      SafetensorsTensor("features.source", shape: [features.count, 3], values: features.flatMap(\.source.code)),
      SafetensorsTensor("features.edges", shape: [edges.joined().count], values: Array(edges.joined())),
      SafetensorsTensor("features.edge-counts", shape: [features.count], values: edges.map { Int32($0.count) }),
      SafetensorsTensor("features.categories", shape: [categories.joined().count], values: Array(categories.joined())),
      SafetensorsTensor("features.category-counts", shape: [features.count], values: categories.map { Int32($0.count) }),
    ]
  }

  /// Reads what `tensors` gave; refuses what could lead out of bounds for rows of `shape`.
  ///
  /// - Parameter isList: for each field, whether a row has a list of ids.
  public init(_ file: SafetensorsFile, _ shape: TableShape, isList: [Bool]) throws(ModelError) {
    precondition(isList.count == shape.fieldSizes.count, "TreeEnsemble: expected a flag a field, got \(isList.count)")
    do throws(SafetensorsError) {
      let base = try file.array("base", as: Float.self)
      features = []
      self.base = base.first ?? .nan
      try readFeatures(file)
      try readTrees(file)
    } catch { throw .damagedFile(path: error.path, problem: error.problem) }
    guard base.isFinite, features.allSatisfy({ $0.fits(shape, isList) }), trees.allSatisfy({ $0.isSound(features) }) else {
      throw .damagedFile(path: file.path, problem: "its trees do not fit together")
    }
  }

  private mutating func readFeatures(_ file: SafetensorsFile) throws(SafetensorsError) {
    let sources = try file.array("features.source", as: Int32.self)
    var edges = try file.array("features.edges", as: Float.self)[...]
    var categories = try file.array("features.categories", as: UInt8.self)[...]
    let edgeCounts = try file.array("features.edge-counts", as: Int32.self)
    let categoryCounts = try file.array("features.category-counts", as: Int32.self)
    guard sources.count == 3 * edgeCounts.count, categoryCounts.count == edgeCounts.count else { throw Self.damaged(file) }
    for place in edgeCounts.indices {
      let (own, bins) = (
        try Self.take(edgeCounts[place], of: &edges, file), try Self.take(categoryCounts[place], of: &categories, file)
      )
      guard let source = FeatureBins.Source(code: sources[3 * place..<3 * place + 3]) else { throw Self.damaged(file) }
      features.append(bins.isEmpty ? .number(source, edges: own) : .category(source, bins: bins))
    }
  }

  private mutating func readTrees(_ file: SafetensorsFile) throws(SafetensorsError) {
    let counts = try file.array("trees.nodes", as: Int32.self)
    let setCounts = try file.array("trees.sets", as: Int32.self)
    let (feature, threshold) = (
      try file.array("nodes.feature", as: Int32.self), try file.array("nodes.threshold", as: Int32.self)
    )
    let (children, value) = (try file.array("nodes.children", as: Int32.self), try file.array("nodes.value", as: Float.self))
    let (kind, words) = (try file.array("nodes.kind", as: UInt8.self), try file.array("sets", as: Int64.self))
    let n = feature.count
    guard threshold.count == n, children.count == 2 * n, value.count == n, kind.count == n, setCounts.count == counts.count,
      words.count % 4 == 0
    else { throw Self.damaged(file) }
    var nodes = (0..<n).map { i in
      DecisionTree.Node(
        feature: feature[i], threshold: threshold[i], left: children[2 * i], right: children[2 * i + 1], value: value[i],
        isCategory: kind[i] == 2, missingLeft: kind[i] == 1)
    }[...]
    var sets = (0..<words.count / 4).map { i in
      SIMD4<UInt64>((0..<4).map { UInt64(bitPattern: words[4 * i + $0]) })
    }[...]
    for place in counts.indices {
      trees.append(
        DecisionTree(
          nodes: try Self.take(counts[place], of: &nodes, file), sets: try Self.take(setCounts[place], of: &sets, file)))
    }
  }

  private static func take<Element>(_ count: Int32, of rest: inout ArraySlice<Element>, _ file: SafetensorsFile)
    throws(SafetensorsError) -> [Element]
  {
    guard count >= 0, count <= rest.count else { throw damaged(file) }
    defer { rest = rest.dropFirst(Int(count)) }
    return Array(rest.prefix(Int(count)))
  }

  private static func damaged(_ file: SafetensorsFile) -> SafetensorsError {
    SafetensorsError(path: file.path, kind: .damaged, problem: "its trees do not fit together")
  }
}

extension DecisionTree {
  /// Whether every walk ends: children lie behind their parents and all that nodes name exists.
  fileprivate func isSound(_ features: [FeatureBins]) -> Bool {
    !nodes.isEmpty
      && nodes.indices.allSatisfy { place in
        let node = nodes[place]
        guard node.feature >= 0 else { return node.feature == -1 && node.value.isFinite }
        guard node.feature < features.count, node.isCategory == features[Int(node.feature)].isCategory else { return false }
        let behind = Int32(place + 1)..<Int32(max(place + 1, nodes.count))
        guard behind.contains(node.left), behind.contains(node.right) else { return false }
        return node.threshold >= 0 && (!node.isCategory || Int(node.threshold) < sets.count)
      }
  }
}

extension FeatureBins {
  fileprivate var edges: [Float] { if case .number(_, let edges) = self { edges } else { [] } }
  fileprivate var categoryBins: [UInt8] { if case .category(_, let bins) = self { bins } else { [] } }

  fileprivate func fits(_ shape: TableShape, _ isList: [Bool]) -> Bool {
    func isNumber(_ place: Int) -> Bool { (0..<shape.numberCount).contains(place) }
    func isField(_ place: Int, list: Bool) -> Bool { isList.indices.contains(place) && isList[place] == list }
    if case .number(_, let edges) = self {
      guard edges.count <= Self.largest - 2, zip(edges, edges.dropFirst()).allSatisfy({ $0 < $1 }), edges.allSatisfy(\.isFinite)
      else { return false }
    }
    switch (self, source) {
    case (.number, .number(let place, let missing)): return isNumber(place) && missing.map(isNumber) ?? true
    case (.category(_, let bins), .field(let place)): return isField(place, list: false) && bins.count == shape.fieldSizes[place]
    case (.number, .member(let place, _)), (.number, .length(let place)): return isField(place, list: true)
    default: return false
    }
  }
}

extension FeatureBins.Source {
  fileprivate var code: [Int32] {
    switch self {
    case .number(let place, let missing): [0, Int32(place), Int32(missing ?? -1)]
    case .field(let place): [1, Int32(place), -1]
    case .member(let place, let id): [2, Int32(place), id]
    case .length(let place): [3, Int32(place), -1]
    }
  }

  fileprivate init?(code: ArraySlice<Int32>) {
    let (kind, place, other) = (code[code.startIndex], Int(code[code.startIndex + 1]), code[code.startIndex + 2])
    switch kind {
    case 0: self = .number(place, missing: other < 0 ? nil : Int(other))
    case 1: self = .field(place)
    case 2: self = .member(place, id: other)
    case 3: self = .length(place)
    default: return nil
    }
  }
}
