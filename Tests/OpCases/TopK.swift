// Top-k and ranks have no gradient: their reference is a full sort.
import AugurOps
import AugurTensors

/// Items by score, then index, without the seen ones.
public func referenceTopItems(_ h: [Float], _ table: [Float], seen: [Int32], D: Int, k: Int) -> [Int32] {
  let V = table.count / D
  let scores = (0..<V).map { v in (0..<D).reduce(0.0) { $0 + Double(h[$1]) * Double(table[v * D + $1]) } }
  let order = (0..<V).filter { !seen.contains(Int32($0)) }.sorted { (-scores[$0], $0) < (-scores[$1], $1) }
  return (order.map(Int32.init) + [Int32](repeating: -1, count: k)).prefix(k).map { $0 }
}

/// The items of every user as floats, and behind them the scores.
let topKCases: [OpCase] = [(1, 30, 1, 3), (5, 300, 20, 10), (3, 9000, 50, 100), (70, 4097, 64, 20)].map { B, V, D, k in
  let seen: [Int32] = [0, 7, 29]
  return OpCase("TopK", "\(k) of \(V)x\(D) for \(B)", [.init([B, D], .constant), .init([V, D], .constant)], tolerance: 3e-8) { x, _ in
    let best = topItems(x[0], x[1], seen: (0..<B).flatMap { _ in seen }, seenOffsets: (0...B).map { Int32($0 * seen.count) }, k: k)
    return Tensor(best.items.map(Float.init) + best.scores, shape: [2, B * k], device: x[0].device)
  } reference: { x in
    let table = x[1].map(Float.init)
    let items = (0..<B).map { b in referenceTopItems(x[0][b * D..<(b + 1) * D].map(Float.init), table, seen: seen, D: D, k: k) }
    let scores = (0..<B).flatMap { b in items[b].map { v in (0..<D).reduce(0.0) { $0 + x[0][b * D + $1] * x[1][Int(v) * D + $1] } } }
    return items.joined().map(Double.init) + scores
  }
}
