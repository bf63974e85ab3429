// Top-k and ranks have no gradient: their reference is a full sort.

/// Items by score, then index, without the seen ones.
public func referenceTopItems(_ h: [Float], _ table: [Float], seen: [Int32], D: Int, k: Int) -> [Int32] {
  let V = table.count / D
  let scores = (0..<V).map { v in (0..<D).reduce(0.0) { $0 + Double(h[$1]) * Double(table[v * D + $1]) } }
  let order = (0..<V).filter { !seen.contains(Int32($0)) }.sorted { (-scores[$0], $0) < (-scores[$1], $1) }
  return (order.map(Int32.init) + [Int32](repeating: -1, count: k)).prefix(k).map { $0 }
}
